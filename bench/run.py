# SPDX-License-Identifier: Apache-2.0
"""What the gateway costs: CPU time a request as a ratio to the same nginx without the module; and what a storm of sign-ins
does to others (login-storm): the 99th percentile of proxied GETs through the whole gateway, TLS on, while 16 clients sign in,
as a ratio to the same without them; login-storm-slow is the same while 200 slow clients hold connections open. get-key is the
same GET by an API key, get-signed by one that signs each request (no bar is fixed: it is held against get-key's and fails nothing); get-audited is a GET that leaves a record, post leaves an intent and an outcome; blocked asks with good tokens from a blocked network. get-eddsa is
the one ratio between two guarded servers: EdDSA to HS256. audit-changes and audit-singles: taking the journal's events into the
audit trail, to a bare prepared INSERT of the same rows in the same batches, CPU time a row, both into databases on tmpfs. tables: MiB in shared memory for a million
sessions, a million counters and 100,000 blocks; tables-session, -block and -counter: a look-up among so many, to one among a
thousand; a note says what the ratio would be if it cost what memory alone does (bench/micro_tables.c).

Both servers run from one nginx.conf that differs by the module alone (keepalive, TLS off, access log off, the same answer),
one worker each, pinned to core 0; wrk and the backend stand on core 1. CPU time is utime + stime of the worker over a
round, divided by the requests answered. Rounds of bare and guarded alternate, and the ratio is the median of the rounds'
ratios: requests/s and microseconds move with the machine, the ratio does not.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import secrets
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
OUT = BUILD / "bench"
SEED = BUILD / "bench" / "bench_seed"
MICRO_AUDIT = BUILD / "bench" / "micro_audit"
MICRO_TABLES = BUILD / "bench" / "micro_tables"
AAITI = BUILD / "aaiti"
MODULE = BUILD / "nginx" / "ngx_http_gw_module.so"

# The bars of the design.
BARS = {"get": 1.35, "get-key": 1.35, "get-signed": 1.35, "get-audited": 1.50, "post": 1.60, "refused": 1.0, "blocked": 0.7, "get-eddsa": 1.05, "login-storm": 3.0,
        "login-storm-slow": 3.0, "audit-changes": 2.0, "audit-singles": 2.0, "tables": 256, "tables-session": 3.0,
        "tables-block": 3.0, "tables-counter": 3.0, "socket-up": 1.5, "socket-down": 1.5, "socket-idle": 4.0}
REFUSED = ("refused", "blocked")
INFORMS = ("get-signed",)
NONCES_AFTER_S = 7  # before, what is signed may be from before the memory of nonces
GUARDED, BARE, EDDSA = "guarded", "bare", "eddsa"
ANSWER = json.dumps([{"id": f"b-{i}", "name": f"bot {i}", "status": "running", "pnl": 12.5 * i} for i in range(8)])

MALLOC = {"MALLOC_TOP_PAD_": "16777216", "MALLOC_TRIM_THRESHOLD_": "268435456"}

SERVER_CONF = """
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log notice;
{load_module}
{user}
thread_pool gw threads=1 max_queue=16;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    server_tokens off;
    merge_slashes off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    client_header_buffer_size 4k;
    large_client_header_buffers 4 16k;
    client_body_buffer_size 64k;
    request_pool_size 8k;
    keepalive_requests 1000000000;
    proxy_http_version 1.1;
    proxy_ignore_headers X-Accel-Redirect X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset X-Accel-Expires;
    {gate_http}
    upstream gw_backend {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 1000000000; {gate_upstream} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            {gate_location}
            proxy_pass http://gw_backend;
            proxy_set_header Connection "";
            proxy_set_header Host "127.0.0.1:{backend}";
        }}
        location {socket_location} {{
            proxy_pass http://127.0.0.1:{socket_backend};
            proxy_set_header Upgrade websocket;
            proxy_set_header Connection upgrade;
            proxy_buffer_size {socket_buffer};
        }}
    }}
}}
"""

BACKEND_CONF = """
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log crit;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log off;
    server_tokens off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    client_body_buffer_size 64k;
    keepalive_requests 1000000000;
    server {{
        listen 127.0.0.1:{port};
        default_type application/json;
        location / {{ return 200 '{answer}'; }}
    }}
}}
"""

# Sessions enough that the storm evicts none of those that GET.
GATEWAY_YAML = """
environment: development
listen: 127.0.0.1:{port}
policy: {policy}
run_dir: {run_dir}
trusted_proxies: [127.0.0.1/32]
allow: [127.0.0.0/8, 10.1.0.0/16]
upstream:
  url: http://127.0.0.1:{backend}
  key_file: {home}/keys/upstream.key
