# SPDX-License-Identifier: Apache-2.0
"""What every attack has: a gateway as shipped, addresses of its own, a bot that goes on polling meanwhile, and a verdict."""
import collections
import contextlib
import itertools
import json
import re
import secrets
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from conftest import Gateway, until  # noqa: E402
from wire import Client, Endpoint  # noqa: E402

BOT_RATE = 50
QUIET_SECONDS = 3
# Attackers, bot, gateway and backend share the machine: what a worker is held up by shows as seconds, not as milliseconds.
SLOWER_AT_MOST, ALWAYS_ALLOWED_MS = 10, 300
GROWTH_MIB = 16
# `connections.per_address` of both workers, and a few that are being closed.
HELD_AT_MOST = 210

Attack = collections.namedtuple("Attack", "name does must run")
ATTACKS = []

# As shipped but for a proxy that is trusted. `allow` stays empty, so that every address is a stranger.
PROXY = "127.0.0.2"
SETTINGS = """\
listen: 127.0.0.1:{port}
workers: 2
policy: policy.yaml
trusted_proxies: [{proxy}/32]
upstream:
  url: "http://127.0.0.1:{backend_port}"
  key_file: keys/upstream.key
{more}"""


class Skipped(Exception):
    """What the attack needs is not installed."""


def attack(does, must):
    """A row of the table: what is done, and what must hold. The function gives the figures that were seen."""
    def note(run):
        ATTACKS.append(Attack(run.__name__.replace("_", "-"), does, must, run))
        return run
    return note


def check(holds, what):
    if not holds:
        raise AssertionError(what)


class Shipped(Gateway):
    def __init__(self, more="", public=None):
        super().__init__(start=False, more=more)
        try:
            if public is not None:
                self.open(public)
            self.start()
        except BaseException:
            self.close()
            raise

    def open(self, path):
        """Makes a route of the policy everybody's."""
        policy = self.home / "policy.yaml"
        before = policy.read_text()
        after = re.sub(rf'(match: "GET {path}"), permission: [a-z:]+', r"\1, access: public", before)
        check(after != before, f"the policy has no route {path}")
        policy.write_text(after)

    def settings(self, more="", **_):
        (self.home / "gateway.yaml").write_text(SETTINGS.format(port=self.port, backend_port=self.backend.port, proxy=PROXY, more=more))

    def endpoint(self):
        return Endpoint(self.port, str(self.home / "tls/cert.pem"))


class World:
    """The gateways that attacks share, made when they are first wanted."""

    def __init__(self):
        self.closing = contextlib.ExitStack()
        self.gateways, self.quiet = {}, {}
        self.hosts = itertools.count(1)
        self.failed = False

    def gateway(self, **options):
        """As shipped, or with `more` settings, or with one route that is `public`."""
        key = tuple(options.items())
        if key not in self.gateways:
            self.gateways[key] = made = Shipped(**options)
            self.closing.callback(self.put_away, made)
        return self.gateways[key]

    def put_away(self, gateway):
        if self.failed:
            gateway.stop()
            gateway.backend.stop()
            print(f"kept for a look: {gateway.directory}")
        else:
            gateway.close()

    def addresses(self, count):
        """That nobody has used, no two of one /24."""
        return [f"127.{1 + n // 250}.{1 + n % 250}.7" for n in itertools.islice(self.hosts, count)]

    def address(self):
        return self.addresses(1)[0]

    def token(self, gateway, user, address=None):
        with Client(gateway.endpoint(), address or self.address()) as client:
            answer = client.sign_in(user.name, user.password)
        check(answer.status == 200, f"{user.name} could not sign in: {answer.status} {answer.body[:200]}")
        return json.loads(answer.body)["token"]

    @contextlib.contextmanager
    def bot(self, gateway):
        """A signed-in bot polls from an address of its own; its figures are in what is given once the block has ended."""
        endpoint, token = gateway.endpoint(), self.token(gateway, gateway.users["trader"])
        process = subprocess.Popen([sys.executable, HERE / "bot.py", str(endpoint.port), endpoint.certificate, self.address(), str(BOT_RATE)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        seen = {}
        try:
            process.stdin.write(token + "\n")
            process.stdin.flush()
            process.stdout.readline()
            yield seen
        finally:
            said, _ = process.communicate(timeout=30)
        seen.update(json.loads(said))

    @contextlib.contextmanager
    def served(self, gateway, grow_mib=GROWTH_MIB):
        """While the block runs the bot is answered, all of it, nearly as fast as in quiet. `figures` of what is given says how."""
        if gateway not in self.quiet:
            with self.bot(gateway) as quiet:
                pause(QUIET_SECONDS)
            self.quiet[gateway] = quiet
        quiet = self.quiet[gateway]
        before = resident_mib(gateway)
        with self.bot(gateway) as seen:
            yield seen
        grown = resident_mib(gateway) - before
        seen["figures"] = f"bot p99 {seen['p99_ms']:.0f} ms, quiet {quiet['p99_ms']:.0f} ms"
        check(not seen["bad"], f"the bot was answered {seen['bad']} of {seen['answers']}")
        allowed = max(ALWAYS_ALLOWED_MS, SLOWER_AT_MOST * quiet["p99_ms"])
        check(seen["p99_ms"] <= allowed, f"{seen['figures']}, more than {allowed:.0f} ms")
        check(grown < grow_mib, f"the workers grew by {grown:.0f} MiB")


def pause(seconds):
    """How long an attack lasts is part of it; nothing is waited for here."""
    time.sleep(seconds)


def again(seconds=5):
    """Counts from 0 until the time is over: an attack of an instant would not show what it does to others."""
    end = time.monotonic() + seconds
    return itertools.takewhile(lambda _: time.monotonic() < end, itertools.count())


def resident_mib(gateway):
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in gateway.pids("nginx: worker")) * 4096 / 2**20


def connections_of(gateway, address):
    """Those the gateway holds open for an address, by the kernel's own table."""
    said = subprocess.run(["ss", "-Htn", "state", "established", "src", f"127.0.0.1:{gateway.port}", "dst", address],
                          capture_output=True, text=True, check=True).stdout
    return len(said.splitlines())


def counted(counts):
    return ", ".join(f"{n:,} × {status or 'cut'}" for status, n in sorted(counts.items()))


def together(pool, function, *items):
    """The sum of the counters that function gives for each of the items, all at once."""
    return sum(pool.map(function, *items), collections.Counter())


def random_text(length):
    return secrets.token_urlsafe(length)[:length]


__all__ = ["ATTACKS", "HELD_AT_MOST", "PROXY", "Client", "Skipped", "World", "again", "attack", "check", "connections_of", "counted", "pause", "random_text",
           "resident_mib",
           "together", "until"]
