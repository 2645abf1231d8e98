# SPDX-License-Identifier: Apache-2.0
"""API keys, from their making to their end, through the running gateway: who they speak for, what they may, what they may never."""
import contextlib
import json
import re
import sqlite3

import pytest
from conftest import until


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


def test_through_a_key_nobody_touches_what_is_personal(gateway):
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
    made = mine.post("/aaiti/v1/api-keys", json={"name": "bot", "scopes": "bots:read", "expiresIn": "1h"})
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
