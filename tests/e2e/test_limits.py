# SPDX-License-Identifier: Apache-2.0
"""Limits through the real gateway: budgets small enough that nobody has to wait for them, and clients that a trusted proxy names."""
import concurrent.futures
import contextlib
import itertools
import re
import socket
import time

import httpx
import pytest

from conftest import WIDE_LIMITS, until
from test_http2 import Connection

LIMITS = """
limits:
  flood: 60/1h
  classes:
    anonymous: {sustained: 12/1h, slow_down: {after: 8, step: 300ms, max: 600ms}}
    auth: {sustained: 3/1h}
    user: {burst: 20/1h}
    orders: {sustained: 4/1h}
    still: {sustained: 1000/1h, slow_down: {after: 1, step: 1m, max: 1m}}
"""
ROUTES = """routes:
  - {match: GET /open, access: public}
  - {match: POST /open, access: public}
  - {match: GET /still, access: public, limit: still}
"""


def write_policy(gateway, limits=LIMITS):
    path = gateway.home / "policy.yaml"
    text = path.read_text() if not hasattr(gateway, "shipped_policy") else gateway.shipped_policy
    gateway.shipped_policy = text
    assert WIDE_LIMITS in text
    text = text.replace(WIDE_LIMITS, "#")
    text = re.sub(r'(match: "POST /api/bots", [^}]*)}', r"\1, limit: orders}", text, count=1)
    path.write_text(text.replace("routes:\n", ROUTES, 1) + limits)


@pytest.fixture(scope="module")
def limited():
    from conftest import Gateway
    gateway = Gateway(start=False, more="trusted_proxies: [127.0.0.1/32]\nlimit.delayed: 3\n")
    try:
        write_policy(gateway)
        gateway.start()
        yield gateway
    finally:
        gateway.close()


ADDRESSES = (f"198.51.100.{n}" for n in range(1, 250))


@pytest.fixture
def address():
    return next(ADDRESSES)


def ask(gateway, address, path="/aaiti/v1/none", method="GET", token=None, **more):
    """Each by a connection of its own, so that it meets either worker."""
    headers = {"X-Forwarded-For": address} | ({"Authorization": f"Bearer {token}"} if token else {})
    return httpx.request(method, gateway.url + path, verify=gateway.trust, timeout=20, headers=headers, **more)


def statuses(gateway, address, path, count, **more):
    return [ask(gateway, address, path, **more).status_code for _ in range(count)]


def is_polite(answer):
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:aaiti:problem:too-many-requests"
    assert answer.json()["error"] == "Too many requests"
    return int(answer.headers["retry-after"])


def test_a_suspect_has_half_of_its_limits(limited, address):
    whole = next(ADDRESSES)
    limited.aaiti("block", "add", address, "--suspect", "--for", "24h")
    assert statuses(limited, address, "/nowhere", 8) == [403] * 6 + [429] * 2
    assert statuses(limited, whole, "/nowhere", 13) == [403] * 12 + [429]


def test_workers_share_one_budget(limited, address):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: ask(limited, address, "/nowhere").status_code, range(40)))
    assert got.count(403) == 12 and got.count(429) == 28, got


def test_headers_and_the_real_time_to_wait(limited, address):
    first = ask(limited, address, "/open")
    assert first.status_code == 404  # the backend's
    assert first.headers["ratelimit-policy"] == '"anonymous";q=12;w=3600'
    assert first.headers["ratelimit"] == '"anonymous";r=11;t=300'
    assert first.headers["x-rate-limit-limit"] == "12"
    assert first.headers["x-rate-limit-remaining"] == "11"
    assert abs(int(first.headers["x-rate-limit-reset"]) - time.time() - 300) < 60
    statuses(limited, address, "/nowhere", 11)
    last = ask(limited, address, "/open")
    assert 290 <= is_polite(last) <= 300
    assert re.fullmatch(r'"anonymous";r=0;t=3[56]\d\d', last.headers["ratelimit"])
    assert last.headers["x-rate-limit-remaining"] == "0"
    for name in ("ratelimit", "ratelimit-policy", "retry-after", "x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"):
        assert len(last.headers.get_list(name)) == 1, name


def test_answers_of_the_gate_and_of_control_have_them_too(limited, address):
    assert ask(limited, address, "/aaiti/health").headers["ratelimit-policy"].startswith('"page-burst";q=100;w=10')
    login = ask(limited, address, "/api/auth/login", "POST", json={"username": "nobody", "password": "x"})
    assert login.status_code == 401
    assert login.headers["ratelimit-policy"] == '"auth";q=3;w=3600'


def test_guessing_tokens_uses_up_the_anonymous_budget(limited, address):
    got = statuses(limited, address, "/api/bots", 14, token="e30.e30.e30")
    assert got == [401] * 12 + [429] * 2
    # and takes nothing from who is signed in there
    token = limited.login(limited.users["viewer"])
    assert ask(limited, address, "/api/bots", token=token).status_code == 200


def test_users_are_counted_by_who_they_are(limited):
    user, other = limited.add_user("viewer"), limited.add_user("viewer")
    token, again, others = limited.login(user), limited.login(user), limited.login(other)
    addresses = itertools.cycle([next(ADDRESSES), "2001:db8:5::1"])
    got = [ask(limited, next(addresses), "/api/bots", token=t).status_code for t in [token, again] * 11]
    assert got == [200] * 20 + [429] * 2
    assert ask(limited, next(addresses), "/api/bots", token=others).status_code == 200


