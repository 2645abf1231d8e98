# SPDX-License-Identifier: Apache-2.0
"""What an admin or a user ends is over in every worker within 100 ms."""
import time

import httpx
import pytest

WITHIN_S = 0.1


@pytest.fixture
def spread(gateway):
    """Connections to the workers: many short ones, so that each worker is asked (SO_REUSEPORT or accept spread them)."""

    def statuses(token, path="/api/bots", method="GET", count=24):
        results = []
        for _ in range(count):
            with httpx.Client(verify=gateway.trust) as client:
                results.append(client.request(method, gateway.url + path, headers={"Authorization": f"Bearer {token}"}).status_code)
        return set(results)

    return statuses


def log_out(gateway, user, token, admin):
    assert gateway.client(token).post("/api/auth/logout").status_code == 200


def end_by_owner(gateway, user, token, admin):
    other = gateway.signed_in(user)
    assert other.delete("/aaiti/v1/sessions").json()["ended"] == 1


def end_by_admin(gateway, user, token, admin):
    assert admin.delete("/aaiti/v1/sessions", params={"user": user.name}).status_code == 200


def disable(gateway, user, token, admin):
    assert admin.patch(f"/aaiti/v1/users/{user.name}", json={"active": False}).status_code == 200


def delete(gateway, user, token, admin):
    assert admin.delete(f"/aaiti/v1/users/{user.name}").status_code == 204


def set_password(gateway, user, token, admin):
    gateway.aaiti("user", "passwd", user.name, "--password-stdin", text="Other-Pass-12!\n")


def end_on_the_command_line(gateway, user, token, admin):
    gateway.aaiti("session", "end", "--user", user.name)


def disable_on_the_command_line(gateway, user, token, admin):
    gateway.aaiti("user", "disable", user.name)


@pytest.mark.parametrize("end", [log_out, end_by_owner, end_by_admin, disable, delete, set_password, end_on_the_command_line, disable_on_the_command_line])
def test_it_bites_in_every_worker(gateway, tokens, spread, end):
    user = gateway.add_user("trader")
    token = gateway.login(user)
    assert spread(token) == {200}
    end(gateway, user, token, gateway.client(tokens["admin"]))
    time_of_the_end = time.monotonic()
    client = gateway.client(token)
    while (status := client.get("/api/bots").status_code) != 401:
        assert time.monotonic() - time_of_the_end < WITHIN_S, status
    assert spread(token) == {401}
    assert client.get("/api/auth/profile").status_code == 401


def test_a_changed_role_bites_on_the_next_request(gateway, tokens, spread):
    user = gateway.add_user("viewer")
    token = gateway.login(user)
    admin = gateway.client(tokens["admin"])
    start = {"path": "/api/bots/bot-1/start", "method": "POST"}
    assert spread(token, **start) == {403}
    assert admin.patch(f"/aaiti/v1/users/{user.name}", json={"role": "trader"}).status_code == 200
    assert spread(token, **start) == {200}
    gateway.aaiti("user", "set-role", user.name, "viewer")
    assert spread(token, **start) == {403}
    # And the backend is told the new role, though tokens for it are kept for a minute.
    gateway.backend.forget()
    spread(token)
    import jwt

    key = (gateway.home / "keys/upstream.key").read_text().rstrip("\n")
    roles = {jwt.decode(dict(r["headers"])["Authorization"].removeprefix("Bearer "), key, algorithms=["HS256"])["role"] for r in gateway.backend.received()}
    assert roles == {"viewer"}


def test_a_revoked_token_stays_dead_and_its_session_lives(gateway, tokens, spread):
    import jwt

    user = gateway.add_user("trader")
    first, second = gateway.login(user), gateway.login(user)
    claims = jwt.decode(first, options={"verify_signature": False})
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(claims["exp"]))
    admin = gateway.client(tokens["admin"])
    assert admin.post("/aaiti/v1/tokens/revoke", json={"jti": claims["jti"], "expires": expires}).status_code == 204
    assert spread(first) == {401} and spread(second) == {200}


def test_enabling_again_does_not_revive_old_sessions(gateway, spread):
    user = gateway.add_user("trader")
    token = gateway.login(user)
    gateway.aaiti("user", "disable", user.name)
    assert gateway.client().post("/api/auth/login", json={"username": user.name, "password": user.password}).status_code == 401
    gateway.aaiti("user", "enable", user.name)
    assert spread(token) == {401}
    assert spread(gateway.login(user)) == {200}


@pytest.mark.parametrize("change", [{"active": False}, {"role": "viewer"}, None])
def test_the_last_admin_stays(gateway, tokens, change):
    admin = gateway.client(tokens["admin"])
    answer = admin.patch("/aaiti/v1/users/admin", json=change) if change else admin.delete("/aaiti/v1/users/admin")
    assert answer.status_code == 409
    assert admin.get("/api/users").status_code == 200
