# SPDX-License-Identifier: Apache-2.0
"""Whose address a request counts for: of the headers one, of the connection's first bytes what a trusted proxy says, of others nothing."""
import contextlib
import json
import socket
import struct

import pytest
from conftest import until

TRUSTED = 'trusted_proxies: ["127.0.0.0/8"]\n'


def seen(gateway, headers, ask):
    """The addresses that the backend is told, and which of these headers reach it."""
    gateway.backend.forget()
    status = ask(headers)
    received = gateway.backend.received()
    assert len(received) == (1 if status == 200 else 0), (status, received)
    if status != 200:
        return status
    fields = [(name.lower(), value) for name, value in received[0]["headers"]]
    assert [value for name, value in fields if name == "forwarded"] == []
    [by_x] = [value for name, value in fields if name == "x-forwarded-for"]
    [by_real] = [value for name, value in fields if name == "x-real-ip"]
    assert by_x == by_real
    return by_x


@pytest.mark.parametrize("chosen, rows", [
    ("X-Forwarded-For", [
        ({"X-Forwarded-For": "203.0.113.9"}, "203.0.113.9"),
        ({"X-Forwarded-For": "1.2.3.4, 203.0.113.9"}, "203.0.113.9"),
        ({"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=198.51.100.7"}, "203.0.113.9"),
        ({"Forwarded": "for=198.51.100.7"}, "127.0.0.1"),
        ({"X-Forwarded-For": "203.0.113.9, unknown"}, 400),
    ]),
    ("Forwarded", [
        ({"Forwarded": 'for=1.2.3.4, for="203.0.113.9:80"'}, "203.0.113.9"),
        ({"Forwarded": 'for="[2001:db8::9]:443";proto=https'}, "2001:db8::9"),
        ({"X-Forwarded-For": "203.0.113.9"}, "127.0.0.1"),
        ({"X-Forwarded-For": "junk", "Forwarded": "for=203.0.113.9"}, "203.0.113.9"),
        ({"Forwarded": "for=unknown"}, 400),
        ({"Forwarded": 'for="1.2.3.4, for=203.0.113.9'}, 400),
    ]),
])
def test_one_header_of_trusted_proxies_is_believed(make_gateway, chosen, rows):
    g = make_gateway(more=f"{TRUSTED}proxy_header: {chosen}\n")
    client = g.signed_in(g.users["viewer"])
    for headers, expected in rows:
        assert seen(g, headers, lambda h: client.get("/api/bots", headers=h).status_code) == expected, headers


def test_of_others_none_is(gateway, tokens):
    client = gateway.client(tokens["viewer"])
    headers = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=198.51.100.7", "X-Real-IP": "203.0.113.9"}
    assert seen(gateway, headers, lambda h: client.get("/api/bots", headers=h).status_code) == "127.0.0.1"


# ---- the PROXY protocol ----

VERSION_2 = b"\r\n\r\n\x00\r\nQUIT\n"


def version_2(address):
    """Of a TCP connection over IPv4, with a field that nobody knows."""
    body = socket.inet_aton(address) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 5555, 443) + b"\xee\x00\x01x"
    return VERSION_2 + b"\x21\x11" + struct.pack("!H", len(body)) + body


def ask(gateway, preamble, text):
    """The bytes of the answer to a request after these first bytes; b"" where the connection was closed."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as sock:
        sock.sendall(preamble)
        with gateway.trust.wrap_socket(sock, server_hostname="127.0.0.1") as tls:
            tls.sendall(text)
            answer = b""
            while chunk := tls.recv(65536):
                answer += chunk
            return answer
    return b""


def status_of(answer):
    return int(answer.split()[1]) if answer else None


def proxied(make_gateway, trusted):
    """httpx speaks no PROXY protocol: so who asks whether it is ready is `aaiti health`, which must."""
    g = make_gateway(start=False, more=f'trusted_proxies: ["{trusted}"]\nlisten_proxy_protocol: true\n')
    g.start(wait=False)
    until(lambda: g.aaiti("health", check=False).returncode == 0, what="the gateway's readiness")
    user = g.users["admin"]
    body = json.dumps({"username": user.name, "password": user.password}).encode()
    head = b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    until(lambda: b" 200 " in ask(g, b"PROXY UNKNOWN\r\n", head % len(body) + body)[:20], what="a sign-in")
    answer = ask(g, b"PROXY UNKNOWN\r\n", head % len(body) + body)
    token = json.loads(answer.partition(b"\r\n\r\n")[2])["token"]
    g.get_bots = f"GET /api/bots HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n".encode()
    return g


@pytest.fixture(scope="module")
def behind():
    """Gateways behind a proxy that is trusted, and behind one that is not."""
    from conftest import Gateway
    with contextlib.ExitStack() as closing:
        def make(**options):
            return closing.enter_context(contextlib.closing(Gateway(**options)))

        yield {"trusted": proxied(make, "127.0.0.0/8"), "untrusted": proxied(make, "192.0.2.0/24")}


@pytest.mark.parametrize("who, preamble, headers, expected", [
    ("trusted", b"PROXY TCP4 203.0.113.9 127.0.0.1 5555 443\r\n", b"", "203.0.113.9"),
    ("trusted", b"PROXY TCP6 2001:db8::9 ::1 5555 443\r\n", b"", "2001:db8::9"),
    ("trusted", b"PROXY UNKNOWN\r\n", b"", "127.0.0.1"),
    ("trusted", version_2("203.0.113.10"), b"", "203.0.113.10"),
    ("trusted", b"PROXY TCP4 203.0.113.9 127.0.0.1 5555 443\r\n", b"X-Forwarded-For: 198.51.100.7\r\n", "203.0.113.9"),
    ("trusted", b"PROXY TCP4 127.0.0.3 127.0.0.1 5555 443\r\n", b"X-Forwarded-For: 198.51.100.7\r\n", "198.51.100.7"),
    ("trusted", b"", b"", None),
    ("trusted", b"PROXY TCP4 nonsense\r\n", b"", None),
    ("trusted", b"PROXY TCP4 " + b"1" * 200 + b"\r\n", b"", None),
    ("untrusted", b"PROXY TCP4 203.0.113.9 127.0.0.1 5555 443\r\n", b"", "127.0.0.1"),
    ("untrusted", version_2("203.0.113.10"), b"", "127.0.0.1"),
])
def test_the_first_bytes_of_a_connection(behind, who, preamble, headers, expected):
    g = behind[who]
    assert seen(g, headers, lambda h: status_of(ask(g, preamble, g.get_bots + h + b"\r\n"))) == expected


def test_our_own_calls_go_through_such_a_listener(behind):
    g = behind["trusted"]
    assert g.aaiti("make-safe", "--as", "admin").returncode == 0
    assert g.aaiti("health").returncode == 0
