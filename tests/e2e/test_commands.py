# SPDX-License-Identifier: Apache-2.0
"""Every command of the program, with control up and down: exit status, JSON, where errors go, and what must not be shown.

The list of commands is the program's own: a new one without a row here fails.
"""
import contextlib
import json
import re
import secrets
import signal
import sqlite3
import subprocess
from dataclasses import dataclass

import pytest
from conftest import AAITI, Gateway, good_password, until

YES, NO, USAGE, UNKNOWN = 0, 1, 2, 3
WEAK = "password\n"
BCRYPT = "$2b$12$oBfibYsN1nBKizMrxMzUf.yy0H3A9tKjwhIhorlf3FSiJ23KQ46jC"


def commands_of_the_program():
    shown = subprocess.run([AAITI, "--help"], text=True, capture_output=True, check=True).stdout
    return re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)(?= |$)", shown.split("Commands:")[1].split("Options,")[0], re.M)


COMMANDS = commands_of_the_program()


@dataclass
class Case:
    """{user} is a user of the case's own, {key} an API key of one, {new} a name that nobody has, {file} what `file` makes; text goes to standard input."""
    arguments: list
    up: int
    down: int = None  # like up
    text: str = ""
    says: str = ""  # in what is printed where the answer is not a plain yes
    answer: bool = False  # a no that is the answer itself stands on stdout, too
    file: callable = None
    lines: bool = False  # --json is a document each line

    def status(self, plane):
        return self.down if plane == "down" and self.down is not None else self.up


def backend_database(directory):
    path = directory / "aaiti.db"
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE users (id TEXT PRIMARY KEY, username TEXT UNIQUE, email TEXT UNIQUE, password_hash TEXT, role TEXT, "
                   "created_at TEXT, updated_at TEXT, last_login TEXT, is_active INTEGER DEFAULT 1)")
        name = f"i{secrets.token_hex(4)}"
        db.execute("INSERT INTO users (id, username, email, password_hash, role) VALUES (?, ?, ?, ?, 'viewer')", (name, name, f"{name}@example.com", BCRYPT))
    return path


def unsuitable_database(directory):
    path = backend_database(directory)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE users SET role = 'king'")
    return path


def faulty_policy(directory):
    path = directory / "faulty.yaml"
    path.write_text("routes: [{match: nonsense}]\n")
    return path


