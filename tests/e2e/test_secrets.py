# SPDX-License-Identifier: Apache-2.0
"""No secret lies where somebody else could read it, and a taken worker's user gets no further."""
import base64
import contextlib
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import good_password

OWNER, WEB = "games", "man"  # users that every Debian has, in the place of aaiti and aaiti-web


def use_every_secret(gateway):
    """Gives what nobody may find: name -> text."""
    user = gateway.add_user("trader")
    found = {"first password": user.password, "second password": good_password(), "third password": good_password(), "wrong password": good_password()}
    client = gateway.client()
    body = {"username": user.name, "password": found["wrong password"]}
    assert client.post("/api/auth/login", json=body).status_code == 401
    answer = client.post("/api/auth/login", json={**body, "password": user.password})
    found["token"], found["cookie"] = answer.json()["token"], next(iter(client.cookies.jar)).value
    client = gateway.client(found["token"])
    assert client.get("/api/bots").status_code == 200
    found["minted token"] = dict(gateway.backend.received()[-1]["headers"])["Authorization"].removeprefix("Bearer ")
    assert gateway.client(found["token"] + "x").get("/api/bots").status_code == 401
    assert gateway.client().get("/api/bots", params={"token": found["token"]}).status_code == 401
    change = {"currentPassword": user.password, "newPassword": found["second password"]}
    assert client.put("/aaiti/v1/password", json=change).status_code == 200
    admin = gateway.signed_in(gateway.users["admin"])
    found["reset code"] = admin.post(f"/aaiti/v1/users/{client.get('/api/auth/profile').json()['user']['id']}/reset").json()["code"]
    reset = {"code": found["reset code"], "newPassword": found["third password"]}
    assert client.post("/aaiti/v1/password/reset", json=reset).status_code == 200
    gateway.aaiti("policy", "reload")
    for name in ("token.key", "upstream.key"):
        found[name] = (gateway.home / "keys" / name).read_text().strip()
    found["certificate's key"] = (gateway.home / "tls/key.pem").read_text().splitlines()[1]
    return found


def found_in(data, secrets_):
    forms = [(name, form) for name, text in secrets_.items() for form in (text.encode(), base64.b64encode(text.encode()).rstrip(b"=")[:-1])]
    return [name for name, form in forms if form in data]


def processes(gateway):
    return [gateway.process.pid, *gateway.pids("")]


def test_no_secret_is_in_a_log_an_argument_or_a_bundle(make_gateway):
    gateway = make_gateway(environment={"JWT_SECRET": (token_key := base64.b64encode(os.urandom(48)).decode())})
    everywhere = {**use_every_secret(gateway), "key by environment": token_key}
    looked_at = {}
    for pid in processes(gateway):
        looked_at[f"{pid}'s arguments"] = Path(f"/proc/{pid}/cmdline").read_bytes()
        with contextlib.suppress(PermissionError):  # not dumpable: its environment is root's alone to read
            looked_at[f"{pid}'s environment"] = Path(f"/proc/{pid}/environ").read_bytes()
    looked_at["log"] = gateway.log_file.read_bytes()
    for directory in gateway.run_directories():
        for path in Path(directory).rglob("*"):
            if path.is_file() and path.parent.name != "keys":
                looked_at[str(path)] = path.read_bytes()
    assert any("bundles" in name for name in looked_at) and any("arguments" in name for name in looked_at)
    assert {name: found for name, data in looked_at.items() if (found := found_in(data, everywhere))} == {}


def test_the_search_finds(gateway):
    """Else the test above would prove nothing."""
    assert found_in(b"x secret-secret y", {"s": "secret-secret"}) == ["s"]
    assert found_in(base64.b64encode(b"secret-secret!"), {"s": "secret-secret!"}) == ["s"]


def test_no_process_leaves_a_core_or_is_open_to_its_own_user(gateway):
    for pid in processes(gateway):
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        [limit] = [line.split()[-3:-1] for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max core")]
        assert limit == ["0", "0"], name
        # The kernel gives the files of a process that is not dumpable to root: so for an ordinary user this shows it.
        if os.geteuid() != 0:
            assert Path(f"/proc/{pid}/environ").stat().st_uid == 0, name


TRY = """
import ctypes, json, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def attempt(call):
    try:
        call()
    except OSError as e:
        return e.strerror
    return "done"
def attach(pid):
    if libc.ptrace(16, pid, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    libc.ptrace(17, pid, 0, 0)
def connect(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
calls = {
    "read": lambda path: open(path, "rb").read(1), "write": lambda path: open(path, "r+b").close(), "list": os.listdir,
    "create": lambda path: os.mkdir(path + "/x"), "connect": connect, "attach": lambda pid: attach(int(pid)),
}
print(json.dumps([(what, at, attempt(lambda: calls[what](at))) for what, at in json.load(sys.stdin)]))
"""


def tried_as(name, attempts):
    """What came of each attempt when that user made it."""
    user = pwd.getpwnam(name)
    done = subprocess.run([sys.executable, "-c", TRY], input=json.dumps([(what, str(at)) for what, at in attempts]), capture_output=True, text=True, check=True,
                          user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd="/")
    return json.loads(done.stdout)


@pytest.fixture
def two_users(make_gateway):
    """A gateway whose control and workers run as users of their own."""
    if os.geteuid() != 0:
        pytest.skip("only root starts processes of other users")
    gateway = make_gateway(start=False, more=f"user:\n  control: {OWNER}\n  web: {WEB}\n")
    for path in [gateway.home, *gateway.home.rglob("*")]:
        os.chown(path, pwd.getpwnam(OWNER).pw_uid, pwd.getpwnam(OWNER).pw_gid, follow_symlinks=False)
    gateway.start()
    return gateway


def test_who_has_a_worker_has_no_more_than_that(two_users):
    gateway = two_users
    run = Path(gateway.run_directories()[0])
    assert use_every_secret(gateway)
    workers, [control], [master] = gateway.pids("nginx: worker"), gateway.pids("control"), gateway.pids("nginx: master")
    status = Path(f"/proc/{workers[0]}/status").read_text()
    assert f"Uid:\t{pwd.getpwnam(WEB).pw_uid}\t" in status
    secrets_ = [gateway.home / "aaiti.db", gateway.home / "aaiti.db-wal", gateway.home / "tls/key.pem", *(gateway.home / "keys").iterdir()]
    attempts = [("read", path) for path in secrets_]
    attempts += [("list", gateway.home / "keys"), ("create", gateway.home), ("create", run), ("connect", run / "admin.sock")]
    attempts += [("write", path) for path in run.rglob("*") if path.is_file() and "counter" not in path.name]
    for pid in (control, master, gateway.process.pid, *workers):
        attempts += [("attach", pid), ("read", f"/proc/{pid}/mem"), ("read", f"/proc/{pid}/environ"), ("list", f"/proc/{pid}/fd")]
    assert [row for row in tried_as(WEB, attempts) if row[2] not in ("Permission denied", "Operation not permitted")] == []
    # The attempts are real: what a worker needs, its user gets.
    assert [row[2] for row in tried_as(WEB, [("connect", run / "web.sock")])] == ["done"]


def test_a_worker_keeps_open_no_file_of_controls(two_users):
    for pid in two_users.pids("nginx: worker"):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                assert str(two_users.home) not in os.readlink(fd)
