# SPDX-License-Identifier: Apache-2.0
"""Sign-in, profile and logout, in the shapes that A.A.I.T.I's own frontend reads."""
import json
import time

import jwt
import pytest


@pytest.fixture
def user(gateway):
    return gateway.add_user("trader")


def test_login_answers_in_the_backends_shape_and_more(gateway, user):
    answer = gateway.client().post("/api/auth/login", json={"username": user.name, "password": user.password})
    body = answer.json()
    assert answer.status_code == 200
    assert body["message"] == "Login successful"
    assert {k: body["user"][k] for k in ("username", "email", "role")} == {"username": user.name, "email": user.email, "role": "trader"}
    assert body["accessToken"] == body["token"] and body["expiresIn"] == 24 * 3600
    assert len(body["refreshToken"]) == 43 and body["refreshToken"] != body["token"]
    assert "password" not in answer.text


@pytest.mark.parametrize("member, value", [("username", "name"), ("username", "email"), ("email", "email")])
def test_name_or_address_signs_in(gateway, user, member, value):
    answer = gateway.client().post("/api/auth/login", json={member: getattr(user, value), "password": user.password})
    assert answer.status_code == 200


def test_the_token_reads_as_its_documentation_says(gateway, user):
    """PyJWT as an independent reader."""
    key = (gateway.home / "keys/token.key").read_text().rstrip("\n")
    token = gateway.login(user)
    claims = jwt.decode(token, key, algorithms=["HS256"], issuer="aaiti-api", audience="aaiti-client",
                        options={"require": ["sub", "exp", "iat", "jti", "sid", "role", "userId"]})
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "at+jwt" and len(header["kid"]) == 16
    assert claims["role"] == "trader" and claims["sub"] == claims["userId"]
    assert claims["exp"] - claims["iat"] == 24 * 3600
    assert "email" not in claims
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, (gateway.home / "keys/upstream.key").read_text().rstrip("\n"), algorithms=["HS256"], audience="aaiti-client")


def test_profile_is_the_user(gateway, user):
    answer = gateway.signed_in(user).get("/api/auth/profile")
    assert answer.status_code == 200
    assert {k: answer.json()["user"][k] for k in ("username", "email", "role")} == {
        "username": user.name, "email": user.email, "role": "trader"}


def test_the_session_cookie_signs_in_too(gateway, user):
    client = gateway.client()
    answer = client.post("/api/auth/login", json={"username": user.name, "password": user.password})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-") and "HttpOnly" in cookie and "Secure" in cookie and "SameSite" in cookie and "Path=/" in cookie
    assert client.get("/api/bots").status_code == 200
    for absent in ("Bearer null", "Bearer undefined", "Bearer"):
        assert client.get("/api/bots", headers={"Authorization": absent}).status_code == 200, absent
    # A credential that is there and wrong is not passed over for the cookie.
    assert client.get("/api/bots", headers={"Authorization": "Bearer wrong"}).status_code == 401


@pytest.mark.parametrize("headers, status", [
    ({}, 403),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Sec-Fetch-Site": "same-origin"}, 200),
    ({"Origin": "SELF"}, 200),
    ({"Authorization": "Bearer null"}, 200),
    ({"Authorization": "Basic dXNlcjpwYXNz"}, 403),
])
def test_an_unsafe_request_by_cookie_needs_proof_of_its_origin(gateway, user, headers, status):
    client = gateway.client()
    client.post("/api/auth/login", json={"username": user.name, "password": user.password})
    headers = {k: gateway.url if v == "SELF" else v for k, v in headers.items()}
    got = client.post("/api/bots/bot-1/start", headers=headers).status_code
    # Basic is a credential of a kind that is not known here: refused either way.
    assert got == status or (headers.get("Authorization", "").startswith("Basic") and got == 401)


