# SPDX-License-Identifier: Apache-2.0
"""Neither memory nor open files grow with what was done: requests, sign-ins, reloads of the policy, restarts of the workers."""
import concurrent.futures
import contextlib
import os
import re
import secrets
import signal
import socket
import threading
from pathlib import Path

import httpx
import pytest
from conftest import Gateway, until

REQUESTS, BATCH = 20000, 250
RELOADS, HANG_UPS = 50, 20
FILES_MORE = 2
GROWTH_MIB = 3
HASH_MIB = 19  # a pool of hashers made anew may keep one more block of Argon2id's; more than one would show


def held(pid):
    """(resident MiB without what is shared, open files); who may not count the files gets none. None: it is ending, and has no memory."""
    files = 0
    try:
        anonymous = re.search(r"^RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
        with contextlib.suppress(PermissionError):
            files = len(os.listdir(f"/proc/{pid}/fd"))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return anonymous and (int(anonymous[1]) / 1024, files)


def processes(gateway):
    """By what they are; the workers by their number, for they are the same ones for the whole of a test."""
    named = {"serve": [gateway.process.pid], "control": gateway.pids("control"), "master": gateway.pids("nginx: master")[:1], "worker": gateway.pids("nginx: worker")}
    return {f"{name} {pid}": pid for name, pids in named.items() for pid in pids}


def all_held(gateway):
    return {name: h for name, pid in processes(gateway).items() if (h := held(pid))}


def until_steady(gateway, before, growth_mib=GROWTH_MIB):
    """Connections that ended, and workers that were told to, take a moment."""

    def is_steady():
        after = all_held(gateway)
        return all(name in after and after[name][0] <= mib + growth_mib and after[name][1] <= files + FILES_MORE for name, (mib, files) in before.items())

    until(is_steady, what=f"what was held before ({before})")


def ask_many(gateway, count, tokens):
    """As fast as pipelining goes; each batch on a connection of its own, some of it passed and some refused."""
    heads = [("GET /api/bots", tokens["viewer"]), ("POST /api/bots/bot-1/start", tokens["viewer"]), ("GET /api/bots", "x"), ("GET /api/nothing", tokens["viewer"]),
             ("GET /aaiti/health", "")]
    lines = [f"{line} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n" for line, token in heads]
    batch = "".join(f"{lines[n % len(lines)]}\r\n" for n in range(BATCH - 1)) + f"{lines[0]}Connection: close\r\n\r\n"
    for _ in range(count // BATCH):
        with gateway.trust.wrap_socket(socket.create_connection(("127.0.0.1", gateway.port), timeout=30), server_hostname="127.0.0.1") as s:
            s.sendall(batch.encode())
            answers = b""
            while chunk := s.recv(1 << 20):
                answers += chunk
        assert answers.count(b"X-Request-Id") == BATCH


@pytest.fixture(scope="module")
def own():
    gateway = Gateway()
    yield gateway, {role: gateway.login(user) for role, user in gateway.users.items()}
    gateway.close()


def test_requests_leave_nothing_behind(own):
    gateway, tokens = own
    ask_many(gateway, 2000, tokens)
    before = all_held(gateway)
    ask_many(gateway, REQUESTS, tokens)
    until_steady(gateway, before)


def test_sign_ins_and_calls_leave_nothing_behind(own):
    gateway, tokens = own

    def some(count):
        user = gateway.users["trader"]
        for _ in range(count):
            with httpx.Client(base_url=gateway.url, verify=gateway.trust, timeout=20) as client:
                token = client.post("/api/auth/login", json={"username": user.name, "password": user.password}).json()["token"]
                client.headers["Authorization"] = f"Bearer {token}"
                assert client.get("/api/auth/profile").status_code == 200
                assert client.post("/api/auth/logout").status_code == 200

    some(20)
    before = all_held(gateway)
    some(100)
    until_steady(gateway, before)


def test_reloads_leave_nothing_behind(own):
    gateway, tokens = own
    policy = gateway.home / "policy.yaml"
    original = policy.read_text()

    def reload(n):
        """Each time another policy, else there would be nothing to do."""
        policy.write_text(f"{original}\n# {n}\n")
        gateway.aaiti("policy", "reload")

    for n in range(8):
        reload(n)
    ask_many(gateway, 1000, tokens)
    before, bundles = all_held(gateway), Path(gateway.run_directories()[0]) / "bundles"
    for n in range(RELOADS):
        reload(100 + n)
    ask_many(gateway, 1000, tokens)
    until_steady(gateway, before)
    for bundle in bundles.iterdir():  # only young ones are kept beyond a handful
        os.utime(bundle, (1, 1))
    reload(200)
    assert len(list(bundles.iterdir())) <= 5
    policy.write_text(original)


def test_reloads_amid_sign_ins_keep_no_block_of_each_pool_of_hashers(own):
    """Each reload makes a pool, and hashes, in another thread, while the pools before it have sign-ins left to do."""
    gateway, _ = own
    policy = gateway.home / "policy.yaml"
    original = policy.read_text()
    over = threading.Event()

    def fail_to_sign_in():
        while not over.is_set():
            name = secrets.token_hex(8)  # another each time, for each is soon locked out
            assert gateway.client().post("/api/auth/login", json={"username": name, "password": "x"}).status_code == 401

    [control] = gateway.pids("control")
    before, _ = held(control)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        clients = [pool.submit(fail_to_sign_in) for _ in range(3)]
        try:
            for n in range(15):
                policy.write_text(f"{original}\n# {n}\n")
                gateway.aaiti("policy", "reload")
        finally:
            over.set()
        for client in clients:
            client.result()
    policy.write_text(original)
    until_steady(gateway, {f"control {control}": (before, 64)}, HASH_MIB)


def test_hang_ups_leave_nothing_behind(own):
    """To the whole, to control and to nginx's master, which begins new workers each time."""
    gateway, tokens = own

    def hang_up(target):
        # The first: a worker just forked still has its master's name.
        pid = gateway.process.pid if target == "serve" else gateway.pids(target)[0]
        workers = set(gateway.pids("nginx: worker"))
        os.kill(pid, signal.SIGHUP)
        if target != "control":
            until(lambda: not workers & set(gateway.pids("nginx: worker")) and len(gateway.pids("nginx: worker")) == 2, what="other workers")

    for _ in range(3):
        hang_up("nginx: master")
    before = {name: h for name, h in all_held(gateway).items() if not name.startswith("worker")}
    for n in range(HANG_UPS):
        hang_up(("serve", "control", "nginx: master")[n % 3])
    for _ in range(20):  # a storm: none waits for the one before
        for pid in (gateway.process.pid, gateway.pids("nginx: master")[0], gateway.pids("control")[0]):
            os.kill(pid, signal.SIGHUP)
    hang_up("nginx: master")  # and the last one is still heard
    assert gateway.client(tokens["viewer"]).get("/api/bots").status_code == 200
    until_steady(gateway, before, GROWTH_MIB + HASH_MIB)
