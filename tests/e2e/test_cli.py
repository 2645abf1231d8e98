# SPDX-License-Identifier: Apache-2.0
"""The command line: exit status, help, JSON, and the same calls whether control runs or not."""
import fcntl
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import time

import pytest
from conftest import AAITI, ROLES, good_password, until


def run(*arguments, text="", **environment):
    clean = {k: v for k, v in os.environ.items() if k != "AAITI_HOME"}
    return subprocess.run([AAITI, *map(str, arguments)], input=text, text=True, capture_output=True, timeout=30, env={**clean, **environment})


COMMANDS = re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)(?= |$)", run("--help").stdout.split("Commands:")[1].split("Options,")[0], re.M)


def test_help_lists_what_there_is():
    wanted = {"init", "serve", "control", "health", "user add", "user list", "user set", "user set-role", "user enable", "user disable", "user delete",
              "user passwd", "user import", "session list", "session end", "token inspect", "config check", "config show", "policy list", "policy check",
              "policy reload", "explain", "completion", "manual"}
    assert wanted <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    for arguments in ([*command.split(), "--help"], ["--help", *command.split()]):
        shown = run(*arguments)
        assert shown.returncode == 0 and shown.stdout.startswith(f"Usage: aaiti {command}") and shown.stderr == ""


@pytest.mark.parametrize("arguments, status, says", [
    ([], 2, "Usage: aaiti"),
    (["--version"], 0, "aaiti "),
    (["user"], 2, "user add"),
    (["usr", "add"], 2, "did you mean `user add`"),
    (["helth"], 2, "did you mean `health`"),
    (["frobnicate"], 2, "unknown command"),
    (["user", "add"], 2, "usage: aaiti user add"),
    (["user", "list", "extra"], 2, "usage: aaiti user list"),
    (["user", "add", "x", "--rol", "admin"], 2, "no option --rol"),
    (["user", "add", "x", "--role"], 2, "wants a value"),
    (["user", "add", "x"], 2, "--role is needed"),
    (["--home"], 2, "wants a value"),
    (["session", "end"], 2, "--user NAME"),
    (["completion", "zsh"], 2, "only bash"),
])
def test_a_wrong_line_is_told_why(arguments, status, says):
    shown = run(*arguments)
    assert shown.returncode == status
    assert says in shown.stdout + shown.stderr


def test_a_home_that_is_not_there_is_no_crash(tmp_path):
    for command in (["user", "list"], ["config", "check"], ["policy", "list"], ["cert", "show"], ["explain", "GET", "/"], ["health"], ["mode"], ["panic"], ["resume"], ["serve"],
                    ["control"]):
        shown = run("--home", tmp_path / "none", *command)
        assert shown.returncode in (1, 3), command
        assert f"aaiti init --home {tmp_path / 'none'}" in shown.stderr, command


def test_completion_is_bash():
    script = run("completion", "bash").stdout
    done = subprocess.run(["bash", "-c", script + "\nCOMP_WORDS=(aaiti user a) COMP_CWORD=2; _aaiti; echo ${COMPREPLY[@]}"], text=True, capture_output=True)
    assert done.stdout.split() == ["add"] and done.stderr == ""


# ---- init ----


def test_init_makes_what_is_missing_and_keeps_what_is_there(tmp_path):
    home = tmp_path / "home"
    first = json.loads(run("--home", home, "--json", "init").stdout)
    made = {p.removeprefix(str(home)).lstrip("/") for p in first["made"]}
    assert made == {"", "keys", "tls", "gateway.yaml", "policy.yaml", "keys/token.key", "keys/token.key.next", "keys/upstream.key", "keys/encryption.key", "keys/request-id.key", "tls/cert.pem", "tls/key.pem"}
    modes = {name: stat.S_IMODE((home / name).stat().st_mode) for name in ("", "keys", "keys/token.key", "keys/upstream.key", "keys/encryption.key", "keys/request-id.key", "tls/key.pem")}
    assert modes == {"": 0o700, "keys": 0o700, "keys/token.key": 0o600, "keys/upstream.key": 0o600, "keys/encryption.key": 0o600, "keys/request-id.key": 0o600, "tls/key.pem": 0o600}
    before = {p: p.read_bytes() for p in home.rglob("*") if p.is_file()}
    again = json.loads(run("--home", home, "--json", "init").stdout)
    assert again["made"] == [] and before == {p: p.read_bytes() for p in home.rglob("*") if p.is_file()}
    (home / "keys/token.key").unlink()
    third = json.loads(run("--home", home, "--json", "init").stdout)
    assert third["made"] == [str(home / "keys/token.key")]
    assert run("--home", home, "config", "check").returncode == 0


