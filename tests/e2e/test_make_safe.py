# SPDX-License-Identifier: Apache-2.0
"""`aaiti make-safe`: what runs is stopped, what is open is told, through the gateway as any client would."""
import contextlib
import json
import os
import signal
import sqlite3
from pathlib import Path

import pytest
from conftest import run_directory, until


@pytest.fixture
def bots(gateway, tokens):
    """Three that run, the first with an open trade: (ids, the trade's id)."""
    with gateway.client(tokens["admin"]) as client:
        ids = [client.post("/api/bots", json={"name": "x", "strategy_type": "grid"}).json()["bot"]["id"] for _ in range(3)]
        for bot in ids:
            assert client.post(f"/api/bots/{bot}/start").status_code == 200
        trade = {"botId": ids[0], "symbol": "BTC/USDT", "side": "buy", "quantity": 1}
        answer = client.post("/api/trading/execute", json=trade)
    gateway.backend.forget()
    return ids, answer.json()["trade"]["id"]


def states(gateway, tokens, ids):
    found = gateway.client(tokens["admin"]).get("/api/bots").json()["bots"]
    return [bot["status"] for bot in found if bot["id"] in ids]


def rows(gateway, where, *values):
    with contextlib.closing(sqlite3.connect(f"file:{gateway.home}/aaiti.db?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        return db.execute(f"SELECT * FROM audit WHERE {where} ORDER BY id", values).fetchall()


def test_a_plan_changes_nothing(gateway, tokens, bots):
    ids, trade = bots
    run = gateway.aaiti_json("make-safe", "--plan", "--as", "admin")
    planned = [row["target"] for row in run["rows"] if row["outcome"] == "planned"]
    assert run["plan"] and {f"/api/bots/{bot}/stop" for bot in ids} <= set(planned)
    assert run["summary"]["calls"] == len(planned)
    assert trade in {left["id"] for left in run["summary"]["left"]}
    assert {got["method"] for got in gateway.backend.received()} == {"GET"}
    assert states(gateway, tokens, ids) == ["running"] * 3


def test_what_runs_is_stopped_and_what_is_open_is_told(gateway, tokens, bots):
    ids, trade = bots
    run = gateway.aaiti_json("make-safe", "--as", "admin")
    assert states(gateway, tokens, ids) == ["stopped"] * 3
    counts = run["summary"]
    assert counts["ok"] == counts["calls"] >= 3 and counts["failed"] == counts["unknown"] == counts["unread"] == 0
    assert {"report": "positions left open", "id": trade, "of": ids[0]} in counts["left"]
    assert not any(got["path"].endswith("/close") for got in gateway.backend.received())

    agent = f"aaiti make-safe {run['id']}"
    until(lambda: len(rows(gateway, "user_agent = ? AND action = 'bot_stopped'", agent)) >= counts["calls"], what="the stops in the trail")
    stopped = rows(gateway, "user_agent = ? AND action = 'bot_stopped'", agent)
    assert set(ids) <= {row["resource_id"] for row in stopped}
    begun, ended = rows(gateway, "resource_type = 'make-safe' AND resource_id = ?", run["id"])
    assert (begun["action"], ended["action"]) == ("make_safe_started", "make_safe_ended")
    told = json.loads(ended["details"])
    assert {name: told[name] for name in ("calls", "ok", "failed", "unknown")} == {name: counts[name] for name in ("calls", "ok", "failed", "unknown")}
    assert agent not in gateway.aaiti("session", "list", "admin").stdout


def test_it_is_shown_as_it_goes(gateway, bots):
    ids, trade = bots
    done = gateway.aaiti("make-safe", "--as", "admin")
    for bot in ids:
        assert f"done      200  POST /api/bots/{bot}/stop\n" in done.stdout
    assert f"positions left open: {trade} of {ids[0]}\n" in done.stdout
    assert "0 failed, 0 unknown" in done.stdout


def test_it_can_be_begun_and_watched_by_the_api(gateway, tokens, bots):
    ids, _ = bots
    assert gateway.client(tokens["trader"]).post("/aaiti/v1/make-safe").status_code == 403
    client = gateway.client(tokens["admin"])
    begun = client.post("/aaiti/v1/make-safe")  # as the caller: the policy names nobody
    assert begun.status_code == 202
    path = f"/aaiti/v1/make-safe/{begun.json()['id']}"
    until(lambda: client.get(path).json()["state"] == "ended", what="the end of the run")
    assert client.get(path).json()["as"] == "admin"
    assert [row["target"] for row in client.get(path, params={"after": 0}).json()["rows"]][0] == "/api/bots"
    assert states(gateway, tokens, ids) == ["stopped"] * 3


def test_a_user_who_may_not_is_refused(gateway, bots):
    refused = gateway.aaiti("make-safe", "--as", "viewer", check=False)
    assert refused.returncode == 1 and "bots:write" in refused.stderr
    assert gateway.aaiti("make-safe", check=False).returncode == 1  # nobody is named
    assert gateway.backend.received() == []


def test_no_mode_hinders_who_may_act_in_it(gateway, tokens, bots):
    ids, _ = bots
    gateway.aaiti("panic", "--mode", "stopped")
    try:
        refused = gateway.aaiti_json("make-safe", "--as", "trader", check=False)
        assert {(row["outcome"], row["status"], row["tries"]) for row in refused["rows"]} == {("failed", 503, 1)}
        run = gateway.aaiti_json("make-safe", "--as", "admin")
        assert run["summary"]["ok"] >= 3 and run["summary"]["failed"] == 0
    finally:
        gateway.aaiti("resume")
    assert states(gateway, tokens, ids) == ["stopped"] * 3


def test_without_control_the_command_does_it(make_gateway):
    gateway = make_gateway()
    client = gateway.signed_in(gateway.users["admin"])
    assert client.post("/api/bots/bot-1/start").status_code == 200
    os.kill(gateway.process.pid, signal.SIGSTOP)  # else it starts control again
    try:
        gateway.kill_control()
        shown = Path(f"{run_directory(gateway.home)}.nginx/certificate.pem")
        assert shown.read_text() == (gateway.home / "tls/cert.pem").read_text()
        aside = shown.rename(shown.with_suffix(".aside"))
        shown.write_text("another")
        other = gateway.aaiti("make-safe", "--as", "admin", check=False)
        aside.rename(shown)
        assert other.returncode == 1 and "is not told the token" in other.stdout
        run = gateway.aaiti_json("make-safe", "--as", "admin")
    finally:
        os.kill(gateway.process.pid, signal.SIGCONT)
    assert (run["summary"]["ok"], run["summary"]["failed"]) == (1, 0)
    assert client.get("/api/bots/bot-1").json()["bot"]["status"] == "stopped"
    assert [row["action"] for row in rows(gateway, "resource_id = ?", run["id"])] == ["make_safe_started", "make_safe_ended"]
