# SPDX-License-Identifier: Apache-2.0
"""API keys, from their making to their end, through the running gateway: who they speak for, what they may, what they may never."""
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import re
import secrets
import sqlite3
import subprocess
import time

import pytest
from conftest import ROOT, until
from test_http2 import Connection


def make(gateway, user, *options):
    return gateway.aaiti_json("apikey", "add", user, *options)


def client(gateway, key, **more):
    got = gateway.client(**more)
    got.headers["X-API-Key"] = key
    return got


def test_a_key_signs_in_by_either_header_and_never_reaches_the_backend(gateway):
    user = gateway.add_user("trader")
    key = make(gateway, user.name)["secret"]
    assert re.fullmatch(r"aak_[a-z2-7]{8}_[A-Za-z0-9_-]{43}", key)
    gateway.backend.forget()
    assert client(gateway, key).get("/api/bots").status_code == 200
    assert gateway.client(key).get("/api/bots").status_code == 200
    for seen in gateway.backend.received():
        assert "x-api-key" not in {name.lower() for name, _ in seen["headers"]}
        assert key not in json.dumps(seen)


def test_a_key_that_is_none_is_401_in_json_and_tells_nothing(gateway):
    user = gateway.add_user("trader")
    key = make(gateway, user.name)["secret"]
    bad = [key[:-1] + ("A" if key[-1] != "A" else "Q"), key[:12], "aak_", "x", key.upper(), key + "A"]
    told = set()
    for one in bad:
        answer = client(gateway, one).get("/api/bots", headers={"Accept": "text/html"})
        assert answer.status_code == 401 and answer.headers["content-type"].startswith("application/problem+json"), one
        told.add((answer.json()["title"], answer.json()["error"]))
    assert len(told) == 1
    assert gateway.client().get("/api/bots", headers=[("X-API-Key", key), ("X-API-Key", key)]).status_code == 400
    other = make(gateway, user.name)["secret"]
    assert client(gateway, key).get("/api/bots", headers={"Authorization": f"Bearer {other}"}).status_code == 400
    assert client(gateway, key).get("/api/bots", headers={"Authorization": f"Bearer {gateway.login(user)}"}).status_code == 400


def test_the_operator_learns_why(gateway):
    user = gateway.add_user("trader")
    key = make(gateway, user.name, "--from", "192.0.2.0/24")
    refused = client(gateway, key["secret"]).get("/api/bots")
    assert refused.status_code == 401 and "192.0.2" not in refused.text
    assert "pinned" in gateway.aaiti("explain", refused.headers["X-Request-Id"]).stdout


def test_scopes_narrow_the_owner_and_a_role_bites_at_once(gateway):
    user = gateway.add_user("trader")
    scoped = client(gateway, make(gateway, user.name, "--scope", "bots:read")["secret"])
    whole = client(gateway, make(gateway, user.name)["secret"])
    assert (scoped.get("/api/bots").status_code, whole.get("/api/bots").status_code) == (200, 200)
    assert scoped.post("/api/bots", json={}).status_code == 403
    assert whole.post("/api/bots", json={}).status_code not in (401, 403)
    assert scoped.get("/api/users/profile").status_code == 403 and whole.get("/api/users/profile").status_code == 200
    gateway.aaiti("user", "set-role", user.name, "viewer")
    assert whole.post("/api/bots", json={}).status_code == 403
    gateway.aaiti("user", "disable", user.name)
    assert [c.get("/api/bots").status_code for c in (scoped, whole)] == [401, 401]
    gateway.aaiti("user", "enable", user.name)
    assert scoped.get("/api/bots").status_code == 200


def test_an_expired_a_revoked_and_a_replaced_key(gateway):
    user = gateway.add_user("viewer")
    brief = make(gateway, user.name, "--expires", "2s")["secret"]
    assert client(gateway, brief).get("/api/bots").status_code == 200
    until(lambda: client(gateway, brief).get("/api/bots").status_code == 401, what="its end")
    old = make(gateway, user.name)
    new = gateway.aaiti_json("apikey", "rotate", old["key"], "--overlap", "2s")
    assert [client(gateway, k["secret"]).get("/api/bots").status_code for k in (old, new)] == [200, 200]
    until(lambda: client(gateway, old["secret"]).get("/api/bots").status_code == 401, what="the end of the overlap")
    assert client(gateway, new["secret"]).get("/api/bots").status_code == 200
    gateway.aaiti("apikey", "revoke", new["key"])
    assert client(gateway, new["secret"]).get("/api/bots").status_code == 401


