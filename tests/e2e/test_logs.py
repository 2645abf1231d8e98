# SPDX-License-Identifier: Apache-2.0
"""What the logs hold, and above all what they do not: secrets are planted in every place of requests and answers, then looked for."""
import contextlib
import json
import os
import re
import subprocess
import uuid
from datetime import datetime

import httpx
import pytest
from conftest import Gateway, until
from test_hostile_backend import Liar

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
MEMBERS = {"time", "level", "event", "id", "address", "method", "path", "status", "user", "route", "reason", "bytes", "duration_ms", "upstream_status"}


@pytest.fixture(scope="module")
def logged():
    """(gateway that logs its requests, the liar behind it, a trader's token)"""
    liar = Liar()
    liar.answer = OK
    gateway = Gateway(backend_port=liar.port, more="log: { requests: true }\n")
    yield gateway, liar, gateway.login(gateway.users["trader"])
    gateway.close()
    liar.close()


class Planter:
    """Each secret is a word of its own, so that one found tells where it was planted."""

    def __init__(self, gateway, token):
        self.gateway, self.token, self.places = gateway, token, {}

    def secret(self, place):
        word = f"PLANTED{len(self.places):03d}" + uuid.uuid4().hex[:12]
        self.places[word] = place
        return word

    def send(self, place, text, tls=True):
        """@@ becomes the secret, ^^ the trader's good credential."""
        data = text.replace("@@", self.secret(place)).replace("^^", f"Authorization: Bearer {self.token}")
        return self.gateway.raw(data.replace("\n", "\r\n").encode("latin-1"), tls=tls, timeout=1)

    def found(self):
        log = self.gateway.log()
        return {place: next(line for line in log.splitlines() if word in line) for word, place in self.places.items() if word in log}


