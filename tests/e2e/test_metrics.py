# SPDX-License-Identifier: Apache-2.0
"""/aaiti/metrics: what Prometheus' own tool takes, of all workers, whoever of us has died meanwhile."""
import os
import re
import shutil
import signal
import subprocess

import pytest
from conftest import until


def metrics(client):
    answer = client.get("/aaiti/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.text


def values(client):
    """{'name{label="…"}': value} of all lines."""
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in metrics(client).splitlines() if not line.startswith("#"))}


def counted(client, name):
    return values(client).get(name, 0)


@pytest.fixture
def reader(gateway, tokens):
    return gateway.client(tokens["admin"])


def test_promtool_finds_nothing_to_mend(gateway, tokens, reader):
    gateway.client(tokens["viewer"]).get("/api/none")
    text = metrics(reader)
    done = subprocess.run([shutil.which("promtool"), "check", "metrics"], input=text, text=True, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_takes_the_right_to_read_the_system(gateway, tokens):
    assert gateway.client().get("/aaiti/metrics").status_code == 401
    assert gateway.client(tokens["viewer"]).get("/aaiti/metrics").status_code == 403
    assert gateway.client(tokens["admin"]).head("/aaiti/metrics").status_code == 200
    assert gateway.client(tokens["admin"]).post("/aaiti/metrics").status_code == 403


def test_so_many_requests_are_so_many_in_the_metrics(gateway, tokens, reader):
    """Over new connections, so that either worker gets some."""
    before = values(reader)
    gateway.backend.forget()
    for _ in range(20):
        assert gateway.client(tokens["viewer"]).get("/api/bots").status_code == 200
    for _ in range(5):
        assert gateway.client(tokens["viewer"]).get("/api/none").status_code == 403
    gateway.raw(b"nonsense\r\n\r\n")
    assert len(gateway.backend.received()) == 20
    expected = {
        'aaiti_requests_total{outcome="passed"}': 20,
        'aaiti_requests_total{outcome="refused"}': 5,
        'aaiti_requests_total{outcome="malformed"}': 1,
        'aaiti_responses_total{status="4xx"}': 6,
        'aaiti_refusals_total{stage="route",reason="NO_ROUTE"}': 5,
        'aaiti_class_requests_total{class="user",outcome="passed"}': 20,
        'aaiti_class_refusals_total{class="anonymous",reason="NO_ROUTE"}': 5,
        'aaiti_upstream_requests_total{ending="answered"}': 20,
        'aaiti_request_duration_seconds_count{outcome="passed"}': 20,
        'aaiti_request_duration_seconds_bucket{outcome="passed",le="+Inf"}': 20,
    }

    def differences():
        now = values(reader)
        return {name: now.get(name, 0) - before.get(name, 0) for name in expected}

    until(lambda: differences() == expected, what=f"the count {differences()}")


def test_nothing_that_a_client_chooses_is_a_label(gateway, tokens, reader):
    gateway.client(tokens["viewer"]).get("/secret-path-7f3a?secret-query-7f3a")
    gateway.raw(b"SECRET7F3A /secret-7f3a HTTP/1.1\r\nHost: secret-7f3a\r\n\r\n")
    text = metrics(reader)
    assert "7f3a" not in text.lower()
    assert gateway.users["viewer"].name not in text and "127.0.0.1" not in text
    assert set(re.findall(r'[{,]([a-z_]+)="', text)) <= LABELS


LABELS = {"outcome", "status", "stage", "reason", "ending", "event", "fate", "le", "mode", "version", "result", "table", "admission", "class", "region", "state"}


def test_counts_outlive_workers_and_control(make_gateway):
    g = make_gateway()
    reader, viewer = g.signed_in(g.users["admin"]), g.signed_in(g.users["viewer"])
    for _ in range(10):
        viewer.get("/api/none")
    name = 'aaiti_refusals_total{stage="route",reason="NO_ROUTE"}'
    until(lambda: counted(reader, name) == 10, what="the count")
    assert values(reader)["aaiti_table_records{table=\"users\"}"] >= 1

    old = set(g.pids("nginx: worker"))
    os.kill(g.pids("nginx: master")[0], signal.SIGHUP)
    until(lambda: not old & set(g.pids("nginx: worker")), what="new workers")
    assert counted(g.signed_in(g.users["admin"]), name) == 10

    for pid in g.pids("nginx: worker"):
        os.kill(pid, signal.SIGKILL)
    reader = g.client(g.login(g.users["admin"]))
    assert counted(reader, name) == 10

    control = g.pids("control")
    for pid in control:
        os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: values(reader)["aaiti_control_up"] == 0, what="control's silence")
        now = values(reader)
        assert now[name] == 10 and now["aaiti_control_heartbeat_age_seconds"] >= 5
        assert not any(n.startswith(("aaiti_table_", "aaiti_login_")) for n in now)
    finally:
        for pid in control:
            os.kill(pid, signal.SIGCONT)
    until(lambda: "aaiti_login_queue_depth" in values(reader), what="control's figures")