def test_through_a_key_nobody_touches_what_is_personal(make_gateway):
    gateway = make_gateway(workers=1)  # of its own: others count on one admin
    user = gateway.add_user("admin")
    me = client(gateway, make(gateway, user.name)["secret"])
    for method, path in (("PUT", "/aaiti/v1/password"), ("GET", "/aaiti/v1/sessions"), ("DELETE", "/aaiti/v1/sessions"), ("GET", "/aaiti/v1/api-keys"),
                         ("POST", "/aaiti/v1/api-keys"), ("POST", "/api/auth/logout")):
        assert me.request(method, path, json={}).status_code == 403, path
    assert me.get("/aaiti/v1/users").status_code == 200 and me.get("/api/auth/profile").json()["user"]["username"] == user.name
    # with a password or a code for one, whoever has the key would sign in, and stay when it is revoked
    assert me.post(f"/aaiti/v1/users/{user.name}/reset").status_code == 403
    new = {"username": "made-by-key", "role": "admin"}
    assert me.post("/aaiti/v1/users", json=new | {"password": "Str0ng!Pass"}).status_code == 403
    assert me.post("/aaiti/v1/users", json=new).status_code == 201
    reader = client(gateway, make(gateway, user.name, "--scope", "users:read")["secret"])
    assert reader.get("/aaiti/v1/users").status_code == 200
    assert reader.post("/aaiti/v1/users", json={"username": "x", "role": "admin"}).status_code == 403
    assert reader.get("/aaiti/v1/mode").status_code == 403
    pinned = client(gateway, make(gateway, user.name, "--from", "192.0.2.0/24")["secret"])
    assert pinned.get("/aaiti/v1/users").status_code == 401


def test_users_manage_their_own_and_no_others(gateway):
    owner, stranger = gateway.add_user("trader"), gateway.add_user("trader")
    mine, theirs = gateway.signed_in(owner), gateway.signed_in(stranger)
    made = mine.post("/aaiti/v1/api-keys", json={"name": "bot", "scopes": "bots:read", "expiresIn": "1h", "password": owner.password})
    assert made.status_code == 201
    key = made.json()
    assert client(gateway, key["secret"]).get("/api/bots").status_code == 200
    listed = mine.get("/aaiti/v1/api-keys").json()["apiKeys"]
    assert [k["key"] for k in listed] == [key["key"]] and listed[0]["lastUsedAt"] and "secret" not in listed[0]
    assert theirs.get("/aaiti/v1/api-keys", params={"user": owner.name}).status_code == 403
    assert theirs.get("/aaiti/v1/api-keys", params={"user": "all"}).status_code == 403
    assert theirs.post("/aaiti/v1/api-keys", json={"user": owner.name}).status_code == 403
    assert theirs.delete(f"/aaiti/v1/api-keys/{key['id']}").status_code == theirs.delete("/aaiti/v1/api-keys/aak_aaaaaaaa").status_code == 404
    assert theirs.post(f"/aaiti/v1/api-keys/{key['id']}/rotate", json={}).status_code == 404
    assert mine.delete(f"/aaiti/v1/api-keys/{key['id']}").status_code == 204
    assert client(gateway, key["secret"]).get("/api/bots").status_code == 401


def test_the_trail_names_user_and_key_and_the_secret_stands_nowhere(gateway):
    user = gateway.add_user("trader")
    key = make(gateway, user.name)
    assert client(gateway, key["secret"]).post("/api/bots", json={}).status_code not in (401, 403)

    def events():
        found = gateway.aaiti("--json", "audit", "search", "--session", key["id"]).stdout.splitlines()
        return [json.loads(line) for line in found]

    until(lambda: any(e["action"] == "bot_created" for e in events()), what="the event")
    event = next(e for e in events() if e["action"] == "bot_created")
    assert event["sessionId"] == key["id"] and event["userId"] == key["userId"]
    made = gateway.aaiti("--json", "audit", "search", "--action", "api_key_made", "--resource", f"api_keys/{key['id']}").stdout
    assert json.loads(made.splitlines()[0])["details"]["key"] in key["key"]
    secret = key["secret"].rsplit("_", 1)[0] and key["secret"][13:]
    assert secret not in gateway.log() and secret not in made
    for path in gateway.home.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_keys_outlive_a_restart_and_a_users_mode_counts_for_them(make_gateway):
    gateway = make_gateway()
    user = gateway.users["trader"]
    key = make(gateway, user.name)
    assert client(gateway, key["secret"]).get("/api/bots").status_code == 200
    gateway.stop()
    offline = make(gateway, user.name)["secret"]
    gateway.start()
    for secret in (key["secret"], offline):
        assert client(gateway, secret).get("/api/bots").status_code == 200
    gateway.aaiti("panic", "--mode", "read-only", "--user", user.name)
    assert client(gateway, offline).get("/api/bots").status_code == 200
    assert client(gateway, offline).post("/api/bots", json={}).status_code == 503


