# SPDX-License-Identifier: Apache-2.0
"""Tools that anybody can install: hydra, and slowhttptest's three modes. They come from 127.0.0.1, an address like any other here."""
import collections
import http.server
import re
import shutil
import subprocess
import threading
import time

from rig import HELD_AT_MOST, Client, Skipped, attack, check, connections_of, counted
from conftest import good_password

HERE = "127.0.0.1"
PASSWORDS, RIGHT_ONE = 60, 40
LOGIN_FORM = r'/api/auth/login:{"username"\:"^USER^","password"\:"^PASS^"}:g=:H=Content-Type\: application/json:S="token"'
SLOW_CONNECTIONS, SLOW_SECONDS = 400, 12


def tool(name):
    path = shutil.which(name)
    if path is None:
        raise Skipped(f"{name} is not installed")
    return path


class Relay(http.server.ThreadingHTTPServer):
    """Between hydra and the gateway: hydra 9.4 takes an answer of 401 for a fault of its own and tries the same password for ever, so what it is
    shown is always 200. It keeps count of what was answered, and gives hydra an address."""

    def __init__(self, endpoint, address):
        self.counts = collections.Counter()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with Client(endpoint, address, timeout=60) as client:
                    answer = client.ask("POST", self.path, {"Content-Type": self.headers["Content-Type"]}, body)
                server.counts[answer.status] += 1
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def stop(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


@attack("hydra tries 60 passwords of one account from one address; the right one is the 40th",
        "it finds nothing, at most 5 are tried, and the address is locked out of the login route; the owner signs in from elsewhere")
def hydra_login(world):
    gateway = world.gateway()
    user, owner, address = gateway.add_user("trader"), world.address(), world.address()
    world.token(gateway, user, owner)
    passwords = [good_password() for _ in range(PASSWORDS)]
    passwords[RIGHT_ONE - 1] = user.password
    listed = gateway.directory / "passwords"
    listed.write_text("".join(f"{p}\n" for p in passwords))
    relay = Relay(gateway.endpoint(), address)
    try:
        done = subprocess.run([tool("hydra"), "-I", "-l", user.name, "-P", listed, "-t", "4", "-s", str(relay.server_port), "127.0.0.1", "http-post-form", LOGIN_FORM],
                              capture_output=True, text=True, timeout=90, cwd=gateway.directory)
    finally:
        relay.stop()
    counts = relay.counts
    check("1 of 1 target" in done.stdout, f"hydra did not run: {done.stdout[-300:]}{done.stderr[-300:]}")
    check(user.password not in done.stdout and not counts[200], f"hydra found the password: {counted(counts)}")
    check(1 <= counts[401] <= 5 and set(counts) <= {401, 429}, counted(counts))
    with Client(gateway.endpoint(), address) as client:
        locked = client.sign_in(user.name, user.password)
    check(locked.status == 429, f"the right password from the address afterwards: {locked.status}")
    minutes = int(locked.headers["retry-after"]) / 60
    check(10 < minutes <= 15, f"locked for {minutes:.0f} min")
    with Client(gateway.endpoint(), owner) as client:
        own = client.sign_in(user.name, user.password)
    check(own.status == 200, f"the owner from elsewhere: {own.status}")
    return f"{counts[401]} of {PASSWORDS} tried, none found; locked for {minutes:.0f} min more; the owner signed in after {own.seconds:.1f} s"


def slow(world, mode, path, *arguments):
    gateway = world.gateway()
    command = [tool("slowhttptest"), mode, "-c", str(SLOW_CONNECTIONS), "-r", "200", "-i", "2", "-l", str(SLOW_SECONDS), "-p", "3", "-v", "1",
               "-u", f"https://127.0.0.1:{gateway.port}{path}", *arguments]
    most = 0
    with world.served(gateway) as bot:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=gateway.directory)
        try:
            deadline = time.monotonic() + SLOW_SECONDS + 20
            while process.poll() is None and time.monotonic() < deadline:
                most = max(most, connections_of(gateway, HERE))
                time.sleep(0.2)
        finally:
            process.kill()
        said = process.communicate()[0]
    text = re.sub(r"\x1b\[[0-9;]*m", "", said)
    check("Exit status" in text or "closed" in text, f"slowhttptest did not run: {text[-300:]}")
    check(most <= HELD_AT_MOST, f"one address held {most} connections")
    return f"{SLOW_CONNECTIONS} connections tried, at most {most} held at once; {bot['figures']}"


SLOW_MUST = "one address holds no more than its share of connections; the bot is served"


@attack("slowhttptest -H: 400 connections send their heads a line at a time", SLOW_MUST)
def slow_headers(world):
    return slow(world, "-H", "/api/bots")


@attack("slowhttptest -B: 400 sign-ins send their bodies a few bytes at a time", SLOW_MUST)
def slow_body(world):
    return slow(world, "-B", "/api/auth/login", "-s", "8192", "-f", "application/json", "-x", "10")


@attack("slowhttptest -X: 400 connections ask for the largest page many times over and read 5 bytes a second", SLOW_MUST)
def slow_read(world):
    return slow(world, "-X", "/aaiti/panic", "-k", "8", "-w", "10", "-y", "20", "-n", "1", "-z", "5")
