# SPDX-License-Identifier: Apache-2.0
"""Clients that dawdle, or send more or other than anybody needs: they hold a connection for a while, and nobody else up."""
import contextlib
import json
import select
import socket
import time

import pytest
from conftest import until
from test_audit import search
from test_http2 import resident_mib
from test_metrics import values

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
    assert time.monotonic() - answer_began < 9  # none of them was cut yet
    seconds, said = ended_after(connections[0], began, b"X-A: b\r\n")
    assert 10 < seconds < 35, seconds
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
    assert time.monotonic() - answer_began < 9
    seconds, said = ended_after(connections[0], began, b"")
    assert 10 < seconds < 35 and b"200 OK" not in said, (seconds, said)
    assert [r["path"] for r in gateway.backend.received()] == ["/api/bots"]


def test_who_does_not_read_keeps_no_worker(gateway, tokens, slow):
    ask = f"GET /api/bots HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {tokens['viewer']}\r\n\r\n".encode()
    for _ in range(20):
        slow(ask * 50)  # pipelined, answers unread
    began = time.monotonic()
    assert gateway.client(tokens["viewer"]).get("/api/bots").status_code == 200
    assert time.monotonic() - began < 15


# ---- connections of one address ----

OTHER = "127.0.0.2"  # on no list


@pytest.fixture(scope="module")
def capped():
    """One worker, 20 connections an address, but for 127.0.0.1; bodies have two seconds."""
    from conftest import Gateway
    with contextlib.closing(Gateway(start=False, workers=1, more="connections: {per_address: 20}\nbody.time: 2s\n")) as g:
        settings = g.home / "gateway.yaml"
        settings.write_text(settings.read_text().replace("127.0.0.0/8", "127.0.0.1/32"))
        g.start()
        yield g


def alive(connections, seconds=0.5):
    """Those that the server has not ended."""
    time_out = time.monotonic() + seconds
    while time.monotonic() < time_out:
        readable, _, _ = select.select(connections, [], [], 0.05)
        connections = [c for c in connections if c not in readable or not ended(c)]
    return connections