NOBODY = "nobody-here"
UNKNOWN_ID = "01980000-0000-7000-8000-000000000000"
TABLE = {
    "init": [
        Case([], YES),
        Case(["--port", "0"], USAGE, says="--port wants"),
    ],
    "serve": [Case(["--print-config"], YES)],
    "control": [Case([], NO, says="holds the home directory")],
    "health": [Case([], YES, down=NO, answer=True)],
    "panic": [
        Case([], YES),
        Case(["--mode", "stopped", "--for", "90s", "--reason", "x", "--user", "{user}"], YES),
        Case(["--group", "bots"], YES),
        Case(["--group", "nothing"], NO, says="no route"),
        Case(["--user", NOBODY], NO, says="."),
        Case(["--mode", "off"], USAGE, says="--mode"),
        Case(["--for", "soon"], USAGE, says="--for"),
        Case(["--group", "bots", "--user", NOBODY], USAGE, says="not both"),
    ],
    "mode": [Case([], YES)],
    "resume": [
        Case([], YES),
        Case(["--all"], YES),
        Case(["--all", "--group", "bots"], USAGE, says="not both"),
    ],
    "make-safe": [
        Case(["--plan", "--as", "admin"], YES, down=NO, answer=True),
        Case(["--plan", "--as", NOBODY], NO, says="."),
    ],
    "user add": [
        Case(["{new}", "--role", "viewer", "--no-password"], YES),
        Case(["{new}", "--role", "viewer", "--password-stdin"], YES, text="{password}\n"),
        Case(["{new}", "--role", "viewer", "--password-stdin"], NO, text=WEAK, says="password"),
        Case(["{new}", "--role", "king", "--no-password"], NO, says="role"),
        Case(["{user}", "--role", "viewer", "--no-password"], NO, says="taken|there|exists"),
        Case(["{new}", "--role", "viewer", "--service"], YES),
        Case(["{new}", "--role", "viewer", "--service", "--password-stdin"], USAGE, text="x\n", says="no password"),
        Case(["{new}"], USAGE, says="--role is needed"),
        Case(["{new}", "--role", "viewer", "--password-stdin"], USAGE, says="standard input"),
    ],
    "user list": [Case([], YES)],
    "apikey add": [
        Case(["{user}"], YES),
        Case(["{user}", "--name", "bot", "--scope", "users:read,bots:*", "--expires", "90d", "--from", "192.0.2.0/24,2001:db8::/32"], YES),
        Case(["{user}", "--signed"], YES, down=NO),
        Case(["{user}", "--certificate", "{home}/tls/key.pem"], NO, says="certificates in PEM"),
        Case(["{user}", "--certificate", "{home}/none.pem"], NO, says="none.pem"),
        Case([NOBODY], NO, says="."),
        Case(["{user}", "--scope", "bots:fly"], NO, says="bots:fly"),
        Case(["{user}", "--from", "somewhere"], NO, says="CIDR"),
        Case(["{user}", "--expires", "soon"], NO, says="duration"),
    ],
    "apikey list": [
        Case([], YES),
        Case(["{user}"], YES),
        Case([NOBODY], NO, says="."),
    ],
    "apikey revoke": [
        Case(["{key}"], YES),
        Case(["aak_aaaaaaaa"], NO, says="."),
        Case([UNKNOWN_ID], NO, says="."),
    ],
    "apikey rotate": [
        Case(["{key}"], YES),
        Case(["{key}", "--overlap", "0s"], YES),
        Case(["{key}", "--overlap", "a week"], NO, says="duration"),
        Case([UNKNOWN_ID], NO, says="."),
    ],
    "user set": [
        Case(["{user}", "--email", "{new}@example.com"], YES),
        Case([NOBODY, "--email", "{new}@example.com"], NO, says="."),
        Case(["{user}", "--email", "no address"], NO, says="mail"),
        Case(["{user}"], USAGE, says="nothing to set"),
    ],
    "user set-role": [
        Case(["{user}", "trader"], YES),
        Case(["{user}", "king"], NO, says="role"),
        Case([NOBODY, "viewer"], NO, says="."),
    ],
    "user enable": [Case(["{user}"], YES), Case([NOBODY], NO, says=".")],
    "user disable": [Case(["{user}"], YES), Case([NOBODY], NO, says=".")],
    "user delete": [Case(["{user}"], YES), Case([NOBODY], NO, says=".")],
    "user passwd": [
        Case(["{user}", "--password-stdin"], YES, text="{password}\n"),
        Case(["{user}", "--password-stdin"], NO, text=WEAK, says="password"),
        Case([NOBODY, "--password-stdin"], NO, text="{password}\n", says="."),
        Case(["{user}", "--reset-code"], YES),
        Case(["{user}", "--password-stdin", "--revoke-api-keys"], YES, text="{password}\n"),
        Case([NOBODY, "--reset-code"], NO, says="."),
        Case(["{user}", "--password-stdin"], USAGE, says="standard input"),
    ],
    "user import": [
        Case(["--from-aaiti", "{file}"], YES, file=backend_database),
        Case(["--from-aaiti", "{file}"], NO, file=unsuitable_database, says="role", answer=True),
        Case(["--from-aaiti", "/nonexistent.db"], NO, says="nonexistent"),
        Case([], USAGE, says="--from-aaiti"),
    ],
    "session list": [
        Case([], YES),
        Case(["{user}"], YES),
        Case([NOBODY], NO, says="."),
    ],
    "session end": [
        Case(["--user", "{user}"], YES),
        Case([UNKNOWN_ID], NO, says="."),
        Case(["--user", NOBODY], NO, says="."),
        Case([], USAGE, says="--user"),
        Case([UNKNOWN_ID, "--user", "{user}"], USAGE, says="--user"),
    ],
    "lockout list": [Case([], YES)],
    "lockout clear": [
        Case(["--all"], YES),
        Case(["--user", "{user}"], YES),
        Case(["--address", "192.0.2.1", "--user", "{user}"], YES),
        Case(["--address", "2001:db8::1"], YES),
        Case(["--address", "here"], NO, says="address"),
        Case(["--user", NOBODY], NO, says="."),
        Case([], USAGE, says="--all"),
        Case(["--all", "--user", "{user}"], USAGE, says="--all"),
    ],
    "token inspect": [
        Case([], YES, text="{token}\n"),
        Case([], NO, text="{forged}\n", answer=True, says="refused"),
        Case([], NO, text="x.y.z", says="no token"),
        Case([], USAGE, text="", says="standard input"),
    ],
    "audit tail": [
        Case([], YES, lines=True),
        Case(["-n", "1"], YES, lines=True),
        Case(["-n", "none"], USAGE, says="-n wants"),
    ],
    "audit search": [
        Case(["--action", "user_created", "--resource", "users", "--outcome", "done", "--severity", "high"], YES, lines=True),
        Case(["--since", "yesterday"], NO, says="2026-11-24T04:29:50Z"),
        Case(["--user", NOBODY], NO, says="a user there is"),
        Case(["-n", "0"], USAGE, says="-n wants"),
    ],
    "audit show": [
        Case(["1"], YES),
        Case(["999999999"], NO, says="."),
        Case(["x"], NO, says="."),
    ],
    "block add": [
        Case(["192.0.2.7"], YES),
        Case(["192.0.2.7", "--for", "24h", "--reason", "scanner"], YES),
        Case(["2001:db8::/32", "--suspect"], YES),
        Case(["127.0.0.1"], NO, says="allow.*policy reload"),
        Case(["0.0.0.0/0"], NO, says="larger than /8"),
        Case(["192.0.2.1/24"], NO, says="expected an address"),
        Case(["192.0.2.8", "--for", "soon"], NO, says="duration"),
    ],
    "block list": [Case([], YES)],
    "block remove": [
        Case(["{blocked}"], YES),
        Case(["192.0.2.99"], NO, says="."),
        Case([UNKNOWN_ID], NO, says="."),
        Case(["nonsense"], NO, says="expected an address"),
    ],
    "key list": [Case([], YES)],
    "key rotate": [
        Case([], USAGE, says="say which"),
        Case(["--upstream", "--finish"], NO, says="."),
        Case(["--upstream"], USAGE, text="", says="empty"),
        Case(["--upstream"], NO, text="short\n", says="."),
        Case(["--upstream", "--file", "/nonexistent"], NO, says="nonexistent"),
        Case(["--signing", "--force"], YES),
        Case(["--signing", "--force"], YES),
        Case(["--signing"], NO, says="."),
        Case(["--data"], YES),
    ],
    "cert show": [Case([], YES), Case(["/nonexistent.pem"], NO, says="/nonexistent.pem")],
    "cert check": [Case([], YES), Case(["--ca", "/nonexistent.pem"], NO, says="/nonexistent.pem")],
    "cert reload": [Case([], YES, down=NO, says="no `aaiti serve` runs|show")],
    "cert self-signed": [Case([], NO, says="--replace puts another pair"), Case(["--names", "a b"], NO, says="neither a host name")],
    "config check": [Case([], YES)],
    "config show": [Case([], YES)],
    "policy list": [Case([], YES)],
    "policy check": [
        Case([], YES),
        Case(["{file}"], NO, file=faulty_policy, says="faulty.yaml", answer=True),
        Case(["/nonexistent.yaml"], NO, says="nonexistent", answer=True),
    ],
    "policy reload": [Case([], YES)],
    "explain": [
        Case(["GET", "/api/bots", "--as", "viewer"], YES),
        Case(["GET", "/api/bots", "--as", "{user}"], YES),
        Case(["GET", "/api/bots"], NO, answer=True, says="401"),
        Case(["GET", "/api/bots", "--as", NOBODY], NO, says="."),
        Case(["GET", "/api/bots", "--key", "aak_aaaaaaaa"], NO, says="aaiti apikey list"),
        Case(["GET", "/api/bots", "--key", "aak_aaaaaaaa", "--as", "viewer"], USAGE, says="--as or --key"),
        Case([UNKNOWN_ID, "--key", "aak_aaaaaaaa"], USAGE, says="METHOD and PATH"),
        Case([UNKNOWN_ID], NO, says="audit search"),
        Case(["A" * 96], NO, says="no refusal of this gateway"),
    ],
    "completion": [Case(["bash"], YES), Case(["zsh"], USAGE, says="only bash")],
    "manual": [Case([], YES)],
}
# What is a stream of its own and no answer: --json is refused, not ignored.
NOT_JSON = {"serve", "control", "completion", "manual"}
# In a home whose gateway.yaml has faults. Elsewhere: could not tell.
WITH_FAULTS = {"init": YES, "serve": NO, "control": NO, "config check": NO, "policy check": NO, "policy reload": NO, "completion": YES, "manual": YES}