END = "Connection: close\n\n"
LONG = "a" * 20000
REQUESTS = {
    "query": f"GET /api/bots?token=@@ HTTP/1.1\nHost: x\n^^\n{END}",
    "query, refused": f"GET /api/nothing?token=@@ HTTP/1.1\nHost: x\n{END}",
    "Bearer": f"GET /api/bots HTTP/1.1\nHost: x\nAuthorization: Bearer @@\n{END}",
    "Basic": f"GET /api/bots HTTP/1.1\nHost: x\nAuthorization: Basic @@\n{END}",
    "a second Authorization": f"GET /api/bots HTTP/1.1\nHost: x\n^^\nAuthorization: Bearer @@\n{END}",
    "cookie": f"GET /api/bots HTTP/1.1\nHost: x\nCookie: __Host-aaiti_session=@@\n{END}",
    "header with an invalid name": f"GET /api/bots HTTP/1.1\nHost: x\n^^\nAuth@rization: Bearer @@\n{END}",
    "header with an underscore": f"GET /api/bots HTTP/1.1\nHost: x\n^^\nx_api_key: @@\n{END}",
    "header with NUL": f"GET /api/bots HTTP/1.1\nHost: x\n^^\nX-Key: @@\0\n{END}",
    "header without colon": f"GET /api/bots HTTP/1.1\nHost: x\n^^\nBearer @@\n{END}",
    "header too long": f"GET /api/bots HTTP/1.1\nHost: x\n^^\nX-Key: @@{LONG}\n{END}",
    "too many headers": "GET /api/bots HTTP/1.1\nHost: x\n" + "".join(f"X-{i}: @@{'a' * 15000}\n" for i in range(6)) + END,
    "target too long": f"GET /api/bots?x=@@{LONG} HTTP/1.1\nHost: x\n{END}",
    "method": f"@@ /api/bots HTTP/1.1\nHost: x\n{END}",
    "query, bad version": f"GET /api/bots?k=@@ HTTP/9.9\nHost: x\n{END}",
    "query, no host": f"GET /api/bots?k=@@ HTTP/1.1\n{END}",
    "host": f"GET /api/bots HTTP/1.1\nHost: @@/x\n^^\n{END}",
    "a second host": f"GET /api/bots?k=@@ HTTP/1.1\nHost: a\nHost: @@\n{END}",
    "userinfo": f"GET https://user:@@@x/api/bots HTTP/1.1\nHost: x\n{END}",
    "query, bad path": f"GET /api/%zz?k=@@ HTTP/1.1\nHost: x\n{END}",
    "query, control byte": f"GET /api/bots?k=@@\x01 HTTP/1.1\nHost: x\n{END}",
    "query without TLS": f"GET /api/bots?k=@@ HTTP/1.1\nHost: x\n{END}",
    "no HTTP at all": "@@@@@@\n",
    "Content-Length": f"POST /api/bots HTTP/1.1\nHost: x\n^^\nContent-Length: @@\n{END}",
    "Transfer-Encoding": f"POST /api/bots?k=@@ HTTP/1.1\nHost: x\n^^\nTransfer-Encoding: @@\n{END}",
    "broken chunk": "POST /api/bots HTTP/1.1\nHost: x\n^^\nTransfer-Encoding: chunked\n\n@@\n",
    "body": "POST /api/bots HTTP/1.1\nHost: x\n^^\nContent-Length: 60\nConnection: close\n\n@@" + " " * 38,
    "body too large": "POST /api/bots?a=@@ HTTP/1.1\nHost: x\n^^\nContent-Length: 99999999\n\n@@",
    "Referer, User-Agent and their like": f"GET /api/nothing HTTP/1.1\nHost: x\n^^\nReferer: https://x/?t=@@\nUser-Agent: @@\n"
                                         f"X-Forwarded-For: @@\nX-Request-Id: @@\nOrigin: @@\n{END}",
    "API key": f"GET /api/bots HTTP/1.1\nHost: x\nX-API-Key: aak_abcdefgh_@@\n{END}",
    "API key as Bearer": f"GET /api/bots HTTP/1.1\nHost: x\nAuthorization: Bearer aak_abcdefgh_@@\n{END}",
    "API key beside a token": f"GET /api/bots HTTP/1.1\nHost: x\n^^\nX-API-Key: aak_abcdefgh_@@\n{END}",
    "two API keys": f"GET /api/bots HTTP/1.1\nHost: x\nX-API-Key: aak_abcdefgh_@@\nX-API-Key: aak_abcdefgh_@@\n{END}",
    "API key with NUL": f"GET /api/bots HTTP/1.1\nHost: x\nX-API-Key: aak_abcdefgh_@@\0\n{END}",
    "API key to control": f"GET /aaiti/v1/users HTTP/1.1\nHost: x\nX-API-Key: aak_abcdefgh_@@\n{END}",
    "refresh token": f'POST /api/auth/refresh HTTP/1.1\nHost: x\nContent-Type: application/json\nContent-Length: 41\n{END}{{"refreshToken":"@@"}}',
    "refresh cookie": f"POST /api/auth/refresh HTTP/1.1\nHost: x\nSec-Fetch-Site: same-origin\nCookie: __Secure-aaiti_refresh=@@\nContent-Length: 0\n{END}",
    "query of a call of control's": f"GET /aaiti/v1/users?a=@@ HTTP/1.1\nHost: x\n^^\n{END}",
}
LOGINS = {
    "password": '{"username":"trader","password":"@@"}',
    "password of nobody": '{"username":"nobody","password":"@@"}',
    "password as the name": '{"username":"@@","password":"x"}',
    "password as the e-mail": '{"email":"@@","password":"x"}',
    "password in no JSON": '{"username":"trader","password":"@@"',
    "password as a member": '{"username":"trader","@@":"x"}',
    "password too long": '{"username":"trader","password":"@@' + "a" * 6000 + '"}',
}
ANSWERS = {
    "a header name that is none": "HTTP/1.1 200 OK\nSet-Co\x01okie: sid=@@\n\n",
    "a header with NUL": "HTTP/1.1 200 OK\nSet-Cookie: sid=@@\0\n\n",
    "a header that is longer than a log line": "HTTP/1.1 200 OK\nSet-Cookie: " + "a" * 1000 + "sid=@@" + "a" * 1500 + "\0\n\n",
    "a header that ends like a log line": 'HTTP/1.1 200 OK\nSet-Cookie: x" while reading sid=@@\0\n\n',
    "a header without colon": "HTTP/1.1 200 OK\nsid=@@ x\n\n",
    "a bad status line": "HTTP/1.1 @@\n\n",
    "a header too large": f"HTTP/1.1 200 OK\nSet-Cookie: sid=@@{LONG}\n\n",
    "a broken chunk": "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n@@\n",
    "a bad length": "HTTP/1.1 200 OK\nContent-Length: @@\n\n{}",
    "a foreign coding": "HTTP/1.1 200 OK\nTransfer-Encoding: @@\n\n{}",
    "no HTTP": "@@@@\n",
    "a redirect inside": "HTTP/1.1 200 OK\nX-Accel-Redirect: /@@\nContent-Length: 0\n\n",
    "an upgrade": "HTTP/1.1 101 x\nUpgrade: @@\n\n",
    "a 401": "HTTP/1.1 401 x\nWWW-Authenticate: @@\nContent-Length: 0\n\n",
    "too much": "HTTP/1.1 200 OK\nContent-Length: 2\n\n{}@@@@",
}