token:
  {token}
tls:
  certificate: {home}/cert.pem
  key: {home}/key.pem
workers: 1
session:
  per_user: 1000
websocket:
  per_user: 0
"""
SOCKET, SOCKET_BUFFER = "/bench-socket", "2k"  # as cli/nginx_conf.c has it
SOCKET_MESSAGES = 40000  # a second of a round
# Two descriptors each, and some are others'.
IDLE_SOCKETS, IDLE_CONNECTIONS = min(10000, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200) // 2), 22000
STORM_CLIENTS = 16
SLOW_CLIENTS = 200
STORM_PASSWORD = "Storm-3nough!now"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Taker:
    """In control's place: takes away the journal files that a worker is done with."""

    def __init__(self, where):
        self.where = where
        where.mkdir()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(0.1):
            last = {}
            for path in sorted(self.where.glob("*.journal")):
                writer = path.name.rpartition("-")[0]
                if writer in last:
                    last[writer].unlink()
                last[writer] = path

    def stop(self):
        self.stopping.set()
        self.thread.join()
        shutil.rmtree(self.where)


def stages():
    """The names in the pipeline's own table."""
    text = (ROOT / "src/pipeline/stage.def").read_text()
    return re.findall(r'^GW_STAGE\([A-Z_]+, "([a-z-]+)",', text, re.M)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for_port(port, process):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"bench: {process.args} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"bench: nothing answers on port {port}")