def test_every_failed_login_gets_the_same_answer(gateway, user):
    disabled = gateway.add_user("trader")
    gateway.aaiti("user", "disable", disabled.name)
    attempts = {
        "unknown": {"username": "nobody-at-all", "password": user.password},
        "wrong": {"username": user.name, "password": user.password + "x"},
        "disabled": {"username": disabled.name, "password": disabled.password},
        "empty-ish": {"username": user.name, "password": " "},
    }
    answers = {}
    for name, attempt in attempts.items():
        answer = gateway.client().post("/api/auth/login", json=attempt)
        body = answer.json()
        body.pop("instance", None)
        answers[name] = (answer.status_code, json.dumps(body, sort_keys=True), sorted(k for k in answer.headers))
    assert answers["unknown"][0] == 401
    assert json.loads(answers["unknown"][1])["error"] == "Invalid credentials"
    assert len(set(map(str, answers.values()))) == 1, answers


def test_the_floor_holds_for_every_answer(make_gateway):
    """What stays below it is not seen; what the work itself tells is test_login_guard.py's."""
    gateway = make_gateway(floor="250ms")
    client = gateway.client()
    user = gateway.users["trader"]
    for name, password, status in (("nobody-at-all", "x", 401), (user.name, "x", 401), (user.name, user.password, 200)):
        began = time.monotonic()
        assert client.post("/api/auth/login", json={"username": name, "password": password}).status_code == status
        assert time.monotonic() - began >= 0.25


def import_bcrypt_user(gateway, directory):
    """The pair that the design names: a hash that A.A.I.T.I made."""
    import sqlite3

    db = sqlite3.connect(directory / "aaiti.db")
    db.execute("CREATE TABLE users (id TEXT PRIMARY KEY, username TEXT UNIQUE, email TEXT UNIQUE, password_hash TEXT, role TEXT DEFAULT "
               "'trader', created_at TEXT, updated_at TEXT, last_login TEXT, is_active INTEGER DEFAULT 1)")
    db.execute("INSERT INTO users (id, username, email, password_hash, role) VALUES (?, 'bcrypt-user', 'bcrypt-user@example.com', ?, 'viewer')",
               (gateway.spare_ids.pop(), "$2b$12$oBfibYsN1nBKizMrxMzUf.yy0H3A9tKjwhIhorlf3FSiJ23KQ46jC"))
    db.commit()
    db.close()
    gateway.aaiti("user", "import", "--from-aaiti", directory / "aaiti.db")


def test_a_bcrypt_hash_of_the_backend_signs_in_once_and_is_replaced(gateway, tmp_path):
    import sqlite3

    import_bcrypt_user(gateway, tmp_path)

    def hash_now():
        with sqlite3.connect(f"file:{gateway.home / 'aaiti.db'}?mode=ro", uri=True) as ours:
            return ours.execute("SELECT password_hash FROM users WHERE username = 'bcrypt-user'").fetchone()[0]

    assert hash_now().startswith("$2b$12$")
    wrong = gateway.client().post("/api/auth/login", json={"username": "bcrypt-user", "password": "Str0ng!Pasx"})
    assert wrong.status_code == 401
    for _ in range(2):
        answer = gateway.client().post("/api/auth/login", json={"username": "bcrypt-user", "password": "Str0ng!Pass"})
        assert answer.status_code == 200
        assert gateway.client(answer.json()["token"]).get("/api/bots").status_code == 200
    assert hash_now().startswith("$argon2id$")


def test_registration_is_off(gateway):
    answer = gateway.client().post("/api/auth/register", json={"username": "new", "email": "new@example.com", "password": "Str0ng!Pass-1"})
    assert answer.status_code == 403
    assert gateway.aaiti("user", "list").stdout.find("new@example.com") == -1