ROWS = [pytest.param(command, case, id=f"{command}-{i}") for command, cases in TABLE.items() for i, case in enumerate(cases)]


class Home:
    """A gateway of this file's own, up or down, and everything in it that must never be shown."""

    def __init__(self, plane, gateway, token, forged):
        self.plane, self.gateway, self.token, self.forged = plane, gateway, token, forged

    def secrets(self):
        keys = [p.read_text().strip() for p in (self.gateway.home / "keys").iterdir()]
        return [self.token, BCRYPT, *keys, *(u.password for u in self.gateway.users.values())]


@pytest.fixture(scope="module", params=["up", "down"])
def home(request):
    with contextlib.closing(Gateway()) as gateway:
        token = gateway.login(gateway.users["trader"])
        forged = token[: token.rindex(".") + 1] + "A" * 43
        if request.param == "down":
            gateway.stop()
        yield Home(request.param, gateway, token, forged)


def test_each_command_has_its_row():
    assert set(TABLE) == set(COMMANDS)


def fill(home, case, tmp_path):
    """The case's arguments and input, for one run of it."""
    user = home.gateway.add_user("trader", upstream_id="some-id").name if "{user}" in case.arguments else ""
    blocked = "192.0.2.7"
    if "{blocked}" in case.arguments:
        home.gateway.aaiti("block", "add", blocked)
    key = home.gateway.aaiti_json("apikey", "add", home.gateway.add_user("viewer", upstream_id="").name)["key"] if "{key}" in case.arguments else ""
    values = {"home": home.gateway.home, "blocked": blocked, "user": user, "key": key, "new": f"n{secrets.token_hex(4)}", "file": case.file(tmp_path) if case.file else "",
              "password": good_password(), "token": home.token, "forged": home.forged}
    return [a.format(**values) for a in case.arguments], case.text.format(**values), values


