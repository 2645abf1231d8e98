# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 as no client speaks it: decided as over HTTP/1.1 or refused, and nothing odd reaches the backend."""
import contextlib
import socket
import ssl
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import pytest
from conftest import until
from hpack import Encoder
from hyperframe.frame import ContinuationFrame, HeadersFrame, RstStreamFrame

LIMIT_MIB = 16


class Connection:
    """A client that checks nothing of what it sends."""

    def __init__(self, gateway):
        trust = ssl.create_default_context(cafile=str(gateway.home / "tls/cert.pem"))
        trust.set_alpn_protocols(["h2"])
        self.socket = trust.wrap_socket(socket.create_connection(("127.0.0.1", gateway.port), timeout=20), server_hostname="127.0.0.1")
        assert self.socket.selected_alpn_protocol() == "h2"
        unchecked = h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False, validate_inbound_headers=False)
        self.h2 = h2.connection.H2Connection(unchecked)
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def ask(self, headers, body=b""):
        """The status, or what ended stream or connection instead."""
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, headers, end_stream=not body)
        if body:
            self.h2.send_data(stream, body, end_stream=True)
        with contextlib.suppress(OSError):
            self.flush()
            while data := self.socket.recv(65536):
                for event in self.h2.receive_data(data):
                    if isinstance(event, h2.events.ResponseReceived):
                        return int(dict(event.headers)[b":status"])
                    if isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                        return "ended"
                self.flush()
        return "ended"

    def raw(self, data, seconds=20):
        """Sends frames as they are; gives whether the server ended the connection."""
        self.socket.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            try:
                self.socket.sendall(data)
                while chunk := self.socket.recv(65536):
                    if any(isinstance(e, h2.events.ConnectionTerminated) for e in self.h2.receive_data(chunk)):
                        return True
            except OSError as e:
                return not isinstance(e, TimeoutError)
            return True
        return False

    def close(self):
        self.socket.close()


@pytest.fixture
def connect(gateway):
    with contextlib.ExitStack() as closing:
        yield lambda: closing.enter_context(contextlib.closing(Connection(gateway)))


def head(token, *more, path="/api/bots", method="GET"):
    return [(":method", method), (":scheme", "https"), (":authority", "a"), (":path", path), ("authorization", f"Bearer {token}"), *more]


def without(headers, name):
    return [h for h in headers if h[0] != name]


def test_the_client_speaks_http_2(gateway, tokens, connect):
    """Else the rows below would prove nothing."""
    gateway.backend.forget()
    c = connect()
    assert c.ask(head(tokens["viewer"])) == 200 and c.ask(head("x")) == 401
    assert c.ask(head(tokens["viewer"], method="POST", path="/api/bots/bot-1/start")) == 403
    assert len(gateway.backend.received()) == 1


ODD = {
    "no path": lambda t: without(head(t), ":path"),
    "an empty path": lambda t: head(t, path=""),
    "a path twice": lambda t: [(":path", "/api/users"), *head(t)],
    "a path without a slash": lambda t: head(t, path="api/bots"),
    "an absolute target": lambda t: head(t, path="https://a/api/bots"),
    "a star": lambda t: head(t, path="*", method="OPTIONS"),
    "a space in the path": lambda t: head(t, path="/api/bots HTTP/1.1\r\nx: y"),
    "no method": lambda t: without(head(t), ":method"),
    "a method twice": lambda t: [(":method", "POST"), *head(t)],
    "a method with a space": lambda t: head(t, method="GET /x"),
    "CONNECT": lambda t: [(":method", "CONNECT"), (":authority", "a:1"), ("authorization", f"Bearer {t}")],
    "extended CONNECT": lambda t: [(":protocol", "websocket"), *head(t, method="CONNECT")],
    "no scheme": lambda t: without(head(t), ":scheme"),
    "a scheme twice": lambda t: [(":scheme", "http"), *head(t)],
    "an unknown pseudo-header": lambda t: [(":user", "admin"), *head(t)],
    "a pseudo-header after the others": lambda t: [*head(t), (":path", "/api/users")],
    "an upper-case name": lambda t: [*without(head(t), "authorization"), ("Authorization", f"Bearer {t}")],
    "a line break in a value": lambda t: head(t, ("x-a", "b\r\nx-user-id: 1")),
    "a NUL in a value": lambda t: head(t, ("x-a", "b\x00c")),
    "a space in a name": lambda t: head(t, ("x a", "b")),
    "a colon in a name": lambda t: head(t, ("x-a: b\r\nx", "b")),
    "an empty name": lambda t: head(t, ("", "b")),
    "two authorizations": lambda t: head(t, ("authorization", f"Bearer {t}")),
    "host beside authority": lambda t: head(t, ("host", "evil.example"), ("host", "b")),
    "a header of 40 KiB": lambda t: head(t, ("x-a", "b" * 40960)),
    "1,000 headers": lambda t: head(t, *[(f"x-{n}", "y" * 60) for n in range(1000)]),
}