def test_registration_when_on_takes_no_role(make_gateway):
    gateway = make_gateway(more="register:\n  enabled: true\n  role: viewer\n")
    client = gateway.client()
    new = {"username": "newcomer", "email": "new@example.com", "password": "Str0ng!Pass-1"}
    assert client.post("/api/auth/register", json={**new, "role": "admin"}).status_code == 400
    answer = client.post("/api/auth/register", json=new)
    assert answer.status_code == 201
    assert answer.json()["message"] == "User created successfully" and answer.json()["user"]["role"] == "viewer"
    taken = client.post("/api/auth/register", json=new)
    assert taken.status_code == 409 and taken.json()["error"] == "Username or email already exists"
    weak = client.post("/api/auth/register", json={**new, "username": "weak", "email": "w@example.com", "password": "password"})
    assert weak.status_code == 400
    # Signed in, and without an identity at the backend until an admin gives one.
    signed_in = client.post("/api/auth/login", json={"username": "newcomer", "password": new["password"]})
    assert signed_in.status_code == 200
    refused = gateway.client(signed_in.json()["token"]).get("/api/bots")
    assert refused.status_code == 403 and refused.json()["type"].endswith("no-upstream-identity")


def test_own_password_change_ends_the_other_sessions(gateway, user):
    here, elsewhere = gateway.signed_in(user), gateway.signed_in(user)
    new = "Another-Pass-7!"
    wrong = here.put("/aaiti/v1/password", json={"currentPassword": "not it", "newPassword": new})
    assert wrong.status_code == 403
    weak = here.put("/aaiti/v1/password", json={"currentPassword": user.password, "newPassword": "short"})
    assert weak.status_code == 400
    assert here.put("/aaiti/v1/password", json={"currentPassword": user.password, "newPassword": new}).status_code == 200
    assert here.get("/api/bots").status_code == 200
    assert elsewhere.get("/api/bots").status_code == 401
    assert gateway.client().post("/api/auth/login", json={"username": user.name, "password": user.password}).status_code == 401
    assert gateway.client().post("/api/auth/login", json={"username": user.name, "password": new}).status_code == 200


@pytest.mark.parametrize("method, path, body, status", [
    ("POST", "", {"username": "planted", "role": "admin"}, 201),
    ("PATCH", "/{}", {"role": "trader"}, 200),
    ("PATCH", "/{}", {"email": "thief@example.org"}, 200),
    ("PATCH", "/{}", {"upstreamId": "u-77"}, 200),
    ("PATCH", "/{}", {"active": True}, 200),
    ("PATCH", "/{}", {"active": False, "role": "viewer"}, 200),
    ("POST", "/{}/reset", {}, 201),
])
def test_a_stolen_session_gives_nobody_anything(gateway, user, tokens, method, path, body, status):
    """What outlives it takes the password, too; to disable somebody does not."""
    admin, target = gateway.client(tokens["admin"]), "/aaiti/v1/users" + path.format(user.name)
    before = gateway.aaiti_json("user", "list")
    refused = admin.request(method, target, json=body)
    assert refused.status_code == 400 and "/currentPassword" in refused.json()["detail"]
    assert admin.request(method, target, json=body | {"currentPassword": "Wr0ng!enough"}).status_code == 403
    assert gateway.aaiti_json("user", "list") == before
    done = admin.request(method, target, json=body | {"currentPassword": gateway.users["admin"].password})
    assert done.status_code == status
    if "username" in body:  # others count the administrators of this gateway
        gateway.aaiti("user", "delete", body["username"])
    assert admin.patch(f"/aaiti/v1/users/{user.name}", json={"active": False}).status_code == 200


def test_a_reset_code_works_once(gateway, user, tokens):
    admin = gateway.client(tokens["admin"])
    assert gateway.client(tokens["viewer"]).post(f"/aaiti/v1/users/{user.name}/reset").status_code == 403
    own = {"currentPassword": gateway.users["admin"].password}
    code = admin.post(f"/aaiti/v1/users/{user.name}/reset", json=own).json()["code"]
    stranger = gateway.client()
    new = {"code": code, "newPassword": "Fresh-Start-9!"}
    assert stranger.post("/aaiti/v1/password/reset", json={**new, "code": "x" * 22}).status_code == 403
    assert stranger.post("/aaiti/v1/password/reset", json=new).status_code == 200
    assert stranger.post("/aaiti/v1/password/reset", json=new).status_code == 403
    assert stranger.post("/api/auth/login", json={"username": user.name, "password": new["newPassword"]}).status_code == 200
