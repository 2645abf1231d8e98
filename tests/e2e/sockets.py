# SPDX-License-Identifier: Apache-2.0
"""WebSockets for tests: a backend that echoes, and clients, both of Debian's python3-websockets, on one event loop of a thread's own; and a
socket by hand, for bytes that no library would send."""
import asyncio
import base64
import contextlib
import os
import socket
import ssl
import struct
import threading

import pytest
import websockets

POLICY = '  - {match: "GET /live", permission: bots:read, risk: neutral, websocket: {messages: 10000/1s}}\n'


class Loop:
    """An event loop in a thread; `run` does a coroutine there and gives its result."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine, seconds=30):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(seconds)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


class Echo:
    """Says each message again, with `echo ` before a text; keeps what it heard, and the heads of handshakes."""

    def __init__(self, loop):
        self.loop, self.heard, self.heads, self.open = loop, [], [], set()
        self.server = loop.run(self.start())
        self.port = self.server.sockets[0].getsockname()[1]

    async def start(self):
        return await websockets.serve(self.serve, "127.0.0.1", 0, max_size=None, ping_interval=None, subprotocols=["v1"])

    async def serve(self, connection):
        self.heads.append((connection.path, connection.request_headers))
        self.open.add(connection)
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in connection:
                self.heard.append(message)
                await connection.send(f"echo {message}" if isinstance(message, str) else message)
        self.open.discard(connection)

    def close(self):
        async def stop():
            self.server.close()
            await self.server.wait_closed()
        self.loop.run(stop())


def add_route(gateway, line=POLICY):
    policy = gateway.home / "policy.yaml"
    text = policy.read_text()
    assert "routes:\n" in text
    policy.write_text(text.replace("routes:\n", "routes:\n" + line, 1))


def connect(gateway, target="/live", token=None, headers=(), **more):
    """A coroutine: a client of the library."""
    extra = list(headers) + ([("Authorization", f"Bearer {token}")] if token else [])
    return websockets.connect(f"wss://127.0.0.1:{gateway.port}{target}", ssl=gateway.trust, extra_headers=extra,
                              ping_interval=None, compression=None, **{"open_timeout": 20, "close_timeout": 5, **more})


def frame(opcode, payload=b"", final=True, mask=b"\x12\x34\x56\x78"):
    head = bytes([(0x80 if final else 0) | opcode])
    masked = 0x80 if mask is not None else 0
    if len(payload) < 126:
        head += bytes([masked | len(payload)])
    elif len(payload) < 65536:
        head += bytes([masked | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([masked | 127]) + struct.pack(">Q", len(payload))
    if mask is None:
        return head + payload
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


class Raw:
    """A client by hand: sends what it is given, reads frames."""

    def __init__(self, gateway, target="/live", token=None, early=b"", headers=""):
        self.key = base64.b64encode(os.urandom(16)).decode()
        plain = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = gateway.trust.wrap_socket(plain, server_hostname="127.0.0.1")
        if token:
            headers += f"Authorization: Bearer {token}\r\n"
        head = (f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {self.key}\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n")
        self.sock.sendall(head.encode() + early)
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        self.head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        self.status = int(self.head.split()[1])

    def more(self):
        chunk = self.sock.recv(65536)
        if not chunk:
            raise EOFError(self.buffer)
        self.buffer += chunk

    def take(self, count):
        while len(self.buffer) < count:
            self.more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def read(self):
        """The next frame: (first byte, payload)."""
        first, length = self.take(2)
        if length == 126:
            length, = struct.unpack(">H", self.take(2))
        elif length == 127:
            length, = struct.unpack(">Q", self.take(8))
        return first, self.take(length)

    def send(self, data):
        self.sock.sendall(data)

    def ends(self):
        """Reads to the end of the connection; the frames before it."""
        frames = []
        with contextlib.suppress(EOFError, ConnectionResetError, ssl.SSLError):
            while True:
                frames.append(self.read())
        return frames

    def close(self):
        self.sock.close()


@pytest.fixture(scope="module")
def loop():
    with contextlib.closing(Loop()) as one:
        yield one


@pytest.fixture(scope="module")
def echo(loop):
    with contextlib.closing(Echo(loop)) as one:
        yield one
