# SPDX-License-Identifier: Apache-2.0
"""Secrets at rest: planted through the gateway's own code, then looked for everywhere; their data key rotated under use and kills."""
import json
import os
import re
import secrets
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import AAITI, Load, build_directory, good_password, until

COUNT = 5000
PREFIX = "planted-" + secrets.token_hex(8)


def plant(gateway, verb, count=COUNT):
    """The gateway must be stopped. The program lies beside aaiti."""
    done = subprocess.run([build_directory() / "tests/plant", gateway.home, verb, str(count), PREFIX], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def data_keys(gateway):
    return gateway.aaiti_json("key", "list")["data"]["keys"]


def opening(gateway):
    """Secrets that older keys still encrypt."""
    return sum(k["secrets"] for k in data_keys(gateway) if k["state"] == "opening")


def kill_control(gateway):
    """And waits for the next one: a command that finds none would take the home for itself."""
    [control] = gateway.pids("control")
    os.kill(control, signal.SIGKILL)
    until(lambda: gateway.pids("control") not in ([], [control]), what="another control process")
    until(lambda: gateway.aaiti("health", check=False).returncode == 0, what="control's answer")


def is_moved(gateway):
    return all(k["state"] != "opening" for k in data_keys(gateway))


def files_of(gateway):
    for top in [gateway.home, *map(Path, gateway.run_directories()), gateway.log_file]:
        for file in [top] if top.is_file() else top.rglob("*"):
            if file.is_file():
                yield file


def where(gateway, *needles):
    return [(str(file), n[:12]) for file in files_of(gateway) for n in needles if n in file.read_bytes()]


def test_a_data_key_is_rotated_under_use_and_kills(make_gateway):
    gateway = make_gateway()
    gateway.stop()
    plant(gateway, "put")
    gateway.start()
    client = gateway.signed_in(gateway.users["viewer"])
    with Load(lambda: client.get("/api/bots").status_code, threads=2) as load:
        assert [(k["state"], k["secrets"]) for k in gateway.aaiti_json("key", "rotate", "--data")["data"]["keys"]] == [("opening", COUNT), ("sealing", 0)]
        left = COUNT
        for _ in range(4):
            left = until(lambda: (now := opening(gateway)) and now < left and now, 30, "some secrets moved and some left")
            kill_control(gateway)
        gateway.aaiti("key", "rotate", "--data")  # once more, in the middle of it
        until(lambda: is_moved(gateway), 60, "the end of the move")
    assert {status for _, status in load.ledger} == {200} and len(load.ledger) > 50
    assert [(k["id"], k["state"], k["secrets"]) for k in data_keys(gateway)] == [(1, "retired", 0), (2, "retired", 0), (3, "sealing", COUNT)]
    assert "data key retired" in gateway.log()
    gateway.stop()
    plant(gateway, "check")


def test_a_planted_secret_is_nowhere_to_be_read(make_gateway):
    gateway = make_gateway()
    gateway.stop()
    plant(gateway, "put", 200)
    text = (gateway.home / "keys/encryption.key").read_text().strip()
    gateway.start()
    user = gateway.add_user("trader")
    client = gateway.signed_in(user)
    assert client.get("/api/bots").status_code == 200
    gateway.aaiti("key", "rotate", "--data")
    until(lambda: is_moved(gateway), 30, "the end of the move")
    needles = [PREFIX.encode(), user.password.encode(), client.headers["Authorization"].split()[1].encode(), bytes.fromhex(text)]
    assert where(gateway, *needles) == []
    # The key itself is in its own file and no other.
    assert {file for file, _ in where(gateway, text.encode())} == {str(gateway.home / "keys/encryption.key")}
    gateway.stop()
    assert where(gateway, *needles) == []
    assert where(gateway, b"planted/7/secret") != []  # the search finds what is there


def outside_keys(gateway, needles):
    """Names of the needles that stand in any file but those of keys/."""
    return {(name, file) for name, needle in needles.items() for file, _ in where(gateway, needle.encode()) if Path(file).parent.name != "keys"}


def test_what_was_typed_or_given_out_is_in_no_file_but_the_keys_own(make_gateway):
    """Database, its log, journal, bundles and logs, once the audit trail has told of all of it."""
    gateway = make_gateway()
    user = gateway.add_user("trader")
    planted = {"password": user.password, **{name: good_password() for name in ("next password", "wrong password", "password as name", "reset password")}}
    planted["upstream secret"] = (gateway.home / "keys/upstream.key").read_text().strip()
    planted["encryption key"] = (gateway.home / "keys/encryption.key").read_text().strip()
    planted["staged secret"] = secrets.token_urlsafe(48)
    client = gateway.client()
    for body in ({"username": user.name, "password": planted["wrong password"]}, {"username": planted["password as name"], "password": "x"}):
        assert client.post("/api/auth/login", json=body).status_code == 401
    answer = client.post("/api/auth/login", json={"username": user.name, "password": user.password}).json()
    planted["access token"], planted["refresh token"] = answer["token"], answer["refreshToken"]
    answer = client.post("/api/auth/refresh", json={"refreshToken": planted["refresh token"]}).json()
    planted["second access token"], planted["second refresh token"] = answer["token"], answer["refreshToken"]
    assert client.post("/api/auth/refresh", json={"refreshToken": planted["wrong password"] * 2}).status_code == 401
    client.cookies.clear()  # a cookie would ask for proof of same origin
    signed_in = gateway.client(planted["second access token"])
    for old, status in ((planted["wrong password"], 403), (user.password, 200)):
        change = {"currentPassword": old, "newPassword": planted["next password"]}
        assert signed_in.put("/aaiti/v1/password", json=change).status_code == status
    assert signed_in.post("/api/bots/bot-1/stop", headers={"Cookie": f"x={planted['wrong password']}"}).status_code == 200
    planted["reset code"] = gateway.aaiti_json("user", "passwd", user.name, "--reset-code")["code"]
    for code, status in ((planted["wrong password"], 403), (planted["reset code"], 200)):
        reset = {"code": code, "newPassword": planted["reset password"]}
        assert gateway.client().post("/aaiti/v1/password/reset", json=reset).status_code == status
    gateway.aaiti("key", "rotate", "--upstream", text=planted["staged secret"] + "\n")
    told = {"user_login", "user_login_failed", "token_refreshed", "password_changed", "reset_code_made", "key_rotated", "bot_stopped"}

    def all_is_told():
        return told <= {json.loads(line)["action"] for line in gateway.aaiti("--json", "audit", "search").stdout.splitlines()}
    until(all_is_told, what="the audit trail")
    assert outside_keys(gateway, planted) == set()
    gateway.stop()
    assert outside_keys(gateway, planted) == set()
    assert outside_keys(gateway, {"name": user.name}) != set()  # the search finds what is there


def areas(pid):
    """(range, flags) of a process's memory."""
    found = []
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if match := re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line):
            found.append([int(match[1], 16), int(match[2], 16), match[3], ""])
        elif line.startswith("VmFlags:"):
            found[-1][3] = line
    return found