def test_no_secret_of_a_request_is_in_a_log(logged):
    gateway, liar, token = logged
    liar.answer = OK
    planter = Planter(gateway, token)
    for place, text in REQUESTS.items():
        planter.send(place, text, tls="without TLS" not in place)
    for place, body in LOGINS.items():
        length = len(body) - 2 + len(planter.secret("length")) if "@@" in body else len(body)
        planter.send(place, f"POST /api/auth/login?p=@@ HTTP/1.1\nHost: x\nContent-Type: application/json\nContent-Length: {length}\n{END}{body}")
    until(lambda: gateway.log().count('"path":"/api/auth/login"') >= len(LOGINS), what="the last line")
    assert planter.found() == {}
    # Nor the credential that passed, nor the one that was minted for it.
    minted = [m.group(1).decode() for r in liar.requests if (m := re.search(rb"\r\nAuthorization: Bearer (\S+)", r))]
    assert minted and not any(part in gateway.log() for t in (token, *minted) for part in t.split(".")[1:])


def test_no_secret_of_an_answer_is_in_a_log(logged):
    gateway, liar, token = logged
    planter = Planter(gateway, token)
    before = len(gateway.log())
    for place, answer in ANSWERS.items():
        liar.answer = answer.replace("@@", planter.secret(place)).replace("\n", "\r\n").encode("latin-1")
        planter.send(f"query; {place}", f"GET /api/bots?q=@@ HTTP/1.1\nHost: x\n^^\n{END}")
    liar.answer = OK
    until(lambda: gateway.log()[before:].count('"event":"request"') >= len(ANSWERS), what="the last line")
    assert planter.found() == {}
    # That there was a fault is said all the same, and where.
    faults = [line for line in gateway.log()[before:].splitlines() if "upstream sent invalid header" in line]
    assert len(faults) >= 4
    for line in faults:
        assert re.search(r'invalid header: ""?( while reading .*path: "/api/bots".*)?$', line), line


def lines_of(gateway, event=None):
    found = [json.loads(line) for line in gateway.log().splitlines() if line.startswith("{")]
    return [line for line in found if event in (None, line["event"])]


