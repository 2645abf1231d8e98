# SPDX-License-Identifier: Apache-2.0
"""Too much of what anybody may ask."""
import collections
import concurrent.futures
import contextlib
import itertools
import secrets
import time

from rig import HELD_AT_MOST, PROXY, Client, attack, check, connections_of, counted, pause, random_text, together
from wire import Flood, connect

SECONDS = 8
ANONYMOUS_BUDGET, PAGE_BUDGET = 100, 100
BUDGET_SLACK = 10  # what a budget gets back meanwhile, and both workers at the same instant
HOARDED = 600
STRANGER_SECONDS = 2
NO_CREDENTIAL = ("GET", "/api/bots", {})

PATHS = ("/.env", "/.git/config", "/wp-login.php", "/admin", "/api/admin", "/api/v1/users", "/server-status", "/actuator/env", "/api/../etc/passwd",
         "/api/bots/%2e%2e/users", "/api//users", "/API/USERS", "/aaiti/v1/users", "/aaiti/v1/blocks", "/aaiti/metrics", "/metrics", "/debug/pprof", "/api/users;x=1",
         "/api/users/", "/phpmyadmin/", "/swagger.json", "/graphql")


def stranger_is_served(gateway, address, path="/aaiti/health", expected=200):
    """From an address that nobody has seen, over a new connection."""
    began = time.monotonic()
    with Client(gateway.endpoint(), address, timeout=10) as client:
        answer = client.get(path)
    took = time.monotonic() - began
    check(answer.status == expected, f"a stranger meanwhile was answered {answer.status}")
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
    gateway.backend.forget()

    def some(paths):
        with Client(gateway.endpoint(), address, timeout=60) as client:
            return collections.Counter(client.get(path).status for path in paths)
    paths = [next(tried) for _ in range(3000)]
    with world.served(gateway) as bot, concurrent.futures.ThreadPoolExecutor(16) as pool:
        counts = together(pool, some, [paths[n::16] for n in range(16)])
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
    check(most <= HELD_AT_MOST, f"it held {most} connections")
    return f"{most} held of {HOARDED}; {stranger}; {bot['figures']}"


PUBLIC = "/api/trading/symbols/popular"


# The backend's own answer to who has not signed in.
FROM_BACKEND = 401


@attack("900 connections from 30 addresses, which have asked ten times each, ask at once for a route that is public, so that as many as can be are held back",
        "those beyond what there is room for are refused (429), the rest answered within 8 s; a stranger's first request is not delayed")
def hoarding_of_delays(world):
    gateway = world.gateway(public=PUBLIC)
    counts, longest = collections.Counter(), 0
    with world.served(gateway, grow_mib=64) as bot, contextlib.ExitStack() as closing:
        waiting = []
        for address in world.addresses(30):
            with Client(gateway.endpoint(), address, timeout=30) as client:
                client.many([("GET", PUBLIC, {})] * 10)
            for _ in range(30):
                waiting.append(closing.enter_context(Client(gateway.endpoint(), address, timeout=30)))
                waiting[-1].open()
        began = time.monotonic()
        for client in waiting:
            client.socket.sendall(client.head("GET", PUBLIC, {}, None))
        stranger = stranger_is_served(gateway, world.address(), PUBLIC, FROM_BACKEND)
        for client in waiting:
            answer = client.read(began)
            counts[answer.status] += 1
            longest = max(longest, answer.seconds)
    check(set(counts) == {FROM_BACKEND, 429}, counted(counts))
    check(1 < longest <= 8, f"the longest delay was {longest:.1f} s")
    return f"{counted(counts)}, held back {longest:.1f} s at most; {stranger}; {bot['figures']}"


@attack("2,000 requests that are held back and whose clients leave at once, from 20 addresses", "what was held for them is given back: a newcomer is held back as ever, not refused")
def delays_left_behind(world):
    gateway = world.gateway(public=PUBLIC)
    for address in world.addresses(20):
        with Client(gateway.endpoint(), address, timeout=30) as client:
            client.many([("GET", PUBLIC, {})] * 10)
            wanted = client.head("GET", PUBLIC, {}, None)
        with contextlib.ExitStack() as leaving:
            for _ in range(100):
                leaving.enter_context(connect(gateway.endpoint(), address)).sendall(wanted)
    with Client(gateway.endpoint(), world.address(), timeout=30) as client:
        answers = [client.get(PUBLIC) for _ in range(13)]
    statuses = collections.Counter(answer.status for answer in answers)
    check(set(statuses) == {FROM_BACKEND} and answers[-1].seconds > 1, f"the newcomer was answered {counted(statuses)}, the last after {answers[-1].seconds:.1f} s")
    return f"a newcomer's thirteen requests: {counted(statuses)}, the last after {answers[-1].seconds:.1f} s"


def crowd():
    return ("GET", "/api/bots", {"X-Forwarded-For": f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"})


def as_client(client, address):
    return client.ask("GET", "/api/bots", {"X-Forwarded-For": address}).status


@attack("a crowd of one IPv6 /32, each from a /64 of its own, by the trusted proxy", "the workers' memory stays what it was; others are served")
def crowd_of_newcomers(world):
    counts, figures = flooded(world, [PROXY] * 4, crowd, batch=64)
    check(counts[401] > 10_000, figures)
    return figures


@attack("the same where there is room for 1,024 counters only", "who finds none shares one budget with his network and is refused (429); who was counted before, and who comes from elsewhere, is heard as ever")
def crowd_beyond_the_room(world):
    gateway = world.gateway(more="limit: {capacity: 1024}\n")
    with Client(gateway.endpoint(), PROXY, timeout=60) as client:
        known = [f"192.0.2.{n}" for n in range(1, 21)]
        check({as_client(client, address) for address in known} == {401}, "beforehand")
        flood = Flood(gateway.endpoint(), [PROXY] * 4, crowd, batch=64)
        try:
            pause(SECONDS)
            before = collections.Counter(as_client(client, address) for address in known)
            elsewhere = collections.Counter(as_client(client, f"198.51.{n}.9") for n in range(1, 21))
        finally:
            counts = flood.stop()
    check(before == {401: 20} and elsewhere == {401: 20}, f"known: {counted(before)}; from elsewhere: {counted(elsewhere)}; the crowd: {counted(counts)}")
    check(counts[429] > counts[401], counted(counts))
    return f"the crowd: {counted(counts)}; 20 known: {counted(before)}; 20 from elsewhere: {counted(elsewhere)}"


@attack("one IPv6 /64 asks from a new address of it each time, by the trusted proxy", f"it is one client: no more than {ANONYMOUS_BUDGET} are heard")
def one_network_of_ipv6(world):
    net = f"2001:db8:ffff:{secrets.token_hex(2)}"

    def request():
        host = ":".join(secrets.token_hex(2) for _ in range(4))
        return ("GET", "/api/bots", {"X-Forwarded-For": f"{net}:{host}"})
    counts, figures = flooded(world, [PROXY] * 4, request)
    check(counts[429] > 0 and more_than(counts, 429) <= ANONYMOUS_BUDGET + BUDGET_SLACK, figures)
    return figures