def test_a_service_user_has_keys_and_nothing_else(gateway):
    name = "robot-of-tests"
    gateway.aaiti("user", "add", name, "--role", "trader", "--service", "--upstream-id", gateway.spare_ids.pop())
    refused = gateway.client().post("/api/auth/login", json={"username": name, "password": "Str0ng!Pass"})
    wrong = gateway.client().post("/api/auth/login", json={"username": gateway.users["viewer"].name, "password": "Str0ng!Pass"})
    without = lambda answer: {k: v for k, v in answer.json().items() if k != "instance"}  # noqa: E731
    assert refused.status_code == wrong.status_code == 401 and without(refused) == without(wrong)
    assert gateway.aaiti("user", "passwd", name, "--password-stdin", check=False, text="Str0ng!Pass9x\n").returncode == 1
    assert gateway.aaiti("user", "passwd", name, "--reset-code", check=False).returncode == 1
    users = {u["username"]: u for u in gateway.aaiti_json("user", "list")}
    assert users[name]["service"] and not users[name]["hasPassword"] and not users["viewer" if "viewer" in users else gateway.users["viewer"].name]["service"]
    secrets = [make(gateway, name)["secret"] for _ in range(7)]  # more than sessions are allowed
    assert all(client(gateway, secret).get("/api/bots").status_code == 200 for secret in secrets)
    gateway.aaiti("user", "delete", name)
    assert client(gateway, secrets[0]).get("/api/bots").status_code == 401
    with contextlib.closing(sqlite3.connect(f"file:{gateway.home}/aaiti.db?mode=ro", uri=True)) as db:
        assert db.execute("SELECT count(*) FROM api_keys WHERE user_id NOT IN (SELECT id FROM users)").fetchone() == (0,)


@pytest.mark.parametrize("setting, says", [({"per_user": 2}, "per_user"), ({"capacity": 64, "per_user": 100}, "capacity")])
def test_there_is_room_for_so_many(make_gateway, setting, says):
    gateway = make_gateway()
    gateway.stop()
    with open(gateway.home / "gateway.yaml", "a") as file:
        file.write("api_key: " + json.dumps(setting) + "\n")
    for _ in range(min(setting.values())):
        make(gateway, "viewer")
    refused = gateway.aaiti("apikey", "add", "viewer", check=False)
    assert refused.returncode == 1 and says in refused.stderr


def test_explain_says_what_a_key_may(gateway):
    key = make(gateway, gateway.users["trader"].name, "--scope", "bots:read", "--from", "127.0.0.0/8", "--expires", "90d")

    def explain(method, path, *more, which=key["key"]):
        done = gateway.aaiti("explain", method, path, "--key", which, *more, check=False)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode == 0, done.stdout

    for method, path in (("GET", "/api/bots"), ("POST", "/api/bots"), ("GET", "/api/users")):
        passes = client(gateway, key["secret"]).request(method, path).status_code not in (401, 403)
        assert explain(method, path)[0] == explain(method, path, "--from", "127.0.0.1", which=key["id"])[0] == passes, (method, path)
    allowed, told = explain("GET", "/api/bots")
    assert allowed and key["key"] in told and "for bots:read" in told and "if it comes from 127.0.0.0/8" in told and "counts for the key in machine" in told
    allowed, told = explain("GET", "/api/bots", "--from", "192.0.2.1")
    assert not allowed and "pinned to other networks" in told
    allowed, told = explain("POST", "/api/bots")
    assert not allowed and "scopes leave out the right" in told
    signed = make(gateway, gateway.users["trader"].name, "--signed")["key"]
    assert "if the signature is right" in explain("GET", "/api/bots", which=signed)[1]
    assert "takes no key that signs" in explain("GET", "/api/auth/profile", which=signed)[1]
    gateway.aaiti("apikey", "revoke", key["key"])
    assert "no such API key" in gateway.aaiti("explain", "GET", "/api/bots", "--key", key["key"], check=False).stderr


# ---- signed requests ----