def parse(text):
    """One JSON document and nothing beside it."""
    value, end = json.JSONDecoder().raw_decode(text)
    assert text[end:].strip() == "" and isinstance(value, (dict, list)), text
    return value


def errors_of(stderr):
    """What is said to the user: log lines of a command that does control's work are not that."""
    return "".join(line for line in stderr.splitlines(keepends=True) if not line.startswith('{"time":'))


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("command, case", ROWS)
def test_status_and_output(home, tmp_path, command, case, as_json):
    if as_json and command in NOT_JSON:
        refused = home.gateway.aaiti("--json", *command.split(), *case.arguments, check=False)
        assert (refused.returncode, refused.stdout) == (USAGE, "") and f"`{command}` has no JSON to print" in refused.stderr
        return
    if command == "control" and home.plane == "down":
        pytest.skip("runs until it is told to end: below")
    arguments, text, values = fill(home, case, tmp_path)
    done = home.gateway.aaiti(*(["--json"] if as_json else []), *command.split(), *arguments, check=False, text=text)
    status = case.status(home.plane)
    assert done.returncode == status, done.stdout + done.stderr
    if status == YES:
        assert done.stdout != "" and "aaiti: ERROR" not in done.stderr
    elif not case.answer:
        assert done.stdout == "" and errors_of(done.stderr).startswith("aaiti: ")
    assert re.search(case.says, done.stdout + errors_of(done.stderr), re.I), done.stdout + done.stderr
    if as_json and done.stdout != "":
        for document in done.stdout.splitlines() if case.lines else [done.stdout]:
            parse(document)
    for secret in [*home.secrets(), *([values["password"]] if values["password"] in text else [])]:
        assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_is_told(home, command):
    wrong = home.gateway.aaiti(*command.split(), "--frobnicate", check=False)
    assert (wrong.returncode, wrong.stdout) == (USAGE, "")
    assert wrong.stderr == f"aaiti: `{command}` has no option --frobnicate; `aaiti {command} --help` lists them\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_too_many_words_are_told(home, command):
    wrong = home.gateway.aaiti(*command.split(), *"abcd", check=False)
    assert (wrong.returncode, wrong.stdout) == (USAGE, "")
    assert wrong.stderr.startswith(f"aaiti: usage: aaiti {command}")


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_without_its_value_is_told(home, command):
    shown = subprocess.run([AAITI, *command.split(), "--help"], text=True, capture_output=True, check=True).stdout
    for option in re.findall(r"^  (--[a-z-]+) [A-Z]", shown, re.M):
        wrong = home.gateway.aaiti(*command.split(), option, check=False)
        assert (wrong.returncode, wrong.stdout, wrong.stderr) == (USAGE, "", f"aaiti: {option} wants a value\n")


