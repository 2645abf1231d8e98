# SPDX-License-Identifier: Apache-2.0
"""Pages of other origins: what every answer tells them, whoever makes it. Which stage says what, src/pipeline/test_stage_cors.c has."""
import os
import signal
from pathlib import Path

import httpx
import pytest
from conftest import Gateway, until
from test_hostile_backend import HEAD, LENGTH_2, Liar

APP, EVIL = "https://app.example", "https://evil.example"
ALLOWED = "access-control-allow-origin"
CHANGE = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def world():
    """(gateway before a liar, the liar, a trader's token); pages of APP are listed."""
    liar = Liar()
    gateway = Gateway(backend_port=liar.port, more=f"cors: {{origins: [{APP}]}}\nbody: {{max: 1KiB}}\n")
    yield gateway, liar, gateway.login(gateway.users["trader"])
    gateway.close()
    liar.close()


@pytest.fixture
def ask(world):
    gateway, liar, token = world

    def send(method, path, origin=APP, answer=HEAD + LENGTH_2 + b"\r\n{}", http2=False, who=token, hold=False, **more):
        liar.answer, liar.hold = answer, hold
        liar.requests.clear()
        headers = {**({"Origin": origin} if origin else {}), **more.pop("headers", {})}
        return gateway.client(who, http2=http2).request(method, path, headers=headers, **more)
    return send


def assert_told(answer, origin=APP):
    """Once each, as browsers want it; and caches are told that others get another answer."""
    got = answer.headers
    names = [part.strip().lower() for line in got.get_list("vary") for part in line.split(",")]
    assert names.count("origin") == 1 or "*" in names, got
    if origin is None:
        assert not [name for name in got if name.startswith("access-control-")], got
        return
    assert got.get_list(ALLOWED) == [origin] and got.get_list("access-control-allow-credentials") == ["true"]
    exposed = got.get_list("access-control-expose-headers", split_commas=True)
    assert {"RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"} <= set(exposed) and "*" not in exposed


VARY = [(b"", "Origin"), (b"Vary: Accept-Encoding\r\n", "Accept-Encoding, Origin"), (b"Vary: origin\r\n", "origin"), (b"Vary: *\r\n", "*"),
        (b"Vary: Accept, ORIGIN\r\n", "Accept, ORIGIN"), (b"Vary:\r\n", "Origin")]


@pytest.mark.parametrize("theirs, vary", VARY)
@pytest.mark.parametrize("origin, told", [(APP, APP), (EVIL, None), (None, None), (f"{APP}:443", None), ("null", None)])
def test_the_backends_answer_is_told_to_a_listed_page_alone(ask, theirs, vary, origin, told):
    got = ask("GET", "/api/bots", origin, HEAD + LENGTH_2 + theirs + b"Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n\r\n{}")
    assert got.status_code == 200 and got.headers.get_list("vary") == [vary]
    assert_told(got, told)


def test_several_fields_of_vary_stay(ask):
    got = ask("GET", "/api/bots", answer=HEAD + LENGTH_2 + b"Vary: Origin\r\nVary: Accept\r\n\r\n{}")
    assert got.headers.get_list("vary") == ["Origin", "Accept"]