def test_init_takes_the_backends_secret(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("Zq8vN3xLr7Tb2Wk9Yf4Hc6Jm1Pd5Gs0RuVe-i_oA\n")
    done = run("--home", tmp_path / "home", "init", "--upstream-secret-file", secret, "--upstream", "http://127.0.0.1:5001", "--port", "9443")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "home/keys/upstream.key").read_text() == secret.read_text()
    shown = json.loads(run("--home", tmp_path / "home", "--json", "config", "show").stdout)
    assert shown["listen"] == "127.0.0.1:9443" and shown["upstream.url"] == "http://127.0.0.1:5001"
    again = run("--home", tmp_path / "home", "init", "--port", "9444")
    assert again.returncode == 0 and "--port changes nothing" in again.stderr


@pytest.mark.parametrize("options", [["--port", "0"], ["--port", "99999"], ["--port", "x"], ["--upstream", 'http://x"\nlisten: evil']])
def test_init_refuses_nonsense(tmp_path, options):
    assert run("--home", tmp_path / "home", "init", *options).returncode == 2
    assert not (tmp_path / "home").exists()


def test_init_refuses_a_weak_secret_of_the_backend(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("short")
    done = run("--home", tmp_path / "home", "init", "--upstream-secret-file", secret)
    assert done.returncode == 1 and "short" not in done.stderr.replace("shorter", "").replace("too short", "")


def test_demo_users_are_shown_once_and_can_sign_in(tmp_path):
    home = tmp_path / "home"
    first = run("--home", home, "init", "--demo")
    assert first.returncode == 0, first.stderr
    users = json.loads((home / "demo-users.json").read_text())
    assert set(users) == set(ROLES)
    assert stat.S_IMODE((home / "demo-users.json").stat().st_mode) == 0o600
    again = run("--home", home, "init", "--demo")
    for role in ROLES:
        assert users[role]["password"] in first.stdout and users[role]["password"] not in again.stdout
    listed = json.loads(run("--home", home, "--json", "user", "list").stdout)
    assert {(u["username"], u["role"], u["upstreamId"]) for u in listed} == {(u["username"], r, u["upstream_id"]) for r, u in users.items()}


# ---- users: with control running, and without ----


@pytest.fixture(params=["online", "offline"])
def home(request, gateway, tmp_path):
    """A function that runs commands on a home directory with a user of each role."""
    if request.param == "online":
        return lambda *a, **k: gateway.aaiti(*a, check=False, **k)
    directory = tmp_path / "home"
    run("--home", directory, "init")
    for role in ROLES:
        added = run("--home", directory, "user", "add", role, "--role", role, "--password-stdin", text=good_password() + "\n")
        assert added.returncode == 0, added.stderr
    return lambda *a, text="": run("--home", directory, *a, text=text)


def of(home, name):
    return next((u for u in json.loads(home("--json", "user", "list").stdout) if u["username"] == name), None)


def test_a_users_life(home, request):
    name = "life-" + ("on" if "online" in request.node.name else "off")
    added = home("user", "add", name, "--role", "viewer", "--email", f"{name}@example.com", "--password-stdin", text=good_password() + "\n")
    assert added.returncode == 0, added.stderr
    assert f"user set {name} --upstream-id" in added.stderr  # what is still missing, and the command that mends it
    assert of(home, name)["active"] is True
    assert home("user", "set", name, "--upstream-id", "id-1", "--email", f"{name}@example.org").returncode == 0
    assert home("user", "set-role", name, "trader").returncode == 0
    user = of(home, name)
    assert (user["role"], user["upstreamId"], user["email"]) == ("trader", "id-1", f"{name}@example.org")
    assert home("user", "disable", f"{name}@example.org").returncode == 0 and of(home, name)["active"] is False
    assert home("user", "enable", user["id"]).returncode == 0 and of(home, name)["active"] is True
    assert home("user", "passwd", name, "--password-stdin", text=good_password() + "\n").returncode == 0
    assert re.search(r"One-time code: [\w-]{22}$", home("user", "passwd", name, "--reset-code").stdout)
    assert home("apikey", "add", name).returncode == 0
    assert "go on: 1" in home("user", "passwd", name, "--password-stdin", text=good_password() + "\n").stderr
    ended = home("user", "passwd", name, "--password-stdin", "--revoke-api-keys", text=good_password() + "\n")
    assert "go on" not in ended.stderr and name not in home("apikey", "list", name).stdout
    assert home("user", "delete", name).returncode == 0 and of(home, name) is None


@pytest.mark.parametrize("arguments, text, says", [
    (["user", "add", "admin", "--role", "viewer", "--no-password"], "", "taken|exists"),
    (["user", "add", "new-one", "--role", "king", "--no-password"], "", "admin"),
    (["user", "add", ".hidden", "--role", "viewer", "--no-password"], "", "name"),
    (["user", "add", "a b", "--role", "viewer", "--no-password"], "", "name"),
    (["user", "add", "new-one", "--role", "viewer", "--password-stdin"], "password\n", "upper|character|common"),
    (["user", "set-role", "admin", "viewer"], "", "admin"),
    (["user", "disable", "admin"], "", "admin"),
    (["user", "delete", "admin"], "", "admin"),
    (["user", "delete", "nobody-here"], "", "."),
    (["user", "delete", "../sessions"], "", "."),
    (["session", "end", "--user", "nobody-here"], "", "."),
])
def test_refusals_say_why(home, arguments, text, says):
    before = home("--json", "user", "list").stdout
    refused = home(*arguments, text=text)
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert re.search(says, refused.stderr, re.I), refused.stderr
    assert home("--json", "user", "list").stdout == before


def test_import_reports_each_row(home, tmp_path, request):
    mark = "on" if "online" in request.node.name else "off"
    database = tmp_path / "aaiti.db"
    with sqlite3.connect(database) as db:
        db.execute("CREATE TABLE users (id TEXT PRIMARY KEY, username TEXT UNIQUE, email TEXT UNIQUE, password_hash TEXT, role TEXT DEFAULT 'trader', "
                   "created_at TEXT, updated_at TEXT, last_login TEXT, is_active INTEGER DEFAULT 1)")
        good = "$2b$12$oBfibYsN1nBKizMrxMzUf.yy0H3A9tKjwhIhorlf3FSiJ23KQ46jC"
        db.executemany("INSERT INTO users (id, username, email, password_hash, role, is_active) VALUES (?, ?, ?, ?, ?, ?)", [
            ("up-1", f"imp-{mark}-1", f"i1-{mark}@example.com", good, "trader", 1), ("up-2", f"imp-{mark}-2", f"i2-{mark}@example.com", good, "viewer", 0),
            ("up-3", f"imp-{mark}-3", f"i3-{mark}@example.com", "plain text", "viewer", 1), ("up-4", f"imp-{mark}-4", f"i4-{mark}@example.com", good, "king", 1),
            ("up-5", "admin", "other@example.com", good, "viewer", 1),
        ])
    before = database.read_bytes()
    done = home("--json", "user", "import", "--from-aaiti", database)
    results = {r["username"]: r["result"] for r in json.loads(done.stdout)}
    assert results == {f"imp-{mark}-1": "added", f"imp-{mark}-2": "added", f"imp-{mark}-3": "refused", f"imp-{mark}-4": "refused", "admin": "kept"}
    assert done.returncode == 1
    assert of(home, f"imp-{mark}-1")["upstreamId"] == "up-1" and of(home, f"imp-{mark}-2")["active"] is False
    assert database.read_bytes() == before
    assert good not in done.stdout + done.stderr
    assert home("user", "import", "--from-aaiti", tmp_path / "none.db").returncode == 1


# ---- one at a time in a home directory ----


def test_who_finds_the_home_in_use_waits_a_moment(make_gateway):
    """What was killed is not gone at once, and a command takes its time: neither may make a start, or another command, fail."""
    gateway = make_gateway(start=False)
    with open(gateway.home / "control.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        listing = subprocess.Popen([AAITI, "user", "list"], env=gateway.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        gateway.start(wait=False)
        time.sleep(0.5)  # long enough that both have found it taken
        assert listing.poll() is None and gateway.process.poll() is None
    assert b"viewer" in listing.communicate(timeout=10)[0]
    until(gateway.is_ready, what="readiness")


def test_who_waits_in_vain_could_not_tell(make_gateway):
    gateway = make_gateway(start=False)
    with open(gateway.home / "control.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = gateway.aaiti("user", "list", check=False)
    assert refused.returncode == 3 and "holds the home directory" in refused.stderr


# ---- the rest ----


def test_passwords_are_in_no_argument():
    for command in COMMANDS:
        shown = run(*command.split(), "--help").stdout
        assert not re.search(r"--password(?!-stdin)\b|--secret\b(?!-)", shown), command


def test_token_inspect(gateway, tokens):
    shown = gateway.aaiti_json("token", "inspect", text=tokens["viewer"] + "\n")
    assert shown["verdict"] == "good" and shown["claims"]["role"] == "viewer" and shown["header"]["alg"] == "HS256"
    head, body, tag = tokens["viewer"].split(".")
    tampered = gateway.aaiti("--json", "token", "inspect", check=False, text=f"{head}.{body}.{'A' * len(tag)}")
    assert tampered.returncode == 1 and json.loads(tampered.stdout)["verdict"] == "refused"
    for nonsense in ("", "x", "a.b.c", "x" * 10000):
        assert gateway.aaiti("token", "inspect", check=False, text=nonsense).returncode in (1, 2)
    unknown = run("--home", "/nonexistent", "token", "inspect", text=tokens["viewer"])
    assert unknown.returncode == 3 and '"role": "viewer"' in unknown.stdout


@pytest.mark.parametrize("arguments, status, says", [
    (["GET", "/api/bots"], 1, "401"),
    (["GET", "/api/bots", "--as", "viewer"], 0, "bots:read"),
    (["POST", "/api/bots", "--as", "viewer"], 1, "403"),
    (["POST", "/api/bots", "--as", "trader"], 0, "opens"),
    (["GET", "/api/%62ots", "--as", "viewer"], 0, "canonical form /api/bots"),
    (["GET", "/api/bots/../users", "--as", "admin"], 1, "400"),
    (["GET", "/api/nothing", "--as", "admin"], 1, "no route"),
    (["GET", "/api/users/settings", "--as", "admin"], 1, "denied to everybody"),
    (["HEAD", "/api/bots", "--as", "viewer"], 0, "GET /api/bots"),
    (["POST", "/api/auth/login"], 0, "control"),
])
def test_explain(gateway, arguments, status, says):
    shown = gateway.aaiti("explain", *arguments, check=False)
    assert shown.returncode == status, shown.stdout + shown.stderr
    assert says in shown.stdout
    as_json = json.loads(gateway.aaiti("--json", "explain", *arguments, check=False).stdout)
    assert as_json["allowed"] is (status == 0)


STAGES = ["headers", "address", "verify", "block", "rate", "cors", "route", "held", "token", "access", "upgrade", "quota", "mode", "cross-site", "identity"]


@pytest.mark.parametrize("arguments, refuses, says", [
    (["GET", "/api/bots", "--as", "viewer"], None, {"address": "trusted_proxies|nobody", "cross-site": "safe method", "identity": "minted HS256"}),
    (["POST", "/api/bots", "--as", "trader"], None, {"cross-site": "Bearer token; by cookie 403 without proof"}),
    (["POST", "/api/auth/logout", "--as", "trader"], None, {"cross-site": "by cookie 403", "identity": "the backend sees nothing; control answers"}),
    (["POST", "/api/auth/login"], None, {"token": "nobody", "cross-site": "another site's page 403"}),
    (["POST", "/api/bots", "--as", "trader"], None, {"cors": "no page of another origin .* cors.origins lists none"}),
    (["POST", "/api/auth/refresh"], None, {"token": "nobody", "cross-site": "another site's page 403; the cookie counts with proof"}),
    (["GET", "/aaiti/v1/users", "--as", "viewer"], None, {"token": "control looks at it again", "access": "control asks for the right"}),
    (["GET", "/api/bots"], "access", {"access": "401"}),
    (["GET", "//api/bots"], "route", {"route": "400: .*canonical form"}),
    (["POST", "/api/bots", "--as", "viewer"], "access", {"access": "403: the user's role, or the API key's scopes, lack"}),
])
def test_explain_says_what_each_stage_says(gateway, arguments, refuses, says):
    text = gateway.aaiti("explain", *arguments, check=False).stdout.splitlines()
    stages = json.loads(gateway.aaiti("--json", "explain", *arguments, check=False).stdout)["stages"]
    assert [s["stage"] for s in stages] == [line.split()[0] for line in text] == STAGES
    at = STAGES.index(refuses) if refuses else len(STAGES)
    assert [s["ok"] for s in stages] == [True] * at + [False] * (at < len(STAGES)) + [None] * (len(STAGES) - at - 1)
    for stage, words in says.items():
        assert re.search(words, stages[STAGES.index(stage)]["text"]), stages
        assert re.search(words, text[STAGES.index(stage)])


def test_explain_names_the_proxies_it_would_believe(make_gateway):
    home = make_gateway(start=False, more='trusted_proxies: ["10.0.0.0/8", "192.0.2.0/24"]\n')
    assert "believed from 2 networks (trusted_proxies)" in home.aaiti("explain", "GET", "/").stdout


def test_explain_knows_that_on_a_public_route_a_disabled_user_is_nobody(make_gateway):
    home = make_gateway(start=False)
    policy = home.home / "policy.yaml"
    policy.write_text(re.sub(r"^routes:\n", "routes:\n  - {match: 'GET /api/open', access: public}\n", policy.read_text(), flags=re.M))
    home.aaiti("user", "disable", "viewer")
    viewer = home.users["viewer"].email  # `viewer` alone is the role
    assert "here as good as nobody" in home.aaiti("explain", "GET", "/api/open", "--as", viewer).stdout
    assert "disabled" in home.aaiti("explain", "GET", "/api/bots", "--as", viewer, check=False).stdout
    nameless = home.add_user("trader", upstream_id="")
    assert "with no credential" in home.aaiti("explain", "GET", "/api/open", "--as", nameless.name).stdout
    assert "no upstream_id" in home.aaiti("explain", "GET", "/api/bots", "--as", nameless.name, check=False).stdout


def test_explain_knows_users(gateway):
    user = gateway.add_user("trader")
    assert gateway.aaiti("explain", "POST", "/api/bots", "--as", user.name).returncode == 0
    gateway.aaiti("user", "disable", user.name)
    assert "disabled" in gateway.aaiti("explain", "POST", "/api/bots", "--as", user.name, check=False).stdout
    assert gateway.aaiti("explain", "GET", "/api/bots", "--as", "nobody-here", check=False).returncode == 1


def test_explain_and_the_gateway_agree(gateway, tokens):
    """The explanation is of the same code that judges."""
    from test_routes import rows

    for row in rows():
        method, path, _, body = row.values
        path = path.format(bot="none", model="none", trade="none", strategy="none", user="none", spare_bot="none", spare_model="none")
        if method == "DELETE" or path == "/api/auth/profile":
            continue
        for role in ("viewer", "trader"):
            allowed = gateway.aaiti("explain", method, path, "--as", role, check=False).returncode == 0
            status = gateway.client(tokens[role]).request(method, path, json=body).status_code
            assert allowed == (status != 403), (method, path, role, status)


def test_config_show_reads_back(gateway, tmp_path):
    text = gateway.aaiti("config", "show").stdout
    shown = gateway.aaiti_json("config", "show")
    assert shown["session.idle"] == "24h" or shown["session.idle"] == "1d"
    assert shown["workers"] == 2 and shown["register.enabled"] is False
    assert text.count("\n") == len(shown)


def test_policy_list(gateway):
    shown = gateway.aaiti_json("policy", "list")
    by_route = {r["route"]: r for r in shown}
    assert by_route["POST /api/bots/{id}/stop"]["risk"] == "reduces" and by_route["POST /api/bots/{id}/start"]["risk"] == "opens"
    assert by_route["GET /aaiti/panic"]["ui"] == "page" and by_route["GET /aaiti/health"]["ui"] == "api"
    assert "bots:read" in gateway.aaiti("policy", "list").stdout


def test_health(gateway, make_gateway):
    assert gateway.aaiti_json("health") == {"dataPlane": "up", "control": "up"}
    down = make_gateway(start=False)
    assert down.aaiti("health", check=False).returncode == 1


def test_health_tells_in_seconds_that_control_is_stopped(make_gateway):
    gateway = make_gateway()
    [control] = gateway.pids("control --home")
    os.kill(control, signal.SIGSTOP)
    try:
        began = time.monotonic()
        told = gateway.aaiti("--json", "health", check=False)
        assert time.monotonic() - began < 20
    finally:
        os.kill(control, signal.SIGCONT)
    assert told.returncode == 1 and json.loads(told.stdout) == {"dataPlane": "up", "control": "down"}
    assert f"kill -9 {control}" in told.stderr