# ---- where the files have faults ----


@pytest.fixture(scope="module")
def faulty():
    with contextlib.closing(Gateway(start=False)) as gateway:
        token = "a.b.c"
        with open(gateway.home / "gateway.yaml", "a") as file:
            file.write("workers_: 3\n")
        yield Home("down", gateway, token, token)


def smallest(command):
    """Words with which the command gets as far as the files."""
    by_hand = {"key rotate": Case(["--signing"], YES), "serve": Case([], YES)}
    case = by_hand.get(command) or TABLE[command][0]
    values = {"blocked": "192.0.2.7", "user": "viewer", "key": "aak_aaaaaaaa", "new": "new-one", "file": "/nonexistent", "password": good_password(), "token": "e30.e30.e30", "forged": "x"}
    return [a.format(**values) for a in case.arguments], case.text.format(**values)


# `user import` opens the other file first; the emergency mode needs no file but its own.
NEED_SETTINGS = sorted(set(COMMANDS) - {"user import", "panic", "mode", "resume"})


@pytest.mark.parametrize("command, as_json", [(c, False) for c in NEED_SETTINGS] + [(c, True) for c in NEED_SETTINGS if c not in NOT_JSON])
def test_with_faults_in_the_settings(faulty, command, as_json):
    arguments, text = smallest(command)
    done = faulty.gateway.aaiti(*(["--json"] if as_json else []), *command.split(), *arguments, check=False, text=text)
    status = WITH_FAULTS.get(command, UNKNOWN)
    assert done.returncode == status, done.stdout + done.stderr
    if as_json and done.stdout != "":
        parse(done.stdout)
    if status == YES:
        return
    # The faults are the answer of a check, and stand where answers stand; of all else they are the reason why there is none.
    is_answer = as_json and status == NO or command == "token inspect"
    assert (done.stdout != "") is is_answer
    assert command == "token inspect" or "workers_" in (done.stdout if is_answer else done.stderr)


