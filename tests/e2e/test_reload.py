# SPDX-License-Identifier: Apache-2.0
"""A changed policy takes effect in every worker without dropping a request; one with faults changes nothing."""
import time

import httpx
import pytest
from conftest import Load, until

ROUTE = "GET /api/bots/{id}/metrics"


def without_metrics(text):
    """The policy with the metrics route denied to everybody."""
    lines = text.splitlines(keepends=True)
    changed = [f'  - {{ match: "{ROUTE}", access: deny }}\n' if ROUTE in line else line for line in lines]
    assert changed != lines
    return "".join(changed)


@pytest.fixture
def own(make_gateway):
    gateway = make_gateway()
    policy = gateway.home / "policy.yaml"
    original = policy.read_text()
    return gateway, policy, original


def test_a_reload_under_load_drops_nothing(own):
    gateway, policy, original = own
    token = gateway.login(gateway.users["viewer"])

    def ask():
        with httpx.Client(base_url=gateway.url, verify=gateway.trust, headers={"Authorization": f"Bearer {token}"}, timeout=10) as c:
            return [(c.get("/api/bots").status_code, c.get("/api/bots/bot-1/metrics").status_code) for _ in range(5)]

    changes = []
    with Load(ask) as load:
        until(lambda: len(load.ledger) > 4, what="load")
        for text in (without_metrics(original), original, without_metrics(original), original):
            policy.write_text(text)
            gateway.aaiti("policy", "reload")
            changes.append(time.monotonic())
            before = len(load.ledger)
            until(lambda: len(load.ledger) > before + 8, what="requests after the change")
    pairs = [pair for _, rows in load.ledger for pair in rows]
    assert {bots for bots, _ in pairs} == {200}
    assert {metrics for _, metrics in pairs} == {200, 403}
    # Each change was in force in every worker soon after it was said to be.
    for i, changed in enumerate(changes):
        end = changes[i + 1] if i + 1 < len(changes) else float("inf")
        settled = [m for began, rows in load.ledger if changed + 0.5 < began and began + 0.5 < end for _, m in rows]
        assert set(settled) <= {403 if i % 2 == 0 else 200}


def test_a_reload_bites_in_every_worker(own):
    gateway, policy, original = own
    token = gateway.login(gateway.users["viewer"])

    def statuses():
        found = set()
        for _ in range(24):
            with httpx.Client(verify=gateway.trust) as c:
                found.add(c.get(f"{gateway.url}/api/bots/bot-1/metrics", headers={"Authorization": f"Bearer {token}"}).status_code)
        return found

    assert statuses() == {200}
    policy.write_text(without_metrics(original))
    gateway.aaiti("policy", "reload")
    until(lambda: statuses() == {403}, what="the new policy in every worker")


FAULTY = """\
upstream: { url: "http://127.0.0.1:5000" }
routes:
  - { match: "GET /api/bots", permision: "bots:read" }
  - { match: "FETCH /api/bots", access: public }
  - { match: "GET /api/{open", access: public }
  - { match: "GET /api/users", access: everybody }
"""


def test_a_bad_policy_changes_nothing_and_all_its_faults_are_listed(own):
    gateway, policy, original = own
    client = gateway.signed_in(gateway.users["viewer"])
    policy.write_text(FAULTY)
    refused = gateway.aaiti("policy", "reload", check=False)
    assert refused.returncode == 1
    for line in (3, 4, 5, 6):
        assert f"policy.yaml:{line}:" in refused.stderr, refused.stderr
    assert client.get("/api/bots").status_code == 200
    assert client.get("/api/users").status_code == 403
    checked = gateway.aaiti("policy", "check", check=False)
    assert checked.returncode == 1 and "policy.yaml:3:" in checked.stderr
    policy.write_text(original)
    gateway.aaiti("policy", "check")
    gateway.aaiti("policy", "reload")


def test_an_admin_reloads_by_the_api_too(own):
    gateway, policy, original = own
    admin = gateway.signed_in(gateway.users["admin"])
    policy.write_text(FAULTY)
    refused = admin.post("/aaiti/v1/policy/reload")
    assert refused.status_code == 422
    assert {3, 4, 5, 6} <= {f["line"] for f in refused.json()["faults"]}
    policy.write_text(without_metrics(original))
    assert admin.post("/aaiti/v1/policy/reload").status_code == 200
    until(lambda: admin.get("/api/bots/bot-1/metrics").status_code == 403, what="the new policy")


def test_bad_settings_at_reload_leave_the_old_ones(own):
    gateway, policy, original = own
    client = gateway.signed_in(gateway.users["viewer"])
    good = (gateway.home / "gateway.yaml").read_text()
    (gateway.home / "gateway.yaml").write_text(good + "nonsense: 1\n")
    refused = gateway.aaiti("policy", "reload", check=False)
    assert refused.returncode == 1 and "nonsense" in refused.stderr
    assert client.get("/api/bots").status_code == 200
    (gateway.home / "gateway.yaml").write_text(good)
    gateway.aaiti("policy", "reload")
