# SPDX-License-Identifier: Apache-2.0
"""Clients that dawdle hold a connection for a while, and nobody else up."""
import contextlib
import socket
import time

import pytest

MANY = 150


@pytest.fixture
def slow(gateway):
    """Opens a connection that sends what is given and then only a byte now and then."""
    with contextlib.ExitStack() as closing:
        def begin(data):
            s = gateway.trust.wrap_socket(socket.create_connection(("127.0.0.1", gateway.port), timeout=30), server_hostname="127.0.0.1")
            closing.callback(s.close)
            s.sendall(data)
            return s

        yield begin


def ended_after(connection, began, drip):
    """How long the server put up with it, and what it said."""
    said = b""
    connection.settimeout(1)
    while time.monotonic() - began < 40:
        try:
            chunk = connection.recv(65536)
            if not chunk:
                break
            said += chunk
        except TimeoutError:
            with contextlib.suppress(OSError):
                connection.sendall(drip)
        except OSError:
            break
    return time.monotonic() - began, said


def test_a_head_that_drips_is_cut_and_hinders_nobody(gateway, tokens, slow):
    began = time.monotonic()
    connections = [slow(b"GET /api/bots HTTP/1.1\r\nHost: a\r\n") for _ in range(MANY)]
    answer_began = time.monotonic()
    assert gateway.client(tokens["viewer"]).get("/api/bots").status_code == 200
    assert gateway.client().post("/api/auth/login", json={"username": "nobody", "password": "x"}).status_code == 401
    assert time.monotonic() - answer_began < 2
    seconds, said = ended_after(connections[0], began, b"X-A: b\r\n")
    assert 10 < seconds < 20, seconds
    assert b"200 OK" not in said


def test_bodies_that_do_not_come_reach_neither_backend_nor_control(gateway, tokens, slow):
    gateway.backend.forget()
    guarded = f"POST /api/bots/bot-1/start HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {tokens['trader']}\r\nContent-Length: 100\r\n\r\n{{".encode()
    signing_in = b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    began = time.monotonic()
    # More than control's connections: it must see none of these before their body is whole.
    connections = [slow(head) for head in (guarded, signing_in) for _ in range(MANY * 2)]
    answer_began = time.monotonic()
    assert gateway.login(gateway.users["viewer"])
    assert gateway.client(tokens["trader"]).get("/api/bots").status_code == 200
    assert time.monotonic() - answer_began < 3
    seconds, said = ended_after(connections[0], began, b"")
    assert 10 < seconds < 20 and b"200 OK" not in said, (seconds, said)
    assert [r["path"] for r in gateway.backend.received()] == ["/api/bots"]


def test_who_does_not_read_keeps_no_worker(gateway, tokens, slow):
    ask = f"GET /api/bots HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {tokens['viewer']}\r\n\r\n".encode()
    for _ in range(20):
        slow(ask * 50)  # pipelined, answers unread
    began = time.monotonic()
    assert gateway.client(tokens["viewer"]).get("/api/bots").status_code == 200
    assert time.monotonic() - began < 3