class Nginx:
    def __init__(self, where, core, port, text):
        where.mkdir()
        self.port = port
        conf = where / "nginx.conf"
        conf.write_text(text)
        command = ["taskset", "-c", str(core), "/usr/sbin/nginx", "-c", str(conf), "-p", str(where), "-e", "stderr"]
        self.process = subprocess.Popen(command, env={"PATH": os.environ["PATH"], **MALLOC})
        wait_for_port(port, self.process)
        self.worker = self.find_worker()

    def find_worker(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        while not children.read_text():  # the port is open before the fork
            time.sleep(0.01)
        return int(children.read_text().split()[0])

    def cpu_seconds(self):
        return cpu_seconds(self.worker)

    def private_mib(self):
        """A guarded worker is not dumpable: who is not root is told of its anonymous pages only."""
        try:
            text, fields = pathlib.Path(f"/proc/{self.worker}/smaps_rollup").read_text(), r"Private_\w+"
        except PermissionError:
            text, fields = pathlib.Path(f"/proc/{self.worker}/status").read_text(), "RssAnon"
        return sum(int(n) for n in re.findall(rf"^{fields}:\s+(\d+) kB", text, re.M)) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


class Bench:
    def __init__(self, args):
        self.args = args
        OUT.mkdir(parents=True, exist_ok=True)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="aaiti-bench-", dir="/dev/shm"))
        self.dir.chmod(0o755)  # workers with a user of their own must reach the run directory
        self.servers = []
        self.raw = []
        self.journal = Taker(OUT / f"{self.dir.name}-journal")  # on a disk, as in life
        self.audit_rows = []
        self.table_rows = {}
        self.eddsa = None

    def start(self, name, core, template, **values):
        port = free_port()
        values = {"user": "user root root;" if os.geteuid() == 0 else "", "connections": 1024, "socket_buffer": "4k", **values}
        server = Nginx(self.dir / name, core, port, template.format(dir=self.dir / name, port=port, **values))
        self.servers.append(server)
        return server

    def make_home(self, name, port, backend, token="key_file: {home}/keys/token.key"):
        home, run_dir = self.dir / f"{name}-home", self.dir / f"{name}-run"
        (home / "keys").mkdir(parents=True)
        for key in ("token.key", "upstream.key", "request-id.key"):
            path = home / "keys" / key
            path.write_text(secrets.token_urlsafe(48) + "\n")
            path.chmod(0o600)
        # No user asks as often as wrk does; counting costs the same.
        route = f'  - {{match: "GET {SOCKET}", permission: bots:read, websocket: {{messages: 10000/1s}}}}\n'
        policy = (ROOT / "data/policies/aaiti.yaml").read_text().replace("routes:\n", "routes:\n" + route, 1) + "limits: {classes: {user: {burst: 10000/1s, sustained: 6000000/10m}}}\n"
        (home / "policy.yaml").write_text(policy)
        (home / "gateway.yaml").write_text(GATEWAY_YAML.format(
            port=port, policy=home / "policy.yaml", run_dir=run_dir, backend=backend, home=home, token=token.format(home=home)))
        return home, run_dir

    def start_servers(self):
        backend = self.start("backend", 1, BACKEND_CONF, answer=ANSWER)
        self.backend = backend
        home, run_dir = self.make_home("seeded", 8443, backend.port)
        self.tokens = self.seed(home, run_dir)
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        command = ["taskset", "-c", "1", sys.executable, ROOT / "bench/sockets.py", "serve"]
        self.sockets = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.socket_backend = int(self.sockets.stdout.readline())
        self.bare = self.start_bare(BARE)
        self.seeded_home = (run_dir, home, f"gw_token_key {home}/keys/token.key;")
        self.guarded = self.start_guarded(GUARDED, *self.seeded_home)

    def start_bare(self, name, **more):
        return self.start(name, 0, SERVER_CONF, backend=self.backend.port, load_module="", gate_http="", gate_upstream="", gate_location="",
                          socket_location=SOCKET, socket_backend=self.socket_backend, **more)

    def start_guarded(self, name, run_dir, home, token_key, **more):
        return self.start(
            name, 0, SERVER_CONF, backend=self.backend.port, load_module=f"load_module {MODULE};",
            gate_http=f"gw_run_dir {run_dir}; gw_journal {self.journal.where} 4m 64; gw_mode {home}/mode; {token_key} "
                      f"gw_upstream_key {home}/keys/upstream.key; gw_request_id_key {home}/keys/request-id.key;",
            gate_upstream="gw_changes_once;", gate_location="gw on;", socket_location="@gw_socket", socket_buffer=SOCKET_BUFFER, socket_backend=self.socket_backend, **more)

    def seed(self, home, run_dir):
        """A file of tokens, a session each."""
        run_dir.mkdir()
        tokens = self.dir / f"{home.name}-tokens"
        with tokens.open("w") as out:
            subprocess.run([SEED, home, str(self.args.sessions)], stdout=out, check=True)
        self.seeded = time.monotonic()
        return tokens

    def start_eddsa(self):
        home, run_dir = self.make_home(EDDSA, 8443, self.backend.port, "algorithm: EdDSA")
        subprocess.run([AAITI, "--home", home, "init"], stdout=subprocess.DEVNULL, check=True)
        self.eddsa_tokens = self.seed(home, run_dir)
        return self.start_guarded(EDDSA, run_dir, home, f"gw_token_public_key {home}/keys/token-ed25519.key;")

    def wrk(self, server, mode, seconds):
        tokens = self.eddsa_tokens if server is self.eddsa else self.tokens
        command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{self.args.connections}", f"-d{seconds}s", "-s",
                   str(ROOT / "bench/load.lua"), f"http://127.0.0.1:{server.port}", "--", mode, str(tokens)]
        before = server.cpu_seconds()
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        cpu = server.cpu_seconds() - before
        result = json.loads(text.strip().splitlines()[-1])
        if result["broken"]:
            sys.exit(f"bench: {mode}: {result['broken']} connections broke")
        return {**result, "cpu_us": cpu * 1e6 / result["requests"]}

    def round(self, name, which, server, expect_refused):
        mode = "get" if name == "get-eddsa" or (name in REFUSED and which == BARE) else name
        result = self.wrk(server, mode, self.args.seconds)
        refused = result["requests"] if expect_refused else 0
        if result["refused"] != refused:
            sys.exit(f"bench: {name}/{which}: {result['refused']} answers were refusals, not {refused}")
        self.raw.append({"name": name, "side": which, **result})
        return result

    def compare(self, name):
        rounds = []
        for _ in range(self.args.rounds):
            bare = self.round(name, BARE, self.bare, False)
            rounds.append((bare, self.round(name, GUARDED, self.guarded, name in REFUSED)))
        return self.summary(name, rounds)

    def compare_signed(self, name):
        time.sleep(max(0, self.seeded + NONCES_AFTER_S - time.monotonic()))
        return self.compare(name)

    def compare_eddsa(self, name):
        """Against the guarded server with HS256, once each token has been seen."""
        self.eddsa = self.start_eddsa()
        self.wrk(self.eddsa, "get", 1)
        rounds = []
        for _ in range(self.args.rounds):
            hs256 = self.round(name, GUARDED, self.guarded, False)
            rounds.append((hs256, self.round(name, EDDSA, self.eddsa, False)))
        return self.summary(name, rounds)

    def summary(self, name, rounds):
        return {
            "name": name,
            "ratio": round(statistics.median(g["cpu_us"] / b["cpu_us"] for b, g in rounds), 3),
            "cpu_us": round(statistics.median(g["cpu_us"] for _, g in rounds), 2),
            "rps": round(statistics.median(g["requests"] / g["seconds"] for _, g in rounds)),
            "bare_cpu_us": round(statistics.median(b["cpu_us"] for b, _ in rounds), 2),
        }

    def relay(self, name):
        """Messages of 1 KiB over eight WebSockets, from the client (up) or the backend: a message is what is called a request elsewhere."""
        messages, token = SOCKET_MESSAGES * self.args.seconds, self.tokens.read_text().split(maxsplit=1)[0]

        def side(server):
            command = ["taskset", "-c", "1", sys.executable, ROOT / "bench/sockets.py", "send", str(server.port), SOCKET, token, str(messages), name[7:]]
            before, began = server.cpu_seconds(), time.monotonic()
            subprocess.run(command, check=True)
            return {"requests": messages, "seconds": time.monotonic() - began, "cpu_us": (server.cpu_seconds() - before) * 1e6 / messages}

        return self.summary(name, [(side(self.bare), side(self.guarded)) for _ in range(self.args.rounds)])

    def idle(self, name):
        """KiB of a worker's private memory for one of 10,000 sockets that say nothing (fewer, where no more descriptors may be had), over what a bare nginx takes."""
        token = self.tokens.read_text().split(maxsplit=1)[0]

        def kib_each(server):
            command = ["taskset", "-c", "1", sys.executable, ROOT / "bench/sockets.py", "hold", str(server.port), SOCKET, token, str(IDLE_SOCKETS)]
            before, began = server.private_mib(), server.cpu_seconds()
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
                if holder.stdout.readline() != "open\n":
                    sys.exit("bench: the sockets did not open")
                each = (server.private_mib() - before) * 1024 / IDLE_SOCKETS
                opened, since = server.cpu_seconds(), time.monotonic()
                time.sleep(5)
                share = (server.cpu_seconds() - opened) / (time.monotonic() - since)
                holder.stdin.close()
            return each, (opened - began) * 1e6 / IDLE_SOCKETS, share

        bare = kib_each(self.start_bare("bare-idle", connections=IDLE_CONNECTIONS))
        time.sleep(5)  # the backend's threads see that they are alone
        ours = kib_each(self.start_guarded("guarded-idle", *self.seeded_home, connections=IDLE_CONNECTIONS))
        return {"name": name, "ratio": round(ours[0] - bare[0], 2), "cpu_us": round(ours[1], 2), "bare_cpu_us": round(bare[1], 2), "rps": 0,
                "note": f"KiB each of {IDLE_SOCKETS}; idle, they take {ours[2] * 100:.1f} % of a core, bare {bare[2] * 100:.1f} %"}

    def audit(self, name):
        if not self.audit_rows:
            text = subprocess.run(["taskset", "-c", "1", MICRO_AUDIT, self.dir], check=True, capture_output=True, text=True).stdout
            self.audit_rows = [json.loads(line) for line in text.splitlines()]
        return next(row for row in self.audit_rows if row["name"] == name)

    def tables(self, name):
        """From what bench/micro_tables.c prints."""
        if not self.table_rows:
            text = subprocess.run(["taskset", "-c", "1", MICRO_TABLES], capture_output=True, text=True).stdout
            look_ups = re.findall(r"^(\w+) +(\d+) ns among \d+, +(\d+) ns among +\d+: ([\d.]+) times\n"
                                  r"  floor +\d+ ns, +(\d+) ns in \d+ MiB: at best ([\d.]+) times$", text, re.M)
            for kind, few, many, times, floor, best in look_ups:
                self.table_rows[f"tables-{kind}"] = {
                    "ratio": float(times), "cpu_us": float(many) / 1e3, "rps": round(1e9 / float(many)),
                    "bare_cpu_us": float(few) / 1e3, "floor_us": float(floor) / 1e3, "note": f"memory alone: {best}"}
            mib, = re.findall(r"^segments (\d+) MiB", text, re.M)
            self.table_rows["tables"] = {"ratio": float(mib), "cpu_us": 0.0, "rps": 0}
        return {"name": name, **self.table_rows[name]}

    def login_storm(self, name):
        with Gateway(self, name) as gateway:
            ratios, storms = [], []
            for _ in range(self.args.rounds):
                quiet = gateway.get(self.args.seconds)
                slow = SlowClients(gateway.port) if name == "login-storm-slow" else contextlib.nullcontext()
                with slow, gateway.storm(self.args.seconds + 2):
                    time.sleep(1)
                    storm = gateway.get(self.args.seconds)
                self.raw += [{"name": name, "side": "quiet", **quiet}, {"name": name, "side": "storm", **storm}]
                ratios.append(storm["p99_us"] / quiet["p99_us"])
                storms.append(storm)
            return {
                "name": name,
                "ratio": round(statistics.median(ratios), 3),
                "cpu_us": round(statistics.median(s["cpu_us"] for s in storms), 2),
                "rps": round(statistics.median(s["requests"] / s["seconds"] for s in storms)),
                "p99_us": round(statistics.median(s["p99_us"] for s in storms)),
                "logins": gateway.logins,
            }

    def close(self):
        self.sockets.kill()
        self.sockets.wait()
        for server in reversed(self.servers):
            server.stop()
        self.journal.stop()
        shutil.rmtree(self.dir)
        (OUT / time.strftime("raw-%Y%m%dT%H%M%SZ.json", time.gmtime())).write_text(json.dumps(self.raw, indent=1) + "\n")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class SlowClients:
    """Connections over TLS that stay open: every other one has begun a head, the rest the body of a sign-in. A byte now and then; one that the
    gateway has ended is made again."""

    BEGINNINGS = (b"GET /api/bots HTTP/1.1\r\nHost: a\r\nX-Slow: ",
                  b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n")

    def __init__(self, port):
        self.port = port
        self.context = ssl._create_unverified_context()
        self.connections, self.stopping = [None] * SLOW_CLIENTS, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.drip()
        self.thread.start()

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        for connection in filter(None, self.connections):
            connection.close()

    def run(self):
        os.sched_setaffinity(0, {1})  # this thread alone: beside wrk
        while not self.stopping.wait(2):
            self.drip()

    def drip(self):
        for i, connection in enumerate(self.connections):
            try:
                if connection is None:
                    connection = self.connections[i] = self.begin(i)
                connection.sendall(b"x")
            except OSError:
                self.connections[i] = None

    def begin(self, i):
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        sock = self.context.wrap_socket(sock)
        sock.sendall(self.BEGINNINGS[i % 2])
        return sock


class Gateway:
    """`aaiti serve` whole, with users who sign in."""

    def __init__(self, bench, name):
        self.bench = bench
        self.port = free_port()
        self.home, self.run_dir = bench.make_home(name, self.port, bench.backend.port)
        self.logins = 0

    def __enter__(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                        "2", "-subj", "/CN=localhost", "-keyout", self.home / "key.pem", "-out", self.home / "cert.pem"],
                       check=True, capture_output=True)
        self.log = (self.bench.dir / "serve.log").open("w")
        self.process = subprocess.Popen([BUILD / "aaiti", "serve", "--home", self.home], stdout=subprocess.PIPE,
                                        stderr=self.log, text=True)
        if not self.process.stdout.readline().startswith("ready"):
            sys.exit("".join((self.bench.dir / "serve.log").read_text().splitlines(True)[-20:]))
        self.bodies = self.bench.dir / "bodies"
        self.bodies.write_text("".join(self.add_user(i) for i in range(STORM_CLIENTS)))
        self.tokens = self.bench.dir / "storm-tokens"
        self.tokens.write_text("\n".join(self.sign_in(line) for line in self.bodies.read_text().splitlines()) + "\n")
        self.worker = self.find_worker()
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)
        self.log.close()

    def find_worker(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "nginx":
                return int(pathlib.Path(f"/proc/{child}/task/{child}/children").read_text().split()[0])
        sys.exit("bench: the gateway has no nginx worker")

    def add_user(self, i):
        user = {"username": f"storm{i}", "password": STORM_PASSWORD, "role": "trader", "upstreamId": f"u-{i}"}
        connection = UnixConnection(self.run_dir / "admin.sock")
        connection.request("POST", "/aaiti/v1/users", json.dumps(user), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 201:
            sys.exit(f"bench: adding a user: {answer.status} {answer.read()}")
        return json.dumps({"username": user["username"], "password": STORM_PASSWORD}) + "\n"

    def sign_in(self, body):
        context = ssl._create_unverified_context()  # a certificate of a minute ago, on loopback
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=30)
        connection.request("POST", "/api/auth/login", body, {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())["token"]

    def command(self, mode, lines, connections, seconds):
        return ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s",
                str(ROOT / "bench/load.lua"), f"https://127.0.0.1:{self.port}", "--", mode, str(lines)]

    def get(self, seconds):
        before = cpu_seconds(self.worker)
        text = subprocess.run(self.command("get", self.tokens, 4, seconds), check=True, capture_output=True, text=True).stdout
        result = json.loads(text.strip().splitlines()[-1])
        if result["broken"] or result["refused"]:
            sys.exit(f"bench: login-storm: GETs were refused or broke: {result}")
        return {**result, "cpu_us": (cpu_seconds(self.worker) - before) * 1e6 / result["requests"]}

    @contextlib.contextmanager
    def storm(self, seconds):
        process = subprocess.Popen(self.command("login", self.bodies, STORM_CLIENTS, seconds), stdout=subprocess.PIPE, text=True)
        yield
        result = json.loads(process.communicate()[0].strip().splitlines()[-1])
        if result["refused"] or result["broken"]:
            sys.exit(f"bench: login-storm: sign-ins were refused or broke: {result}")
        self.logins += result["requests"]


HOW = {
    "login-storm": Bench.login_storm,
    "login-storm-slow": Bench.login_storm,
    "get-eddsa": Bench.compare_eddsa,
    "get-signed": Bench.compare_signed,
    "audit-changes": Bench.audit,
    "audit-singles": Bench.audit,
    "socket-up": Bench.relay,
    "socket-down": Bench.relay,
    "socket-idle": Bench.idle,
    "tables": Bench.tables,
    "tables-session": Bench.tables,
    "tables-block": Bench.tables,
    "tables-counter": Bench.tables,
}


def show(row, as_json):
    row = {**row, "bar": BARS[row["name"]], "stages": stages()}
    if as_json:
        print(json.dumps(row), flush=True)
    else:
        verdict = "ok" if row["ratio"] <= row["bar"] else "over the bar"
        if row["name"] in INFORMS:
            verdict += " (no bar is fixed)"
        if "note" in row:
            verdict += f" ({row['note']})"
        print(f"{row['name']:<16} {row['ratio']:>7.3f} {row['bar']:>6.2f} {row['cpu_us']:>9.2f} {row['rps']:>9}  {verdict}",
              flush=True)
    return row["ratio"] <= row["bar"] or row["name"] in INFORMS


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[], help=" ".join(BARS) + "; default all")
    parser.add_argument("--json", action="store_true", help="JSON Lines")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of one side of a round")
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=32)
    args = parser.parse_args()
    names = args.names or list(BARS)
    for name in names:
        if name not in BARS:
            parser.error(f"unknown name {name}")

    bench = Bench(args)
    held = True
    try:
        bench.start_servers()
        if not args.json:
            print(f"stages: {' '.join(stages())}")
            print(f"{'name':<16} {'ratio':>7} {'bar':>6} {'cpu µs':>9} {'req/s':>9}")
        for name in names:
            row = HOW.get(name, Bench.compare)(bench, name)
            held = show(row, args.json) and held
        if not args.json:
            print(f"worker private memory: {bench.guarded.private_mib():.1f} MiB, bare {bench.bare.private_mib():.1f} MiB")
    finally:
        bench.close()
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