def dump(pid):
    """What a core dump would hold: everything that is readable and not marked `dd` (do not dump)."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, access, flags in areas(pid):
            if access[0] != "r" or " dd" in flags:
                continue
            try:
                memory.seek(start)
                yield memory.read(end - start)
            except (OSError, OverflowError, ValueError):  # the kernel's own pages
                continue


def test_no_process_can_be_dumped_and_a_dump_would_hold_no_stored_key(make_gateway):
    gateway = make_gateway()
    gateway.stop()
    plant(gateway, "put", 50)
    gateway.start()
    gateway.signed_in(gateway.users["trader"]).get("/api/bots")
    gateway.aaiti("key", "rotate", "--data")
    until(lambda: is_moved(gateway), 30, "the end of the move")
    pids = [gateway.process.pid, *gateway.pids("")]
    assert len(pids) == 5  # serve, control, nginx's master and two workers
    for pid in pids:
        # An undumpable process's files in /proc are root's, whoever runs it.
        assert os.stat(f"/proc/{pid}/environ").st_uid == 0
        [core] = re.findall(r"Max core file size\s+(\S+)\s+(\S+)", Path(f"/proc/{pid}/limits").read_text())
        assert core == ("0", "0"), pid
    text = (gateway.home / "keys/encryption.key").read_text().strip()
    try:
        memories = {pid: list(dump(pid)) for pid in pids}
    except PermissionError:
        pytest.skip("only root may look into the memory of an undumpable process")
    assert all(sum(map(len, memory)) > 1_000_000 for memory in memories.values())
    needles = [text.encode(), bytes.fromhex(text), PREFIX.encode()]
    assert [(pid, n[:4]) for pid, memory in memories.items() for n in needles if any(n in part for part in memory)] == []
    # Control holds keys all the same: in areas that are locked and left out of dumps.
    [control] = gateway.pids("control")
    assert sum(" dd" in flags and " lo" in flags for *_, flags in areas(control)) >= 4


def replace_key(gateway, text):
    file = gateway.home / "keys/encryption.key"
    before = file.read_text()
    file.write_text(text)
    return before


def test_another_encryption_key_is_refused_at_the_start(make_gateway):
    gateway = make_gateway()
    gateway.stop()
    plant(gateway, "put", 3)
    before = replace_key(gateway, secrets.token_hex(32) + "\n")
    gateway.start(wait=False)
    until(lambda: "put back the one that this home was run with" in gateway.log(), what="the refusal")
    gateway.stop()
    (gateway.home / "keys/encryption.key").unlink()
    gateway.start(wait=False)
    until(lambda: "put it back from a backup" in gateway.log(), what="the refusal of a missing key")
    gateway.stop()
    assert not (gateway.home / "keys/encryption.key").exists()
    file = gateway.home / "keys/encryption.key"
    file.write_text(before)
    file.chmod(0o600)
    os.chown(file, gateway.home.stat().st_uid, -1)
    gateway.start()
    gateway.stop()
    plant(gateway, "check", 3)


def test_a_home_of_before_gets_a_key_and_is_told(make_gateway):
    gateway = make_gateway()
    gateway.stop()
    file = gateway.home / "keys/encryption.key"
    file.unlink()
    gateway.start()
    assert re.search(r"made an encryption key.*" + re.escape(str(file)), gateway.log())
    assert file.stat().st_mode & 0o777 == 0o600 and len(file.read_text().strip()) == 64
    gateway.signed_in(gateway.users["trader"]).get("/api/bots").raise_for_status()


def test_a_key_of_the_environment_is_used_and_not_shown(make_gateway):
    key = secrets.token_hex(32)
    gateway = make_gateway(environment={"ENCRYPTION_KEY": key})
    [stash] = [f for f in files_of(gateway) if f.name == "encryption.key" and f.parent.parent != gateway.home]
    assert stash.read_text() == key and stash.stat().st_mode & 0o777 == 0o600
    for pid in [gateway.process.pid, *gateway.pids("")]:
        for name in ("environ", "cmdline"):
            try:
                assert key.encode() not in Path(f"/proc/{pid}/{name}").read_bytes(), (pid, name)
            except PermissionError:
                assert name == "environ" and os.geteuid() != 0
    kill_control(gateway)  # the next one has it from the file
    assert {str(f) for f, _ in where(gateway, key.encode())} == {str(stash)}
    assert key not in gateway.log()
    gateway.stop()
    assert where(gateway, key.encode()) == []
    for weak in ("00" * 32, key[:32], key + "00"):
        done = subprocess.run([AAITI, "--home", gateway.home, "config", "check"], env={**gateway.environment, "ENCRYPTION_KEY": weak}, capture_output=True, text=True)
        assert done.returncode == 1 and "openssl rand -hex 32" in done.stderr and weak not in done.stderr