def test_a_route_has_a_class_of_its_own_besides(limited, address):
    token = limited.login(limited.add_user("trader"))
    got = statuses(limited, address, "/api/bots", 6, method="POST", token=token, json={"name": "b"})
    assert 429 not in got[:4] and got[4:] == [429, 429], got
    answer = ask(limited, address, "/api/bots", "POST", token=token, json={"name": "b"})
    assert answer.headers["ratelimit-policy"] == '"orders";q=4;w=3600'
    assert ask(limited, address, "/api/bots", token=token).status_code == 200


def test_an_ipv6_network_of_64_bits_is_one_client(limited):
    got = [ask(limited, f"2001:db8:6:7::{n:x}", "/nowhere").status_code for n in range(14)]
    assert got == [403] * 12 + [429] * 2
    assert ask(limited, "2001:db8:6:8::1", "/nowhere").status_code == 403


def test_no_flood_keeps_a_user_from_what_reduces_risk(limited, address):
    token = limited.login(limited.add_user("trader"))
    statuses(limited, address, "/nowhere", 60, token="e30.e30.e30")
    assert is_polite(ask(limited, address, "/api/bots", token=token)) >= 1
    assert ask(limited, address, "/aaiti/health").status_code == 429
    for _ in range(25):  # more than the user's budget, too
        answer = ask(limited, address, "/api/bots/bot-1/stop", "POST", token=token)
        assert answer.status_code not in (401, 403, 429), answer.text
    assert ask(limited, address, "/api/bots/bot-1/stop", "POST", token="e30.e30.e30").status_code in (401, 429)


# ---- slowing down ----

def timed(gateway, address, **more):
    began = time.monotonic()
    answer = ask(gateway, address, "/open", **more)
    return answer.status_code, time.monotonic() - began


def test_each_request_is_delayed_a_step_longer(limited, address):
    statuses(limited, address, "/nowhere", 8)
    delayed = [timed(limited, address) for _ in range(3)]
    assert [status for status, _ in delayed] == [404, 404, 404]
    assert all(seconds >= least for (_, seconds), least in zip(delayed, (0.3, 0.6, 0.6))), delayed


def test_a_body_is_read_after_the_delay(limited, address):
    statuses(limited, address, "/nowhere", 8)
    status, seconds = timed(limited, address, method="POST", content=b"x" * 100000)
    assert status == 404 and seconds >= 0.3


def test_http2_is_delayed_too(limited, address):
    statuses(limited, address, "/nowhere", 8)
    connection = Connection(limited)
    head = [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/open"), ("x-forwarded-for", address)]
    began = time.monotonic()
    assert connection.ask(head) == 404
    assert time.monotonic() - began >= 0.3


def begin(gateway, address):
    s = gateway.trust.wrap_socket(socket.create_connection(("127.0.0.1", gateway.port), timeout=20), server_hostname="127.0.0.1")
    s.sendall(f"GET /still HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {address}\r\n\r\n".encode())
    return s


def answered(connection):
    """The head of an answer; b"" while none has come."""
    connection.settimeout(0.3)
    try:
        return connection.recv(65536)
    except TimeoutError:
        return b""


def test_so_many_are_held_back_and_who_leaves_is_forgotten(make_gateway):
    gateway = make_gateway(start=False, workers=1, more="trusted_proxies: [127.0.0.1/32]\nlimit.delayed: 3\n")
    write_policy(gateway)
    gateway.start()
    for n in (1, 2, 3):
        ask(gateway, f"203.0.113.{n}", "/still")
    with contextlib.ExitStack() as closing:
        held = [closing.enter_context(begin(gateway, f"203.0.113.{n}")) for n in (1, 2, 3)]
        assert not any(answered(c) for c in held)
        beyond = closing.enter_context(begin(gateway, "203.0.113.1"))
        said = until(lambda: answered(beyond), what="the refusal of one more")
        assert said.startswith(b"HTTP/1.1 429 ") and b"Retry-After: 60\r\n" in said, said
        assert gateway.client().get("/aaiti/health").status_code == 200  # nobody else waits

        def another_is_held():
            connection = closing.enter_context(begin(gateway, "203.0.113.1"))
            return not answered(connection)

        held[0].close()
        until(another_is_held, what="the place of who left")
        assert sum("/still" in str(r) for r in gateway.backend.received()) == 3


# ---- life ----

def test_counts_go_on_over_reloads_and_restarts_of_control(limited, address):
    assert statuses(limited, address, "/nowhere", 6) == [403] * 6
    write_policy(limited, LIMITS.replace("orders: {sustained: 4/1h}", "orders: {sustained: 5/1h}"))
    limited.aaiti("policy", "reload")
    assert statuses(limited, address, "/nowhere", 8) == [403] * 6 + [429] * 2


def test_explain_tells_of_the_classes_and_counts_nothing(limited, address):
    said = {s["stage"]: s["text"] for s in limited.aaiti_json("explain", "POST", "/api/bots", "--as", "trader")["stages"]}
    assert "flood (60 in 3600 s)" in said["rate"]
    assert re.fullmatch(r"counts for the user in orders \(\d in 3600 s\) and user \(20 in 3600 s\)", said["quota"])
    refused = ask(limited, address, "/api/bots", token="e30.e30.e30")
    assert refused.status_code == 401 and "ratelimit" not in refused.headers
    statuses(limited, address, "/nowhere", 11)
    last = ask(limited, address, "/nowhere")
    told = limited.aaiti("explain", last.headers["x-request-id"]).stdout
    assert "RATE_LIMITED" in told or "budget" in told
