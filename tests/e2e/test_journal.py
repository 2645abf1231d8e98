# SPDX-License-Identifier: Apache-2.0
"""What the journal says of requests, as it arrives in the audit trail: an intent before the backend hears of a change, one outcome after,
whatever happens to backend, client, worker or control."""
import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import uuid

import pytest
from conftest import Gateway, until
from test_hostile_backend import HEAD, LENGTH_2, Liar

OUTCOMES = ["pending", "done", "failed", "unknown", "not-sent", "refused"]
# The liar closes each connection: unsaid, the next request could meet the close, and its outcome would be unknown.
CLOSE = b"Connection: close\r\n"
DONE = HEAD + CLOSE + LENGTH_2 + b"\r\n{}"


def rows(gateway, where="1", *values):
    with contextlib.closing(sqlite3.connect(f"file:{gateway.home}/aaiti.db?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        return [{**row, "outcome": OUTCOMES[row["outcome"]]} for row in db.execute(f"SELECT * FROM audit WHERE {where} ORDER BY id", values)]


def row_of(gateway, request_id):
    """The one row of a request, once control has taken it."""
    identifier = uuid.UUID(request_id).bytes
    until(lambda: rows(gateway, "request_id = ?", identifier), what=f"the row of {request_id}")
    found = rows(gateway, "request_id = ?", identifier)
    assert len(found) == 1, found
    return found[0]


@pytest.fixture(scope="module")
def behind():
    """(gateway before a liar, the liar, a trader's client)"""
    liar = Liar()
    with contextlib.closing(Gateway(backend_port=liar.port)) as gateway:
        yield gateway, liar, gateway.signed_in(gateway.users["trader"])
    liar.close()


ENDINGS = {
    "a good answer": (b"HTTP/1.1 201 Created\r\n" + CLOSE + b"Content-Length: 0\r\n\r\n", 201, None, "done", 201),
    "a refusal of its own": (b"HTTP/1.1 422 No\r\n" + CLOSE + b"Content-Length: 0\r\n\r\n", 422, None, "failed", 422),
    "its own error": (b"HTTP/1.1 500 Oh\r\n" + CLOSE + b"Content-Length: 0\r\n\r\n", 500, None, "failed", 500),
    "its own 504": (b"HTTP/1.1 504 Late\r\n" + CLOSE + b"Content-Length: 0\r\n\r\n", 504, None, "failed", 504),
    "a 401 to our credential": (b"HTTP/1.1 401 No\r\n" + CLOSE + b"Content-Length: 0\r\n\r\n", 502, "bad-gateway", "failed", 401),
    "nothing": (b"", 502, "outcome-unknown", "unknown", 502),
    "garbage": (b"\x00\xff garbage\r\n\r\n", 502, "outcome-unknown", "unknown", 502),
    "half a head": (HEAD, 502, "outcome-unknown", "unknown", 502),
    "two lengths": (HEAD + LENGTH_2 + b"Content-Length: 3\r\n\r\n{}", 502, "outcome-unknown", "unknown", 502),
    "an interim answer": (b"HTTP/1.1 102 Processing\r\n\r\n", 502, "outcome-unknown", "unknown", 502),
}


@pytest.fixture(scope="module")
def told(behind):
    """The client's answer to each of ENDINGS; asked together, since rows come a second later."""
    gateway, liar, client = behind
    answers = {}
    for name, (answer, *_) in ENDINGS.items():
        liar.answer, liar.hold = answer, False
        answers[name] = client.post("/api/bots/b-7/start?token=planted", json={"secret": "planted"}, headers={"User-Agent": "bot/1"})
    return answers


@pytest.mark.parametrize("name", ENDINGS)
def test_a_change_is_told_as_it_ended(behind, told, name):
    _, status, problem, outcome, recorded = ENDINGS[name]
    got = told[name]
    assert got.status_code == status
    if problem is not None:
        assert got.json()["type"] == f"urn:aaiti:problem:{problem}"
    identifier = got.headers["x-request-id"]
    if problem == "bad-gateway":  # of the gateway's own making: a sealed id
        identifier = str(gateway_uuid(identifier))
    row = row_of(behind[0], identifier)
    assert (row["outcome"], row["status"], row["action"]) == (outcome, recorded, "bot_started")
    assert (row["route"], row["path"]) == ("POST /api/bots/{id}/start", "/api/bots/b-7/start")
    assert (row["resource_type"], row["resource_id"], row["address"]) == ("bots", "b-7", "127.0.0.1")
    assert row["user_agent"] == "bot/1" and row["user_id"] is not None and row["session_id"] is not None and row["count"] == 1
    assert row["ended_ms"] >= row["time_ms"]
    assert "planted" not in str(row)


def gateway_uuid(sealed):
    """The UUID that stands in the clear before the sealed part."""
    return uuid.UUID(bytes=base64.urlsafe_b64decode(sealed)[:16])


def test_a_backend_that_is_not_there_got_nothing(behind):
    gateway, liar, client = behind
    port = liar.port
    liar.close()
    try:
        got = client.post("/api/bots", json={})
        assert got.status_code == 502 and got.json()["type"] == "urn:aaiti:problem:bad-gateway"
        row = row_of(gateway, got.headers["x-request-id"])
        assert (row["outcome"], row["status"]) == ("not-sent", 502)
    finally:
        liar.__init__(port)


def test_a_client_that_leaves_learns_nothing_and_the_journal_does_not_guess(behind):
    gateway, liar, client = behind
    liar.answer, liar.hold = b"", True
    liar.requests.clear()
    before = len(rows(gateway, "action = 'trade_executed'"))
    with socket.create_connection(("127.0.0.1", gateway.port)) as plain, gateway.trust.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
        sock.sendall(f"POST /api/trading/execute HTTP/1.1\r\nHost: x\r\nAuthorization: {client.headers['Authorization']}\r\n"
                     "Content-Length: 2\r\n\r\n{}".encode())
        until(lambda: liar.requests, what="the backend to have it")
    until(lambda: len(rows(gateway, "action = 'trade_executed'")) > before, what="the row")
    row = rows(gateway, "action = 'trade_executed'")[-1]
    assert (row["outcome"], row["status"]) == ("unknown", 499) and len(liar.requests) == 1


def test_a_worker_that_is_killed_leaves_an_unknown_outcome(behind):
    gateway, liar, client = behind
    liar.answer, liar.hold = b"", True
    liar.requests.clear()
    before = len(rows(gateway, "action = 'bot_changed'"))
    with socket.create_connection(("127.0.0.1", gateway.port)) as plain:
        sock = gateway.trust.wrap_socket(plain, server_hostname="127.0.0.1")
        sock.sendall(f"PUT /api/bots/b-1 HTTP/1.1\r\nHost: x\r\nAuthorization: {client.headers['Authorization']}\r\n"
                     "Content-Length: 2\r\n\r\n{}".encode())
        until(lambda: liar.requests, what="the backend to have it")
        assert rows(gateway, "action = 'bot_changed' AND outcome <> 0")[before:] == []
        for pid in gateway.pids("nginx: worker"):
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(rows(gateway, "action = 'bot_changed'")) > before, what="the row")
    row = rows(gateway, "action = 'bot_changed'")[-1]
    assert (row["outcome"], row["status"]) == ("unknown", 0)
    liar.answer, liar.hold = DONE, False
    until(lambda: client.post("/api/bots", json={}).status_code == 200, what="new workers")


def test_deletions_and_recorded_reads(behind):
    gateway, liar, client = behind
    liar.answer, liar.hold = DONE, False
    admin = gateway.signed_in(gateway.users["admin"])
    got = admin.delete("/api/ml/models/m-3")
    assert got.status_code == 200
    row = row_of(gateway, got.headers["x-request-id"])
    assert (row["action"], row["outcome"], row["resource_type"], row["resource_id"]) == ("model_deleted", "done", "models", "m-3")
    got = admin.get("/api/users")
    assert (row_of(gateway, got.headers["x-request-id"])["action"]) == "users_read"
    got = client.get("/api/bots")
    marker = client.post("/api/bots", json={})
    row_of(gateway, marker.headers["x-request-id"])
    assert rows(gateway, "request_id = ?", uuid.UUID(got.headers["x-request-id"]).bytes) == []


def test_refusals_are_counted_together(behind):
    gateway, _, client = behind
    viewer = gateway.signed_in(gateway.users["viewer"])
    for _ in range(20):
        assert viewer.post("/api/bots", json={}).status_code == 403

    def counted():
        return sum(row["count"] for row in rows(gateway, "reason = 'NO_PERMISSION' AND route = 'POST /api/bots'"))
    until(lambda: counted() == 20, what="20 refusals")
    found = rows(gateway, "reason = 'NO_PERMISSION'")
    assert len(found) <= 6 and {row["outcome"] for row in found} == {"refused"} and {row["status"] for row in found} == {403}


@contextlib.contextmanager
def standing_still(gateway):
    """Control takes nothing out of the journal meanwhile."""
    control, = gateway.pids("control --home")
    os.kill(control, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(control, signal.SIGCONT)


def test_a_full_journal_refuses_all_but_what_reduces_risk(make_gateway):
    """And before it is full, a flood its own user. Afterwards nothing that was acknowledged is missing or there twice."""
    gateway = make_gateway(more="journal: {file_size: 64KiB, files: 4}", workers=1)
    viewer, client = gateway.signed_in(gateway.users["viewer"]), gateway.signed_in(gateway.users["trader"])
    others = [gateway.signed_in(gateway.add_user("trader")) for _ in range(4)]
    acknowledged = []

    def flood(client, path, body):
        """Until it is refused."""
        for _ in range(2000):
            got = client.post(path, json=body)
            if got.status_code in (429, 503):
                break
            assert got.status_code < 400
            acknowledged.append(got.headers["x-request-id"])
        assert got.headers["retry-after"] == "1"
        return got

    with standing_still(gateway):
        got = flood(viewer, "/api/ml/models/model-1/predict", {"symbols": ["AAPL"]})
        assert got.status_code == 429 and len(acknowledged) > 100
        assert client.post("/api/bots/bot-1/stop", json={}).status_code == 200
        got = [flood(user, "/api/bots/bot-1/start", {}) for user in [client, *others]][-1]
        assert got.status_code == 503
        assert got.json()["error"] == "The gateway cannot record changes at the moment"
        closing = [client.post("/api/bots/bot-1/stop", json={}) for _ in range(20)]
        assert {answer.status_code for answer in closing} == {200}
        assert client.get("/api/bots").status_code == 200
    wanted = {uuid.UUID(i).bytes for i in acknowledged + [answer.headers["x-request-id"] for answer in closing]}
    until(lambda: wanted <= {row["request_id"] for row in rows(gateway, "outcome = 1")}, what="all that was acknowledged")
    found = [row["request_id"] for row in rows(gateway, "request_id IS NOT NULL")]
    assert len(found) == len(set(found))
    until(lambda: client.post("/api/bots/bot-1/start", json={}).status_code == 200, what="room")


@pytest.fixture
def on_a_small_disk(make_gateway):
    """A gateway whose home is a file system of 16 MiB, and a function that fills it."""
    if os.geteuid() != 0:
        pytest.skip("mounting takes root")
    gateway = make_gateway(start=False, more="journal: {file_size: 64KiB}", workers=1)
    aside = gateway.directory / "aside"
    gateway.home.rename(aside)
    gateway.home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs", gateway.home], check=True)
    shutil.copystat(aside, gateway.home)
    os.chown(gateway.home, aside.stat().st_uid, aside.stat().st_gid)
    subprocess.run(["cp", "-a", f"{aside}/.", gateway.home], check=True)

    def fill():
        with contextlib.suppress(OSError), open(gateway.home / "filler", "ab", buffering=0) as filler:
            while filler.write(b"x" * 4096):
                pass
    try:
        yield gateway, fill
    finally:
        gateway.stop()
        subprocess.run(["umount", gateway.home], check=True)


def test_a_full_disk_stops_new_risk_and_lets_positions_be_closed(on_a_small_disk):
    gateway, fill = on_a_small_disk
    gateway.start()
    client, other = gateway.signed_in(gateway.users["trader"]), gateway.signed_in(gateway.users["admin"])
    acknowledged = []

    def start_bot(client=client):
        got = client.post("/api/bots/bot-1/start", json={})
        if got.status_code == 200:
            acknowledged.append(uuid.UUID(got.headers["x-request-id"]).bytes)
        return got.status_code

    assert start_bot() == 200
    fill()
    for _ in range(3000):
        status = start_bot()
        if status in (429, 503):
            break
        fill()  # what control gives back
    # Of the last room this user has had his share; others have theirs.
    assert status == 429 and len(acknowledged) > 100
    assert start_bot(other) == 200
    assert [client.post("/api/bots/bot-1/stop", json={}).status_code for _ in range(50)] == [200] * 50
    assert client.get("/api/bots").status_code == 200
    assert gateway.aaiti("health", check=False).returncode == 0
    fill()
    pressed = gateway.aaiti("panic", "--reason", "the disk is full")  # and it stays in force, recorded or not
    assert "risk-off" in pressed.stdout
    refused = client.post("/api/bots/bot-1/start", json={})
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:aaiti:problem:risk-off")
    assert [client.post("/api/bots/bot-1/stop", json={}).status_code for _ in range(50)] == [200] * 50
    assert gateway.aaiti("resume").stdout.startswith("off")
    (gateway.home / "filler").unlink()
    until(lambda: start_bot() == 200, what="room for changes")
    until(lambda: set(acknowledged) <= {row["request_id"] for row in rows(gateway, "outcome = 1")}, what="all that was acknowledged")


def test_positions_are_closed_on_a_full_disk(on_a_small_disk):
    """By control, by the control that comes after it, and by the command that takes its place."""
    gateway, fill = on_a_small_disk
    gateway.start()
    client = gateway.signed_in(gateway.users["admin"])

    def made_safe(check=True):
        fill()
        done = gateway.aaiti("--json", "make-safe", "--as", "admin", check=False)
        if not check and done.returncode != 0:
            return None
        assert done.stdout, done.stderr
        run = json.loads(done.stdout)
        assert (run["summary"]["ok"], run["summary"]["failed"], run["summary"]["unread"]) == (1, 0, 0), done.stdout + done.stderr + gateway.log()
        assert client.get("/api/bots/bot-1").json()["bot"]["status"] == "stopped"
        return run

    def start_bot():
        gateway.aaiti("resume")
        (gateway.home / "filler").unlink(missing_ok=True)
        until(lambda: client.post("/api/bots/bot-1/start").status_code == 200, what="room for a change")

    start_bot()
    run = made_safe()
    assert not run["recorded"]
    pressed = gateway.client(client.headers["Authorization"].removeprefix("Bearer ")).post("/aaiti/v1/panic", json={})
    assert pressed.status_code == 200 and pressed.json()["mode"] == "risk-off"

    start_bot()
    fill()
    [control] = gateway.pids("control --home")
    os.kill(control, signal.SIGKILL)
    until(lambda: gateway.pids("control --home") not in ([], [control]), what="another control")
    until(lambda: made_safe(check=False), what="the calls")

    start_bot()
    os.kill(gateway.process.pid, signal.SIGSTOP)  # else it starts control again
    try:
        gateway.kill_control()
        assert made_safe()
    finally:
        os.kill(gateway.process.pid, signal.SIGCONT)
    (gateway.home / "filler").unlink()


def test_a_disk_that_is_full_from_the_start(on_a_small_disk):
    gateway, fill = on_a_small_disk
    gateway.start()
    client = gateway.signed_in(gateway.users["trader"])
    with standing_still(gateway):  # it would give back the room of the dead worker's files
        fill()
        for pid in gateway.pids("nginx: worker"):
            os.kill(pid, signal.SIGKILL)
        until(lambda: client.get("/api/bots").status_code == 200, what="a new worker")
        assert client.post("/api/bots/bot-1/start", json={}).status_code == 503
        assert client.post("/api/bots/bot-1/stop", json={}).status_code == 200
    (gateway.home / "filler").unlink()
    until(lambda: client.post("/api/bots/bot-1/start", json={}).status_code == 200, what="room for changes")
    until(lambda: rows(gateway, "action = 'journal_lost'"), what="the loss to be told")
