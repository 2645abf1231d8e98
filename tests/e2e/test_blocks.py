# SPDX-License-Identifier: Apache-2.0
"""Blocks and suspects: cut off at once in every worker, over every restart, and never from what reduces risk.

Clients come from documentation addresses by X-Forwarded-For: the test's own address is a trusted proxy, and allowed.
"""
import contextlib
import json
import os
import signal
import time

import pytest
from conftest import Gateway, until

BEHIND_PROXY = 'trusted_proxies: ["127.0.0.0/8"]\n'
BLOCKED = "urn:aaiti:problem:blocked"


def get(client, address, path="/api/bots", method="GET"):
    return client.request(method, path, headers={"X-Forwarded-For": address})


def is_blocked(client, address):
    answer = get(client, address)
    assert answer.status_code in (200, 403), answer.text
    return answer.status_code == 403 and answer.json()["type"] == BLOCKED


@pytest.fixture(scope="module")
def proxied():
    with contextlib.closing(Gateway(more=BEHIND_PROXY)) as gateway:
        yield gateway


@pytest.fixture
def trader(proxied):
    return proxied.signed_in(proxied.users["trader"])


def test_every_worker_refuses_from_the_next_request_on(proxied):
    # Connections of their own, so that both workers have some, all of them open before the block is there.
    token = proxied.login(proxied.users["trader"])
    clients = [proxied.client(token) for _ in range(12)]
    assert [is_blocked(c, "192.0.2.10") for c in clients] == [False] * 12
    proxied.aaiti("block", "add", "192.0.2.10", "--for", "10m", "--reason", "scanner")
    assert [is_blocked(c, "192.0.2.10") for c in clients] == [True] * 12
    assert not is_blocked(clients[0], "192.0.2.11")
    proxied.aaiti("block", "remove", "192.0.2.10")
    assert [is_blocked(c, "192.0.2.10") for c in clients] == [False] * 12


