# SPDX-License-Identifier: Apache-2.0
"""Clients of the attacks: HTTP/1.1 over TLS from any address of 127.0.0.0/8, one connection each, with nothing checked."""
import collections
import contextlib
import json
import socket
import ssl
import threading
import time

Answer = collections.namedtuple("Answer", "status headers body seconds")
Endpoint = collections.namedtuple("Endpoint", "port certificate")
BROKEN = Answer(0, {}, b"", 0)  # the connection ended instead of an answer


def trust(endpoint, *protocols):
    context = ssl.create_default_context(cafile=endpoint.certificate)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def connect(endpoint, address, context=None, timeout=20, receive_buffer=None):
    """TLS from this source address; context=False leaves it at TCP."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        sock.bind((address, 0))
        sock.connect(("127.0.0.1", endpoint.port))
        return sock if context is False else (context or trust(endpoint)).wrap_socket(sock, server_hostname="127.0.0.1")
    except OSError:
        sock.close()
        raise


class Client:
    """Asks over one connection, which it makes again when the server has ended it."""

    def __init__(self, endpoint, address, headers=None, timeout=20):
        self.endpoint, self.address, self.timeout = endpoint, address, timeout
        self.headers = headers or {}
        self.context = trust(endpoint)
        self.socket, self.left, self.connections = None, b"", 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.close()
        self.socket, self.left = None, b""

    def open(self):
        self.socket = connect(self.endpoint, self.address, self.context, self.timeout)
        self.connections += 1

    def head(self, method, path, headers, body):
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in {**self.headers, **headers}.items())]
        if body is not None or method in ("POST", "PUT", "PATCH"):
            lines += [f"Content-Length: {len(body or b'')}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")

    def ask(self, method, path, headers=None, body=None, **fields):
        """fields: a JSON body."""
        headers = dict(headers or {})
        if fields:
            body = json.dumps(fields).encode()
            headers["Content-Type"] = "application/json"
        return self.raw([self.head(method, path, headers, body)])[0]

    def get(self, path, **headers):
        return self.ask("GET", path, headers)

    def many(self, requests):
        """Pipelined: each (method, path, headers)."""
        return self.raw([self.head(method, path, headers, None) for method, path, headers in requests])

    def raw(self, requests):
        """The answers, as many as there were before the connection ended; BROKEN for the first that got none."""
        began = time.monotonic()
        answers = []
        for fresh in (self.socket is None, True):
            try:
                if self.socket is None:
                    self.open()
                self.socket.sendall(b"".join(requests[len(answers):]))
                while len(answers) < len(requests):
                    answers.append(self.read(began))
                return answers
            except (OSError, ValueError):
                self.close()
                if fresh or answers:
                    break
        return answers + [BROKEN]

    def more(self):
        chunk = self.socket.recv(65536)
        if not chunk:
            raise ConnectionError("ended")
        self.left += chunk

    def take(self, length):
        while len(self.left) < length:
            self.more()
        taken, self.left = self.left[:length], self.left[length:]
        return taken

    def line(self, end=b"\r\n"):
        while end not in self.left:
            self.more()
        taken, _, self.left = self.left.partition(end)
        return taken

    def read(self, began):
        first, *lines = self.line(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {}
        for name, _, value in (line.partition(":") for line in lines):
            name = name.lower()
            headers[name] = f"{headers[name]}\n{value.strip()}" if name in headers else value.strip()
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while length := int(self.line(), 16):
                body += self.take(length)
                self.take(2)
            self.take(2)
        else:
            body = self.take(int(headers.get("content-length", 0)))
        answer = Answer(int(first.split(" ")[1]), headers, body, time.monotonic() - began)
        if headers.get("connection") == "close":
            self.close()
        return answer

    def sign_in(self, name, password, **headers):
        return self.ask("POST", "/api/auth/login", headers, username=name, password=password)


class Flood:
    """Threads that send batches of pipelined requests over a connection each until `stop`; counts the answers by status."""

    def __init__(self, endpoint, addresses, request, batch=16):
        self.endpoint, self.request, self.batch = endpoint, request, batch
        self.counts, self.lock, self.stopping = collections.Counter(), threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(address,), daemon=True) for address in addresses]
        for thread in self.threads:
            thread.start()

    def run(self, address):
        with Client(self.endpoint, address, timeout=10) as client:
            while not self.stopping.is_set():
                answers = client.many([self.request() for _ in range(self.batch)])
                with self.lock:
                    self.counts.update(answer.status for answer in answers)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
        return self.counts
