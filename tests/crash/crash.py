#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""usage: crash.py [--kills N] [--seed S]

kill -9 of the gateway's processes at random moments, and cuts of its connections to the backend, while clients change things and sign in; after each round of kills the clients' own
ledger, the backend's ledger and the audit trail must tell one story. Prints the seed, `kills: N`, and closes with `N passed, N failed`.
"""
import argparse
import base64
import collections
import contextlib
import os
import pathlib
import random
import signal
import socket
import sqlite3
import sys
import threading
import time
import uuid

import httpx

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from conftest import Gateway, pytest_unconfigure, until  # noqa: E402

KILLS_A_ROUND = 25
PAUSE_S = (0.05, 0.6)
SETTLE_S = 40
# What is killed, and how often; "all" is a power cut for everything but the disk.
VICTIMS = {"nginx: worker": 80, "control --home": 10, "nginx: master": 8, "all": 2}
OUTCOMES = ["pending", "done", "failed", "unknown", "not-sent", "refused"]

Answer = collections.namedtuple("Answer", "kind request_id status problem")


def request_uuid(text):
    """Of a plain id, or the one that stands in the clear before a sealed part."""
    return uuid.UUID(text) if len(text) == 36 else uuid.UUID(bytes=base64.urlsafe_b64decode(text)[:16])


class Clients:
    """Threads that never stop asking; what each answer said is kept."""

    def __init__(self, gateway, token):
        self.gateway, self.token = gateway, token
        self.answers, self.broken = [], 0
        self.lock, self.stopping = threading.Lock(), threading.Event()
        user = gateway.users["viewer"]
        works = [("change", "POST", "/api/bots/bot-1/start", {}), ("close", "POST", "/api/bots/bot-1/stop", {}),
                 ("change", "PUT", "/api/bots/bot-1", {"name": "x"}), ("durable", "DELETE", "/api/notifications/notifications/unsubscribe", None),
                 ("login", "POST", "/api/auth/login", {"username": user.name, "password": user.password})]
        self.threads = [threading.Thread(target=self.run, args=work) for work in works]
        for thread in self.threads:
            thread.start()

    def run(self, kind, method, path, body):
        headers = {} if kind == "login" else {"Authorization": f"Bearer {self.token}"}
        while not self.stopping.is_set():
            try:
                with httpx.Client(base_url=self.gateway.url, verify=self.gateway.trust, headers=headers, timeout=10) as client:
                    while not self.stopping.is_set():
                        self.note(kind, client.request(method, path, json=body))
                        if kind == "login":
                            time.sleep(0.2)
            except httpx.TransportError:
                with self.lock:
                    self.broken += 1
                time.sleep(0.01)

    def note(self, kind, got):
        is_problem = got.headers.get("content-type") == "application/problem+json"
        problem = got.json()["type"].rpartition(":")[2] if is_problem else None
        with self.lock:
            self.answers.append(Answer(kind, request_uuid(got.headers["x-request-id"]), got.status_code, problem))

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


class Wire:
    """Between gateway and backend; cut() breaks every connection, whatever is under way on it."""

    def __init__(self, port):
        self.backend_port, self.pairs, self.cuts = port, set(), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            with contextlib.suppress(ConnectionError):
                pair = self.listener.accept()[0], socket.create_connection(("127.0.0.1", self.backend_port))
                self.pairs.add(pair)
                for source, sink in (pair, pair[::-1]):
                    threading.Thread(target=self.pump, args=(pair, source, sink), daemon=True).start()

    def pump(self, pair, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.pairs.discard(pair)

    def cut(self):
        self.cuts += 1
        for pair in list(self.pairs):
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


class Crash:
    def __init__(self, options):
        self.random = random.Random(options.seed)
        self.kills = self.passed = self.failed = 0
        self.gateway = Gateway(start=False)
        self.wire = Wire(self.gateway.backend.port)
        self.gateway.settings(more="journal: {file_size: 256KiB}", backend_port=self.wire.port)
        self.gateway.start()
        self.token = self.gateway.login(self.gateway.users["admin"])

    def kill_one(self):
        victim, = self.random.choices(list(VICTIMS), VICTIMS.values())
        if victim == "all":
            self.kills += 1 + len(self.gateway.pids(""))
            self.gateway.kill()
            self.gateway.start()
            return
        pids = self.gateway.pids(victim)
        if not pids:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.random.choice(pids), signal.SIGKILL)
            self.kills += 1

    def round(self, number, kills):
        clients = Clients(self.gateway, self.token)
        goal = self.kills + kills
        try:
            while self.kills < goal:
                time.sleep(self.random.uniform(*PAUSE_S))
                self.kill_one()
                self.wire.cut()
        finally:
            clients.stop()
        self.settle({a.request_id.bytes for a in clients.answers if a.kind != "login" and a.problem in (None, "outcome-unknown")})
        self.judge(number, clients)

    def settle(self, answered):
        """Waits for the gateway to be well and for control to have taken what there is; what then is not there is judged to be lost."""
        until(lambda: self.gateway.aaiti("health", check=False).returncode == 0, 40, "the gateway to be well")
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            taken = {row[0] for row in self.query("SELECT request_id FROM audit WHERE request_id IS NOT NULL")}
            if answered <= taken and self.query("SELECT count(*) FROM audit_open") == [(0,)]:
                return
            time.sleep(0.2)

    def query(self, sql, *values):
        with contextlib.closing(sqlite3.connect(f"file:{self.gateway.home}/aaiti.db?mode=ro", uri=True)) as db:
            return db.execute(sql, values).fetchall()

    def judge(self, number, clients):
        rows = collections.defaultdict(list)
        for request_id, action, outcome, status in self.query("SELECT request_id, action, outcome, status FROM audit WHERE request_id IS NOT NULL "
                                                               "AND outcome <> 5"):
            rows[uuid.UUID(bytes=request_id)].append((action, OUTCOMES[outcome], status))
        arrived = {uuid.UUID(value) for got in self.gateway.backend.received() for name, value in got["headers"]
                   if name.lower() == "x-request-id" and got["method"] != "GET"}
        changes = [a for a in clients.answers if a.kind != "login"]
        answered = [a for a in changes if a.problem is None]
        unknown = [a for a in changes if a.problem == "outcome-unknown"]
        refused = [a for a in changes if a.problem not in (None, "outcome-unknown")]
        logins = [a for a in clients.answers if a.kind == "login" and a.status == 200]
        self.check("every answer of the backend has its one row, of its status", [
            a for a in answered if [row[1:] for row in rows[a.request_id]] != [("done" if a.status < 400 else "failed", a.status)]])
        self.check("every unknown outcome has its one row", [a for a in unknown if [row[1] for row in rows[a.request_id]] != ["unknown"]])
        self.check("what reached the backend has one row, which was made before it", [
            i for i in arrived if [row[1] for row in rows[i]] not in (["done"], ["failed"], ["unknown"])])
        self.check("nothing was refused after it was handed over", [a for a in refused if a.request_id in arrived])
        self.check("nothing was refused but for want of a process", [a for a in refused if a.status not in (502, 503)])
        self.check("every sign-in that was answered has its one row", [
            a for a in logins if [row[:2] for row in rows[a.request_id]] != [("user_login", "done")]])
        self.check("no byte of a journal was damaged, and no event is nowhere", self.query("SELECT details FROM audit WHERE action = 'journal_damaged'"))
        self.check("no request has two rows", [i for i, found in rows.items() if len(found) > 1])
        print(f"round {number}: kills {self.kills}, answered {len(answered)}, unknown {len(unknown)}, refused {len(refused)}, "
              f"sign-ins {len(logins)}, broken connections {clients.broken}, failed checks so far {self.failed}", flush=True)
        self.gateway.backend.forget()

    def check(self, what, offenders):
        if not offenders:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAIL {what}: {len(offenders)}, such as {offenders[0]}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    print(f"seed: {options.seed}", flush=True)
    crash = Crash(options)
    number = 0
    try:
        while crash.kills < options.kills:
            number += 1
            crash.round(number, min(KILLS_A_ROUND, options.kills - crash.kills))
    finally:
        pytest_unconfigure()
        if crash.failed:
            crash.gateway.stop()
            crash.gateway.backend.stop()
            print(f"kept for a look: {crash.gateway.directory}")
        else:
            crash.gateway.close()
    print(f"kills: {crash.kills}")
    print(f"{crash.passed} passed, {crash.failed} failed")
    return 0 if crash.failed == 0 and crash.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
