# SPDX-License-Identifier: Apache-2.0
"""A backend that takes no connection up for a while: what is forbidden by the time it does, it never hears."""
import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import Gateway, until
from test_journal import gateway_uuid, row_of

ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
PROXIED = "trusted_proxies: [127.0.0.1/32]\n"
ADDRESS = "192.0.2.10"
BODY = {"name": "x", "strategy_type": "grid"}
# More than nginx keeps in memory: sent piece by piece, from a file.
LARGE = {**BODY, "note": "x" * 300_000}


class Busy:
    """Its queue of connections holds one, which is in it: others get no answer to their SYN, and repeat it each second or later."""

    def __init__(self):
        self.requests = []
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.first = socket.create_connection(("127.0.0.1", self.port))

    def wait_for_who_connects(self):
        """proc(5), tcp: sl, local_address, rem_address, st; 02 is SYN_SENT."""
        def connecting():
            rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            return [row for row in rows if row[2].endswith(f":{self.port:04X}") and row[3] == "02"]
        until(connecting, what="a connection that is not taken up")

    def take_up(self):
        """One connection; what came over it first, b"" where it was closed."""
        self.listener.settimeout(10)
        with self.first, self.listener.accept()[0]:
            pass
        connection, _ = self.listener.accept()
        with connection:
            heard = connection.recv(65536)
            self.first = socket.create_connection(("127.0.0.1", self.port))
            if heard:
                connection.sendall(ANSWER)
                while connection.recv(65536):
                    pass
        return heard

    def close(self):
        self.first.close()
        self.listener.close()


@pytest.fixture(scope="module")
def behind():
    busy = Busy()
    with contextlib.closing(busy), contextlib.closing(Gateway(backend_port=busy.port, more=PROXIED)) as gateway:
        yield gateway, busy
        assert "exited on signal" not in gateway.log()


def press(gateway, _):
    gateway.aaiti("panic", "--reason", "enough")


def stop_all(gateway, _):
    gateway.aaiti("panic", "--mode", "stopped")


def disable(gateway, user):
    gateway.aaiti("user", "disable", user.name)


def sign_out(gateway, user):
    gateway.aaiti("session", "end", "--user", user.name)


def rename(gateway, user):
    gateway.aaiti("user", "set", user.name, "--upstream-id", gateway.spare_ids.pop())


def block(gateway, _):
    gateway.aaiti("block", "add", ADDRESS)


def revoke(gateway, user):
    key, = gateway.aaiti_json("apikey", "list", user.name)
    gateway.aaiti("apikey", "revoke", key["key"])


def client_of(gateway, user, meanwhile):
    if meanwhile == revoke:
        client = gateway.client()
        client.headers["X-API-Key"] = gateway.aaiti_json("apikey", "add", user.name)["secret"]
    else:
        client = gateway.signed_in(user)
    client.headers["X-Forwarded-For"] = ADDRESS
    return client


@pytest.mark.parametrize("meanwhile, method, target, body, status, problem", [
    (press, "POST", "/api/bots", BODY, 503, "risk-off"),
    (press, "POST", "/api/bots", LARGE, 503, "risk-off"),
    (press, "PUT", "/api/bots/b-1", BODY, 503, "risk-off"),
    (stop_all, "GET", "/api/bots", None, 503, "stopped"),
    (disable, "DELETE", "/api/bots/b-1", None, 401, "unauthorized"),
    (sign_out, "GET", "/api/bots", None, 401, "unauthorized"),
    (revoke, "POST", "/api/bots", BODY, 401, "unauthorized"),
    (block, "POST", "/api/bots", BODY, 403, "blocked"),
    (rename, "POST", "/api/bots", BODY, 503, "unavailable"),
    (press, "POST", "/api/bots/b-1/stop", None, 200, None),
    (press, "GET", "/api/bots", None, 200, None),
])
def test_what_is_forbidden_by_then_does_not_leave(behind, meanwhile, method, target, body, status, problem):
    gateway, busy = behind
    user = gateway.add_user("admin" if method == "DELETE" else "trader")
    client = client_of(gateway, user, meanwhile)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(client.request, method, target, json=body)
        busy.wait_for_who_connects()
        try:
            meanwhile(gateway, user)
            heard = busy.take_up()
        finally:
            gateway.aaiti("resume", "--all")
            gateway.aaiti("block", "remove", ADDRESS, check=False)
        answer = asked.result(10)
    assert answer.status_code == status
    assert bool(heard) == (problem is None), heard
    if problem is not None:
        told = answer.json()
        assert told["type"] == f"urn:aaiti:problem:{problem}"
        assert meanwhile != press or (told["mode"], told["reason"]) == ("risk-off", "enough")
    if problem is not None and method != "GET":
        row = row_of(gateway, str(gateway_uuid(answer.headers["x-request-id"])))
        assert (row["outcome"], row["status"]) == ("not-sent", status)
