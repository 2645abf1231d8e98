# SPDX-License-Identifier: Apache-2.0
"""The button under bad luck and ill will: what is under way when it is pressed, who presses at once, what becomes of its file."""
import contextlib
import os
import signal
import socket
import threading
import time

import pytest
from conftest import Load, until
from test_http2 import Connection, head

BODY = b'{"name": "x", "strategy_type": "grid"}'


@pytest.fixture(autouse=True)
def lifted(gateway):
    yield
    gateway.aaiti("resume", "--all")
    gateway.backend.forget()


def opens(client):
    return client.post("/api/bots", content=BODY, headers={"Content-Type": "application/json"})


def closes(client):
    return client.post("/api/bots/bot-1/stop")


def entries(gateway):
    return [(entry["mode"], entry["scope"]) for entry in gateway.aaiti_json("mode")["entries"]]


# ---- what is under way ----

def begin(gateway, token, head_more, body):
    sock = gateway.trust.wrap_socket(socket.create_connection(("127.0.0.1", gateway.port), timeout=10), server_hostname="127.0.0.1")
    sock.sendall(f"POST /api/bots HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n"
                 f"Content-Type: application/json\r\n{head_more}\r\n\r\n".encode() + body)
    return sock


def rest_of(sock):
    answer = b""
    while chunk := sock.recv(65536):
        answer += chunk
    return answer


@pytest.mark.parametrize("head_more, first, last", [
    (f"Content-Length: {len(BODY)}", BODY[:5], BODY[5:]),
    ("Transfer-Encoding: chunked", b"5\r\n" + BODY[:5] + b"\r\n", b"%x\r\n" % len(BODY[5:]) + BODY[5:] + b"\r\n0\r\n\r\n"),
    ("Expect: 100-continue\r\nContent-Length: %d" % len(BODY), b"", BODY)])
def test_a_body_that_was_on_its_way_opens_nothing(gateway, tokens, head_more, first, last):
    gateway.backend.forget()
    with contextlib.closing(begin(gateway, tokens["trader"], head_more, first)) as sock:
        gateway.aaiti("panic")
        sock.sendall(last)
        assert b" 503 " in rest_of(sock).replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")[:20]
    assert gateway.backend.received() == []


def test_streams_that_were_open_open_nothing(gateway, tokens):
    """One connection of HTTP/2 over the change."""
    gateway.backend.forget()
    connection = Connection(gateway)
    with contextlib.closing(connection):
        asked = head(tokens["trader"], ("content-type", "application/json"), method="POST")
        assert connection.ask(asked, BODY) == 201
        gateway.backend.forget()
        gateway.aaiti("panic")
        assert connection.ask(asked, BODY) == 503
        assert connection.ask(head(tokens["trader"])) == 200
    assert [got["method"] for got in gateway.backend.received()] == ["GET"]


def test_pressed_while_the_policy_is_reloaded(gateway, tokens):
    """Again and again, under traffic: a worker that takes up another policy has the mode all the same."""
    stop = threading.Event()

    def reload_on():
        while not stop.is_set():
            gateway.aaiti("policy", "reload")
    reloading = threading.Thread(target=reload_on)
    reloading.start()
    try:
        with gateway.client(tokens["trader"]) as trader, Load(lambda: (opens(trader).status_code, closes(trader).status_code)) as load:
            until(lambda: len(load.ledger) > 20, what="traffic")
            gateway.aaiti("panic")
            in_force = time.monotonic()
            before = len(load.ledger)
            until(lambda: len(load.ledger) > before + 200, 30, "traffic in risk-off")
    finally:
        stop.set()
        reloading.join()
    later = [statuses for began, statuses in load.ledger if began > in_force]
    assert len(later) > 100 and set(later) == {(503, 200)}


# ---- who presses ----

def test_of_two_who_press_the_second_undoes_nothing(gateway):
    gateway.aaiti("panic", "--mode", "stopped")
    gateway.aaiti("panic")
    assert entries(gateway) == [("stopped", "global")]
    gateway.aaiti("panic", "--for", "1s")
    assert gateway.aaiti_json("mode")["entries"][0]["until"] is None
    gateway.aaiti("panic", "--mode", "risk-off")  # says which
    assert entries(gateway) == [("risk-off", "global")]


def test_all_press_at_once(gateway, tokens):
    with gateway.client(tokens["trader"]) as trader:
        answers = []
        pressing = [threading.Thread(target=lambda: answers.append(gateway.aaiti("panic", "--reason", "all at once").returncode)) for _ in range(4)]
        pressing += [threading.Thread(target=lambda: answers.append(trader.post("/aaiti/v1/panic", json={}).status_code)) for _ in range(8)]
        for thread in pressing:
            thread.start()
        for thread in pressing:
            thread.join()
        assert set(answers) == {0, 200} and len(answers) == 12
        assert entries(gateway) == [("risk-off", "global")]
        assert opens(trader).status_code == 503


def test_who_may_only_press_does_not_make_what_is_stronger_last(gateway, tokens):
    with gateway.client(tokens["trader"]) as trader, gateway.client(tokens["admin"]) as admin:
        assert admin.post("/aaiti/v1/mode", json={"mode": "stopped", "for": "10m"}).status_code == 200
        pressed = trader.post("/aaiti/v1/panic", json={}).json()
        assert pressed["mode"] == "stopped"
        shown = {entry["mode"]: entry["until"] for entry in pressed["entries"]}
        assert shown["risk-off"] is None and shown["stopped"] is not None
        assert admin.post("/aaiti/v1/mode", json={"mode": "off"}).json()["entries"] == []


