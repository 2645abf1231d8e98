# SPDX-License-Identifier: Apache-2.0
"""Socket.IO 4 of its makers on both sides of the gateway, under the shipped policy; and the demo backend's own, which is written by hand."""
import contextlib
import json
import subprocess
import time

import pytest
from browser import DIRECTORY
from conftest import Gateway, until
from sockets import Raw, frame

TARGET = "/socket.io/?EIO=4&transport=websocket"
FORBIDDEN = {"type": "urn:aaiti:problem:forbidden", "title": "Forbidden", "status": 403, "error": "Forbidden"}

pytestmark = pytest.mark.skipif(not (DIRECTORY / "node_modules/socket.io").exists(), reason="no socket.io; scripts/browser.sh")


class Node:
    """A script of tests/browser that tells what it sees, a line of JSON each."""

    def __init__(self, name):
        self.process = subprocess.Popen(["node", DIRECTORY / f"{name}.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def tell(self, line):
        self.process.stdin.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
        self.process.stdin.flush()

    def sees(self, *keys):
        """The next line that has one of these keys."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            line = self.process.stdout.readline()
            assert line, "it has ended"
            told = json.loads(line)
            if any(key in told for key in keys):
                return told
        pytest.fail(f"never told of {keys}")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def real():
    """A gateway before the real server."""
    with contextlib.ExitStack() as stack:
        g = stack.enter_context(contextlib.closing(Gateway(start=False)))
        server = stack.enter_context(contextlib.closing(Node("socket_io_server")))
        server.tell((g.home / "keys/upstream.key").read_text().strip())
        g.settings(backend_port=server.sees("port")["port"])
        g.server = server
        g.start()
        yield g


@pytest.fixture
def client(real):
    with contextlib.closing(Node("socket_io_client")) as c:
        c.ca = (real.home / "tls/cert.pem").read_text()
        c.open = lambda **more: c.tell({"does": "open", "url": real.url, "ca": c.ca, **more})
        yield c


def test_a_client_of_its_makers_talks_with_a_server_of_theirs(real, client):
    token = real.login(real.users["trader"])
    client.open(headers={"Authorization": f"Bearer {token}"}, auth={"token": token, "version": 7})
    assert client.sees("connected", "refused") == {"connected": True}
    # The backend sees the user by the gateway's token, and whatever else the client brought.
    assert real.server.sees("connect") == {"connect": "trader", "others": {"version": 7}}
    client.tell({"does": "emit", "event": "subscribe_to_bot", "data": ["bot-1", {"deep": [1, 2, {"three": None}]}]})
    assert real.server.sees("event") == {"event": "subscribe_to_bot", "data": ["bot-1", {"deep": [1, 2, {"three": None}]}]}
    assert client.sees("event") == {"event": "bot_update", "data": [{"of": "subscribe_to_bot"}, {"bytes": 7}]}
    client.tell({"does": "ask", "event": "subscribe_to_bot", "data": ["bot-2"]})
    assert client.sees("answer") == {"answer": {"ok": True}}
    client.tell({"does": "send_bytes", "event": "unsubscribe_from_bot", "count": 5000})
    real.server.sees("event")
    assert real.server.sees("event") == {"event": "unsubscribe_from_bot", "data": [{"bytes": 5000}]}
    # Pings of the server's, which the client answers.
    for _ in range(2):
        client.tell({"does": "ask", "event": "subscribe_to_bot", "data": []})
        client.sees("answer")
    client.tell({"does": "close"})
    assert real.server.sees("disconnect") == {"disconnect": "client namespace disconnect"}


def test_an_event_without_a_row_is_answered_and_never_arrives(real, client):
    token = real.login(real.users["trader"])
    client.open(headers={"Authorization": f"Bearer {token}"})
    assert client.sees("connected", "refused") == {"connected": True}
    real.server.sees("connect")
    client.tell({"does": "emit", "event": "place_order", "data": [1]})
    assert client.sees("event") == {"event": "aaiti_error", "data": [{"event": "place_order", **FORBIDDEN}]}
    client.tell({"does": "ask", "event": "place_order", "data": [1]})
    assert client.sees("answer") == {"answer": FORBIDDEN}
    client.tell({"does": "emit", "event": "subscribe_to_bot", "data": []})
    assert real.server.sees("event")["event"] == "subscribe_to_bot"


def test_another_sessions_token_is_answered_as_the_backend_would(real, client):
    tokens = [real.login(real.users[name]) for name in ("trader", "admin")]
    client.open(headers={"Authorization": f"Bearer {tokens[0]}"}, auth={"token": tokens[1]})
    assert client.sees("connected", "refused")["refused"] == "Authentication error"


def test_without_a_credential_there_is_no_handshake(real, client):
    client.open(auth={"token": real.login(real.users["trader"])})
    assert "401" in str(client.sees("connected", "refused"))


def test_a_user_that_is_disabled_is_cut_off(real, client):
    user = real.add_user("viewer")
    client.open(headers={"Authorization": f"Bearer {real.login(user)}"})
    assert client.sees("connected", "refused") == {"connected": True}
    real.server.sees("connect")
    real.aaiti("user", "disable", user.name)
    assert client.sees("disconnected") == {"disconnected": "transport close", "code": 1008}
    assert "disconnect" in real.server.sees("disconnect")


# ---- the demo backend ----


def packet(text):
    return frame(1, text.encode())


def test_the_demo_backend_speaks_it_too(gateway):
    token = gateway.login(gateway.users["viewer"])
    gateway.backend.forget()
    with contextlib.closing(Raw(gateway, TARGET, token=token, early=packet("40"))) as c:
        assert c.status == 101
        assert c.read()[1].startswith(b'0{"sid":')
        assert c.read()[1].startswith(b'40{"sid":')
        c.send(packet('427["subscribe_to_bot","bot-1"]'))
        assert c.read()[1] == b'437[{"ok": true}]'
        update = json.loads(c.read()[1][2:])
        assert update[0] == "bot_update" and update[1]["botId"] == "bot-1"
        c.send(packet('42["sell_everything"]'))
        assert json.loads(c.read()[1][2:]) == ["aaiti_error", {"event": "sell_everything", **FORBIDDEN}]
        c.send(packet('42["subscribe_to_bot","bot-2"]'))
        assert json.loads(c.read()[1][2:])[1]["botId"] == "bot-2"
    events = until(lambda: [r["path"] for r in gateway.backend.received() if r["method"] == "EVENT"], what="the events")
    assert events == ["subscribe_to_bot", "subscribe_to_bot"]
    assert not any(token in json.dumps(r) for r in gateway.backend.received())


def test_polling_is_refused(gateway):
    client = gateway.signed_in(gateway.users["viewer"])
    for query in ("?EIO=4&transport=polling", "?EIO=4&transport=polling&sid=abc", "", "?EIO=3&transport=websocket"):
        assert client.get(f"/socket.io/{query}").status_code == 426
    assert client.post("/socket.io/?EIO=4&transport=polling", content="40").status_code == 403
