# SPDX-License-Identifier: Apache-2.0
"""Two things at the same moment: whichever comes first, what was said to be over is over. The clients' own ledger decides."""
import threading
import time

import pytest
from conftest import Load, good_password, until

WITHIN_S = 0.1
ROUNDS = 6


def together(*calls):
    """Runs the calls at the same moment; gives their results in order."""
    results, start = [None] * len(calls), threading.Barrier(len(calls))

    def run(n):
        start.wait(10)
        results[n] = calls[n]()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(calls))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def sign_in(gateway, name, password):
    """The token, or the status of the refusal."""
    answer = gateway.client().post("/api/auth/login", json={"username": name, "password": password})
    return answer.json()["token"] if answer.status_code == 200 else answer.status_code


def sign_ins(gateway, name, password):
    """Some that begin a little one after the other, so that one of them is in the middle when the other thing is done."""
    return [lambda n=n: (time.sleep(n * 0.012), sign_in(gateway, name, password))[1] for n in range(6)]


def alive(gateway, results):
    """Which of the tokens that were got still open something."""
    return [t for t in results if isinstance(t, str) and gateway.client(t).get("/api/auth/profile").status_code == 200]


def test_requests_beside_a_logout(gateway):
    token = gateway.login(gateway.add_user("trader"))
    local = threading.local()

    def ask():
        local.client = getattr(local, "client", None) or gateway.client(token)
        return local.client.get("/api/bots").status_code

    with Load(ask) as load:
        until(lambda: len(load.ledger) > 8, what="requests")
        assert gateway.client(token).post("/api/auth/logout").status_code == 200
        over = time.monotonic()
        until(lambda: sum(began > over + WITHIN_S for began, _ in load.ledger) > 8, what="requests afterwards")
    assert {status for _, status in load.ledger} == {200, 401}
    assert {status for began, status in load.ledger if began > over + WITHIN_S} == {401}


def test_sign_ins_beside_a_disable(gateway):
    admin = gateway.signed_in(gateway.users["admin"])
    user = gateway.add_user("trader")
    for n in range(ROUNDS):
        def disable():
            time.sleep(n * 0.005)
            return admin.patch(f"/aaiti/v1/users/{user.name}", json={"active": False}).status_code

        disabled, *got = together(disable, *sign_ins(gateway, user.name, user.password))
        assert disabled == 200 and alive(gateway, got) == [], got
        gateway.aaiti("user", "enable", user.name)
        assert alive(gateway, got) == [], "enabling brought a session back"


def test_sign_ins_beside_a_change_of_the_password(gateway):
    """Who signed in by the old password in that moment is not in afterwards."""
    user = gateway.add_user("trader")
    password = user.password
    for _ in range(ROUNDS):
        client, new = gateway.client(sign_in(gateway, user.name, password)), good_password()

        def change():
            return client.put("/aaiti/v1/password", json={"currentPassword": password, "newPassword": new}).status_code

        changed, *got = together(change, *sign_ins(gateway, user.name, password))
        assert changed == 200 and alive(gateway, got) == [], got
        assert client.get("/api/auth/profile").status_code == 200
        password = new


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"active": False}], ids=["demoted", "disabled"])
def test_of_two_last_admins_one_stays(make_gateway, change):
    gateway = make_gateway()
    other = gateway.add_user("admin")
    names = ["admin", other.name]
    for _ in range(ROUNDS):
        for name in names:
            gateway.aaiti("user", "enable", name)
            gateway.aaiti("user", "set-role", name, "admin")
        clients = [gateway.signed_in(user) for user in (gateway.users["admin"], other)]
        results = together(*[lambda c=c, n=n, u=u: c.patch(f"/aaiti/v1/users/{n}", json=change | {"currentPassword": u.password}).status_code
                             for c, n, u in zip(clients, reversed(names), (gateway.users["admin"], other))])
        assert sorted(results)[0] == 200 and sorted(results)[1] in (401, 403, 409), results
        admins = [u for u in gateway.aaiti_json("user", "list") if u["role"] == "admin" and u["active"]]
        assert len(admins) == 1


def test_one_name_is_registered_once(make_gateway):
    gateway = make_gateway(more="register:\n  enabled: true\n  role: viewer\n")
    for n in range(4):
        clients = [gateway.client() for _ in range(6)]
        bodies = [{"username": f"Same{n}" if i % 2 else f"same{n}", "email": f"{i}.{n}@example.org", "password": good_password()} for i in range(6)]
        results = together(*[lambda c=c, b=b: c.post("/api/auth/register", json=b).status_code for c, b in zip(clients, bodies)])
        assert results.count(201) == 1 and set(results) <= {201, 409, 503}, results
    assert len([u for u in gateway.aaiti_json("user", "list") if u["username"].lower().startswith("same")]) == 4
