# SPDX-License-Identifier: Apache-2.0
"""Bodies that are not what they should be, at sign-in and at the management calls: 400 or 413, nothing done, and nobody dies."""
import json

import pytest

MIB = 1024 * 1024
BODIES = {
    "password is an object": b'{"username":"x","password":{"a":1}}',
    "password is an array": b'{"username":"x","password":["a"]}',
    "password is a number": b'{"username":"x","password":1}',
    "password is null": b'{"username":"x","password":null}',
    "username is a boolean": b'{"username":true,"password":"x"}',
    "a number": b"1",
    "a string": b'"x"',
    "an array": b'[{"username":"x","password":"x"}]',
    "null": b"null",
    "nothing": b"",
    "white space": b"   ",
    "not JSON": b"username=x&password=y",
    "cut short": b'{"username":"x","password":"y',
    "something after it": b'{"username":"x","password":"y"} {}',
    "a name twice": b'{"username":"x","username":"admin","password":"y"}',
    "a NUL byte": b'{"username":"x\x00","password":"y"}',
    "an escaped NUL": b'{"username":"x\\u0000","password":"y"}',
    "invalid UTF-8": b'{"username":"\xff\xfe","password":"y"}',
    "overlong UTF-8": b'{"username":"\xc0\xae","password":"y"}',
    "a lone surrogate": b'{"username":"\\ud800","password":"y"}',
    "a byte order mark": b'\xef\xbb\xbf{"username":"x","password":"y"}',
    "5,000 levels of arrays": b"[" * 5000 + b"]" * 5000,
    "5,000 levels in a member": b'{"username":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b',"password":"x"}',
    "Infinity": b'{"username":"x","password":1e400}',
    "an unknown member": b'{"username":"x","password":"y","role":"admin"}',
    "a very long name": json.dumps({"username": "x" * 5000, "password": "y"}).encode(),
    "a very long password": json.dumps({"username": "x", "password": "y" * 5000}).encode(),
    "an empty password": b'{"username":"x","password":""}',
}


@pytest.fixture(scope="module")
def client(gateway):
    return gateway.client()


@pytest.fixture(scope="module")
def control(gateway):
    return gateway.pids("control")


def assert_refused(answer, *statuses):
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert isinstance(answer.json()["error"], str)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_login_refuses_it(gateway, client, control, body):
    assert_refused(client.post("/api/auth/login", content=body, headers={"Content-Type": "application/json"}), 400)
    assert gateway.pids("control") == control


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_so_does_user_management(gateway, tokens, control, body):
    admin = gateway.client(tokens["admin"])
    before = gateway.aaiti_json("user", "list")
    assert_refused(admin.post("/aaiti/v1/users", content=body, headers={"Content-Type": "application/json"}), 400)
    assert gateway.aaiti_json("user", "list") == before
    assert gateway.pids("control") == control


@pytest.mark.parametrize("path", ["/api/auth/login", "/aaiti/v1/users", "/aaiti/v1/password/reset"])
def test_10_mib_are_too_many(gateway, tokens, control, path):
    client = gateway.client(tokens["admin"])
    answer = client.post(path, content=b'{"username":"' + b"x" * 10 * MIB + b'"}', headers={"Content-Type": "application/json"})
    assert_refused(answer, 413)
    assert gateway.pids("control") == control


def test_a_body_beyond_the_limit_does_not_reach_the_backend(gateway, tokens):
    gateway.backend.forget()
    client = gateway.client(tokens["trader"])
    assert_refused(client.post("/api/bots", content=b" " * (2 * MIB)), 413)
    assert gateway.backend.received() == []
    chunks = (b" " * 65536 for _ in range(32))
    assert client.post("/api/bots", content=chunks).status_code == 413
    assert gateway.backend.received() == []


def test_an_anonymous_body_is_refused_before_it_is_read(gateway):
    """40 MB of nobody: the answer comes without the body's having been sent."""
    gateway.backend.forget()
    head = b"POST /api/bots HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500000\r\nConnection: close\r\n\r\n"
    assert gateway.raw(head).split(b" ", 2)[1] == b"401"
    assert gateway.backend.received() == []


@pytest.mark.parametrize("path", ["/aaiti/v1/nothing", "/aaiti/v1", "/aaiti/v2/users", "/aaiti/v1/users/../sessions"])
def test_management_knows_no_other_paths(gateway, tokens, path):
    head = f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {tokens['admin']}\r\nConnection: close\r\n\r\n"
    assert gateway.raw(head.encode()).split(b" ", 2)[1] in (b"400", b"403", b"404")


def test_operator_calls_are_nobodys_through_the_data_plane(gateway, tokens):
    admin = gateway.client(tokens["admin"])
    new = {"username": "planted", "role": "admin", "passwordHash": "$2b$12$oBfibYsN1nBKizMrxMzUf.yy0H3A9tKjwhIhorlf3FSiJ23KQ46jC"}
    assert admin.post("/aaiti/v1/users/import", json=new).status_code == 403
    assert admin.put("/aaiti/v1/users/trader/password", json={"newPassword": "Aa1-aaaaaaaaaaaa"}).status_code == 403


@pytest.mark.parametrize("method, path, body", [
    ("GET", "/aaiti/v1/users", None), ("POST", "/aaiti/v1/users", {"username": "x", "role": "admin"}), ("PATCH", "/aaiti/v1/users/viewer", {"role": "admin"}),
    ("DELETE", "/aaiti/v1/users/admin", None), ("POST", "/aaiti/v1/policy/reload", None), ("GET", "/aaiti/v1/status", None),
    ("GET", "/aaiti/v1/sessions?user=all", None), ("POST", "/aaiti/v1/users/admin/reset", None),
])
def test_management_is_the_admins(gateway, tokens, method, path, body):
    assert gateway.client().request(method, path, json=body).status_code == 401
    for role in ("viewer", "trader"):
        assert gateway.client(tokens[role]).request(method, path, json=body).status_code == 403, role
