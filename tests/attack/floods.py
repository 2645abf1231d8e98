# SPDX-License-Identifier: Apache-2.0
"""Too much of what anybody may ask."""
import collections
import concurrent.futures
import itertools
import secrets
import time

from rig import PROXY, Client, attack, check, connections_of, counted, pause, random_text, resident_mib
from wire import Flood, connect

SECONDS = 8
ANONYMOUS_BUDGET, PAGE_BUDGET = 100, 100
BUDGET_SLACK = 10  # what a budget gets back meanwhile, and both workers at the same instant
HOARDED = 600
STRANGER_SECONDS = 2
NEWCOMERS = 40_000
NO_CREDENTIAL = ("GET", "/api/bots", {})

PATHS = ("/.env", "/.git/config", "/wp-login.php", "/admin", "/api/admin", "/api/v1/users", "/server-status", "/actuator/env", "/api/../etc/passwd",
         "/api/bots/%2e%2e/users", "/api//users", "/API/USERS", "/aaiti/v1/users", "/aaiti/v1/blocks", "/aaiti/metrics", "/metrics", "/debug/pprof", "/api/users;x=1",
         "/api/users/", "/phpmyadmin/", "/swagger.json", "/graphql")


def stranger_is_served(gateway, address, path="/aaiti/health"):
    """From an address that nobody has seen, over a new connection."""
    began = time.monotonic()
    with Client(gateway.endpoint(), address, timeout=10) as client:
        answer = client.get(path)
    took = time.monotonic() - began
    check(answer.status == 200, f"a stranger meanwhile was answered {answer.status}")
    check(took <= STRANGER_SECONDS, f"a stranger meanwhile waited {took:.1f} s")
    return f"a stranger was served after {took * 1e3:.0f} ms"


def flooded(world, addresses, request, batch=16, seconds=SECONDS):
    gateway = world.gateway()
    with world.served(gateway) as bot:
        flood = Flood(gateway.endpoint(), addresses, request, batch)
        try:
            pause(seconds)
            stranger = stranger_is_served(gateway, world.address())
        finally:
            counts = flood.stop()
    return counts, f"{counted(counts)}; {stranger}; {bot['figures']}"


def more_than(counts, *refusals):
    return sum(n for status, n in counts.items() if status not in refusals and status)


@attack(f"one address asks for {SECONDS} s without a credential, as fast as it can over 16 connections",
        f"no more than {ANONYMOUS_BUDGET} are heard, the rest is refused (429); others are served")
def flood_without_credential(world):
    counts, figures = flooded(world, [world.address()] * 16, lambda: NO_CREDENTIAL)
    check(counts[429] > 0 and more_than(counts, 429) <= ANONYMOUS_BUDGET + BUDGET_SLACK, figures)
    return figures


@attack("the same of a page, with a credential that is none: what is public asks for none, and so never looks at it",
        "no more than the pages' budget is served")