# ---- what runs until it is told to end ----


@pytest.mark.parametrize("command, planes", [("serve", "up"), ("control", "down")])
def test_what_runs_until_told(make_gateway, command, planes):
    gateway = make_gateway(start=False)
    process = subprocess.Popen([AAITI, command], env=gateway.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: gateway.aaiti_json("health", check=False) == {"dataPlane": planes, "control": "up"}, what="health")
        process.send_signal(signal.SIGTERM)
        out, log = process.communicate(timeout=15)
    finally:
        process.kill()
    assert process.returncode == YES, log
    for key in (gateway.home / "keys").iterdir():
        assert key.read_text().strip() not in out + log


# ---- an output that takes nothing ----


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["user", "add", "--help"], ["manual"], ["completion", "bash"], ["user", "list"], ["--json", "user", "list"],
                                       ["config", "show"], ["policy", "list"], ["key", "list"], ["health"], ["explain", "GET", "/"]])
def test_a_full_disk_is_no_success(home, arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run([AAITI, *arguments], env=home.gateway.environment, stdout=full, stderr=subprocess.PIPE, text=True)
    want = NO if arguments == ["health"] and home.plane == "down" else UNKNOWN
    assert done.returncode == want
    assert want == NO or "could not write" in done.stderr


# ---- the last admin ----


TAKING_THE_LAST_ADMIN = [
    ["user", "delete", "admin"], ["user", "disable", "admin"], ["user", "set-role", "admin", "viewer"], ["user", "set", "admin", "--role", "trader"],
    ["user", "delete", "admin@example.com"],
]


@pytest.mark.parametrize("arguments", TAKING_THE_LAST_ADMIN, ids=" ".join)
def test_the_last_admin_stays_on_the_command_line(home, arguments):
    gateway = home.gateway
    # Another admin who is disabled is no admin.
    other = gateway.add_user("admin", upstream_id="some-id")
    gateway.aaiti("user", "disable", other.name)
    before = [u for u in gateway.aaiti_json("user", "list") if u["username"] == "admin"]
    refused = gateway.aaiti(*arguments, check=False)
    assert refused.returncode == NO and refused.stdout == "" and "last" in refused.stderr and "admin" in refused.stderr
    assert [u for u in gateway.aaiti_json("user", "list") if u["username"] == "admin"] == before
    # With a second one it may go, and then that one is the last.
    gateway.aaiti("user", "enable", other.name)
    gateway.aaiti("user", "set-role", "admin", "viewer")
    assert gateway.aaiti("user", "disable", other.name, check=False).returncode == NO
    gateway.aaiti("user", "set-role", "admin", "admin")
    gateway.aaiti("user", "delete", other.name)


@pytest.mark.parametrize("change", [{"active": False}, {"role": "viewer"}, {"active": False, "role": "viewer"}, None], ids=json.dumps)
@pytest.mark.parametrize("home", ["up"], indirect=True)
def test_the_last_admin_stays_over_http(home, change):
    gateway = home.gateway
    other = gateway.add_user("admin", upstream_id="some-id")
    gateway.aaiti("user", "disable", other.name)
    admin = gateway.signed_in(gateway.users["admin"])
    own = {"currentPassword": gateway.users["admin"].password}
    user_id = next(u["id"] for u in gateway.aaiti_json("user", "list") if u["username"] == "admin")
    for name in ("admin", "admin@example.com", user_id):
        answer = admin.patch(f"/aaiti/v1/users/{name}", json=change | own) if change else admin.delete(f"/aaiti/v1/users/{name}")
        assert answer.status_code == 409 and "last" in answer.json()["detail"]
    assert admin.get("/aaiti/v1/users").status_code == 200
    gateway.aaiti("user", "delete", other.name)
