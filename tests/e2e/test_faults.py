# SPDX-License-Identifier: Apache-2.0
"""Processes are killed in mid-load. The clients' own ledger decides: every answer that came is one that was right to give."""
import os
import signal

import httpx
import pytest
from conftest import Load, until

# A killed worker takes its connections with it; what never was answered is no wrong answer.
NO_ANSWER = (httpx.TransportError,)


class Asker:
    """Calls that each have one right status; what comes instead is wrong."""

    def __init__(self, gateway, tokens):
        self.gateway, self.tokens = gateway, tokens
        self.calls = [
            ("viewer", "GET", "/api/bots", 200), ("viewer", "POST", "/api/bots/bot-1/stop", 403), ("trader", "POST", "/api/bots/bot-1/stop", 200),
            (None, "GET", "/api/bots", 401), ("ended", "GET", "/api/bots", 401), ("trader", "GET", "/api/users", 403), ("admin", "GET", "/api/users", 200),
            (None, "GET", "/api/none", 403),
        ]

    def __call__(self):
        seen = []
        with httpx.Client(base_url=self.gateway.url, verify=self.gateway.trust, timeout=10) as client:
            for who, method, path, right in self.calls:
                headers = {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}
                try:
                    seen.append((who, method, path, right, client.request(method, path, headers=headers).status_code))
                except NO_ANSWER:
                    seen.append((who, method, path, right, None))
        return seen


def answers(load):
    return [row for _, rows in load.ledger for row in rows]


@pytest.fixture
def own(make_gateway):
    gateway = make_gateway()
    tokens = {role: gateway.login(user) for role, user in gateway.users.items()}
    tokens["ended"] = gateway.login(gateway.users["trader"])
    assert gateway.client(tokens["ended"]).post("/api/auth/logout").status_code == 200
    return gateway, tokens


def test_control_killed_in_mid_load(own):
    """Guarded requests go on as if nothing were; only sign-in and management stop, and come back."""
    gateway, tokens = own
    client = gateway.client(tokens["viewer"])
    with Load(Asker(gateway, tokens)) as load:
        for _ in range(2):
            [control] = until(lambda: gateway.pids("control"), what="a control process")
            before = len(load.ledger)
            os.kill(control, signal.SIGKILL)
            until(lambda: len(load.ledger) > before + 4, what="requests without control")
            until(lambda: gateway.pids("control") not in ([], [control]), what="another control process")
            until(lambda: client.get("/api/auth/profile").status_code == 200, what="control's answer")
    wrong = [row for row in answers(load) if row[3] != row[4]]
    assert wrong == [] and len(answers(load)) > 50
    # What was ended before stays ended, what is ended now ends.
    assert gateway.client(tokens["ended"]).get("/api/bots").status_code == 401
    assert client.post("/api/auth/logout").status_code == 200
    assert client.get("/api/bots").status_code == 401


def test_sign_in_without_control_is_a_503_and_guarding_goes_on(own):
    gateway, tokens = own
    [control] = gateway.pids("control")
    os.kill(control, signal.SIGSTOP)
    try:
        assert gateway.client(tokens["viewer"]).get("/api/bots").status_code == 200
        assert gateway.client(tokens["viewer"]).post("/api/bots/bot-1/start").status_code == 403
    finally:
        os.kill(control, signal.SIGCONT)
    os.kill(control, signal.SIGKILL)
    statuses = set()

    def signed_in_again():
        answer = gateway.client().post("/api/auth/login", json={"username": "viewer", "password": gateway.users["viewer"].password})
        statuses.add(answer.status_code)
        if answer.status_code == 503:
            assert answer.headers["content-type"] == "application/problem+json" and int(answer.headers["retry-after"]) >= 1
            assert answer.json()["instance"].startswith("urn:aaiti:request:")  # which `aaiti explain` opens
        return answer.status_code == 200

    until(signed_in_again, what="sign-in after control's death")
    assert statuses <= {200, 503}


def test_a_worker_killed_in_mid_load(own):
    gateway, tokens = own
    with Load(Asker(gateway, tokens)) as load:
        for _ in range(3):
            workers = until(lambda: len(gateway.pids("nginx: worker")) == 2 and gateway.pids("nginx: worker"), what="two workers")
            before = len(load.ledger)
            os.kill(workers[0], signal.SIGKILL)
            until(lambda: len(load.ledger) > before + 4, what="requests after the kill")
    rows = answers(load)
    # A worker just started may say 503 until it has the segment; it never says 401 or lets anybody in.
    wrong = [row for row in rows if row[4] not in (row[3], None, 503)]
    assert wrong == []
    assert sum(row[4] is None for row in rows) < len(rows) / 4
    assert gateway.client(tokens["viewer"]).get("/api/bots").status_code == 200


def test_the_nginx_master_comes_back(own):
    gateway, tokens = own
    [master] = gateway.pids("nginx: master")
    old = {master, *gateway.pids("nginx: worker")}
    os.kill(master, signal.SIGKILL)
    client = gateway.client(tokens["viewer"])

    def served():
        new = gateway.pids("nginx: master")
        try:
            return new and not old & {*new, *gateway.pids("nginx: worker")} and client.get("/api/bots").status_code == 200
        except NO_ANSWER:
            return False

    until(served, what="the gateway after its master's death")
    assert gateway.client(tokens["ended"]).get("/api/bots").status_code == 401


def test_serve_takes_everything_with_it(own):
    gateway, tokens = own
    below = gateway.pids("")
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(15) == 0
    assert [pid for pid in below if os.path.exists(f"/proc/{pid}")] == []
    with pytest.raises(httpx.TransportError):
        gateway.client().get("/aaiti/health")


def test_serve_killed_leaves_nothing_behind(own):
    gateway, tokens = own
    below = gateway.pids("")
    os.kill(gateway.process.pid, signal.SIGKILL)
    gateway.process.wait(10)
    until(lambda: not [pid for pid in below if is_alive(pid)], what="the end of serve's children")
    gateway.start()
    assert gateway.client(tokens["viewer"]).get("/api/bots").status_code == 200


def is_alive(pid):
    """Zombies of a container without an init do not count."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
