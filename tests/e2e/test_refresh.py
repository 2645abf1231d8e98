# SPDX-License-Identifier: Apache-2.0
"""Refresh tokens through the data plane: many at once, spent ones, cookies, and control killed in the middle."""
import contextlib
import os
import random
import signal
import sqlite3
import threading
import time

import httpx
import pytest
from conftest import Gateway, until

CLIENTS = 50
WITHIN_S = 0.1
REFRESH = "/api/auth/refresh"
COOKIE = "__Secure-aaiti_refresh"
NO_ANSWER = (httpx.TransportError,)


@pytest.fixture
def user(gateway):
    return gateway.add_user("trader")


def sign_in(gateway, user):
    answer = gateway.client().post("/api/auth/login", json={"username": user.name, "password": user.password})
    assert answer.status_code == 200, answer.text
    return answer.json()


def refresh(client, token):
    return client.post(REFRESH, json={"refreshToken": token})


def together(calls):
    """Runs the calls at the same moment; gives their results in order."""
    results, start = [None] * len(calls), threading.Barrier(len(calls))

    def run(n):
        start.wait(30)
        results[n] = calls[n]()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(calls))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def family(gateway, user):
    """(number, spent?) of the refresh tokens of the user's sessions."""
    with sqlite3.connect(f"file:{gateway.home}/aaiti.db?mode=ro", uri=True) as db:
        return db.execute("SELECT number, spent_s <> 0 FROM refresh_tokens JOIN sessions ON sessions.id = session_id"
                          " JOIN users ON users.id = user_id WHERE username = ? ORDER BY number", (user.name,)).fetchall()


def test_each_use_gives_the_next_token_and_access(gateway, user):
    first = sign_in(gateway, user)
    answer = refresh(gateway.client(), first["refreshToken"])
    body = answer.json()
    assert answer.status_code == 200 and body["message"] == "Token refreshed successfully"
    assert body["token"] == body["accessToken"] != first["token"] and body["refreshToken"] != first["refreshToken"]
    assert body["user"]["username"] == user.name and body["expiresIn"] == 24 * 3600
    for token in (first["token"], body["token"]):
        assert gateway.client(token).get("/api/bots").status_code == 200
    # A refresh token opens nothing by itself.
    assert gateway.client(body["refreshToken"]).get("/api/bots").status_code == 401


def test_of_fifty_at_once_all_get_the_same_successor(gateway, user):
    first = sign_in(gateway, user)
    clients = [gateway.client() for _ in range(CLIENTS)]
    for client in clients:
        client.get("/aaiti/health")  # connected before the race
    answers = together([lambda c=c: refresh(c, first["refreshToken"]) for c in clients])
    assert {a.status_code for a in answers} == {200}
    assert len({a.json()["refreshToken"] for a in answers}) == 1
    assert len({a.json()["token"] for a in answers}) == CLIENTS
    assert {c.get("/api/bots", headers={"Authorization": f"Bearer {a.json()['token']}"}).status_code
            for c, a in zip(clients, answers, strict=True)} == {200}
    assert family(gateway, user) == [(1, 1), (2, 0)]
    assert refresh(clients[0], answers[0].json()["refreshToken"]).status_code == 200


def test_a_spent_token_ends_the_session_in_every_worker(gateway, user):
    first = sign_in(gateway, user)
    second = refresh(gateway.client(), first["refreshToken"]).json()
    third = refresh(gateway.client(), second["refreshToken"]).json()
    clients = [gateway.client(third["token"]) for _ in range(12)]
    assert {c.get("/api/bots").status_code for c in clients} == {200}
    refused = refresh(gateway.client(), first["refreshToken"])
    deadline = time.monotonic() + WITHIN_S
    assert refused.status_code == 401 and refused.json()["error"] == "Invalid or expired token"
    until(lambda: time.monotonic() > deadline, what="the time that it may take")
    assert {c.get("/api/bots").status_code for c in clients} == {401}
    assert gateway.client(first["token"]).get("/api/bots").status_code == 401
    unknown = refresh(gateway.client(), third["refreshToken"])
    assert {k: v for k, v in unknown.json().items() if k != "instance"} == {k: v for k, v in refused.json().items() if k != "instance"}
    assert family(gateway, user) == []
    assert '"event":"refresh-reuse"' in gateway.log()


@pytest.mark.parametrize("headers, status", [
    ({}, 401),
    ({"Sec-Fetch-Site": "none"}, 401),
    ({"Authorization": "Basic dXNlcjpwYXNz"}, 401),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Sec-Fetch-Site": "same-origin"}, 200),
    ({"Authorization": "Bearer null"}, 200),
    ({"Origin": "SELF"}, 200),
])
def test_a_cookie_needs_proof_of_its_origin(gateway, user, headers, status):
    client = gateway.client()
    body = client.post("/api/auth/login", json={"username": user.name, "password": user.password}).json()
    before = client.cookies[COOKIE]
    answer = client.post(REFRESH, headers={k: gateway.url if v == "SELF" else v for k, v in headers.items()})
    assert answer.status_code == status
    assert (client.cookies[COOKIE] != before) == (status == 200)
    if status != 200:
        assert "set-cookie" not in answer.headers
        # In the body it needs no proof: no other page can know it.
        assert refresh(client, body["refreshToken"]).status_code == 200


