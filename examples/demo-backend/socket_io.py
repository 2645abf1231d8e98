# SPDX-License-Identifier: Apache-2.0
"""The Socket.IO side of the demo backend, as the original has it: Engine.IO 4 over a WebSocket alone, a CONNECT that brings the token, a room
for each bot. One thread a socket, which a timeout of its own pings."""
import base64
import hashlib
import json
import socket
import struct
import uuid

PING_INTERVAL_S = 25
MAX_FRAME = 1024 * 1024
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def accept(key):
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


class SocketIo:
    """Over the connection of a request whose handshake is answered here. authenticate(token) gives a user or raises; heard(event, data) is told of
    each event."""

    def __init__(self, connection, rfile, authenticate, heard):
        self.connection, self.rfile, self.authenticate, self.heard = connection, rfile, authenticate, heard
        self.user = None

    def serve(self, key):
        head = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept(key)}\r\n\r\n"
        self.connection.sendall(head.encode())
        opening = {"sid": uuid.uuid4().hex, "upgrades": [], "pingInterval": PING_INTERVAL_S * 1000, "pingTimeout": 20000, "maxPayload": MAX_FRAME}
        self.say("0" + json.dumps(opening, separators=(",", ":")))
        self.connection.settimeout(PING_INTERVAL_S)
        while self.turn():
            pass

    def turn(self):
        try:
            opcode, payload = self.read()
        except TimeoutError:
            self.say("2")
            return True
        except (OSError, EOFError, ValueError):
            return False
        if opcode == TEXT:
            return self.packet(payload.decode())
        if opcode == PING:
            self.send(PONG, payload)
        if opcode == CLOSE:
            self.send(CLOSE, payload[:2])
        return opcode != CLOSE

    def packet(self, text):
        if text.startswith("40"):
            self.connect(text[2:])
        elif text.startswith("42") and self.user is not None:
            self.event(text[2:])
        elif text not in ("3", "41"):
            return False
        return text != "41"

    def connect(self, payload):
        try:
            self.user = self.authenticate(json.loads(payload or "{}").get("token"))
        except Exception as refused:
            self.say("44" + json.dumps({"message": str(refused)}))
            return
        self.say("40" + json.dumps({"sid": uuid.uuid4().hex}))

    def event(self, text):
        digits = len(text) - len(text.lstrip("0123456789"))
        name, *data = json.loads(text[digits:])
        self.heard(name, data)
        if digits:
            self.say(f"43{text[:digits]}" + json.dumps([{"ok": True}]))
        if name == "subscribe_to_bot":
            self.say("42" + json.dumps(["bot_update", {"botId": data[0] if data else None, "status": "running", "user": self.user["username"]}]))

    # ---- frames: RFC 6455, whole messages alone ----

    def read(self):
        first, length = self.take(2)
        masked, length = length & 0x80, length & 0x7f
        if length >= 126:
            length, = struct.unpack(">H" if length == 126 else ">Q", self.take(2 if length == 126 else 8))
        if not masked or not first & 0x80 or length > MAX_FRAME:
            raise ValueError("not a frame of a client that we take")
        mask = self.take(4)
        return first & 15, bytes(b ^ mask[i % 4] for i, b in enumerate(self.take(length)))

    def take(self, count):
        data = self.rfile.read(count) if count else b""
        if len(data) < count:
            raise EOFError
        return data

    def say(self, text):
        self.send(TEXT, text.encode())

    def send(self, opcode, payload):
        length = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + struct.pack(">H", len(payload))
        try:
            self.connection.sendall(bytes([0x80 | opcode]) + length + payload)
        except OSError:
            self.connection.shutdown(socket.SHUT_RDWR)
