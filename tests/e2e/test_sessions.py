# SPDX-License-Identifier: Apache-2.0
"""Sessions: listed and ended by their owner and by an admin, limited in number and in time."""
import pytest
from conftest import until


def test_a_user_lists_and_ends_their_own(gateway):
    user = gateway.add_user("viewer")
    here, elsewhere = gateway.signed_in(user), gateway.signed_in(user)
    sessions = here.get("/aaiti/v1/sessions").json()["sessions"]
    assert len(sessions) == 2 and [s["current"] for s in sessions].count(True) == 1
    other = next(s for s in sessions if not s["current"])
    assert other["address"] == "127.0.0.1" and other["userAgent"].startswith("python-httpx") and other["country"] == "unknown"
    assert here.delete(f"/aaiti/v1/sessions/{other['id']}").status_code == 204
    assert elsewhere.get("/api/bots").status_code == 401
    assert here.get("/api/bots").status_code == 200
    assert len(here.get("/aaiti/v1/sessions").json()["sessions"]) == 1


def test_nobody_sees_or_ends_anothers(gateway, tokens):
    owner, stranger = gateway.signed_in(gateway.add_user("trader")), gateway.signed_in(gateway.add_user("trader"))
    own = owner.get("/aaiti/v1/sessions").json()["sessions"][0]
    assert stranger.delete(f"/aaiti/v1/sessions/{own['id']}").status_code == 404
    assert stranger.get("/aaiti/v1/sessions", params={"user": own["username"]}).status_code == 403
    assert stranger.delete("/aaiti/v1/sessions", params={"user": own["username"]}).status_code == 403
    assert owner.get("/api/bots").status_code == 200


def test_an_admin_ends_anybodys(gateway, tokens):
    user = gateway.add_user("trader")
    first, second = gateway.signed_in(user), gateway.signed_in(user)
    admin = gateway.client(tokens["admin"])
    assert len(admin.get("/aaiti/v1/sessions", params={"user": user.name}).json()["sessions"]) == 2
    assert admin.delete("/aaiti/v1/sessions", params={"user": user.name}).json() == {"ended": 2}
    assert first.get("/api/bots").status_code == second.get("/api/bots").status_code == 401


def test_ending_all_of_ones_own_keeps_this_one(gateway):
    user = gateway.add_user("trader")
    here, elsewhere = gateway.signed_in(user), gateway.signed_in(user)
    assert here.delete("/aaiti/v1/sessions").json() == {"ended": 1}
    assert here.get("/api/bots").status_code == 200
    assert elsewhere.get("/api/bots").status_code == 401


def test_the_oldest_session_gives_way(make_gateway):
    gateway = make_gateway(per_user=2)
    user = gateway.users["trader"]
    clients = [gateway.signed_in(user) for _ in range(3)]
    assert [c.get("/api/bots").status_code for c in clients] == [401, 200, 200]


def test_the_user_is_told_and_the_log_too(make_gateway):
    gateway = make_gateway(per_user=2)
    user = gateway.users["trader"]
    sign_in = {"username": user.name, "password": user.password}
    answers = [gateway.client().post("/api/auth/login", json=sign_in, headers={"User-Agent": agent}).json() for agent in ("a", "a", "b")]
    assert [answer["endedSessions"] for answer in answers] == [0, 0, 1]
    assert gateway.log().count('"event":"new-device"') == 2
    assert gateway.log().count('"event":"session-evict"') == 1


def test_or_the_sign_in_is_refused(make_gateway):
    gateway = make_gateway(per_user=2, at_limit="deny")
    user = gateway.users["trader"]
    clients = [gateway.signed_in(user) for _ in range(2)]
    third = gateway.client().post("/api/auth/login", json={"username": user.name, "password": user.password})
    assert third.status_code == 409
    assert [c.get("/api/bots").status_code for c in clients] == [200, 200]
    # Who does not know the password is not told of the limit.
    assert gateway.client().post("/api/auth/login", json={"username": user.name, "password": "wrong"}).status_code == 401


def test_sessions_outlive_a_restart(make_gateway):
    gateway = make_gateway()
    kept = gateway.signed_in(gateway.users["trader"])
    ended_user = gateway.add_user("viewer")
    ended = gateway.signed_in(ended_user)
    assert ended.post("/api/auth/logout").status_code == 200
    gateway.stop()
    gateway.start()
    assert kept.get("/api/bots").status_code == 200
    assert ended.get("/api/bots").status_code == 401


@pytest.mark.parametrize("seconds, alive", [(24 * 3600 - 60, True), (24 * 3600 + 60, False)])
def test_a_token_ends_after_its_lifetime(make_gateway, seconds, alive):
    """By a clock that only test builds obey."""
    gateway = make_gateway()
    client = gateway.signed_in(gateway.users["trader"])
    gateway.stop()
    gateway.environment["AAITI_TEST_CLOCK_OFFSET_S"] = str(seconds)
    gateway.start()
    assert client.get("/api/bots").status_code == (200 if alive else 401)


def test_an_unused_session_ends_before_its_absolute_end(make_gateway):
    gateway = make_gateway(idle="1h")
    client = gateway.signed_in(gateway.users["trader"])
    gateway.stop()
    gateway.environment["AAITI_TEST_CLOCK_OFFSET_S"] = str(3600 + 60)
    gateway.start()
    assert client.get("/api/bots").status_code == 401
    # The look that refused it did not wake it up.
    assert client.get("/api/bots").status_code == 401


def test_use_keeps_a_session_awake_over_a_restart(make_gateway):
    gateway = make_gateway(idle="1h")
    client = gateway.signed_in(gateway.users["trader"])
    for offset in (1800, 3600 + 1200):
        gateway.stop()
        gateway.environment["AAITI_TEST_CLOCK_OFFSET_S"] = str(offset)
        gateway.start()
        assert client.get("/api/bots").status_code == 200, offset


def test_the_command_line_lists_and_ends(gateway):
    user = gateway.add_user("viewer")
    client = gateway.signed_in(user)
    sessions = gateway.aaiti_json("session", "list", user.name)
    assert len(sessions) == 1 and sessions[0]["username"] == user.name
    assert sessions[0]["id"] in gateway.aaiti("session", "list").stdout
    gateway.aaiti("session", "end", sessions[0]["id"])
    until(lambda: client.get("/api/bots").status_code == 401, what="the end of the session")
    assert gateway.aaiti("session", "end", "--user", user.name).stdout == "Ended: 0\n"
