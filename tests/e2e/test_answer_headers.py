# SPDX-License-Identifier: Apache-2.0
"""Headers by what a route answers with: of an API, a page, or what pages are made of; and what of the backend's goes on."""
import re

import pytest
from conftest import Gateway
from test_hostile_backend import LENGTH_2, Liar

API = {"content-security-policy": "default-src 'none'; frame-ancestors 'none'", "referrer-policy": "no-referrer", "cache-control": "no-store"}
PAGE = {"content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; frame-ancestors 'none'", "referrer-policy": "same-origin",
        "cache-control": "no-store"}
ASSET = {**API, "cache-control": "private, no-cache"}
ALWAYS = {"x-content-type-options": "nosniff", "x-frame-options": "DENY", "cross-origin-opener-policy": "same-origin",
          "cross-origin-resource-policy": "same-origin"}
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + LENGTH_2
UIS = {"/api/bots": "page", "/api/bots/{id}/metrics": "asset"}


@pytest.fixture(scope="module")
def behind():
    """(liar, a signed-in client): the list of bots is a page, their metrics an asset of users, /open.js everybody's."""
    liar = Liar()
    gateway = Gateway(start=False, backend_port=liar.port)
    try:
        policy = gateway.home / "policy.yaml"
        text = policy.read_text()
        for path, ui in UIS.items():
            text, count = re.subn('(match: "GET ' + re.escape(path) + '", )', rf"\1ui: {ui}, ", text)
            assert count == 1, path
        text = text.replace("\nroutes:\n", "\nroutes:\n  - {match: GET /open.js, access: public, ui: asset}\n", 1)
        policy.write_text(text + "\nheaders: {cookies: host-only, content_security: \"default-src 'self'; script-src 'self' 'unsafe-inline'\"}\n")
        gateway.start()
        yield liar, gateway.signed_in(gateway.users["trader"])
    finally:
        gateway.close()
        liar.close()


@pytest.fixture
def ask(behind):
    def send(path, fields=b"", start=OK):
        behind[0].answer, behind[0].hold = start + fields + b"\r\n{}", False
        return behind[1].get(path)
    return send


def headers_of(answer, expected):
    return {name: ", ".join(answer.headers.get_list(name)) for name in {**expected, **ALWAYS}}


@pytest.mark.parametrize("path, theirs, expected", [
    ("/api/bots/b1", b"Cache-Control: public, max-age=60\r\n", API),
    ("/api/bots", b"", PAGE),
    ("/api/bots", b"Cache-Control: public, max-age=60\r\nContent-Security-Policy: default-src *\r\nReferrer-Policy: unsafe-url\r\n", PAGE),
    ("/api/bots/b1/metrics", b"", ASSET),
    ("/api/bots/b1/metrics", b"Cache-Control: public, s-maxage=60, max-age=5\r\nCDN-Cache-Control: max-age=60\r\n", {**ASSET, "cache-control": "private, max-age=5"}),
    ("/api/bots/b1/metrics", b"Cache-Control: max-age=5\r\nCache-Control: public\r\n", {**ASSET, "cache-control": "no-store"}),
    ("/open.js", b"Cache-Control: public, max-age=60\r\n", {**API, "cache-control": "public, max-age=60"}),
    ("/open.js", b"", ASSET),
])
def test_an_answer_has_the_headers_of_what_it_is(ask, path, theirs, expected):
    answer = ask(path, theirs)
    assert answer.status_code == 200 and headers_of(answer, expected) == {**expected, **ALWAYS}
    assert not {"cdn-cache-control", "expires"} & set(answer.headers)
    assert ("ratelimit" in answer.headers) == (path in ("/api/bots", "/api/bots/b1"))


@pytest.mark.parametrize("path", ["/api/bots/b1", "/api/bots", "/api/bots/b1/metrics", "/open.js"])
def test_what_comes_in_its_place_is_kept_by_nobody(ask, path):
    broken = ask(path, b"Cache-Control: public, max-age=60\r\n", b"HTTP/1.1 2x0 OK\r\n")
    assert broken.status_code == 502 and headers_of(broken, API) == {**API, **ALWAYS}


def test_cookies_go_on_as_the_policy_says(ask):
    theirs = b"Set-Cookie: a=1; Domain=example.com; Path=/\r\nSet-Cookie: b=2; Secure\r\nSet-Cookie: __Host-aaiti_session=x; Path=/; Secure\r\n"
    assert ask("/api/bots", theirs).headers.get_list("set-cookie") == ["a=1; Path=/", "b=2; Secure"]
    assert ask("/open.js", theirs).headers.get_list("set-cookie") == []
