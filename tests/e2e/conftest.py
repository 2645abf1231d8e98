# SPDX-License-Identifier: Apache-2.0
"""One running gateway for each process of pytest (scripts/test.sh begins two), before a demo backend that keeps a ledger of what reached it.

`gateway` is shared: a test that changes users makes its own (`gateway.add_user`). A test that needs other settings, or that
kills processes, makes a gateway of its own with `make_gateway`. Everything runs on free ports in temporary directories, so that
suites may run side by side. Nothing here sleeps to hope: `until` polls with a deadline.
"""
import contextlib
import errno
import functools
import hashlib
import http.client
import json
import os
import random
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "examples/demo-backend/server.py"
ROLES = ("admin", "trader", "viewer")

# Small hashing pool and short floor: the suite signs in often. No test but those of limits and locks is to meet them: they come by other addresses; and
# failed sign-ins are not delayed, and more of them allowed. Everything else is as shipped.
GATEWAY_YAML = """\
listen: 127.0.0.1:{port}
workers: {workers}
allow: [127.0.0.0/8, "::1/128"]
policy: policy.yaml
upstream:
  url: "http://127.0.0.1:{backend_port}"
  key_file: keys/upstream.key
session:
  per_user: {per_user}
  at_limit: {at_limit}
  idle: {idle}
login:
  floor: {floor}
{login}{more}"""
WIDE_LIMITS = "limits: {classes: {user: {burst: 10000/1s, sustained: 6000000/10m}, machine: {burst: 10000/1s, sustained: 6000000/10m}}}"
DEFAULTS = {"workers": 2, "per_user": 1000, "at_limit": "evict-oldest", "idle": "24h", "floor": "20ms", "more": "",
            "login": "  attempts: 10\n  delay: 0ms\n"}


def connect_at_once(*arguments, connect=socket.create_connection, **more):
    """Without Nagle: httpx sends a body apart from its head, and would wait 40 ms for the head's acknowledgement."""
    sock = connect(*arguments, **more)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


socket.create_connection = connect_at_once


def build_directory():
    if "AAITI_BUILD" in os.environ:
        return Path(os.environ["AAITI_BUILD"]).resolve()
    test_build = ROOT / "build-test"
    return test_build if test_build.exists() else ROOT / "build"


AAITI = build_directory() / "aaiti"


def free_port():
    """Below those that the kernel gives to connections, so that none has taken it by the time that it is listened on."""
    while True:
        port = random.randrange(10_000, 32_768)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


