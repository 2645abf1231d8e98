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


def statuses(gateway, token):
    """What the workers say of the metrics; each connection is a new one, so that each worker is asked."""
    found = set()
    for _ in range(24):
        with httpx.Client(verify=gateway.trust) as c:
            found.add(c.get(f"{gateway.url}/api/bots/bot-1/metrics", headers={"Authorization": f"Bearer {token}"}).status_code)
    return found


def test_a_reload_under_load_drops_nothing(own):
    gateway, policy, original = own
    token = gateway.login(gateway.users["viewer"])

    def ask():
        with httpx.Client(base_url=gateway.url, verify=gateway.trust, headers={"Authorization": f"Bearer {token}"}, timeout=10) as c:
            pairs = [(c.get("/api/bots").status_code, c.get("/api/bots/bot-1/metrics").status_code) for _ in range(5)]
        return pairs, time.monotonic()

    settled = []  # what the metrics answered in every worker, since when, and until when at least
    with Load(ask) as load:
        until(lambda: len(load.ledger) > 4, what="load")
        for text, status in [(without_metrics(original), 403), (original, 200)] * 2:
            policy.write_text(text)
            gateway.aaiti("policy", "reload")
            until(lambda status=status: statuses(gateway, token) == {status}, what="the new policy in every worker")
            in_force = time.monotonic()
            until(lambda: sum(began > in_force for began, _ in load.ledger) > 8, what="requests after the change")
            settled.append((status, in_force, time.monotonic()))
    pairs = [pair for _, (rows, _) in load.ledger for pair in rows]
    assert {bots for bots, _ in pairs} == {200}
    assert {metrics for _, metrics in pairs} == {200, 403}
    for status, since, until_s in settled:
        assert {m for began, (rows, ended) in load.ledger if since < began and ended < until_s for _, m in rows} == {status}


def test_a_reload_bites_in_every_worker(own):
    gateway, policy, original = own
    token = gateway.login(gateway.users["viewer"])
    assert statuses(gateway, token) == {200}
    policy.write_text(without_metrics(original))
    gateway.aaiti("policy", "reload")
    until(lambda: statuses(gateway, token) == {403}, what="the new policy in every worker")


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