def flood_of_a_page_with_a_false_credential(world):
    junk = itertools.cycle([{"Authorization": "Bearer x"}, {"X-API-Key": "x"}, {"Cookie": "__Host-aaiti_session=x"}])
    counts, figures = flooded(world, [world.address()] * 4, lambda: ("GET", "/aaiti/health", next(junk)))
    check(counts[429] > 0 and counts[200] <= PAGE_BUDGET * (2 + SECONDS // 10) + BUDGET_SLACK, figures)
    return figures


@attack("a flood of sign-ins with a credential that is none, so as not to count as anonymous", "no more than 300 are heard, and at most 5 passwords are tried")
def flood_of_sign_ins_with_a_false_credential(world):
    gateway, address = world.gateway(), world.address()
    counts = collections.Counter()
    with world.served(gateway) as bot, Client(gateway.endpoint(), address, timeout=60) as client:
        for n in range(60):
            body = b'{"username":"admin","password":"%d"}' % n
            head = client.head("POST", "/api/auth/login", {"Content-Type": "application/json", "Authorization": f"Bearer {n}"}, body)
            counts.update(answer.status for answer in client.raw([head] * 20))
    check(set(counts) <= {0, 401, 403, 429} and counts[401] <= 5, counted(counts))
    return f"{counted(counts)}; {bot['figures']}"


@attack("a signed-in user asks as fast as he can over 8 connections", "his own budget ends it (429); the bot, another user, is served")
def flood_by_a_user(world):
    gateway = world.gateway()
    token = world.token(gateway, gateway.add_user("viewer"))
    counts, figures = flooded(world, world.addresses(8), lambda: ("GET", "/api/bots", {"Authorization": f"Bearer {token}"}))
    check(set(counts) <= {200, 429, 0} and counts[200], figures)
    return figures


@attack("3,000 paths tried from one address: files that people forget, the gateway's own calls, ways around the path's spelling",
        f"nothing is found; after {ANONYMOUS_BUDGET} the address is refused unheard")
def path_scan(world):
    tried = (PATHS[n] if n < len(PATHS) else f"/api/{random_text(8)}" for n in itertools.count())
    gateway, address = world.gateway(), world.address()
    counts = collections.Counter()
    gateway.backend.forget()
    with world.served(gateway) as bot, concurrent.futures.ThreadPoolExecutor(16) as pool:
        def some(paths):
            with Client(gateway.endpoint(), address, timeout=60) as client:
                for path in paths:
                    counts[client.get(path).status] += 1
        paths = [next(tried) for _ in range(3000)]
        for done in [pool.submit(some, paths[n::16]) for n in range(16)]:
            done.result()
    check(not counts[200], counted(counts))
    check(counts[429] > 0 and more_than(counts, 429) <= ANONYMOUS_BUDGET + BUDGET_SLACK, counted(counts))
    return f"{counted(counts)}; {bot['figures']}"


@attack(f"one address opens {HOARDED} connections, half of them without TLS, and says nothing on any",
        "it holds no more than its share; strangers and the bot are served")
def hoarding(world):
    gateway, address = world.gateway(), world.address()
    held = []
    with world.served(gateway) as bot:
        try:
            for n in range(HOARDED):
                try:
                    held.append(connect(gateway.endpoint(), address, False if n % 2 else None, timeout=5))
                except OSError:
                    pass  # turned away: as it should be
            most = connections_of(gateway, address)
            stranger = stranger_is_served(gateway, world.address())
        finally:
            for sock in held:
                sock.close()
    check(most <= HOARDED // 2, f"it held {most} connections")
    return f"{most} held of {HOARDED}; {stranger}; {bot['figures']}"


@attack("40 addresses ask 30 times each over connections of their own, so that as many as possible are held back at once",
        "no more are held back than there is room for, the rest is refused (429) at once; a stranger's first request is not delayed")
def hoarding_of_delays(world):
    gateway = world.gateway()
    counts, longest = collections.Counter(), []
    with world.served(gateway) as bot, concurrent.futures.ThreadPoolExecutor(80) as pool:
        def ask(address):
            with Client(gateway.endpoint(), address, timeout=30) as client:
                for _ in range(15):
                    answer = client.get("/api/bots")
                    counts[answer.status] += 1
                    longest.append(answer.seconds)
        work = [pool.submit(ask, address) for address in world.addresses(40) * 2]
        pause(1)
        stranger = stranger_is_served(gateway, world.address())
        for done in work:
            done.result()
    check(set(counts) <= {401, 429}, counted(counts))
    check(1 < max(longest) <= 10, f"the longest delay was {max(longest):.1f} s")
    return f"{counted(counts)}, held back {max(longest):.1f} s at most; {stranger}; {bot['figures']}"


@attack("2,000 requests that are held back and whose clients leave at once, from 20 addresses", "what was held for them is given back: a newcomer is held back as ever, not refused")
def delays_left_behind(world):
    gateway = world.gateway()
    for address in world.addresses(20):
        with Client(gateway.endpoint(), address, timeout=30) as client:
            client.many([NO_CREDENTIAL] * 11)
            wanted = client.head("GET", "/api/bots", {}, None)
        for _ in range(10):
            with connect(gateway.endpoint(), address) as sock:
                sock.sendall(wanted * 10)
    with Client(gateway.endpoint(), world.address(), timeout=30) as client:
        answers = [client.get("/api/bots") for _ in range(13)]
    statuses = collections.Counter(answer.status for answer in answers)
    check(set(statuses) == {401}, f"the newcomer was answered {counted(statuses)}")
    return f"a newcomer's thirteen requests: {counted(statuses)}, the last after {answers[-1].seconds:.1f} s"


@attack(f"{NEWCOMERS:,} addresses of one IPv6 /32, each asking once, by the trusted proxy; then one address of a single /64 asking as many of its own",
        "together they get one network's budget; the memory stays what it was; who was known before keeps his own budget")
def newcomers(world):
    gateway = world.gateway()
    known = {"X-Forwarded-For": "192.0.2.77"}
    before = resident_mib(gateway)
    with Client(gateway.endpoint(), PROXY, timeout=60) as client:
        check(client.ask("GET", "/api/bots", known).status == 401, "the known address was refused beforehand")
    counts, figures = flooded(world, [PROXY] * 4, lambda: ("GET", "/api/bots", {"X-Forwarded-For": f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"}),
                              batch=64, seconds=SECONDS * 2)
    with Client(gateway.endpoint(), PROXY, timeout=60) as client:
        again = client.ask("GET", "/api/bots", known)
    check(again.status == 401, f"the known address was answered {again.status} afterwards")
    grown = resident_mib(gateway) - before
    check(grown < 16, f"the workers grew by {grown:.0f} MiB")
    return f"{figures}; the workers grew by {grown:.0f} MiB"


@attack("one IPv6 /64 asks from a new address of it each time, by the trusted proxy", f"it is one client: no more than {ANONYMOUS_BUDGET} are heard")
def one_network_of_ipv6(world):
    net = f"2001:db8:ffff:{secrets.token_hex(2)}"
    counts, figures = flooded(world, [PROXY] * 4, lambda: (
        "GET", "/api/bots", {"X-Forwarded-For": f"{net}:{secrets.token_hex(2)}:{secrets.token_hex(2)}:{secrets.token_hex(2)}:{secrets.token_hex(2)}"}))
    check(counts[429] > 0 and more_than(counts, 429) <= ANONYMOUS_BUDGET + BUDGET_SLACK, figures)
    return figures
