# SPDX-License-Identifier: Apache-2.0
"""The emergency mode: pressed at the machine or by who may, seen by every worker at once, lifted by who may."""
import contextlib
import os
import signal
import sqlite3

import pytest
from conftest import until

BOT = {"name": "x", "strategy_type": "grid"}


@pytest.fixture(autouse=True)
def lifted(gateway):
    yield
    gateway.aaiti("resume", "--all")


def opens(client):
    return client.post("/api/bots", json=BOT)


def closes(client):
    return client.post("/api/bots/bot-1/stop")


def rows(gateway, where, *values):
    with contextlib.closing(sqlite3.connect(f"file:{gateway.home}/aaiti.db?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        return db.execute(f"SELECT * FROM audit WHERE {where} ORDER BY id", values).fetchall()


def test_the_next_request_obeys_and_closing_still_works(gateway, tokens):
    with gateway.client(tokens["trader"]) as trader:
        assert opens(trader).status_code == 201
        gateway.aaiti("panic", "--reason", 'exchange "misbehaves"', "--for", "2h")
        gateway.backend.forget()
        refused = [opens(trader) for _ in range(10)]
        assert {answer.status_code for answer in refused} == {503}
        assert gateway.backend.received() == []
        problem = refused[0].json()
        assert problem["type"] == "urn:aaiti:problem:risk-off"
        assert (problem["mode"], problem["scope"], problem["reason"]) == ("risk-off", "global", "exchange 'misbehaves'")
        assert problem["since"] < problem["until"] and "resume" in problem["lift"]
        assert int(refused[0].headers["retry-after"]) == 3600
        assert refused[0].headers["content-type"] == "application/problem+json"
        assert "mode is risk-off" in gateway.aaiti("explain", problem["instance"].removeprefix("urn:aaiti:request:")).stdout
        assert closes(trader).status_code == 200
        assert trader.get("/api/bots").status_code == 200
        assert gateway.aaiti("explain", "POST", "/api/bots", "--as", "trader", check=False).returncode == 1
        gateway.aaiti("resume")
        assert opens(trader).status_code == 201
    assert gateway.aaiti("mode").stdout.startswith("off")


def test_what_the_command_line_did_is_recorded(gateway):
    gateway.aaiti("panic", "--mode", "read-only", "--reason", "recorded here")
    until(lambda: rows(gateway, "action = 'mode_changed' AND details LIKE '%recorded here%'"), what="the row")
    (row,) = rows(gateway, "action = 'mode_changed' AND details LIKE '%recorded here%'")
    assert '"mode":"read-only"' in row["details"] and '"scope":"global"' in row["details"]
    assert '"by":"operator"' in row["details"]
    assert row["severity"] == 2
    (line,) = [line for line in gateway.aaiti("audit", "tail", "-n", "1000").stdout.splitlines() if line.split()[0] == str(row["id"])]
    assert " operator " in line


def test_a_group_or_a_user_alone(gateway, tokens):
    with gateway.client(tokens["trader"]) as trader, gateway.client(tokens["admin"]) as admin:
        gateway.aaiti("panic", "--group", "models")
        gateway.aaiti("panic", "--user", gateway.users["trader"].name, "--mode", "stopped")
        assert trader.get("/api/bots").json()["scope"] == "user"
        assert admin.post("/api/ml/strategies", json={}).json()["scope"] == "group:models"
        assert opens(admin).status_code == 201
        shown = gateway.aaiti_json("mode")
        assert shown["mode"] == "off"
        assert sorted(entry["scope"] for entry in shown["entries"]) == ["group:models", f"user:{gateway.users['trader'].name}"]
        no_group = gateway.aaiti("panic", "--group", "nothing", check=False)
        assert no_group.returncode == 1 and "no route" in no_group.stderr


def test_who_may_press_and_who_may_lift(gateway, tokens):
    with gateway.client(tokens["viewer"]) as viewer, gateway.client(tokens["trader"]) as trader, \
            gateway.client(tokens["admin"]) as admin:
        assert viewer.post("/aaiti/v1/panic", json={}).status_code == 403
        pressed = trader.post("/aaiti/v1/panic", json={"reason": "by hand", "for": "1h"})
        assert pressed.status_code == 200 and pressed.json()["recorded"]
        (entry,) = pressed.json()["entries"]
        assert (entry["mode"], entry["scope"], entry["by"]) == ("risk-off", "global", gateway.users["trader"].name)
        assert opens(admin).status_code == 503
        # Again, for longer: it is still the same one; for a shorter time: it is not shortened.
        longer = trader.post("/aaiti/v1/panic", json={"for": "2h"}).json()["entries"][0]
        assert longer["since"] == entry["since"] and longer["until"] > entry["until"]
        assert trader.post("/aaiti/v1/panic", json={"for": "1s"}).json()["entries"][0]["until"] == longer["until"]
        assert trader.post("/aaiti/v1/mode", json={"mode": "off"}).status_code == 403
        assert viewer.get("/aaiti/v1/mode").json()["mode"] == "risk-off"
        assert admin.post("/aaiti/v1/mode", json={"mode": "stopped"}).json()["mode"] == "stopped"
        assert trader.post("/aaiti/v1/panic", json={}).json()["mode"] == "stopped"
        assert closes(trader).status_code == 503 and closes(admin).status_code == 200
        assert admin.post("/aaiti/v1/mode", json={"mode": "off"}).json()["entries"] == []
        assert opens(trader).status_code == 201
        by = rows(gateway, "action = 'mode_changed' AND details LIKE '%by hand%'")
        assert len(by) == 1 and len(by[0]["user_id"]) == 16


@pytest.mark.parametrize("body, told", [
    ({}, "/mode"), ({"mode": "panic"}, "/mode"), ({"mode": "off", "scope": "everybody"}, "/scope"),
    ({"mode": "off", "scope": "group:nothing"}, "/scope"), ({"mode": "off", "scope": "user:nobody-at-all"}, "/scope"),
    ({"mode": "stopped", "for": "soon"}, "/for"), ({"mode": "stopped", "for": "0s"}, "/for"),
    ({"mode": "stopped", "for": "400d"}, "/for"), ({"mode": "stopped", "until": "2h"}, "until"), ({"mode": 1}, "/mode"),
    ({"mode": "stopped", "reason": "x" * 801}, "/reason")])
def test_what_makes_no_sense_changes_nothing(gateway, tokens, body, told):
    answer = gateway.client(tokens["admin"]).post("/aaiti/v1/mode", json=body)
    assert answer.status_code == 400 and told in answer.text
    assert gateway.aaiti_json("mode")["entries"] == []


def test_it_ends_at_its_time_and_that_is_recorded(gateway, tokens):
    with gateway.client(tokens["trader"]) as trader:
        gateway.aaiti("panic", "--for", "1s", "--reason", "one second")
        until(lambda: opens(trader).status_code == 201, what="the end")
    until(lambda: rows(gateway, "action = 'mode_ended' AND details LIKE '%one second%'"), what="the row")
    assert gateway.aaiti_json("mode")["entries"] == []


def test_without_control_and_over_every_restart(make_gateway):
    gateway = make_gateway()
    token = gateway.login(gateway.users["trader"])
    with gateway.client(token) as trader:
        os.kill(gateway.pids("control")[0], signal.SIGSTOP)
        settings = (gateway.home / "gateway.yaml").read_text()
        (gateway.home / "gateway.yaml").write_text("workers_: 3")  # nor does it look at what may be faulty
        gateway.aaiti("panic")
        (gateway.home / "gateway.yaml").write_text(settings)
        assert opens(trader).status_code == 503 and closes(trader).status_code == 200
    gateway.kill()
    gateway.aaiti("resume")
    (gateway.home / "aaiti.db").rename(gateway.home / "aside")
    gateway.aaiti("panic")
    (gateway.home / "aside").rename(gateway.home / "aaiti.db")
    gateway.start()
    with gateway.client(gateway.login(gateway.users["trader"])) as trader:
        assert opens(trader).status_code == 503 and closes(trader).status_code == 200
        (gateway.home / "mode/state").unlink()
        gateway.aaiti("resume", "--group", "bots")  # writes it anew, and does not lift what nobody can read
        until(lambda: opens(trader).json().get("reason") == "the file of the mode was damaged or removed", what="the file that was removed")
        gateway.aaiti("resume")
        until(lambda: opens(trader).status_code == 201, what="the end")
