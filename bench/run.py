# SPDX-License-Identifier: Apache-2.0
"""What the gateway costs: CPU time a request as a ratio to the same nginx without the module.

Both servers run from one nginx.conf that differs by the module alone (keepalive, TLS off, access log off, the same answer),
one worker each, pinned to core 0; wrk and the backend stand on core 1. CPU time is utime + stime of the worker over a
round, divided by the requests answered. Rounds of bare and guarded alternate, and the ratio is the median of the rounds'
ratios: requests/s and microseconds move with the machine, the ratio does not.
"""
import argparse
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
OUT = BUILD / "bench"
SEED = BUILD / "bench" / "bench_seed"
MODULE = BUILD / "nginx" / "ngx_http_gw_module.so"

# The bars of the design.
BARS = {"get": 1.35, "post": 1.60, "refused": 1.0}
GUARDED, BARE = "guarded", "bare"
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
events {{ worker_connections 1024; }}
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
    upstream gw_backend {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            {gate_location}
            proxy_pass http://gw_backend;
            proxy_set_header Connection "";
            proxy_set_header Host "127.0.0.1:{backend}";
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

GATEWAY_YAML = """
environment: development
listen: 127.0.0.1:{port}
policy: {policy}
run_dir: {run_dir}
trusted_proxies: [127.0.0.1/32]
upstream:
  url: http://127.0.0.1:{backend}
  key_file: {home}/keys/upstream.key
token:
  key_file: {home}/keys/token.key
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def stages():
    """The names in the pipeline's own table."""
    text = (ROOT / "src/pipeline/pipeline.c").read_text()
    table = re.search(r"struct stage stages\[\] = \{(.*?)\n\};", text, re.S).group(1)
    return re.findall(r'\{"([a-z-]+)",', table)


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
        fields = pathlib.Path(f"/proc/{self.worker}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def private_mib(self):
        text = pathlib.Path(f"/proc/{self.worker}/smaps_rollup").read_text()
        return sum(int(n) for n in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M)) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


class Bench:
    def __init__(self, args):
        self.args = args
        OUT.mkdir(parents=True, exist_ok=True)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="aaiti-bench-", dir="/dev/shm"))
        self.servers = []
        self.raw = []

    def start(self, name, core, template, **values):
        port = free_port()
        values = {"user": "user root root;" if os.geteuid() == 0 else "", **values}
        server = Nginx(self.dir / name, core, port, template.format(dir=self.dir / name, port=port, **values))
        self.servers.append(server)
        return server

    def make_home(self, backend):
        home, run_dir = self.dir / "home", self.dir / "run"
        (home / "keys").mkdir(parents=True)
        run_dir.mkdir()
        for key in ("token.key", "upstream.key"):
            path = home / "keys" / key
            path.write_text(secrets.token_urlsafe(48) + "\n")
            path.chmod(0o600)
        policy = home / "policy.yaml"
        shutil.copy(ROOT / "data/policies/aaiti.yaml", policy)
        (home / "gateway.yaml").write_text(
            GATEWAY_YAML.format(port=8443, policy=policy, run_dir=run_dir, backend=backend, home=home))
        self.tokens = self.dir / "tokens"
        with self.tokens.open("w") as out:
            subprocess.run([SEED, home, str(self.args.sessions)], stdout=out, check=True)
        return home, run_dir

    def start_servers(self):
        backend = self.start("backend", 1, BACKEND_CONF, answer=ANSWER)
        home, run_dir = self.make_home(backend.port)
        self.bare = self.start(BARE, 0, SERVER_CONF, backend=backend.port, load_module="", gate_http="", gate_location="")
        self.guarded = self.start(
            GUARDED, 0, SERVER_CONF, backend=backend.port, load_module=f"load_module {MODULE};",
            gate_http=f"gw_run_dir {run_dir}; gw_token_key {home}/keys/token.key; "
                      f"gw_upstream_key {home}/keys/upstream.key;",
            gate_location="gw on;")

    def wrk(self, server, mode, seconds):
        command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{self.args.connections}", f"-d{seconds}s", "-s",
                   str(ROOT / "bench/load.lua"), f"http://127.0.0.1:{server.port}", "--", mode, str(self.tokens)]
        before = server.cpu_seconds()
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        cpu = server.cpu_seconds() - before
        result = json.loads(text.strip().splitlines()[-1])
        if result["broken"]:
            sys.exit(f"bench: {mode}: {result['broken']} connections broke")
        return {**result, "cpu_us": cpu * 1e6 / result["requests"]}

    def round(self, name, which, server, expect_refused):
        mode = "get" if name == "refused" and which == BARE else name
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
            rounds.append((bare, self.round(name, GUARDED, self.guarded, name == "refused")))
        return {
            "name": name,
            "ratio": round(statistics.median(g["cpu_us"] / b["cpu_us"] for b, g in rounds), 3),
            "cpu_us": round(statistics.median(g["cpu_us"] for _, g in rounds), 2),
            "rps": round(statistics.median(g["requests"] / g["seconds"] for _, g in rounds)),
            "bare_cpu_us": round(statistics.median(b["cpu_us"] for b, _ in rounds), 2),
        }

    def close(self):
        for server in reversed(self.servers):
            server.stop()
        shutil.rmtree(self.dir)
        (OUT / time.strftime("raw-%Y%m%dT%H%M%SZ.json", time.gmtime())).write_text(json.dumps(self.raw, indent=1) + "\n")


def show(row, as_json):
    row = {**row, "bar": BARS[row["name"]], "stages": stages()}
    if as_json:
        print(json.dumps(row), flush=True)
    else:
        verdict = "ok" if row["ratio"] <= row["bar"] else "over the bar"
        print(f"{row['name']:<12} {row['ratio']:>7.3f} {row['bar']:>6.2f} {row['cpu_us']:>9.2f} {row['rps']:>9}  {verdict}",
              flush=True)
    return row["ratio"] <= row["bar"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[], help="get post refused; default all")
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
            print(f"{'name':<12} {'ratio':>7} {'bar':>6} {'cpu µs':>9} {'req/s':>9}")
        for name in names:
            held = show(bench.compare(name), args.json) and held
        if not args.json:
            print(f"worker private memory: {bench.guarded.private_mib():.1f} MiB, bare {bench.bare.private_mib():.1f} MiB")
    finally:
        bench.close()
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