def signature(key, method, target, body=b"", at=None):
    """As docs/api-keys.md has it."""
    stamp, nonce, digest = str(int(time.time()) if at is None else at), secrets.token_urlsafe(16), hashlib.sha256(body).hexdigest()
    text = "\n".join((method, target, stamp, nonce, digest))
    tag = hmac.new(hashlib.sha256(key.encode()).digest(), text.encode(), hashlib.sha256).hexdigest()
    return {"X-API-Key": key[:12], "X-API-Timestamp": stamp, "X-API-Nonce": nonce, "X-API-Content-SHA256": digest, "X-API-Signature": tag}


@pytest.fixture
def signer(gateway):
    """The text of a signed key. The segment that was just made may still refuse what it cannot know."""
    key = make(gateway, gateway.add_user("trader").name, "--signed")
    assert key["signed"]
    until(lambda: gateway.client().get("/api/bots", headers=signature(key["secret"], "GET", "/api/bots")).status_code == 200, what="a segment that is old enough")
    return key["secret"]


def test_a_signed_request_is_let_through_once_by_all_workers_together(gateway, signer):
    gateway.backend.forget()
    for _ in range(8):
        signed = signature(signer, "GET", "/api/bots?x=1")
        got = []
        for _ in range(8):  # a connection each, so that both workers have some
            with gateway.client() as one:
                got.append(one.get("/api/bots?x=1", headers=signed).status_code)
        assert got == [200] + 7 * [401]
    seen = gateway.backend.received()
    assert len(seen) == 8
    for one in seen:
        assert not [name for name, _ in one["headers"] if name.lower().startswith("x-api-")]
    replayed = gateway.client().get("/api/bots?x=1", headers=signed)
    assert "nonce" in gateway.aaiti("explain", replayed.headers["X-Request-Id"]).stdout


def test_a_signed_body_is_the_one_that_reaches_the_backend(gateway, signer):
    body, other = b'{"name": "a"}', b'{"name": "b"}'
    client = gateway.client()
    client.headers["Content-Type"] = "application/json"

    def post(content, signed):
        return client.post("/api/bots", content=content, headers=signature(signer, "POST", "/api/bots", signed)).status_code

    def in_chunks(content):
        yield content[:5]
        yield content[5:]

    gateway.backend.forget()
    assert [post(other, body), post(b"", body), post(body, b""), post(in_chunks(other), body), post(body + b" ", body)] == 5 * [401]
    assert not gateway.backend.received()
    for content in (body, in_chunks(body), b""):
        assert post(content, b"" if content == b"" else body) not in (401, 403, 413)
    assert len(gateway.backend.received()) == 3
    for size, goes_on in ((16_000, True), (64 * 1024, True), (64 * 1024 + 1, False), (70_000, False), (200_000, False)):
        content = b'{"a":"' + (size - 8) * b"x" + b'"}'
        status = post(content, content)
        assert (status not in (401, 413)) == goes_on and (goes_on or status == 413), (size, status)
    big = 200_000 * b"x"
    refused = client.post("/api/bots", content=in_chunks(big), headers=signature(signer, "POST", "/api/bots", big))
    assert refused.status_code == 413 and "64 KiB" in refused.json()["title"]
    small = 30_000 * b"x"
    assert post(in_chunks(small), small) not in (401, 413)
    assert post(in_chunks(small), small + b"x") == 401


def test_a_signature_of_another_request_or_time_is_none(gateway, signer):
    client = gateway.client()
    good = signature(signer, "GET", "/api/bots")
    assert client.get("/api/bots?x", headers=good).status_code == 401
    assert client.post("/api/bots", headers=good).status_code == 401
    for name in ("X-API-Timestamp", "X-API-Nonce", "X-API-Content-SHA256", "X-API-Signature"):
        assert client.get("/api/bots", headers={k: v for k, v in good.items() if k != name}).status_code == 401
        assert client.get("/api/bots", headers=[*good.items(), (name, good[name])]).status_code == 400
    assert client.get("/api/bots", headers=good).status_code == 200
    now = int(time.time())
    assert client.get("/api/bots", headers=signature(signer, "GET", "/api/bots", at=now - 60)).status_code == 401
    assert client.get("/api/bots", headers=signature(signer, "GET", "/api/bots", at=now + 60)).status_code == 401


