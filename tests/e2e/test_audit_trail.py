# SPDX-License-Identifier: Apache-2.0
"""What workers write in their journal comes to stand in the audit trail, each thing once."""
import contextlib
import os
import secrets
import signal
import sqlite3
import uuid

import httpx
from conftest import Load, until

DONE, REFUSED = 1, 5
HIGH = 2


def rows(gateway, where, *values):
    with contextlib.closing(sqlite3.connect(f"file:{gateway.home}/aaiti.db?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        return db.execute(f"SELECT * FROM audit WHERE {where} ORDER BY id", values).fetchall()


def test_a_change_is_one_row_with_its_outcome(gateway, tokens):
    agent = f"agent-{secrets.token_hex(8)}"
    answer = gateway.client(tokens["trader"]).post("/api/bots/bot-1/stop", headers={"User-Agent": agent})
    assert answer.status_code == 200
    until(lambda: rows(gateway, "user_agent = ?", agent), what="the row")
    (row,) = rows(gateway, "user_agent = ?", agent)
    assert (row["action"], row["outcome"], row["status"], row["count"]) == ("bot_stopped", DONE, 200, 1)
    assert (row["resource_type"], row["resource_id"]) == ("bots", "bot-1")
    assert (row["route"], row["path"], row["address"]) == ("POST /api/bots/{id}/stop", "/api/bots/bot-1/stop", "127.0.0.1")
    assert len(row["user_id"]) == len(row["session_id"]) == len(row["request_id"]) == 16
    assert row["time_ms"] <= row["ended_ms"]


def test_refusals_are_counted_together(gateway, tokens):
    agent = f"agent-{secrets.token_hex(8)}"
    with gateway.client(tokens["viewer"]) as client:
        for _ in range(20):
            assert client.post("/api/bots/bot-1/stop", headers={"User-Agent": agent}).status_code == 403
    until(lambda: rows(gateway, "user_agent = ?", agent), what="the row")
    told = rows(gateway, "user_agent = ? AND outcome = ?", agent, REFUSED)
    assert len(told) <= 2  # workers count apart
    assert sum(row["count"] for row in told) >= 10
    assert all(row["action"] == "request_refused" and row["reason"] for row in told)


def test_what_was_answered_is_there_once_whoever_is_killed(make_gateway):
    gateway = make_gateway()
    token = gateway.login(gateway.users["trader"])

    def stop_a_bot():
        bot = f"bot-{uuid.uuid4()}"
        try:
            return bot, httpx.post(f"{gateway.url}/api/bots/{bot}/stop", verify=gateway.trust, timeout=10,
                                   headers={"Authorization": f"Bearer {token}"}).status_code
        except httpx.TransportError:
            return bot, None

    with Load(stop_a_bot, threads=2) as load:
        for name in ("control", "nginx: worker", "control"):
            reached = len(load.ledger) + 60
            until(lambda n=reached, who=name: len(load.ledger) > n and gateway.pids(who), what="some answers")
            os.kill(gateway.pids(name)[0], signal.SIGKILL)
        until(gateway.is_ready, what="control")
        reached = len(load.ledger) + 60
        until(lambda: len(load.ledger) > reached, what="some answers")
    answered = [(bot, status) for _, (bot, status) in load.ledger if status is not None and status != 503]
    assert len(answered) > 100
    wanted = {bot for bot, _ in answered}
    until(lambda: wanted <= {row["resource_id"] for row in rows(gateway, "action = 'bot_stopped'")}, what="all that was answered")
    told = {}
    for row in rows(gateway, "action = 'bot_stopped'"):
        told.setdefault(row["resource_id"], []).append(row)
    assert all(len(same) == 1 for same in told.values())
    assert all(told[bot][0]["status"] == status for bot, status in answered)
    assert not rows(gateway, "action LIKE 'journal_%'")