def test_a_request_is_one_line_that_says_what_became_of_it(logged):
    gateway, liar, token = logged
    liar.answer = OK

    def ask(token, method, target, **more):
        answer = gateway.client(token).request(method, target, **more)
        [line] = until(lambda: [e for e in lines_of(gateway, "request") if e["id"] == answer.headers["X-Request-Id"]], what="its line")
        assert set(line) == MEMBERS and line["method"] == method and line["status"] == answer.status_code and line["address"] == "127.0.0.1"
        assert line["bytes"] == len(answer.content) and 0 <= line["duration_ms"] < 10000
        assert abs(datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp() - datetime.now().timestamp()) < 10
        return {k: line[k] for k in ("path", "user", "route", "reason", "upstream_status")}

    assert ask(token, "GET", "/api/%62ots?a=b") == {"path": "/api/bots", "user": "trader", "route": "GET /api/bots", "reason": None, "upstream_status": 200}
    assert ask(None, "GET", "/api/bots") == {"path": "/api/bots", "user": None, "route": "GET /api/bots", "reason": "ANONYMOUS", "upstream_status": None}
    assert ask(None, "GET", '/api/x%22y?z') == {"path": "/api/x%22y", "user": None, "route": None, "reason": "NO_ROUTE", "upstream_status": None}
    assert ask(None, "GET", "/aaiti/health") == {"path": "/aaiti/health", "user": None, "route": "GET /aaiti/health", "reason": None, "upstream_status": None}
    wrong = ask(None, "POST", "/api/auth/login?a=b", json={"username": "trader", "password": "wrong"})
    assert wrong == {"path": "/api/auth/login", "user": None, "route": "POST /api/auth/login", "reason": None, "upstream_status": 401}


def test_control_writes_objects_and_names_only_users(logged):
    gateway, _, _ = logged
    client = gateway.client()
    for name in ("trader", gateway.users["trader"].email, 'x","level":"error', "Müller\x1b[31m\n{}"):
        answer = client.post("/api/auth/login", json={"username": name, "password": "wrong"})
        assert answer.status_code == 401
    refused = [e for e in lines_of(gateway, "login") if e["outcome"] == "refused"][-4:]
    assert [e["user"] for e in refused] == ["trader", "trader", "-", "-"]
    for line in gateway.log().splitlines():
        # nginx's lines begin with a date, those of `aaiti serve` with a word of its own.
        assert re.match(r"\{|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[|aaiti: |ready: |self-test: |nginx: ", line), line
    levels = {(e["level"], e["event"]) for e in lines_of(gateway)}
    assert ("info", "start") in levels and ("info", "request") in levels


def test_without_the_option_requests_are_no_lines(gateway, tokens):
    gateway.client(tokens["viewer"]).get("/api/bots")
    assert '"event":"request"' not in gateway.log()


def test_a_worker_does_not_wait_for_who_reads_its_log(make_gateway):
    gateway = make_gateway(start=False)
    reading, writing = os.pipe()
    gateway.process = subprocess.Popen([gateway.program, "serve"], env=gateway.environment, stdout=subprocess.DEVNULL, stderr=writing)
    os.set_blocking(reading, False)
    try:
        until(gateway.is_ready, what="the gateway's readiness")
        # Opened anew: the processes' own end must go on blocking.
        stuffing = os.open(f"/proc/self/fd/{writing}", os.O_WRONLY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(stuffing, b"x" * 4096)
        os.close(stuffing)
        # Each a connection of its own: every worker meets the full pipe.
        for _ in range(12):
            assert httpx.get(f"{gateway.url}/api/bots", verify=gateway.trust, timeout=20).status_code == 401
        read_all(reading)
        for _ in range(12):
            httpx.get(f"{gateway.url}/api/bots", verify=gateway.trust, timeout=20)
        assert re.search(r"gw: lines not logged: count=\d+\n", read_all(reading))
    finally:
        read_all(reading)
        gateway.stop()
        os.close(reading)
        os.close(writing)


def read_all(fd):
    text = b""
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(fd, 65536):
            text += piece
    return text.decode(errors="replace")