@pytest.mark.parametrize("headers", ODD.values(), ids=ODD.keys())
def test_odd_heads_are_refused(gateway, tokens, connect, headers):
    gateway.backend.forget()
    answer = connect().ask(headers(tokens["viewer"]))
    assert answer == "ended" or 400 <= answer < 500 or answer == 501, answer
    assert gateway.backend.received() == []
    assert connect().ask(head(tokens["viewer"])) == 200


def test_headers_of_one_hop_go_no_further(gateway, tokens, connect):
    """nginx does not refuse them (RFC 9113 section 8.2.2); then they count for nothing."""
    hop = [("transfer-encoding", "chunked"), ("connection", "keep-alive, x-b"), ("keep-alive", "1"), ("upgrade", "h2c"), ("proxy-connection", "close"), ("te", "trailers")]
    gateway.backend.forget()
    assert connect().ask(head(tokens["viewer"], *hop, ("x-b", "1"))) in (200, 400)
    names = {name.lower() for received in gateway.backend.received() for name, _ in received["headers"]}
    assert names.isdisjoint({"transfer-encoding", "connection", "keep-alive", "upgrade", "proxy-connection", "te", "x-b"})


@pytest.mark.parametrize("length, sent", [(5, 2), (1, 2), (0, 2)])
def test_a_length_that_is_not_the_bodys_reaches_nobody(gateway, tokens, connect, length, sent):
    gateway.backend.forget()
    head_ = head(tokens["trader"], ("content-length", str(length)), ("content-type", "application/json"), method="POST", path="/api/bots/bot-1/start")
    answer = connect().ask(head_, b"{" + b" " * (sent - 1))
    assert answer in ("ended", 400) and gateway.backend.received() == []


def test_cookie_crumbs_are_one_cookie(gateway, tokens, connect):
    """RFC 9113 section 8.2.3: they may come apart; our cookie twice is refused however it comes."""
    crumbs = without(head(""), "authorization")
    name = "__Host-aaiti_session"
    assert connect().ask([*crumbs, ("cookie", "a=1"), ("cookie", f"{name}={tokens['viewer']}"), ("cookie", "b=2")]) in (200, 400)
    assert connect().ask([*crumbs, ("cookie", f"{name}={tokens['viewer']}"), ("cookie", f"{name}={tokens['viewer']}")]) in (400, 401)


def resident_mib(gateway):
    sizes = []
    for pid in gateway.pids("nginx: worker"):
        with open(f"/proc/{pid}/statm") as f:
            sizes.append(int(f.read().split()[1]) * 4096 / 2**20)
    return sum(sizes)


def test_a_flood_of_continuations_is_cut(gateway, tokens, connect):
    before, died = resident_mib(gateway), gateway.log().count("exited on signal")
    c = connect()
    flood = HeadersFrame(1, data=Encoder().encode(head(tokens["viewer"])), flags=["END_STREAM"]).serialize()
    more = ContinuationFrame(1, data=Encoder().encode([("x-more", "y" * 4000)], huffman=False)).serialize()
    assert c.raw(flood + more * 2000)
    assert resident_mib(gateway) < before + LIMIT_MIB and gateway.log().count("exited on signal") == died
    assert connect().ask(head(tokens["viewer"])) == 200