@pytest.mark.parametrize("http2", [False, True], ids=["1.1", "2"])
def test_whoever_answers_it_is_told(ask, world, http2):
    gateway, liar, _ = world
    plenty = b"x" * 2048
    for status, answer in (
            (200, ask("GET", "/aaiti/health", http2=http2)), (200, ask("GET", "/", http2=http2)),
            (200, ask("GET", "/api/auth/profile", http2=http2)),  # control
            (401, ask("POST", "/api/auth/login", who=None, json={"username": "nobody", "password": "Wrong-1!"}, http2=http2)),
            (401, ask("GET", "/api/bots", who=None, http2=http2)), (403, ask("GET", "/api/nowhere", http2=http2)), (400, ask("GET", "/api//bots", http2=http2)),
            (413, ask("POST", "/api/bots", content=plenty, http2=http2)),  # nginx by itself: nobody has judged it
            (413, ask("POST", "/api/auth/login", content=plenty * 40)),
            (502, ask("GET", "/api/bots", answer=b"", http2=http2)), (502, ask("POST", "/api/bots/b/start", answer=b"garbage", http2=http2)),
            (404, ask("GET", "/api/bots", answer=b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", http2=http2))):
        assert answer.status_code == status, answer.text
        assert_told(answer)
    gateway.client(gateway.login(gateway.users["admin"])).post("/aaiti/v1/mode", json={"mode": "stopped", "reason": "a test"})
    until(lambda: ask("POST", "/api/bots", http2=http2).status_code == 503, what="the mode")
    assert_told(ask("POST", "/api/bots", http2=http2))
    assert ask("POST", "/api/bots", http2=http2).json()["type"] == "urn:aaiti:problem:stopped"
    assert_told(ask("OPTIONS", "/api/bots", headers={"Access-Control-Request-Method": "POST"}, http2=http2))
    gateway.client(gateway.login(gateway.users["admin"])).post("/aaiti/v1/mode", json={"mode": "off"})
    until(lambda: ask("GET", "/api/bots", http2=http2).status_code == 200, what="the end of the mode")


@pytest.fixture
def impatient(world):
    """nginx waits for the backend a second, and not the minute that nginx.conf has."""
    gateway = world[0]
    conf = Path(gateway.run_directories()[1], "nginx.conf")
    before, old = conf.read_text(), set(gateway.pids("nginx: worker"))
    assert "proxy_read_timeout 60s;" in before
    conf.write_text(before.replace("proxy_read_timeout 60s;", "proxy_read_timeout 1s;"))
    os.kill(gateway.pids("nginx: master")[0], signal.SIGHUP)
    until(lambda: len(set(gateway.pids("nginx: worker")) - old) == 2 and not set(gateway.pids("nginx: worker")) & old, what="the new workers")


def test_that_the_backend_was_too_slow_is_told(ask, impatient):
    for origin, told in ((APP, APP), (EVIL, None)):
        got = ask("GET", "/api/bots", origin, hold=True, answer=b"")
        assert (got.status_code, got.json()["type"]) == (504, "urn:aaiti:problem:gateway-timeout")
        assert_told(got, told)


@pytest.mark.parametrize("name", ["Cookie", "X-Large"])
def test_a_field_that_is_too_large_is_told_after_the_origin(ask, name):
    """nginx reads no further."""
    large = {name: "x" * 40000}
    for headers, told in (({"Origin": APP, **large}, APP), ({**large, "Origin": APP}, None), ({"Origin": EVIL, **large}, None)):
        got = ask("GET", "/api/bots", None, headers=headers)
        assert (got.status_code, got.json()["type"]) == (431, "urn:aaiti:problem:headers-too-large")
        assert_told(got, told)


def test_of_http2_it_ends_the_connection(ask):
    with pytest.raises(httpx.RemoteProtocolError, match="error_code:11"):  # ENHANCE_YOUR_CALM
        ask("GET", "/api/bots", headers={"Cookie": "x" * 40000}, http2=True)


def test_who_is_not_listed_is_told_nothing_by_nginx_either(ask):
    assert_told(ask("POST", "/api/bots", EVIL, content=b"x" * 2048), None)
    assert_told(ask("POST", "/api/bots", None, content=b"x" * 2048), None)


def test_without_a_head_that_can_be_read_nothing_is_told(world):
    for data in (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: https://app.example\r\nOrigin: https://app.example\r\n\r\n",
                 b"GET /\x00 HTTP/1.1\r\nOrigin: https://app.example\r\n\r\n", b"GARBAGE\r\n\r\n"):
        answer = world[0].raw(data)
        assert answer.startswith(b"HTTP/1.1 400 ") and b"ccess-control-" not in answer.lower()


def test_a_change_asked_for_by_another_origin_is_refused(ask, world):
    liar = world[1]
    for origin in (EVIL, "null", APP.upper(), APP + ".", APP + "/", f"{APP}, {APP}", "https://äpp.example".encode()):
        got = ask("POST", "/api/bots", origin, json={})
        assert got.status_code == 403 and got.json()["type"] == "urn:aaiti:problem:cross-site", origin
        assert_told(got, None)
    assert liar.requests == []
    assert ask("POST", "/api/bots", json={}).status_code == 200
    [sent] = liar.requests
    assert b"\r\norigin:" not in sent.lower()


def test_our_own_page_is_no_other(ask, world):
    got = ask("POST", "/api/bots", world[0].url, json={})
    assert got.status_code == 200
    assert_told(got, None)
    assert f"\r\nOrigin: {world[0].url}\r\n".encode() in world[1].requests[0]


def preflight(ask, path, method="POST", **more):
    return ask("OPTIONS", path, who=None, headers={"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization"}, **more)


def test_a_preflight_is_answered_without_the_backend(ask, world):
    got = preflight(ask, "/api/bots")
    assert got.status_code == 200 and got.content == b"" and got.headers["content-length"] == "0" and "content-type" not in got.headers
    assert got.headers["access-control-allow-methods"] == "GET, HEAD, POST" and got.headers["access-control-max-age"] == "600"
    assert {"Authorization", "Content-Type", "X-API-Key", "X-API-Signature"} <= set(got.headers.get_list("access-control-allow-headers", split_commas=True))
    assert "ratelimit" not in got.headers and "allow" not in got.headers
    assert_told(got)
    assert world[1].requests == []


def test_a_refused_preflight_does_not_tell_which_paths_there_are(ask):
    def without_ids(answer):
        body = {k: v for k, v in answer.json().items() if k != "instance"}
        told = {k: v for k, v in answer.headers.items() if k not in ("date", "x-request-id", "content-length")}
        return answer.status_code, body, told
    there, nowhere = preflight(ask, "/api/bots", origin=EVIL), preflight(ask, "/api/nowhere", origin=EVIL)
    assert without_ids(there) == without_ids(nowhere) and there.status_code == 403
    assert_told(there, None)
    unknown = preflight(ask, "/api/nowhere")
    assert unknown.status_code == 403 and "access-control-allow-methods" not in unknown.headers


def test_origins_are_read_again_and_faults_are_told_by_line(world):  # last: it leaves none listed
    gateway = world[0]
    file = gateway.home / "gateway.yaml"
    before, listed, after = file.read_text().partition(f"cors: {{origins: [{APP}]}}\n")
    line = before.count("\n") + 1
    file.write_text(f"{before}cors: {{origins: [{APP}/]}}\n{after}")
    assert f"gateway.yaml:{line}: cors.origins: expected an origin, with nothing behind host and port" in gateway.aaiti("config", "check", check=False).stderr
    assert gateway.aaiti("policy", "reload", check=False).returncode != 0
    file.write_text(before + after)
    gateway.aaiti("policy", "reload")

    def asked():
        return gateway.client().get("/aaiti/health", headers={"Origin": APP}).headers
    until(lambda: not any(ALLOWED in asked() for _ in range(8)), what="the new settings")
    assert "vary" not in asked()
