# SPDX-License-Identifier: Apache-2.0
"""The audit trail of control's own changes and refusals, by the command line and by the API."""
import json
import secrets
import sqlite3
import subprocess

import pytest
from conftest import AAITI, good_password, until


def search(gateway, *filters):
    """Newest first."""
    return [json.loads(line) for line in gateway.aaiti("--json", "audit", "search", *filters).stdout.splitlines()]


@pytest.fixture
def user(gateway):
    return gateway.add_user("trader")


def test_a_users_life_is_found_by_command_line_and_api(gateway, user):
    client = gateway.signed_in(user)
    me = client.get("/api/auth/profile").json()["user"]["id"]
    request_id = client.put("/aaiti/v1/password", json={"currentPassword": user.password, "newPassword": good_password()}).headers["X-Request-Id"]
    gateway.aaiti("user", "set-role", user.name, "viewer")
    client.post("/api/auth/logout").raise_for_status()
    [changed] = search(gateway, "--request-id", request_id)
    assert (changed["action"], changed["outcome"], changed["userId"], changed["severity"]) == ("password_changed", "done", me, "medium")
    assert changed["address"] == "127.0.0.1" and changed["path"] == "/aaiti/v1/password" and changed["username"] == user.name
    by_user = search(gateway, "--user", user.name)
    assert [e["action"] for e in by_user] == ["user_logout", "password_changed", "user_login"]
    to_user = search(gateway, "--resource", f"users/{me}")
    assert [e["action"] for e in to_user] == ["user_changed", "password_changed", "user_created"]
    assert to_user[0]["details"] == {"username": user.name, "role": {"from": "trader", "to": "viewer"}, "by": "operator"}
    admin = gateway.signed_in(gateway.users["admin"])
    page = admin.get("/aaiti/v1/audit", params={"user": user.name, "limit": 2}).json()
    assert page["events"] == by_user[:2]
    assert admin.get("/aaiti/v1/audit", params={"user": user.name, "before": page["next"]}).json()["events"] == by_user[2:]
    assert admin.get(f"/aaiti/v1/audit/{changed['id']}").json() == changed
    # Who looked stands there too.
    read = search(gateway, "--action", "audit_read", "--user", gateway.users["admin"].name)[:3]
    assert read[0]["resourceId"] == str(changed["id"])
    assert [e["details"]["shown"] for e in read[1:]] == [1, 2]
    assert read[1]["details"]["filters"] == {"user": me, "before": str(page["next"])}


@pytest.mark.parametrize("role", ["trader", "viewer"])
def test_others_may_not_look(gateway, tokens, role):
    client = gateway.client(tokens[role])
    for path in ("/aaiti/v1/audit", "/aaiti/v1/audit/1", "/aaiti/v1/audit?limit=nonsense"):
        assert client.get(path).status_code == 403
    assert gateway.client().get("/aaiti/v1/audit").status_code == 401


def test_failed_sign_ins_are_counted_and_tell_no_more_than_whose(gateway, user):
    typed = "Typed-Into-The-Wrong-Field-" + secrets.token_hex(8)
    client = gateway.client()
    before = len(search(gateway, "--action", "user_login_failed", "-n", "1000"))
    for _ in range(9):  # the tenth would lock
        assert client.post("/api/auth/login", json={"username": user.name, "password": typed}).status_code == 401
    assert client.post("/api/auth/login", json={"username": typed, "password": "x"}).status_code == 401
    me = search(gateway, "--action", "user_created", "-n", "1")[0]["resourceId"]

    def failed():
        found = search(gateway, "--action", "user_login_failed", "-n", "1000")[: -before or None]
        return found if sum(e["count"] for e in found) >= 10 else None
    found = until(failed, what="the refusals in the trail")
    assert len(found) < 10  # not one each
    assert {(e["reason"], e.get("userId"), e["severity"]) for e in found} == {("WRONG_PASSWORD", me, "high"), ("UNKNOWN_USER", None, "high")}
    assert typed not in json.dumps(found) and typed not in gateway.log()


def test_what_cannot_be_recorded_is_not_done(gateway, user):
    """Another process holds the database for longer than a call waits."""
    client = gateway.signed_in(user)
    other = sqlite3.connect(gateway.home / "aaiti.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert client.put("/aaiti/v1/password", json={"currentPassword": user.password, "newPassword": good_password()}).status_code == 503
    finally:
        other.execute("ROLLBACK")
        other.close()
    gateway.login(user)  # by the old password
    assert [e["action"] for e in search(gateway, "--user", user.name)] == ["user_login", "user_login"]


def test_a_terminal_is_shown_no_byte_of_a_clients(gateway, user):
    client = gateway.client()
    client.headers["User-Agent"] = "evil\u202e\u00e9".encode("utf-8").decode("latin-1")
    client.post("/api/auth/login", json={"username": user.name, "password": user.password}).raise_for_status()
    [login] = search(gateway, "--user", user.name, "--action", "user_login")
    shown = gateway.aaiti("audit", "show", str(login["id"])).stdout
    assert shown.isascii() and "evil" in shown
    table = gateway.aaiti("audit", "tail", "-n", "3").stdout.splitlines()  # of whoever was last
    assert len(table) == 4 and table[0].split()[:3] == ["ID", "TIME", "LEVEL"]
    assert user.name in gateway.aaiti("audit", "search", "--user", user.name).stdout


def test_tail_follows_along(gateway):
    tail = subprocess.Popen([AAITI, "--json", "audit", "tail", "-n", "1", "--follow"], env=gateway.environment, stdout=subprocess.PIPE, text=True)
    try:
        assert json.loads(tail.stdout.readline())["id"] > 0
        name = gateway.add_user("viewer").name
        while (event := json.loads(tail.stdout.readline()))["action"] != "user_created":
            pass
        assert event["details"]["username"] == name
    finally:
        tail.terminate()
        tail.wait(10)
