# SPDX-License-Identifier: Apache-2.0
"""What a person sees of `make run`: scripts/run.sh in a tree of its own, beside the build under test."""
import os
import re
import signal
import sqlite3
import subprocess

import bcrypt
import pytest
from conftest import AAITI, ROOT, Backend, free_port

SECRET = "backend-Sq7Lr2Vz9Xw4Tn1Kd8Mb5Pf3Hc6Jg0w"
LAST_LINE = "# why"


@pytest.fixture
def tree(tmp_path):
    """As a clone below /root is: open to others itself, where they cannot get to it."""
    tmp_path.chmod(0o700)
    clone = tmp_path / "clone"
    (clone / "scripts").mkdir(parents=True)
    clone.chmod(0o755)
    (clone / "scripts/run.sh").write_text((ROOT / "scripts/run.sh").read_text())
    (clone / "build").symlink_to(AAITI.parent)
    (clone / "examples").symlink_to(ROOT / "examples")
    return clone


class Run:
    """run.sh in a process group of its own and with SIGINT as it is at a terminal, where whoever runs the tests ignores it too."""

    def __init__(self, tree, **variables):
        self.port = free_port()
        self.process = subprocess.Popen(["bash", tree / "scripts/run.sh"], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
                                        env={**os.environ, "PORT": str(self.port), **variables})
        self.said = ""

    def until(self, text):
        for line in self.process.stdout:
            self.said += line
            if text in line:
                return self.said
        pytest.fail(f"no `{text}` in:\n{self.said}")

    def end(self, number=signal.SIGINT):
        """Gives the exit status and what was said meanwhile."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)
        rest = self.process.stdout.read()
        return self.process.wait(20), rest


@pytest.fixture
def run(tree):
    runs = []

    def start(**variables):
        runs.append(Run(tree, **variables))
        return runs[-1]

    yield start
    for r in runs:
        r.end()
        r.process.stdout.close()


def refused(run, **variables):
    """The last line it says."""
    r = run(**variables)
    said = r.process.stdout.read()
    assert r.process.wait(20) == 1, said
    return said.strip().splitlines()[-1]


def test_the_first_run_shows_passwords_then_readiness_then_what_to_type(run, tree):
    said = run().until(LAST_LINE)
    marks = ["made .aaiti\n", "Demo users;", "self-test: the backend accepts", "ready: https://", "In another terminal", LAST_LINE]
    places = [said.find(mark) for mark in marks]
    assert -1 not in places and places == sorted(places), said
    assert "[notice]" not in said and '"level":"info"' not in said
    log = (tree / ".aaiti/gateway.log").read_text()
    assert "gw: policy generation=" in log and '"event":"start"' in log


def test_what_it_prints_can_be_typed(run, tree):
    said = run().until(LAST_LINE)
    lines = [line for line in said[said.index("In another terminal"):].splitlines()[1:]]
    done = subprocess.run(["bash", "-c", "\n".join(lines)], cwd=tree, text=True, capture_output=True, timeout=30)
    bots, started, viewer, nobody, why = done.stdout.split("\n", 4)
    assert '"bot-1"' in bots and '"bot-1"' in started, done
    assert '"status":403' in viewer and '"status":401' in nobody, done
    assert "viewer" in why, done


def allowed(r, origin):
    """The origin that a preflight of it is told."""
    ask = ["curl", "-sk", "-o", "/dev/null", "-w", "%header{access-control-allow-origin}", "-X", "OPTIONS", "-H", f"Origin: {origin}",
           "-H", "Access-Control-Request-Method: GET", f"https://127.0.0.1:{r.port}/api/bots"]
    return subprocess.run(ask, text=True, capture_output=True, timeout=30).stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_quietly_and_begins_again_with_what_it_made(run, tree, number):
    first = run()
    first.until(LAST_LINE)
    users, settings = (tree / ".aaiti/demo-users.json").read_text(), tree / ".aaiti/gateway.yaml"
    for origin in ("http://localhost:3000", "https://localhost:3000"):  # a frontend in development
        assert allowed(first, origin) == origin
    assert allowed(first, "http://localhost:3001") == ""
    assert first.end(number) == (0, "")
    settings.write_text(settings.read_text().replace('"http://localhost:3000", ', ""))
    second = run()
    assert "Demo users" not in second.until("ready:")
    assert (tree / ".aaiti/demo-users.json").read_text() == users
    assert allowed(second, "http://localhost:3000") == "" and allowed(second, "https://localhost:3000")


def test_a_second_run_says_why_it_does_not_start(run):
    run().until("ready:")
    second = run()
    said = second.process.stdout.read()
    assert second.process.wait(20) == 1
    assert "another `aaiti serve` runs" in said and said.splitlines()[-1].startswith("run.sh: the gateway did not start")


# ---- before a backend of somebody's own ----

ADA = ("id-a", "ada", "ada@example.com", "admin", 1)


def write_database(path, rows=(ADA,)):
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE users (id TEXT, username TEXT, email TEXT, password_hash TEXT, role TEXT, is_active INTEGER)")
        password = bcrypt.hashpw(b"Ada-Passw0rd!", bcrypt.gensalt(4)).decode()
        db.executemany("INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)", [(*row[:3], password, *row[3:]) for row in rows])
    db.close()
    return path


@pytest.fixture
def own(tree):
    """UPSTREAM and what goes with it."""
    secret = tree / "secret"
    secret.write_text(SECRET + "\n")
    database = write_database(tree / "aaiti.db")
    backend = Backend(tree, secret, {"ada": {"username": "ada", "role": "admin", "upstream_id": "id-a"}})
    yield {"UPSTREAM": backend.url, "UPSTREAM_DB": str(database), "UPSTREAM_SECRET_FILE": str(secret)}
    backend.stop()


def test_it_guards_a_backend_with_the_users_there(run, tree, own):
    said = run(**own).until("policy list")
    assert ": 1 added, 0 kept, 0 refused" in said and "self-test: the backend accepts" in said
    assert said.index("ready:") < said.index("In another terminal")
    assert "kept " not in said.replace("0 kept ", "").replace("0 kept,", "") and '"level":"info"' not in said


def test_the_secret_of_the_latest_run_is_in_use(run, tree, own):
    other = tree / "other"
    other.write_text("other-" + SECRET[8:] + "\n")
    said = run(**{**own, "UPSTREAM_SECRET_FILE": str(other)})
    assert re.search(r"WARN self-test: the backend refuses our credential", said.until("ready:"))
    said.end()
    assert "self-test: the backend accepts" in run(**own).until("ready:")


def test_refused_users_are_named_and_the_rest_is_served(run, tree, own):
    write_database(tree / "aaiti.db", [ADA, ("id-b", "bob", "bob@example.com", "wizard", 1)])
    said = run(**own).until("ready:")
    assert re.search(r"^refused +bob: ", said, re.M) and ": 1 added, 0 kept, 1 refused" in said


def no_file(path):
    path.unlink()


def a_directory(path):
    path.unlink()
    path.mkdir()


def no_database(path):
    path.write_text("this is no database, whatever its name says; it is long enough to be read as a page of one." * 20)


def empty(path):
    path.write_text("")


def other_tables(path):
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE people (id TEXT)")
    db.close()


def other_columns(path):
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE users (id TEXT, name TEXT)")
    db.close()


@pytest.mark.parametrize("spoil, why", [
    (no_file, "No such file or directory"), (a_directory, "cannot read"), (no_database, "is no SQLite database"), (empty, "has no users table"),
    (other_tables, "no such table: users"), (other_columns, "no such column: username"),
])
def test_a_wrong_database_is_said_in_the_last_line(run, tree, own, spoil, why):
    spoil(tree / "aaiti.db")
    line = refused(run, **own)
    assert why in line and "aaiti.db" in line and "give the database file of the A.A.I.T.I backend" in line


def weak(path):
    path.write_text("short\n")


@pytest.mark.parametrize("spoil, why", [(no_file, "cannot read"), (a_directory, "cannot read"), (weak, "shorter than 32 bytes"), (empty, "shorter than 32 bytes")])
def test_a_wrong_secret_file_is_said_in_the_last_line(run, tree, own, spoil, why):
    spoil(tree / "secret")
    line = refused(run, **own)
    assert str(tree / "secret") in line and why in line, line


def test_the_first_run_wants_a_secret(run, own):
    assert "UPSTREAM_SECRET_FILE=FILE is needed" in refused(run, UPSTREAM=own["UPSTREAM"])
