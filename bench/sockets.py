# SPDX-License-Identifier: Apache-2.0
"""A backend and clients for messages of 1 KiB over WebSockets: usage: sockets.py serve | send PORT TARGET TOKEN MESSAGES up|down |
hold PORT TARGET TOKEN SOCKETS. Each message is a write
of its own. `serve` prints its port. A socket whose target ends in `up` is read until the client has said all, and answered once; of `down`, written to. `hold` opens that many, says `open`, and
holds them until its standard input ends."""
import base64
import hashlib
import os
import resource
import socket
import sys
import threading
from urllib.parse import parse_qs

SOCKETS = 8
PAYLOAD = b"x" * 1024
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SERVER_FRAME = b"\x81\x7e\x04\x00" + PAYLOAD
MASK = b"\x01\x02\x03\x04"
CLIENT_FRAME = b"\x81\xfe\x04\x00" + MASK + bytes(b ^ MASK[i % 4] for i, b in enumerate(PAYLOAD))
DONE = b"\x81\x04done"


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = connection.recv(4096)
        if not chunk:
            sys.exit(f"sockets: {head!r}")
        head += chunk
    return head.split(b"\r\n\r\n", 1)


def read(connection, count):
    buffer = bytearray(min(count, 65536))
    while count > 0:
        n = connection.recv_into(buffer, min(count, len(buffer)))
        if n == 0:
            raise EOFError("the connection has ended")
        count -= n


def serve_one(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head, rest = read_head(connection)
    target = head.split(b" ", 2)[1].decode()
    key = next(line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    query = parse_qs(target.partition("?")[2])
    messages = int(query["messages"][0])
    if query["way"] == ["up"]:
        read(connection, messages * len(CLIENT_FRAME) - len(rest))
        connection.sendall(DONE)
    else:
        for _ in range(messages):
            connection.sendall(SERVER_FRAME)
    connection.recv(4096)
    connection.close()


def serve():
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve_one, args=(connection,), daemon=True).start()


def open_one(port, target, token, messages, way):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = (f"GET {target}?messages={messages}&way={way} HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nAuthorization: Bearer {token}\r\n\r\n")
    connection.sendall(head.encode())
    head, rest = read_head(connection)
    if b" 101 " not in head.split(b"\r\n")[0]:
        sys.exit(f"sockets: {head!r}")
    return connection, rest


def send_one(port, target, token, messages, way):
    connection, rest = open_one(port, target, token, messages, way)
    if way == "up":
        for _ in range(messages):
            connection.sendall(CLIENT_FRAME)
        read(connection, len(DONE) - len(rest))
    else:
        read(connection, messages * len(SERVER_FRAME) - len(rest))
    connection.close()


def send_or_end(*arguments):
    """A thread's failure is the program's."""
    try:
        send_one(*arguments)
    except BaseException as failed:
        print(f"sockets: {failed}", file=sys.stderr, flush=True)
        os._exit(1)


def send(port, target, token, messages, way):
    threads = [threading.Thread(target=send_or_end, args=(port, target, token, messages // SOCKETS, way)) for _ in range(SOCKETS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def hold(port, target, token, count):
    held = [open_one(port, target, token, 0, "down") for _ in range(count)]
    print("open", flush=True)
    sys.stdin.read()
    for connection, _ in held:
        connection.close()


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    threading.stack_size(128 * 1024)
    if sys.argv[1] == "serve":
        serve()
    elif sys.argv[1] == "hold":
        hold(int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
    else:
        send(int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]), sys.argv[6])