def test_the_cookie_goes_to_its_path_alone_and_is_rotated(gateway, user):
    client = gateway.client()
    client.headers["Origin"] = gateway.url
    answer = client.post("/api/auth/login", json={"username": user.name, "password": user.password})
    [cookie] = [c for c in answer.headers.get_list("set-cookie") if c.startswith(COOKIE)]
    assert cookie.split("; ")[1:5] == [f"Path={REFRESH}", "Secure", "HttpOnly", "SameSite=Strict"]
    gateway.backend.forget()
    assert client.get("/api/bots").status_code == 200
    forged = client.get("/api/bots", headers={"Cookie": f"{COOKIE}={client.cookies[COOKIE]}; theme=dark; __Host-aaiti_session={answer.json()['token']}"})
    assert forged.status_code == 200
    seen = str(gateway.backend.received())
    assert "theme=dark" in seen and COOKIE not in seen and "__Host-aaiti_session" not in seen
    for _ in range(2):
        before = dict(client.cookies)
        refreshed = client.post(REFRESH)
        assert refreshed.status_code == 200 and "refreshToken" not in refreshed.json()
        assert client.cookies[COOKIE] != before[COOKIE]
        assert client.cookies["__Host-aaiti_session"] == refreshed.json()["token"] != before["__Host-aaiti_session"]
    last = client.cookies[COOKIE]
    assert client.post("/api/auth/logout").status_code == 200
    assert COOKIE not in client.cookies and "__Host-aaiti_session" not in client.cookies
    assert refresh(gateway.client(), last).status_code == 401


def test_no_token_is_to_be_read_in_log_or_database(gateway, user):
    texts, body = [], sign_in(gateway, user)
    for _ in range(3):
        texts.append(body["refreshToken"])
        body = refresh(gateway.client(), body["refreshToken"]).json()
    texts.append(body["refreshToken"])
    assert refresh(gateway.client(), texts[0]).status_code == 401
    assert gateway.client().post(REFRESH, json={"refreshToken": [texts[3]]}).status_code == 400
    stored = b"".join((gateway.home / name).read_bytes() for name in ("aaiti.db", "aaiti.db-wal"))
    assert user.name.encode() in stored
    for text in texts:
        assert text not in gateway.log() and text.encode() not in stored


class Chain:
    """A client that refreshes over and over, and asks again with the same token until it is answered."""

    def __init__(self, gateway, user):
        self.gateway, self.token = gateway, sign_in(gateway, user)["refreshToken"]
        self.ledger = []  # every answer that is no success: status, or what went wrong
        self.answered = 0

    def once(self):
        try:
            answer = refresh(self.gateway.client(), self.token)
        except NO_ANSWER as error:
            self.ledger.append(type(error).__name__)
            return False
        if answer.status_code != 200:
            self.ledger.append(answer.status_code)
            return answer.status_code != 503
        self.token = answer.json()["refreshToken"]
        self.answered += 1
        return True

    def run(self, count):
        for _ in range(count):
            until(self.once, what="an answer to a refresh")


@pytest.fixture(scope="module")
def own():
    with contextlib.closing(Gateway(more="refresh:\n  bearer: true\n")) as g:
        yield g


def test_the_backends_own_form_where_it_is_on(gateway, own):
    user = own.users["viewer"]
    client = own.signed_in(user)
    answer = client.post(REFRESH)
    assert answer.status_code == 200 and "refreshToken" not in answer.json()
    assert own.client(answer.json()["token"]).get("/api/bots").status_code == 200
    by_cookie = own.client()
    by_cookie.cookies.set("__Host-aaiti_session", answer.json()["token"])
    assert by_cookie.post(REFRESH, headers={"Origin": own.url}).status_code == 401
    assert client.post("/api/auth/logout").status_code == 200
    assert own.client(answer.json()["token"]).post(REFRESH).status_code == 401
    # Off, as it is shipped.
    assert gateway.signed_in(gateway.users["viewer"]).post(REFRESH).status_code == 401


def test_no_family_is_lost_when_control_is_killed_in_the_middle(own):
    gateway = own
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    chains = [Chain(gateway, gateway.users["trader"]) for _ in range(4)]
    for _ in range(4):
        [control] = until(lambda: gateway.pids("control"), what="a control process")
        threads = [threading.Thread(target=c.run, args=(10,)) for c in chains]
        for t in threads:
            t.start()
        time.sleep(dice.uniform(0.0, 0.06))
        os.kill(control, signal.SIGKILL)
        for t in threads:
            t.join()
    assert [c.answered for c in chains] == [40] * 4, seed
    told = {what for c in chains for what in c.ledger}
    assert told and told <= {503, "RemoteProtocolError", "ReadError", "ConnectError", "ReadTimeout"}, (seed, told)
    for c in chains:
        answer = refresh(gateway.client(), c.token)
        assert answer.status_code == 200 and gateway.client(answer.json()["token"]).get("/api/bots").status_code == 200, seed
