# SPDX-License-Identifier: Apache-2.0
"""What no client sends: heads too large, and HTTP/2 that opens streams only to take them back."""
import collections
import contextlib

import h2.config
import h2.connection
import h2.errors
import h2.events
from hpack import Encoder
from hyperframe.frame import HeadersFrame, RstStreamFrame, SettingsFrame, PingFrame

from rig import Client, again, attack, check, counted
from wire import connect, trust

TOO_LARGE = {0, 400, 413, 414, 429, 431, 494}
RESETS, RESETTERS = 4000, 5
PINGS = 20_000


def refused_heads(world, headers, count=200):
    gateway = world.gateway()
    token = world.token(gateway, gateway.users["viewer"])
    gateway.backend.forget()
    counts = collections.Counter()
    with world.served(gateway) as bot, Client(gateway.endpoint(), world.address(), {"Authorization": f"Bearer {token}"}, timeout=10) as client:
        for _ in range(count):
            counts[client.ask("GET", "/api/trading/price/ODD", headers).status] += 1
    arrived = [r for r in gateway.backend.received() if r["path"].endswith("/ODD")]
    check(not arrived, f"{len(arrived)} reached the backend")
    check(set(counts) <= TOO_LARGE, counted(counts))
    return f"{counted(counts)}; {bot['figures']}"


@attack("200 requests with a header of 100 kB", "all are refused, none reaches the backend")
def large_headers(world):
    return refused_heads(world, {"X-A": "a" * 100_000})


@attack("200 requests with 10,000 cookies", "all are refused, none reaches the backend")
def many_cookies(world):
    return refused_heads(world, {"Cookie": "; ".join(f"c{n}={n}" for n in range(10_000))})


@attack("200 requests with 5,000 headers of a few bytes", "all are refused, none reaches the backend")
def many_headers(world):
    return refused_heads(world, {f"X-{n}": "1" for n in range(5000)})


class Http2:
    """Frames as they are, over TLS from an address."""

    def __init__(self, endpoint, address):
        self.socket = connect(endpoint, address, trust(endpoint, "h2"), timeout=10)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(validate_outbound_headers=False, validate_inbound_headers=False))
        self.h2.initiate_connection()
        self.socket.sendall(self.h2.data_to_send())
        self.encoder, self.stream = Encoder(), 1

    def close(self):
        self.socket.close()

    def resets(self, headers, count):
        """Frames of so many streams that are opened and taken back."""
        frames = b""
        for self.stream in range(self.stream, self.stream + 2 * count, 2):
            frames += HeadersFrame(self.stream, data=self.encoder.encode(headers), flags=["END_HEADERS", "END_STREAM"]).serialize()
            frames += RstStreamFrame(self.stream, error_code=h2.errors.ErrorCodes.CANCEL).serialize()
        self.stream += 2
        return frames

    def send(self, data):
        """False: the server has ended the connection."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def is_ended(self, seconds=5):
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(65536):
                pass
            return True
        except TimeoutError:
            return False
        except OSError:
            return True


@attack(f"HTTP/2 rapid reset (CVE-2023-44487): a signed-in user's connections from {RESETTERS} addresses, one after another, open {RESETS:,} streams each and take each back at once",
        "the server ends such a connection; the backend sees a fraction; the bot is served")
def rapid_reset(world):
    gateway = world.gateway()
    token = world.token(gateway, gateway.users["viewer"])
    headers = [(":method", "GET"), (":scheme", "https"), (":authority", "127.0.0.1"), (":path", "/api/trading/price/RESET"), ("authorization", f"Bearer {token}")]
    gateway.backend.forget()
    ended = connections = streams = 0
    addresses = world.addresses(RESETTERS)
    with world.served(gateway) as bot:
        for n in again():
            with contextlib.closing(Http2(gateway.endpoint(), addresses[n % RESETTERS])) as client:
                opened = 0
                while opened < RESETS and client.send(client.resets(headers, 100)):
                    opened += 100
                streams += opened
                ended += opened < RESETS or client.is_ended()
                connections += 1
    arrived = sum(r["path"].endswith("/RESET") for r in gateway.backend.received())
    figures = f"{ended} of {connections} connections were ended, {arrived:,} of {streams:,} requests reached the backend; {bot['figures']}"
    check(ended == connections and arrived <= streams // 4, figures)
    return figures


@attack(f"HTTP/2: {PINGS:,} SETTINGS and as many PINGs, each of which wants an answer, that is never read", "the server ends the connection, or keeps no more for it than a buffer; the bot is served")
def settings_and_pings(world):
    gateway = world.gateway()
    frames = (SettingsFrame(0).serialize() + PingFrame(0, opaque_data=b"12345678").serialize()) * 100
    took = 0
    with world.served(gateway) as bot, contextlib.closing(Http2(gateway.endpoint(), world.address())) as client:
        client.socket.settimeout(2)
        for _ in again():
            if took < PINGS and client.send(frames):
                took += 100
    return f"{took:,} of each were taken; {bot['figures']}"