def test_what_is_in_force_for_who_is_gone_can_be_lifted(gateway, tokens):
    user = gateway.add_user("trader")
    gateway.aaiti("panic", "--user", user.name)
    gateway.aaiti("user", "delete", user.name, "--yes", check=False)
    gateway.aaiti("user", "delete", user.name, check=False)
    assert entries(gateway) == [("risk-off", f"user:{user.name}")]
    gateway.aaiti("resume", "--user", user.name)
    assert entries(gateway) == []

    policy = gateway.home / "policy.yaml"
    kept = policy.read_text()
    for lift in (lambda: gateway.aaiti("resume", "--group", "passing").returncode == 0,
                 lambda: gateway.client(tokens["admin"]).post("/aaiti/v1/mode", json={"mode": "off", "scope": "group:passing"}).status_code == 200):
        policy.write_text(kept.replace("action: bot_started}", "action: bot_started, group: passing}"))
        try:
            gateway.aaiti("policy", "reload")
            gateway.aaiti("panic", "--group", "passing")
        finally:
            policy.write_text(kept)
            gateway.aaiti("policy", "reload")
        assert entries(gateway) == [("risk-off", "group:passing")]
        assert lift()
        assert entries(gateway) == []


@pytest.mark.parametrize("reason", ["\r\nSet-Cookie: a=b\r\n\r\n<script>", '","mode":"off","x":"', "\x1b]0;owned\x07\x1b[2J", "\u202egnp.exe\u2066", "é" * 200, "%s%n%x", "\\u0000\\", "\U0001f600" * 50])
def test_a_reason_is_text_wherever_it_is_shown(gateway, tokens, reason):
    gateway.aaiti("panic", "--reason", reason)
    answer = opens(gateway.client(tokens["trader"]))
    problem = answer.json()
    assert answer.status_code == 503 and problem["mode"] == "risk-off" and "set-cookie" not in answer.headers
    for text in (problem["reason"], gateway.aaiti("mode").stdout.replace("\n", ""), gateway.aaiti_json("mode")["entries"][0]["reason"]):
        assert not any(ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0 or c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f" for c in text), text
    assert len(problem["reason"].encode()) <= 200
    gateway.aaiti("resume")
    pressed = gateway.client(tokens["trader"]).post("/aaiti/v1/panic", json={"reason": reason[:150]})
    assert pressed.status_code == 200 and entries(gateway) == [("risk-off", "global")]


@pytest.mark.parametrize("duration, ends", [("1s", True), ("365d", True), ("31536000s", True), ("1500ms", True)])
def test_how_long_it_may_last(gateway, duration, ends):
    gateway.aaiti("panic", "--for", duration)
    assert all((entry["until"] is not None) == ends for entry in gateway.aaiti_json("mode")["entries"])


@pytest.mark.parametrize("duration", ["0", "0s", "-1s", "999ms", "366d", "99999999999999999999d", "9223372036854775807ms", "1e9s", "", " 1h", "1h ", "1h1", "inf"])
def test_how_long_it_may_not(gateway, duration):
    refused = gateway.aaiti("panic", "--for", duration, check=False)
    assert refused.returncode == 2 and "--for" in refused.stderr, refused
    assert entries(gateway) == []


# ---- its file ----

def risk_is_off(client):
    """A worker that stumbles over its file takes its connections with it, and the next is there at once."""
    try:
        return opens(client).status_code == 503
    except Exception:  # noqa: BLE001 any broken connection
        return False


def empty(state):
    os.truncate(state, 0)


def fill_with_noise(state):
    with open(state, "r+b") as f:
        f.write(os.urandom(65536))


def shut(state):
    os.chmod(state, 0)


def move_away(state):
    state.rename(state.with_name("aside"))


def put_a_directory(state):
    state.unlink()
    state.mkdir()


def put_a_fifo(state):
    state.unlink()
    os.mkfifo(state)


@pytest.mark.parametrize("harm", [empty, fill_with_noise, move_away, put_a_directory, put_a_fifo], ids=lambda f: f.__name__)
def test_whatever_becomes_of_its_file_no_risk_is_opened(make_gateway, harm):
    gateway = make_gateway()
    state = gateway.home / "mode/state"
    client = gateway.signed_in(gateway.users["trader"])
    assert opens(client).status_code == 201
    harm(state)
    until(lambda: all(risk_is_off(gateway.client(client.headers["Authorization"].removeprefix("Bearer "))) for _ in range(6)), what="risk-off")
    assert closes(client).status_code == 200
    if state.is_dir():
        refused = gateway.aaiti("resume", check=False)
        assert refused.returncode != 0 and "state" in refused.stderr
        state.rmdir()
    if state.is_fifo():
        refused = gateway.aaiti("resume", check=False)
        assert refused.returncode != 0 and "state" in refused.stderr
        state.unlink()
    gateway.aaiti("resume")
    until(lambda: all(not risk_is_off(client) for _ in range(6)), what="what opens risk")
    gateway.aaiti("panic", "--mode", "stopped")
    until(lambda: all(risk_is_off(client) for _ in range(6)), what="the next mode")
    assert closes(client).status_code == 503


# ---- control ----

def test_a_control_that_is_stopped_is_told_of_in_seconds(make_gateway):
    gateway = make_gateway()
    [control] = gateway.pids("control --home")
    os.kill(control, signal.SIGSTOP)
    try:
        began = time.monotonic()
        done = gateway.aaiti("panic", "--make-safe", "--as", "admin", check=False)
        assert time.monotonic() - began < 20
        assert done.returncode == 3 and f"kill -9 {control}" in done.stderr
        assert entries(gateway) == [("risk-off", "global")]
    finally:
        os.kill(control, signal.SIGCONT)
    assert gateway.aaiti("make-safe", "--as", "admin").returncode == 0