def test_a_signature_is_of_the_request_and_not_of_the_protocol(gateway, signer):
    """HTTP/2 has neither request line nor Host: nothing of either is signed but method and target."""
    target = "/api/bots?x=%20a"

    def ask(signed, method="GET", path=target, authority="127.0.0.1", body=b""):
        head = [(":method", method), (":scheme", "https"), (":authority", authority), (":path", path), ("content-type", "application/json")]
        with contextlib.closing(Connection(gateway)) as one:
            return one.ask([*head, *((name.lower(), value) for name, value in signed.items())], body)

    gateway.backend.forget()
    assert ask(signature(signer, "GET", target)) == 200
    assert ask(signature(signer, "GET", target), authority="other.example:8443") == 200
    by_1_1, by_2 = signature(signer, "GET", target), signature(signer, "GET", target)
    assert gateway.client().get(target, headers=by_1_1).status_code == 200 and ask(by_1_1) == 401
    assert ask(by_2) == 200 and gateway.client().get(target, headers=by_2).status_code == 401
    assert len(gateway.backend.received()) == 4
    body = b'{"name": "a"}'
    assert ask(signature(signer, "POST", "/api/bots", body), "POST", "/api/bots", body=body) not in (401, 403, 413, "ended")
    assert len(gateway.backend.received()) == 5

    for method, path, sent in (("GET", "/api/bots?x=+a", b""), ("GET", "/api/bots", b""), ("GET", target + "&y", b""), ("POST", target, b""), ("GET", target, b"x")):
        assert ask(signature(signer, "GET", target), method, path, body=sent) == 401, (method, path, sent)
    assert ask(signature(signer, "POST", "/api/bots", body), "POST", "/api/bots", body=body.replace(b"a", b"b")) == 401
    good = signature(signer, "GET", target)
    for name in ("X-API-Timestamp", "X-API-Nonce", "X-API-Content-SHA256", "X-API-Signature"):
        assert ask({**good, name: good[name][:-1] + ("1" if good[name][-1] != "1" else "2")}) == 401, name
    assert ask(good) == 200
    assert len(gateway.backend.received()) == 6


def test_the_secret_of_a_signed_key_is_never_taken_and_control_takes_none(gateway, signer):
    for headers in ({"X-API-Key": signer}, {"Authorization": f"Bearer {signer}"}, {"X-API-Key": signer[:12]}):
        assert gateway.client().get("/api/bots", headers=headers).status_code == 401
    plain = make(gateway, gateway.add_user("trader").name)["secret"]
    for headers in (signature(plain, "GET", "/api/bots"), {**signature(plain, "GET", "/api/bots"), "X-API-Key": plain}):
        assert gateway.client().get("/api/bots", headers=headers).status_code == 401
    assert gateway.client().get("/api/auth/profile", headers=signature(signer, "GET", "/api/auth/profile")).status_code == 401


def test_a_signed_key_is_turned_over_and_outlives_a_restart(make_gateway):
    gateway = make_gateway()
    old = make(gateway, gateway.users["trader"].name, "--signed")
    new = gateway.aaiti_json("apikey", "rotate", old["key"], "--overlap", "1h")
    assert new["signed"]
    gateway.stop()
    offline = gateway.aaiti("apikey", "add", gateway.users["trader"].name, "--signed", check=False)
    assert offline.returncode == 1 and "running control" in offline.stderr
    gateway.start()
    for key in (old["secret"], new["secret"]):
        until(lambda: gateway.client().get("/api/bots", headers=signature(key, "GET", "/api/bots")).status_code == 200, what="a segment that is old enough")
    gateway.aaiti("apikey", "revoke", new["key"])
    assert gateway.client().get("/api/bots", headers=signature(new["secret"], "GET", "/api/bots")).status_code == 401


@pytest.mark.parametrize("first, command", [("import hashlib", "python3"), ("target=", "bash")])
def test_the_examples_of_the_document_work(gateway, signer, first, command):
    paragraphs = (ROOT / "docs/api-keys.md").read_text().split("\n    " + first)
    lines = ("    " + first + paragraphs[1]).split("\n")
    program = "\n".join(line[4:] for line in itertools.takewhile(lambda line: line.startswith("    ") or not line, lines))
    certificate = str(gateway.home / "tls/cert.pem")
    gateway.backend.forget()
    done = subprocess.run([command, "-ec" if command == "bash" else "-c", program], capture_output=True, text=True,
                          env={**os.environ, "KEY": signer, "URL": gateway.url, "SSL_CERT_FILE": certificate, "CURL_CA_BUNDLE": certificate})
    assert len(gateway.backend.received()) == 1, done.stdout + done.stderr  # what the backend thinks of it is another matter
