# SPDX-License-Identifier: Apache-2.0
"""Blocked addresses, and what no block may cut: who is signed in closes positions, from wherever."""
import collections
import concurrent.futures
import contextlib
import time

from rig import PROXY, Client, attack, check, counted
from wire import Flood

CLOSE = "/api/trading/trades/trade-1/close"
BITES_WITHIN_MS = 500
DISGUISES = {"X-Forwarded-For": "198.51.100.1", "Forwarded": "for=198.51.100.1", "X-Real-IP": "198.51.100.1", "True-Client-IP": "198.51.100.1",
             "CF-Connecting-IP": "198.51.100.1", "X-AAITI-Client-Address": "198.51.100.1", "X-Client-IP": "198.51.100.1"}


def block(gateway, address):
    gateway.aaiti("block", "add", address, "--for", "10m", "--reason", "attack")


@attack("a signed-in user is blocked while he goes on asking over 12 connections that stay open", f"within {BITES_WITHIN_MS} ms of the command's end none is answered any more")
def blocked_over_open_connections(world):
    gateway, address = world.gateway(), world.address()
    token = world.token(gateway, gateway.users["viewer"], address)
    with contextlib.ExitStack() as closing:
        clients = [closing.enter_context(Client(gateway.endpoint(), address, {"Authorization": f"Bearer {token}"})) for _ in range(12)]
        before = collections.Counter(client.get("/api/bots").status for client in clients)
        block(gateway, address)
        began, last = time.monotonic(), 0
        after = collections.Counter()
        while time.monotonic() - began < 2:
            for client in clients:
                status = client.get("/api/bots").status
                after[status] += 1
                last = max(last, time.monotonic() - began) if status == 200 else last
        kept = sum(client.connections == 1 for client in clients)
    check(before == {200: 12}, counted(before))
    check(after[403] > 0 and set(after) <= {200, 403, 0} and 1e3 * last <= BITES_WITHIN_MS, f"{counted(after)}, the last answer after {1e3 * last:.0f} ms")
    return f"{counted(after)} in 2 s; {after[200]} were answered after the command had ended; {kept} connections were kept"


@attack("a blocked address claims another in seven headers, spells its path otherwise, asks for pages and for sign-in, with a credential and without",
        "it gets 403 and not a word of why; nothing reaches the backend")
def disguises(world):
    gateway, address = world.gateway(), world.address()
    token = world.token(gateway, gateway.users["admin"], address)
    block(gateway, address)
    gateway.backend.forget()
    counts, bodies = collections.Counter(), set()
    paths = [("GET", "/api/trading/price/BLOCKED"), ("HEAD", "/api/bots"), ("POST", "/api/trading/execute"), ("GET", "/aaiti/v1/users"), ("POST", "/api/auth/login"),
             ("GET", "/"), ("GET", "/nothing")]
    with Client(gateway.endpoint(), address) as client:
        for method, path in paths:
            for headers in ({}, DISGUISES, {"Authorization": f"Bearer {token}"}, {"Authorization": f"Bearer {token}", **DISGUISES}, {"Cookie": f"__Host-aaiti_session={token}"}):
                client.close()
                answer = client.raw([client.head(method, path, headers, None)])[0] if method != "HEAD" else head_only(client, path, headers)
                counts[answer.status] += 1
                bodies.add(len(answer.body) > 400)
    arrived = gateway.backend.received()
    check(set(counts) == {403} and not arrived, f"{counted(counts)}; {len(arrived)} reached the backend")
    return counted(counts)


def head_only(client, path, headers):
    """An answer to HEAD has no body, whatever its length says."""
    answer = client.ask("GET", path, headers)
    client.close()
    return answer


@attack("the IPv4 address that the trusted proxy names is blocked; it comes again as ::ffff:a.b.c.d, with a port, in hexadecimal, and behind others that it makes up",
        "no spelling gets by")
def spelled_otherwise(world):
    gateway = world.gateway()
    block(gateway, "192.0.2.66")
    spelled = ["192.0.2.66", "::ffff:192.0.2.66", "::ffff:c000:242", "[::ffff:192.0.2.66]:5", "192.0.2.66:80", "198.51.100.9, 192.0.2.66", "::1, 192.0.2.66", "127.0.0.1,192.0.2.66",
               "192.0.2.66, 127.0.0.2", " 192.0.2.66 ", "192.0.2.66,", ",192.0.2.66", "junk, 192.0.2.66"]
    counts, through = collections.Counter(), []
    with Client(gateway.endpoint(), PROXY) as client:
        check(client.get("/aaiti/health", **{"X-Forwarded-For": "192.0.2.67"}).status == 200, "its neighbour is refused, too")
        for value in spelled:
            status = client.get("/aaiti/health", **{"X-Forwarded-For": value}).status
            counts[status] += 1
            if status == 200:
                through.append(value)
    check(not through, f"got by as {through}")
    return counted(counts)


def closed(gateway, address, headers, count):
    with Client(gateway.endpoint(), address, headers) as client:
        return collections.Counter(client.ask("POST", CLOSE, {}, b"").status for _ in range(count))


@attack("a trader's address is blocked, floods and guesses at keys besides; from there he closes positions, 200 times",
        "every close is done; his other requests are refused, and so is a close without a credential or with a false one")
def closing_from_a_blocked_address(world):
    gateway, address = world.gateway(), world.address()
    trader = gateway.users["trader"]
    token = world.token(gateway, trader, address)
    block(gateway, address)
    good = {"Authorization": f"Bearer {token}"}
    flood = Flood(gateway.endpoint(), [address] * 4, lambda: ("GET", "/api/bots", {"Authorization": "Bearer x"}))
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            work = [pool.submit(closed, gateway, address, good, 50) for _ in range(4)]
            done = sum((w.result() for w in work), collections.Counter())
    finally:
        flooded = flood.stop()
    others = closed(gateway, address, {}, 3) + closed(gateway, address, {"Authorization": "Bearer x"}, 3) + closed(gateway, address, {"X-API-Key": "aak_x"}, 3)
    viewer = world.token(gateway, gateway.users["viewer"])
    others += closed(gateway, address, {"Authorization": f"Bearer {viewer}"}, 3)
    with Client(gateway.endpoint(), address, good) as client:
        opens = client.ask("POST", "/api/bots/bot-1/start", {}, b"").status
    check(done == {200: 200}, f"closes: {counted(done)}")
    check(opens == 403 and set(others) <= {401, 403, 429}, f"opening: {opens}; others' closes: {counted(others)}")
    check(not flooded[200], counted(flooded))
    return f"closes: {counted(done)}; opening: {opens}; closes without right: {counted(others)}; the flood meanwhile: {counted(flooded)}"


@attack("an address floods beyond every budget; a trader behind the same address (one office, one NAT) closes positions, 100 times", "every close is done")
def closing_from_a_flooding_address(world):
    gateway, address = world.gateway(), world.address()
    token = world.token(gateway, gateway.users["trader"], address)
    flood = Flood(gateway.endpoint(), [address] * 4, lambda: ("GET", "/api/bots", {"Authorization": "Bearer x"}), batch=64)
    try:
        time.sleep(4)
        done = closed(gateway, address, {"Authorization": f"Bearer {token}"}, 100)
    finally:
        flooded = flood.stop()
    check(done == {200: 100}, f"closes: {counted(done)}; flood: {counted(flooded)}")
    check(flooded[429] > 0, counted(flooded))
    return f"closes: {counted(done)}; the flood: {counted(flooded)}"