def test_the_answer_says_no_more_than_that(proxied, trader):
    proxied.aaiti("block", "add", "192.0.2.20", "--reason", "a secret reason")
    answer = get(trader, "192.0.2.20")
    assert answer.status_code == 403 and answer.headers["Content-Type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "error", "instance"}
    assert "secret" not in answer.text
    told = proxied.aaiti("explain", answer.json()["instance"].rpartition(":")[2], check=False).stdout
    assert "block" in told and "aaiti block remove" in told


def test_what_reduces_risk_goes_through_for_who_is_signed_in(proxied, trader):
    stop = "/api/bots/bot-1/stop"
    proxied.aaiti("block", "add", "192.0.2.30")
    assert get(trader, "192.0.2.30", stop, "POST").status_code == get(trader, "192.0.2.31", stop, "POST").status_code != 403
    assert get(proxied.client(), "192.0.2.30", stop, "POST").json()["type"] == BLOCKED
    assert get(proxied.client("e30.e30.e30"), "192.0.2.30", stop, "POST").status_code == 401
    for method, path in [("GET", "/api/bots"), ("POST", "/api/bots"), ("POST", "/api/auth/login"), ("GET", "/aaiti/health"), ("GET", "/")]:
        assert get(trader, "192.0.2.30", path, method).json()["type"] == BLOCKED, path


@pytest.mark.parametrize("network, inside, outside", [
    ("198.51.100.0/25", "198.51.100.127", "198.51.100.128"),
    ("2001:db8:aa::1", "2001:db8:aa::ffff", "2001:db8:aa:1::1"),
    ("2001:db8:bb::/48", "2001:db8:bb:1::1", "2001:db8:bc::1"),
])
def test_networks(proxied, trader, network, inside, outside):
    proxied.aaiti("block", "add", network)
    assert is_blocked(trader, inside) and not is_blocked(trader, outside)
    listed = proxied.aaiti_json("block", "list")
    proxied.aaiti("block", "remove", next(b["id"] for b in listed if b["network"].split("/")[0] in (network.split("/")[0], "2001:db8:aa::")))
    assert not is_blocked(trader, inside)


def test_the_allow_list_wins_and_says_so(proxied, trader):
    refused = proxied.aaiti("block", "add", "127.0.0.5", check=False)
    assert refused.returncode == 1 and "127.0.0.0/8" in refused.stderr and "aaiti policy reload" in refused.stderr
    assert get(trader, "127.0.0.5").status_code == 200


def test_a_suspect_is_let_through_and_listed(proxied, trader):
    proxied.aaiti("block", "add", "192.0.2.40", "--suspect")
    assert not is_blocked(trader, "192.0.2.40")
    listed = {b["network"]: b for b in proxied.aaiti_json("block", "list")}
    assert listed["192.0.2.40"]["kind"] == "suspect"
    assert "suspicious" in proxied.aaiti("explain", "GET", "/", "--from", "192.0.2.40").stdout
    proxied.aaiti("block", "remove", "192.0.2.40")
    assert "192.0.2.40" not in proxied.aaiti("block", "list").stdout


def test_a_block_ends_by_itself_and_the_next_is_longer(proxied, trader):
    proxied.aaiti("block", "add", "192.0.2.50", "--for", "1s")
    until(lambda: not is_blocked(trader, "192.0.2.50"), what="the end of the block")
    until(lambda: "block_expired" in proxied.aaiti("audit", "search", "--resource", "block/192.0.2.50").stdout, what="the row of its end")
    again = proxied.aaiti_json("block", "add", "192.0.2.50")
    left_h = (time.mktime(time.strptime(again["until"], "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.strptime(again["since"], "%Y-%m-%dT%H:%M:%SZ"))) / 3600
    assert left_h == 24


def test_calls_and_their_rights(proxied):
    admin, viewer = proxied.signed_in(proxied.users["admin"]), proxied.signed_in(proxied.users["viewer"])
    body = {"network": "203.0.113.0/24", "for": "1h", "reason": "x"}
    assert viewer.post("/aaiti/v1/blocks", json=body).status_code == 403
    added = admin.post("/aaiti/v1/blocks", json=body)
    assert added.status_code == 201 and added.json()["by"] == "admin"
    assert admin.post("/aaiti/v1/blocks", json={**body, "for": "30m"}).status_code == 200  # in force, and for longer
    one = admin.get("/aaiti/v1/blocks", params={"address": "203.0.113.9"}).json()["blocks"]
    assert [b["network"] for b in one] == ["203.0.113.0/24"]
    first = admin.get("/aaiti/v1/blocks", params={"limit": 1}).json()
    assert len(first["blocks"]) <= 1 and first["next"]
    after = admin.get("/aaiti/v1/blocks", params={"limit": 1000, "after": first["next"]}).json()
    assert added.json()["id"] in [b["id"] for b in after["blocks"] + first["blocks"]] and after["next"] is None
    assert viewer.delete(f"/aaiti/v1/blocks/{added.json()['id']}").status_code == 403
    assert admin.delete("/aaiti/v1/blocks", params={"network": "203.0.113.0/24"}).status_code == 204
    assert admin.delete(f"/aaiti/v1/blocks/{added.json()['id']}").status_code == 404
    for wrong in [{"network": "0.0.0.0/0"}, {"network": "x"}, {"network": "192.0.2.1", "for": "9999d"}, {}]:
        assert admin.post("/aaiti/v1/blocks", json=wrong).status_code == 400, wrong
    events = [json.loads(line) for line in proxied.aaiti("--json", "audit", "search", "--resource", "block/203.0.113.0/24").stdout.splitlines()]
    assert [e["action"] for e in events] == ["block_removed", "block_added"]


def test_explain_tells_where_from(proxied):
    proxied.aaiti("block", "add", "192.0.2.60")
    told = proxied.aaiti("explain", "GET", "/api/bots", "--as", "viewer", "--from", "192.0.2.60", check=False)
    assert told.returncode == 1 and "NO  403: the client's address is blocked" in told.stdout
    assert proxied.aaiti("explain", "POST", "/api/bots/b/stop", "--as", "trader", "--from", "192.0.2.60").returncode == 0
    assert "neither blocked" in proxied.aaiti("explain", "GET", "/", "--from", "192.0.2.61").stdout


def test_a_full_list_refuses_and_says_so_everywhere(make_gateway):
    gateway = make_gateway(more=BEHIND_PROXY + "block.capacity: 64\n")
    admin = gateway.signed_in(gateway.users["admin"])
    added = [admin.post("/aaiti/v1/blocks", json={"network": f"192.0.2.{n}"}).status_code for n in range(66)]
    assert added == [201] * 64 + [409] * 2
    assert is_blocked(admin, "192.0.2.0") and not is_blocked(admin, "192.0.2.65")

    def shows(line):
        return line in admin.get("/aaiti/metrics").text.splitlines()

    until(lambda: shows("aaiti_blocks_refused_total 2"), what="the count of what was refused")
    until(lambda: shows('aaiti_table_records{table="blocks"} 64'), what="how full the list is")
    assert "the list of blocks is full" in gateway.log()
    rows = [json.loads(line) for line in gateway.aaiti("--json", "audit", "search", "--action", "blocks_full").stdout.splitlines()]
    assert [(r["resourceId"], r["severity"]) for r in rows] == [("192.0.2.64", "high")]


def test_it_outlives_control_and_the_death_of_everything(make_gateway):
    gateway = make_gateway(more=BEHIND_PROXY)
    trader = gateway.signed_in(gateway.users["trader"])
    gateway.aaiti("block", "add", "192.0.2.70", "--for", "1h")
    for pid in gateway.pids("aaiti: control"):
        os.kill(pid, signal.SIGKILL)
    assert is_blocked(trader, "192.0.2.70")
    until(gateway.is_ready, 30, "control's return")
    gateway.kill()
    gateway.start(wait=False)
    until(gateway.is_ready, 40, "the gateway's readiness")
    trader = gateway.signed_in(gateway.users["trader"])
    assert is_blocked(trader, "192.0.2.70") and not is_blocked(trader, "192.0.2.71")
    gateway.stop()
    gateway.aaiti("block", "add", "192.0.2.71")
    gateway.aaiti("block", "remove", "192.0.2.70")
    gateway.start()
    trader = gateway.signed_in(gateway.users["trader"])
    assert is_blocked(trader, "192.0.2.71") and not is_blocked(trader, "192.0.2.70")