def ended(connection):
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def test_an_address_has_so_many_connections_and_no_more(capped):
    """Such as never say a byte, too; others are served meanwhile, and who closes some gets others."""
    reader = capped.signed_in(capped.users["admin"])
    refused = 'aaiti_connections_total{admission="refused"}'
    before = values(reader)[refused]
    with contextlib.ExitStack() as closing:
        def connect():
            s = socket.create_connection(("127.0.0.1", capped.port), timeout=10, source_address=(OTHER, 0))
            closing.callback(s.close)
            return s

        connections = [connect() for _ in range(50)]
        held = until(lambda: len(left := alive(connections)) == 20 and left, what="the end of those beyond 20")
        assert values(reader)[refused] == before + 30
        assert reader.get("/api/bots").status_code == 200
        with pytest.raises(OSError):
            capped.trust.wrap_socket(connect(), server_hostname="127.0.0.1")
        for s in held[:5]:
            s.close()

        def again():
            with contextlib.suppress(OSError):
                return capped.trust.wrap_socket(connect(), server_hostname="127.0.0.1")

        tls = until(again, what="room for another")
        tls.sendall(b"GET /aaiti/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert tls.recv(12) == b"HTTP/1.1 200"
    assert "connections closed, their address has as many as it may" in capped.log()
    until(lambda: len(alive_from_other(capped)) == 15, what="all counted down")


def alive_from_other(gateway):
    connections = [socket.create_connection(("127.0.0.1", gateway.port), timeout=10, source_address=(OTHER, 0)) for _ in range(15)]
    still = alive(connections, 0.2)
    for c in connections:
        c.close()
    return still


# ---- bodies ----

@pytest.mark.parametrize("target", ["/api/bots/bot-1/start", "/api/auth/login"])
def test_a_body_that_drips_is_late_as_a_whole(capped, target):
    token = capped.login(capped.users["trader"])
    capped.backend.forget()
    head = f"POST {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    with capped.trust.wrap_socket(socket.create_connection(("127.0.0.1", capped.port), timeout=30), server_hostname="127.0.0.1") as s:
        began = time.monotonic()
        s.sendall(head.encode())
        seconds, said = ended_after(s, began, b" ")
    assert 1.5 < seconds < 25, seconds
    assert said == b""  # nginx answers nobody who is late
    assert capped.backend.received() == []


def test_a_body_that_comes_in_pieces_arrives(capped):
    """The time is for all of it, and more of it has more."""
    client = capped.signed_in(capped.users["trader"])
    pieces = [b'{"name": "', *[b"x" * 500] * 4, b'"}']
    assert client.post("/api/bots", content=iter(pieces), headers={"content-type": "application/json"}).status_code < 500
    assert capped.login(capped.users["viewer"])


@pytest.mark.parametrize("sent", [64 * 1024 + 1, 200 * 1024])
def test_control_reads_no_long_chunked_body(gateway, sent):
    answer = gateway.client().post("/api/auth/login", content=iter([b" " * sent]), headers={"content-type": "application/json"})
    assert answer.status_code == 413 and answer.json()["type"] == "urn:aaiti:problem:too-large"


# ---- one framing, or none ----

CHUNKED = "Transfer-Encoding: chunked\r\n"
FRAMINGS = {
    "length and chunks": ("HTTP/1.1", f"Content-Length: 2\r\n{CHUNKED}", "2\r\n{}\r\n0\r\n\r\n", 400),
    "chunks and length": ("HTTP/1.1", f"{CHUNKED}Content-Length: 2\r\n", "2\r\n{}\r\n0\r\n\r\n", 400),
    "two lengths": ("HTTP/1.1", "Content-Length: 2\r\nContent-Length: 3\r\n", "{}", 400),
    "the same length twice": ("HTTP/1.1", "Content-Length: 2\r\nContent-Length: 2\r\n", "{}", 400),
    "a folded field": ("HTTP/1.1", "X-A: b\r\n c\r\nContent-Length: 2\r\n", "{}", 400),
    "a folded length": ("HTTP/1.1", "Content-Length:\r\n 2\r\n", "{}", 400),
    "chunks of HTTP/1.0": ("HTTP/1.0", CHUNKED, "2\r\n{}\r\n0\r\n\r\n", 400),
    "bare line feeds": ("HTTP/1.1", "Content-Length: 2\nX-A: b\n", "{}", 200),
    "chunk extensions": ("HTTP/1.1", CHUNKED, '2;a=b;c="d"\r\n{}\r\n0;x\r\n\r\n', 200),
    "a bare line feed in chunks": ("HTTP/1.1", CHUNKED, "2\n{}\n0\n\n", 200),
    "a chunk that is longer than said": ("HTTP/1.1", CHUNKED, "2\r\n{}}\r\n0\r\n\r\n", 400),
    "a chunk size with a sign": ("HTTP/1.1", CHUNKED, "+2\r\n{}\r\n0\r\n\r\n", 400),
    "a chunk size in 0x": ("HTTP/1.1", CHUNKED, "0x2\r\n{}\r\n0\r\n\r\n", 400),
    "a chunk size beyond all": ("HTTP/1.1", CHUNKED, "fffffffffffffffff\r\n{}\r\n0\r\n\r\n", 400),
}


@pytest.mark.parametrize("version, fields, body, status", FRAMINGS.values(), ids=FRAMINGS.keys())
def test_one_framing_reaches_the_backend_or_none(gateway, tokens, version, fields, body, status):
    """What follows would be a request of its own to who reads the body otherwise."""
    gateway.backend.forget()
    head = f"POST /api/bots/bot-1/start {version}\r\nHost: a\r\nAuthorization: Bearer {tokens['trader']}\r\nConnection: close\r\n{fields}\r\n"
    smuggled = "GET /api/users HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = gateway.raw((head + body + smuggled).encode())
    received = gateway.backend.received()
    assert [r["path"] for r in received] == (["/api/bots/bot-1/start"] if status == 200 else [])
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1
    for r in received:
        names = [name.lower() for name, _ in r["headers"]]
        assert names.count("content-length") == 1 and "transfer-encoding" not in names
        assert dict((n.lower(), v) for n, v in r["headers"])["content-length"] == "2"


# ---- heads that are too large ----

LARGE = {
    "a header of 100 kB": ["X-A: " + "b" * 100_000],
    "100 kB of headers": [f"X-{n}: " + "b" * 990 for n in range(100)],
    "10,000 cookies": ["Cookie: " + "; ".join(f"c{n}=1" for n in range(10_000))],
    "10,000 cookie headers": [f"Cookie: c{n}=1" for n in range(10_000)],
    "201 small headers": [f"X-{n}: 1" for n in range(198)],
}


@pytest.mark.parametrize("lines", LARGE.values(), ids=LARGE.keys())
def test_large_heads_are_refused_quickly(gateway, tokens, lines):
    gateway.backend.forget()
    head = f"GET /api/bots HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {tokens['viewer']}\r\nConnection: close\r\n".encode()
    began = time.monotonic()
    answer = gateway.raw(head + "\r\n".join(lines).encode() + b"\r\n\r\n", timeout=20)
    assert time.monotonic() - began < 15
    assert answer.startswith(b"HTTP/1.1 431 "), answer[:100]
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert problem["type"] == "urn:aaiti:problem:headers-too-large"
    assert gateway.backend.received() == []


def test_many_cookies_that_fit_cost_little(gateway, tokens):
    client = gateway.client(tokens["viewer"])
    began = time.monotonic()
    for _ in range(20):
        assert client.get("/api/bots", headers={"cookie": "; ".join(f"c{n}=1" for n in range(1500))}).status_code == 200
    assert time.monotonic() - began < 15


# ---- clients that do not read ----

def test_answers_that_nobody_reads_hold_little(gateway, tokens, slow):
    before = resident_mib(gateway)
    ask = f"GET /aaiti/panic HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {tokens['viewer']}\r\n\r\n".encode()
    for _ in range(100):
        slow(ask * 30)
    assert gateway.client(tokens["viewer"]).get("/api/bots").status_code == 200
    assert resident_mib(gateway) < before + 48


# ---- clients that leave ----

def test_who_leaves_while_the_disk_hangs_changes_nothing(make_gateway):
    """Its record is on its way to the disk, so nothing has been handed over: nor is it when the disk is well again."""
    g = make_gateway(start=False)
    hang = g.directory / "hang"
    g.environment["AAITI_TEST_DISK_HANGS"] = str(hang)
    g.start()
    token = g.login(g.users["admin"])
    reader = g.client(token)
    g.backend.forget()
    closed = 'aaiti_responses_total{status="4xx"}'
    before = values(reader)[closed]
    body = b'{"role": "viewer"}'
    head = (f"PUT /api/users/u-1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    hang.touch()
    try:
        sock = g.trust.wrap_socket(socket.create_connection(("127.0.0.1", g.port), timeout=10), server_hostname="127.0.0.1")
        sock.sendall(head + body)
        time_out = time.monotonic() + 0.5  # it is being waited for
        while time.monotonic() < time_out:
            assert g.backend.received() == []
        sock.close()
        until(lambda: values(reader)[closed] > before, what="that somebody notices")
    finally:
        hang.unlink()
    until(lambda: [e["outcome"] for e in search(g, "--action", "user_changed", "--outcome", "not-sent")] == ["not-sent"], what="its row")
    assert g.backend.received() == []