def until(condition, seconds=30, what="the condition"):
    """Polls until condition() is true and gives what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come true within {seconds} s")
        time.sleep(0.005)


def good_password():
    return "Aa1-" + secrets.token_urlsafe(12)


def end(process, seconds):
    """Asks a process to end. One that does not is killed with all below it, and that is a failure."""
    below = descendants(process.pid)
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        for pid in [process.pid, *below]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        raise


class Backend:
    """The demo backend as a process."""

    def __init__(self, directory, secret_file, users):
        self.users_file = Path(directory) / "backend-users.json"
        self.users_file.write_text(json.dumps(users))
        self.secret_file = secret_file
        self.process = None
        self.port = 0
        self.start()

    def start(self):
        command = [sys.executable, SERVER, "--port", str(self.port), "--ledger", "--users", self.users_file, "--secret-file", self.secret_file]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self):
        end(self.process, 10)
        self.process.stdout.close()

    def received(self):
        return self.ledger("GET")

    def forget(self):
        self.ledger("DELETE")

    def ledger(self, method):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, "/__ledger")
            return json.load(connection.getresponse())["received"]


class User:
    def __init__(self, name, password, role, upstream_id):
        self.name, self.password, self.role, self.upstream_id = name, password, role, upstream_id
        self.email = f"{name}@example.com"


def run_directory(home):
    """The rule of src/control/run_dir.h."""
    name = f"aaiti-{home.stat().st_uid}-{hashlib.sha256(os.path.realpath(home).encode()).hexdigest()[:8]}"
    if os.access("/dev/shm", os.W_OK | os.X_OK):
        return Path("/dev/shm") / name
    return Path("/run") / name if os.geteuid() == 0 else home / "run"


class Gateway:
    """A home directory, a backend and `aaiti serve` between them."""

    def __init__(self, environment=None, start=True, spare_users=100, program=AAITI, **settings):
        self.program = program
        self.directory = Path(tempfile.mkdtemp(prefix="aaiti-e2e-"))
        # As root the two planes run as users of their own, who must get here.
        self.directory.chmod(0o755)
        self.home = self.directory / "home"
        self.is_plain = environment is None and program == AAITI
        self.environment = {**os.environ, "AAITI_HOME": str(self.home), **(environment or {})}
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.log_file = self.directory / "serve.log"
        self.process = self.backend = None
        self.closing = contextlib.ExitStack()
        # Ids at the backend for the users that tests will add: the backend reads its table once.
        self.spare_ids = [str(uuid.uuid4()) for _ in range(spare_users)]
        self.users = {}
        try:
            self.write_home(settings)
            self.trust = ssl.create_default_context(cafile=str(self.home / "tls/cert.pem"))
            if start:
                self.start()
        except BaseException:  # nobody has it yet who could close it
            self.close()
            raise

    def write_home(self, settings):
        if self.is_plain:
            subprocess.run(["cp", "-a", made_home().home, self.home], check=True)
            self.users.update(made_home().users)
        else:
            self.make_home()
        ids = self.spare_ids + [user.upstream_id for user in self.users.values()]
        backend_users = {i: {"username": f"user-{n}", "role": "trader", "upstream_id": i} for n, i in enumerate(ids)}
        self.backend = Backend(self.directory, self.home / "keys/upstream.key", backend_users)
        self.settings(**settings)

    def make_home(self):
        self.aaiti("init", "--port", str(self.port))
        if self.program == AAITI:  # what is installed is tested as it is
            self.widen_limits()
        for role in ROLES:
            self.users[role] = self.add_user(role, name=role)

    def widen_limits(self):
        """A test under load is one user with more requests than a person's bots have. In place of a comment, so that no line moves."""
        policy = self.home / "policy.yaml"
        lines = policy.read_text().split("\n")
        lines[2] = WIDE_LIMITS
        policy.write_text("\n".join(lines))

    def settings(self, **changes):
        """Writes gateway.yaml; what is not given is DEFAULTS'. more="…" is YAML of its own."""
        values = {**DEFAULTS, "port": self.port, "backend_port": self.backend.port, **changes}
        (self.home / "gateway.yaml").write_text(GATEWAY_YAML.format(**values))

    # ---- processes ----

    def start(self, wait=True):
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen([self.program, "serve"], env=self.environment, stdout=log, stderr=log)
        if wait:
            until(self.is_ready, what="the gateway's readiness")

    def is_ready(self):
        if self.process.poll() is not None:
            pytest.fail(f"aaiti serve ended with {self.process.returncode}:\n{self.log()}")
        if self.aaiti("health", check=False).returncode != 0:
            return False
        # Each worker takes up the policy by itself: as many new connections in a row as find the last of them.
        return all(httpx.get(f"{self.url}/aaiti/health", verify=self.trust).status_code == 200 for _ in range(12))

    def stop(self):
        if self.process is None:
            return
        process, self.process = self.process, None
        end(process, 15)

    def kill(self):
        """As a power cut would: nothing of it gets to tidy up."""
        process, self.process = self.process, None
        below = descendants(process.pid)
        for pid in [process.pid, *below]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        until(lambda: all(state_of(pid) in (None, "Z") for pid in below), what="the end of what was killed")

    def kill_control(self):
        """To its last thread: a killed process is a zombie before that has let go of its sockets."""
        os.kill(self.pids("control --home")[0], signal.SIGKILL)

        def nobody_listens():
            with socket.socket(socket.AF_UNIX) as client:
                return client.connect_ex(str(run_directory(self.home) / "admin.sock")) == errno.ECONNREFUSED

        until(nobody_listens, what="the end of control's last thread")

    def close(self):
        """Leaves nothing behind, even where a test killed what would have tidied up."""
        with contextlib.ExitStack() as last:
            last.callback(subprocess.run, ["rm", "-rf", self.directory, *self.run_directories()], check=True)
            if self.backend is not None:
                last.callback(self.backend.stop)
            last.callback(self.stop)
            last.callback(self.closing.close)

    def run_directories(self):
        """Control's, and nginx's beside it."""
        if not self.home.exists():
            return []
        directory = run_directory(self.home)
        return [str(directory), f"{directory}.nginx"]

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def pids(self, name):
        """Processes below `aaiti serve` whose command line begins with name ("aaiti: control", "nginx: worker")."""
        found = []
        for pid in descendants(self.process.pid):
            with contextlib.suppress(OSError):
                if name in Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                    found.append(pid)
        return found

    # ---- command line ----

    def aaiti(self, *arguments, check=True, text=None):
        done = subprocess.run([self.program, *map(str, arguments)], env=self.environment, input=text if text is not None else "", text=True,
                              capture_output=True, timeout=60)
        if check and done.returncode != 0:
            pytest.fail(f"aaiti {' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout}{done.stderr}\n{self.log()}")
        return done

    def aaiti_json(self, *arguments, **more):
        return json.loads(self.aaiti("--json", *arguments, **more).stdout)

    def add_user(self, role, name=None, upstream_id=None):
        user = User(name or f"u{secrets.token_hex(4)}", good_password(), role, self.spare_ids.pop() if upstream_id is None else upstream_id)
        self.aaiti("user", "add", user.name, "--role", role, "--email", user.email, "--upstream-id", user.upstream_id, "--password-stdin",
                   text=user.password + "\n")
        return user

    # ---- clients ----

    def client(self, token=None, **options):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.Client(base_url=self.url, verify=self.trust, headers=headers, **{"timeout": 20, **options})
        self.closing.callback(client.close)
        return client

    def login(self, user):
        answer = self.client().post("/api/auth/login", json={"username": user.name, "password": user.password})
        assert answer.status_code == 200, answer.text
        return answer.json()["token"]

    def signed_in(self, user):
        return self.client(self.login(user))

    def raw(self, data, tls=True, timeout=10):
        """Sends bytes as they are, for what no client would send; gives everything that comes back."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        if tls:
            sock = self.trust.wrap_socket(sock, server_hostname="127.0.0.1")
        with sock:
            sock.settimeout(timeout)
            sock.sendall(data)
            answer = b""
            with contextlib.suppress(TimeoutError, ConnectionResetError, ssl.SSLError):
                while chunk := sock.recv(65536):
                    answer += chunk
            return answer


class MadeHome(Gateway):
    """A home with a user of each role, and nothing that runs."""

    def __init__(self):
        super().__init__(environment={}, start=False, spare_users=len(ROLES))

    def write_home(self, settings):
        self.make_home()


@functools.cache
def made_home():
    """What a gateway's home is a copy of: some sixty are wanted, and to make one takes a second, for its users' passwords are hashed."""
    return MadeHome()


def descendants(pid):
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def state_of(pid):
    """As proc(5) has it: "T" stopped, "Z" ended; None: gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def pytest_configure():
    # Ended like by Ctrl-C: fixtures tidy up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_unconfigure():
    if made_home.cache_info().currsize > 0:
        made_home().close()


@pytest.fixture(scope="session")
def gateway():
    g = Gateway()
    yield g
    g.close()


@pytest.fixture
def make_gateway():
    """Gateways of a test's own: make_gateway(more="…yaml…")."""
    with contextlib.ExitStack() as closing:
        yield lambda **options: closing.enter_context(contextlib.closing(Gateway(**options)))


@pytest.fixture(scope="session")
def tokens(gateway):
    """One token a role, shared: no test ends these sessions."""
    return {role: gateway.login(gateway.users[role]) for role in ROLES}


class Load:
    """Client threads that call one function over and over; each answer is taken down (monotonic time, result)."""

    def __init__(self, call, threads=4):
        self.ledger, self.stopping = [], threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(call,), daemon=True) for _ in range(threads)]
        for t in self.threads:
            t.start()

    def run(self, call):
        while not self.stopping.is_set():
            began = time.monotonic()
            self.ledger.append((began, call()))

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.stopping.set()
        for t in self.threads:
            t.join()
