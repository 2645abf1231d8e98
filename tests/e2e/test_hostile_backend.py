# SPDX-License-Identifier: Apache-2.0
"""A backend that lies, breaks off or floods: the client gets a whole answer or a plain error, and learns nothing of the inside."""
import contextlib
import os
import signal
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from conftest import Gateway, state_of, until

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LENGTH_2 = b"Content-Length: 2\r\n"
OURS = {
    "x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


class Liar:
    """Answers each connection's request with the bytes in `answer`, then closes, or holds the connection open. Where `kept` is not empty, it
    answers a connection's first request, and the connection waits for a second. That one is read, or `slams` closes over it."""

    def __init__(self, port=0):
        self.answer, self.hold = b"", False
        self.kept, self.slams = b"", False
        self.idle = set()  # connections that wait for their second request
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            try:
                request = connection.recv(65536)
                if not request:
                    return
                self.requests.append(request)
                if self.kept and not (request := self.second(connection)):
                    return
                connection.sendall(self.answer)
                if self.hold:
                    connection.recv(1)
                else:
                    # A reset by unread bytes would take the answer with it.
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(2)
                    while connection.recv(65536):
                        pass
            except OSError:
                pass

    def second(self, connection):
        self.idle.add(connection)
        connection.sendall(self.kept)
        # Bytes that nobody reads make of a close a reset.
        has_come = connection.recv(1, socket.MSG_PEEK)
        self.idle.discard(connection)
        if not has_come or self.slams:
            return b""
        request = connection.recv(65536)
        self.requests.append(request)
        return request

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


@pytest.fixture(scope="module")
def behind():
    """(gateway before a liar, the liar, a signed-in client)"""
    liar = Liar()
    gateway = Gateway(backend_port=liar.port)
    yield gateway, liar, gateway.signed_in(gateway.users["trader"])
    died = gateway.log().count("exited on signal")
    gateway.close()
    liar.close()
    assert died == 0


def ask(behind, answer, method="GET"):
    """The client's answer to what the liar says, or the error that a broken body is to it. Security headers are on each."""
    gateway, liar, client = behind
    liar.answer, liar.hold = answer, False
    liar.requests.clear()
    try:
        got = client.request(method, "/api/bots", content=b"{}" if method == "POST" else None)
    except httpx.RemoteProtocolError as broken:
        return broken
    assert {name: got.headers.get_list(name) for name in OURS} == {name: [value] for name, value in OURS.items()}
    assert "server" not in got.headers
    if got.status_code >= 500:
        assert got.headers["content-type"] == "application/problem+json"
        assert str(liar.port) not in got.text and "127.0.0.1" not in got.text and "nginx" not in got.text
    return got


NO_ANSWERS = {
    "nothing": b"",
    "garbage": b"\x00\xff garbage \x80\r\n\r\n" * 20,
    "half a status line": b"HTTP/1.1 20",
    "half a head": HEAD + b"X-Half: yes",
    "a head without its end": HEAD + LENGTH_2,
    "a status without digits": b"HTTP/1.1 abc OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "status 0": b"HTTP/1.1 000 Nil\r\nContent-Length: 0\r\n\r\n",
    "a head of 64 KiB": HEAD + b"X-Long: " + b"a" * 65536 + b"\r\n" + LENGTH_2 + b"\r\n{}",
    "5,000 headers": HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + LENGTH_2 + b"\r\n{}",
    "two lengths": HEAD + LENGTH_2 + b"Content-Length: 3\r\n\r\n{} ",
    "the same length twice": HEAD + LENGTH_2 + LENGTH_2 + b"\r\n{}",
    "a negative length": HEAD + b"Content-Length: -2\r\n\r\n{}",
    "a length that is none": HEAD + b"Content-Length: 2x\r\n\r\n{}",
    "a length beyond all": HEAD + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    "length and chunks": HEAD + LENGTH_2 + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "an unknown coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunked twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a NUL in a header": HEAD + b"X-Nul: a\x00b\r\n" + LENGTH_2 + b"\r\n{}",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64",
    "an early hint, then nothing": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n",
    "10,000 interim answers": b"HTTP/1.1 102 Processing\r\n\r\n" * 10000,
    "a 401 to our credential": b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 30\r\n\r\n{\"error\":\"at 127.0.0.1 inside\"}",
}


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_what_is_no_answer_is_502(behind, answer):
    got = ask(behind, answer)
    assert isinstance(got, httpx.Response) and got.status_code == 502, got


def test_over_http_2_it_is_502_too(behind):
    gateway, liar, client = behind
    both = gateway.client(client.headers["Authorization"].removeprefix("Bearer "), http2=True)
    for name in ("garbage", "two lengths", "a 401 to our credential", "continue"):
        liar.answer, liar.hold = NO_ANSWERS[name], False
        got = both.get("/api/bots")
        assert (got.http_version, got.status_code, got.headers["x-frame-options"]) == ("HTTP/2", 502, "DENY"), name


BROKEN_BODIES = {
    "a body that ends early": HEAD + b"Content-Length: 100\r\n\r\n{}",
    "a large body that ends early": HEAD + b"Content-Length: 1000000\r\n\r\n" + b" " * 500000,
    "a chunk that ends early": HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\n{}",
    "no last chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "a chunk size that is none": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nxyz\r\n{}\r\n0\r\n\r\n",
    "a chunk size beyond all": HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
}


@pytest.mark.parametrize("answer", BROKEN_BODIES.values(), ids=BROKEN_BODIES.keys())
def test_a_broken_body_is_never_taken_for_a_whole_one(behind, answer):
    got = ask(behind, answer)
    assert isinstance(got, httpx.RemoteProtocolError) or got.status_code == 502, got


def test_what_follows_the_body_is_nobodys(behind):
    """Neither this client nor the next one on the same connection gets it."""
    smuggled = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nowned"
    got = ask(behind, HEAD + LENGTH_2 + b"\r\n{}" + smuggled)
    assert got.status_code == 200 and got.text == "{}"
    got = ask(behind, HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + smuggled)
    assert got.status_code == 200 and got.text == "{}"
    got = ask(behind, b"HTTP/1.1 204 No Content\r\n\r\n" + smuggled)
    assert got.status_code == 204 and got.content == b""
    for _ in range(4):
        assert ask(behind, HEAD + LENGTH_2 + b"\r\n[]").text == "[]"


def test_a_head_answer_has_no_body(behind):
    got = ask(behind, HEAD + LENGTH_2 + b"\r\n{}HTTP/1.1 200 OK\r\n\r\n", "HEAD")
    assert got.status_code == 200 and got.content == b""


def test_a_post_is_sent_once(behind):
    """An order twice is worse than an order lost."""
    gateway, liar, client = behind
    liar.answer, liar.hold = b"", False
    liar.requests.clear()
    assert client.post("/api/bots/bot-1/start").status_code == 502
    assert len(liar.requests) == 1


CHANGES = [("PUT", "/api/bots/bot-1"), ("DELETE", "/api/bots/bot-1"), ("POST", "/api/bots/bot-1/start")]
KEPT = HEAD + LENGTH_2 + b"\r\n{}"


@pytest.fixture
def keeping(behind):
    """The liar and a client of one worker, which has a connection to the liar that waits for its second request."""
    gateway, liar, _ = behind
    liar.answer, liar.hold, liar.kept, liar.slams = b"", False, KEPT, False
    one = gateway.signed_in(gateway.users["admin"])
    assert one.get("/api/bots").status_code == 200
    until(lambda: liar.idle, what="a kept connection")
    liar.requests.clear()
    yield liar, one
    liar.kept = b""
    for connection in set(liar.idle):
        connection.shutdown(socket.SHUT_RDWR)
    until(lambda: not liar.idle, what="the end of kept connections")


@pytest.mark.parametrize("method, path", CHANGES)
def test_over_a_kept_connection_too_a_change_is_sent_once(keeping, method, path):
    """To nginx PUT and DELETE are harmless to repeat: it would send them again where a kept connection breaks under them."""
    liar, client = keeping
    got = client.request(method, path)
    assert (got.status_code, got.json()["type"]) == (502, "urn:aaiti:problem:outcome-unknown")
    assert len(liar.requests) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_read_that_meets_the_end_of_a_kept_connection_is_sent_again(keeping, method):
    liar, client = keeping
    liar.slams = True
    assert client.request(method, "/api/bots").status_code == 200
    assert len(liar.requests) == 1


@pytest.mark.parametrize("method, path", CHANGES)
def test_no_change_goes_over_a_connection_that_has_ended(behind, keeping, method, path):
    """The worker is held, so that it hears of the change first and of the end of the kept connection after it."""
    gateway, (liar, client) = behind[0], keeping
    workers = gateway.pids("nginx: worker")
    with ThreadPoolExecutor() as pool:
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            until(lambda: all(state_of(pid) == "T" for pid in workers), what="workers that stand still")
            answer = pool.submit(client.request, method, path)
            until(lambda: unread_bytes(gateway.port) > 0, what="the request at the worker")
            for connection in set(liar.idle):
                connection.shutdown(socket.SHUT_RDWR)
            until(lambda: not liar.idle, what="the end of the kept connection")
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
        assert answer.result(10).status_code == 200
    assert len(liar.requests) == 1


def unread_bytes(port):
    """Of connections that were accepted on a port of this machine (proc(5), tcp: local address, rem_address, st, tx_queue:rx_queue)."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[4].partition(":")[2], 16) for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01")


CLASHING = (b"X-Frame-Options: ALLOWALL", b"x-content-type-options: off", b"Content-Security-Policy: default-src *", b"Referrer-Policy: unsafe-url",
            b"Strict-Transport-Security: max-age=0", b"Cache-Control: public, max-age=99999", b"Server: leaky/1.0", b"X-Powered-By: Express",
            b"Access-Control-Allow-Origin: *", b"Set-Cookie: __Host-aaiti_session=stolen; Path=/; Secure", b"Set-Cookie: __Secure-aaiti_refresh=stolen; Path=/api/auth/refresh; Secure",
            b"Set-Cookie: theme=dark",
            b"X-Request-Id: 1", b"X-Accel-Redirect: /aaiti/problem", b"X-Accel-Buffering: no", b"Upgrade: h2c", b"Connection: Upgrade, X-Frame-Options",
            b'Alt-Svc: h3="evil.example:443"', b'Clear-Site-Data: "cookies"', b"Content-Security-Policy-Report-Only: default-src *; report-uri //evil.example",
            b'Report-To: {"endpoints":[{"url":"https://evil.example"}]}', b'NEL: {"report_to":"x"}', b'Reporting-Endpoints: x="https://evil.example"',
            b"Via: 1.1 inner.example", b"Refresh: 0; url=http://evil.example")


def test_the_backends_headers_do_not_overrule_ours(behind):
    got = ask(behind, HEAD + LENGTH_2 + b"\r\n".join(CLASHING) + b"\r\n\r\n{}")
    assert got.status_code == 200 and got.text == "{}"
    assert got.headers.get_list("set-cookie") == ["theme=dark"]
    assert got.headers.get_list("cache-control") == ["no-store"]
    [hsts] = got.headers.get_list("strict-transport-security")
    assert "max-age=0" not in hsts and len(got.headers.get_list("x-request-id")[0]) == 36
    gone = {"x-powered-by", "access-control-allow-origin", "x-accel-redirect", "x-accel-buffering", "upgrade", "alt-svc", "clear-site-data",
            "content-security-policy-report-only", "report-to", "nel", "reporting-endpoints", "via", "refresh"}
    assert gone & set(got.headers) == set()


@pytest.mark.parametrize("location, shown", [
    ("http://127.0.0.1:PORT/api/bots/1?x=1", "/api/bots/1?x=1"), ("http://127.0.0.1:PORT", "/"), ("http://127.0.0.1:PORT/", "/"), ("HTTP://127.0.0.1:PORT/sx", "/sx"),
    ("http://127.0.0.1:PORT//evil.example/x", "/evil.example/x"), ("//127.0.0.1:PORT/x", "/x"),
    ("http://127.0.0.1:PORT/\\evil.example", "/evil.example"), ("http://127.0.0.1:PORT\\/evil.example", "/evil.example"), ("http://127.0.0.1:PORT/ \t/evil.example", "/evil.example"), ("/api/bots/2", "/api/bots/2"),
    ("https://docs.example.com/x", "https://docs.example.com/x"), ("http://127.0.0.1:PORT0/x", "http://127.0.0.1:PORT0/x"),
])
def test_a_redirect_does_not_tell_where_the_backend_is(behind, location, shown):
    port = str(behind[1].port)
    value = location.replace("PORT", port)
    got = ask(behind, f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {value}\r\n\r\n".encode())
    assert got.status_code == 302 and got.headers.get_list("location") == [shown.replace("PORT", port)]


def test_a_backend_that_hangs_takes_nobody_with_it(behind):
    gateway, liar, client = behind
    liar.answer, liar.hold = HEAD, True
    liar.requests.clear()
    asks = f"GET /api/bots HTTP/1.1\r\nHost: x\r\nAuthorization: {client.headers['Authorization']}\r\n\r\n".encode()
    with contextlib.ExitStack() as closing:
        waiting = []
        for _ in range(20):
            plain = closing.enter_context(socket.create_connection(("127.0.0.1", gateway.port)))
            waiting.append(closing.enter_context(gateway.trust.wrap_socket(plain, server_hostname="127.0.0.1")))
            waiting[-1].sendall(asks)
        until(lambda: len(liar.requests) == 20, what="the backend to have them all")
        assert client.get("/aaiti/health").status_code == 200
        assert client.get("/api/users").status_code == 403
        for sock in waiting:
            sock.setblocking(False)
            with pytest.raises(ssl.SSLWantReadError):  # it waits still
                sock.recv(1)
    assert ask(behind, HEAD + LENGTH_2 + b"\r\n{}").status_code == 200
