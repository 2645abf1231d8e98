# SPDX-License-Identifier: Apache-2.0
"""Attacks on the running gateway. Each of these was tried by hand first; what is here stays withstood."""
import json

import pytest

LOGIN = "POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


def status(answer):
    return int(answer.split(b" ", 2)[1])


def test_sign_ins_and_outs_fill_nothing_that_others_need(make_gateway):
    """A user without rights signed in and out until nobody could sign out, and control did not start again."""
    gateway = make_gateway(start=False)
    settings = gateway.home / "gateway.yaml"
    settings.write_text(settings.read_text().replace("session:\n", "session:\n  revocation_capacity: 64\n"))
    gateway.start()
    for _ in range(130):  # more than the 128 slots
        assert gateway.client(gateway.login(gateway.users["viewer"])).post("/api/auth/logout").status_code == 200
    gateway.stop()
    gateway.start()
    admin = gateway.signed_in(gateway.users["admin"])
    assert admin.post("/api/auth/logout").status_code == 200
    assert admin.get("/api/bots").status_code == 401


@pytest.mark.parametrize("framing", [b"Content-Length: 65537\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n10001\r\n "], ids=["length", "chunked"])
def test_nobodys_large_body_is_refused_before_it_is_kept(gateway, framing):
    """At most a byte of it is sent: who waits for it would keep it in memory, for anybody."""
    assert status(gateway.raw(LOGIN.encode() + b"Connection: close\r\n" + framing)) == 413


@pytest.mark.parametrize("authorization", [
    "Bearer\tTOKEN", "Bearer TOKEN x", "Bearer TOKEN, Bearer TOKEN", "Bearer TOKEN=", "Bearer TOKEN.", "BearerTOKEN", "Token TOKEN", "Bearer\r\n TOKEN",
    "Bearer null\r\nAuthorization: Bearer TOKEN",
])
def test_no_odd_spelling_of_a_credential_signs_in(gateway, tokens, authorization):
    gateway.backend.forget()
    head = f"GET /api/bots HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: {authorization}\r\n\r\n"
    assert status(gateway.raw(head.replace("TOKEN", tokens["viewer"]).encode())) in (400, 401)
    assert gateway.backend.received() == []


@pytest.mark.parametrize("cookie", [
    '__Host-aaiti_session="TOKEN"', "__host-aaiti_session=TOKEN", "__Host-aaiti_session=TOKEN; __Host-aaiti_session=TOKEN",
    "__Host-aaiti_session=TOKEN\r\nCookie: __Host-aaiti_session=TOKEN", "__Host-aaiti_session; __Host-aaiti_session=TOKEN",
])
def test_nor_of_the_cookie(gateway, tokens, cookie):
    gateway.backend.forget()
    head = f"GET /api/bots HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n"
    assert status(gateway.raw(head.replace("TOKEN", tokens["viewer"]).encode())) in (400, 401)
    assert gateway.backend.received() == []


@pytest.mark.parametrize("framing", [
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Transfer-Encoding:\tchunked",
    "Transfer-Encoding:\x0bchunked", "Transfer-Encoding: gzip, chunked", "Content-Length: 3\r\nTransfer-Encoding: chunked", "Content-Length: +3",
    "Content-Length: 3, 3", "Content-Length: 0x3", "Content-Length: -1",
])
def test_no_framing_hides_a_second_request(gateway, tokens, framing):
    gateway.backend.forget()
    head = f"POST /api/bots/bot-1/start HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {tokens['trader']}\r\n{framing}\r\n\r\n"
    answer = gateway.raw((head + "0\r\n\r\nGET /api/users HTTP/1.1\r\nHost: a\r\n\r\n").encode())
    assert status(answer) in (400, 501) and answer.count(b"HTTP/1.1") == 1
    assert gateway.backend.received() == []


def test_a_version_that_nobody_speaks_is_told_as_any_error(gateway):
    head, _, body = gateway.raw(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 505 ") and b"nginx" not in head + body
    assert json.loads(body)["type"] == "urn:aaiti:problem:http-version-not-supported"


def test_neither_trailers_nor_an_upgrade_reach_the_backend(gateway, tokens):
    gateway.backend.forget()
    head = (f"POST /api/bots/bot-1/start HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {tokens['trader']}\r\nConnection: close, authorization, content-length\r\n"
            "Upgrade: websocket\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-User-Id: 1\r\n\r\n")
    assert status(gateway.raw(head.encode())) == 200
    [received] = gateway.backend.received()
    names = {name.lower() for name, _ in received["headers"]}
    assert received["body"] == "{}" and "authorization" in names
    assert names.isdisjoint({"upgrade", "connection", "te", "trailer", "x-user-id", "transfer-encoding"})


def test_control_believes_no_address_of_the_clients(gateway):
    user = gateway.add_user("viewer")
    body = json.dumps({"username": user.name, "password": user.password})
    names = ("X-AAITI-Client-Address", "X-Forwarded-For", "X-Real-IP", "X_AAITI_Client_Address")
    headers = "".join(f"{name}: 6.6.6.6\r\n" for name in names)
    answer = gateway.raw(f"{LOGIN}{headers}Connection: close, x-aaiti-client-address\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    assert status(answer) == 200
    [session] = gateway.aaiti_json("session", "list", user.name)
    assert session["address"] == "127.0.0.1"


@pytest.mark.parametrize("target", ["/aaiti/problem", "/aaiti/%70roblem", "/@gw_control", "/aaiti/v1/../problem"])
def test_inner_locations_are_nobodys(gateway, tokens, target):
    head = f"GET {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {tokens['admin']}\r\nConnection: close\r\n\r\n"
    assert status(gateway.raw(head.encode())) in (400, 403)


@pytest.mark.parametrize("target", ["/aaiti/health", "/api/bots", "/"])
def test_http_0_9_has_no_headers_and_so_no_answer(gateway, target):
    assert gateway.raw(f"GET {target}\r\n".encode()) == b""
