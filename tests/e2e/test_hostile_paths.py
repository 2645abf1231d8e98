# SPDX-License-Identifier: Apache-2.0
"""One canonical form of the path decides, and the backend gets that form or nothing."""
import pytest

# Sent as they stand; what a client library would mend must be sent raw. None: refused, and nothing reaches the backend.
ALL_BOTS, ONE_BOT = "/api/bots", "/api/bots/bot-1"
PATHS = [
    ("/api/bots", ALL_BOTS),
    ("/api/%62ots", ALL_BOTS),
    ("/api/%62%6f%74%73", ALL_BOTS),
    ("/%61pi/bots", ALL_BOTS),
    ("/api/bots/bot%2D1", ONE_BOT),
    ("/api/bots?x=%41", ALL_BOTS),
    ("//api/bots", None),
    ("/api//bots", None),
    ("/api/bots/", None),
    ("/api/./bots", None),
    ("/./api/bots", None),
    ("/api/users/../bots", None),
    ("/api/bots/..", None),
    ("/api/%2e/bots", None),
    ("/api/users/%2e%2e/bots", None),
    ("/api/users/.%2e/bots", None),
    ("/api/bots/..;/users", None),
    ("/api/bots;x=1", None),
    ("/api/bots%3bx=1", None),
    ("/api/bots%00", None),
    ("/api/bots%00.json", None),
    ("/api/bots%2f..%2fusers", None),
    ("/api%2fbots", None),
    ("/api/bots%5c..%5cusers", None),
    ("/api\\bots", None),
    ("/api/bots%252e", None),
    ("/api/%2562ots", None),
    ("/api/bots%", None),
    ("/api/bots%4", None),
    ("/api/bots%zz", None),
    ("/api/bots%c0%ae", None),
    ("/api/bots%ff", None),
    ("/api/bots%0d%0aX-Evil:1", None),
    ("/api/bots%09", None),
    ("/api/bots%20", None),
    ("/API/bots", None),
    ("/api/Bots", None),
    ("/api/BOTS", None),
    ("/api/bots#x", None),
    ("/api/bots\x7f", None),
    ("/api/bots/<x>", None),
    ("/" + "a" * 5000, None),
]


@pytest.mark.parametrize("path, reaches", PATHS, ids=[p[0][:40] for p in PATHS])
def test_the_backend_gets_the_canonical_form_or_nothing(gateway, tokens, path, reaches):
    gateway.backend.forget()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {tokens['viewer']}\r\nConnection: close\r\n\r\n"
    answer = gateway.raw(request.encode("latin-1"))
    status = int(answer.split(b" ", 2)[1])
    received = [r["path"] for r in gateway.backend.received()]
    if reaches:
        assert (status, received) == (200, [reaches])
    else:
        assert (status, received) == (status, []) and status in (400, 403, 414), answer[:200]


@pytest.mark.parametrize("request_head, why", [
    (b"GET http://evil.example/api/users HTTP/1.1\r\nHost: evil.example\r\n", "absolute form"),
    (b"GET /api/bots HTTP/1.1\r\nHost: a\r\nHost: b\r\n", "two hosts"),
    (b"GET /api/bots HTTP/1.1\r\n", "no host"),
    (b"GET /api/bots HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nAuthorization: Bearer TOKEN\r\n", "two credentials"),
    (b"GET /api/bots HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer TOKEN\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", "smuggling"),
    (b"GET /api/bots HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer TOKEN\r\nContent-Length: 1\r\nContent-Length: 2\r\n", "two lengths"),
    (b"GET /api/bots HTTP/1.1\r\nHost : a\r\nAuthorization: Bearer TOKEN\r\n", "space before the colon"),
    (b"GET  /api/bots HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer TOKENx\r\n", "two spaces, wrong token"),
    (b"FOO /api/bots HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer TOKEN\r\n", "no such method"),
])
def test_hostile_heads_reach_nothing(gateway, tokens, request_head, why):
    gateway.backend.forget()
    answer = gateway.raw(request_head.replace(b"TOKEN", tokens["viewer"].encode()) + b"Connection: close\r\n\r\n")
    received = [r for r in gateway.backend.received() if r["path"] != "/api/users"]
    if why == "absolute form":
        # RFC 9112 3.2.2: the host of the target counts; it is this gateway's route either way, and nobody is signed in.
        assert answer.split(b" ", 2)[1] in (b"401", b"400")
    else:
        assert answer.split(b" ", 2)[1] in (b"400", b"401", b"403", b"405"), (why, answer[:200])
    assert received == [] and gateway.backend.received() == []


def test_plain_http_on_the_tls_port_reaches_nothing(gateway, tokens):
    gateway.backend.forget()
    request = f"GET /api/bots HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {tokens['viewer']}\r\nConnection: close\r\n\r\n"
    answer = gateway.raw(request.encode(), tls=False)
    assert answer.split(b" ", 2)[1] == b"400"
    assert gateway.backend.received() == []