def test_rapid_resets_hold_nobody_up(gateway, tokens, connect):
    """CVE-2023-44487, a bounded number: others are served meanwhile, and nothing is left behind."""
    before, encoder = resident_mib(gateway), Encoder()
    frames = b"".join(
        HeadersFrame(n, data=encoder.encode(head(tokens["viewer"])), flags=["END_HEADERS", "END_STREAM"]).serialize()
        + RstStreamFrame(n, error_code=h2.errors.ErrorCodes.CANCEL).serialize() for n in range(1, 4001, 2))
    connections = [connect() for _ in range(3)]
    for c in connections:
        with contextlib.suppress(OSError):
            c.socket.sendall(frames)
    began = time.monotonic()
    assert gateway.client(tokens["viewer"]).get("/api/bots").status_code == 200
    assert time.monotonic() - began < 15
    assert resident_mib(gateway) < before + LIMIT_MIB


def test_who_resets_most_streams_has_had_his_last(gateway, connect):
    """No count of streams at once bounds it: so the connection ends. Of some users, lest one meet his limit: what is refused has its answer before it is reset."""
    encoder, c = Encoder(), connect()

    def reset(token, first, count):
        frames = b"".join(
            HeadersFrame(n, data=encoder.encode(head(token)), flags=["END_HEADERS", "END_STREAM"]).serialize()
            + RstStreamFrame(n, error_code=h2.errors.ErrorCodes.CANCEL).serialize() for n in range(first, first + 2 * count, 2))
        with contextlib.suppress(OSError):
            c.socket.sendall(frames)

    def is_over():
        c.socket.settimeout(0.05)
        try:
            data = c.socket.recv(65536)
        except TimeoutError:
            return False
        except OSError:
            return True
        return data == b"" or b"\x07\x00\x00\x00\x00\x00" in data

    users = [gateway.login(gateway.add_user("viewer")) for _ in range(6)]
    for turn, token in enumerate(users):
        reset(token, 1 + 200 * turn, 100)
    until(is_over, what="the end after 600 resets")
    assert connect().ask(head(gateway.login(gateway.add_user("viewer")))) == 200


def test_who_resets_some_goes_on(gateway, connect):
    token = gateway.login(gateway.add_user("viewer"))
    c = connect()
    for _ in range(100):
        stream = c.h2.get_next_available_stream_id()
        c.h2.send_headers(stream, head(token), end_stream=True)
        c.h2.reset_stream(stream)
        c.flush()
    assert c.ask(head(token)) == 200


@pytest.mark.parametrize("fields, answer", [(80, 200), (300, 431), (600, "ended"), (15000, 431)])
def test_heads_of_more_fields_than_anybody_needs(tokens, connect, fields, answer):
    assert connect().ask(head(tokens["viewer"]) + [("x", "")] * fields) == answer


def test_fields_of_a_byte_each_hold_little(gateway, tokens, connect):
    """HPACK packs a field that was sent before into one byte; nginx keeps 56 of each, for as long as an answer is not read."""
    before = resident_mib(gateway)
    connections = [connect() for _ in range(4)]
    for c in connections:
        encoder, parts = Encoder(), []
        for n in range(1, 81, 2):
            block = encoder.encode(head(tokens["viewer"])) + encoder.encode([("x", "")]) + b"\xbe" * 15000
            parts.append(HeadersFrame(n, data=block, flags=["END_HEADERS", "END_STREAM"]).serialize())
        with contextlib.suppress(OSError):
            c.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
            c.flush()
            c.socket.sendall(b"".join(parts))
    assert connect().ask(head(tokens["viewer"])) == 200
    # nginx ends such a head at some 900 fields and keeps 160 KiB of it, so 26 MiB in all; whole they would be 134.
    assert resident_mib(gateway) < before + 3 * LIMIT_MIB
