# SPDX-License-Identifier: Apache-2.0
"""A thousand sockets, of which one user's are ended; and how many anybody may have."""
import asyncio
import contextlib
import time

import pytest
import websockets
from conftest import Gateway
from sockets import Raw, add_route, connect, echo, loop  # noqa: F401 (fixtures)

USERS, EACH = 10, 100


@pytest.fixture(scope="module")
def many(echo):
    with contextlib.closing(Gateway(start=False, backend_port=echo.port, more="websocket: {per_user: 200, per_address: 3}\n")) as g:
        add_route(g)
        g.start()
        yield g


def test_the_end_of_one_user_closes_just_his_within_a_second(many, loop):
    users = [many.add_user("viewer") for _ in range(USERS)]
    tokens = [many.login(user) for user in users]
    ended = []  # (user, when, code)

    async def stay(n, connection):
        with contextlib.suppress(websockets.ConnectionClosed):
            async for _ in connection:
                pass
        ended.append((n, time.monotonic(), connection.close_code))

    async def open_all():
        connections = []
        for n in range(USERS):
            for start in range(0, EACH, 25):
                some = await asyncio.gather(*(connect(many, token=tokens[n], open_timeout=60) for _ in range(25)))
                connections += [(n, c) for c in some]
        for n, c in connections:
            asyncio.ensure_future(stay(n, c))
        return connections

    async def traffic(connections):
        for i in range(20):
            await asyncio.gather(*(c.send(f"{i}") for n, c in connections[i::20] if n != 3))

    async def close_all(connections):
        await asyncio.gather(*(c.close() for _, c in connections))

    connections = loop.run(open_all(), 240)
    assert len(connections) == USERS * EACH and not ended
    busy = asyncio.run_coroutine_threadsafe(traffic(connections), loop.loop)
    many.aaiti("user", "disable", users[3].name)
    told = time.monotonic()
    busy.result(60)
    deadline = time.monotonic() + 30
    while len(ended) < EACH and time.monotonic() < deadline:
        loop.run(asyncio.sleep(0.02))
    # The command's answer is later than the change that it tells of, so this bound is a stricter one; the test's own loop has a thousand sockets to serve.
    slowest = max(when for _, when, _ in ended) - told
    assert [(n, code) for n, _, code in ended] == [(3, 1008)] * EACH
    assert slowest < 10, slowest
    print(f"the last of {EACH} closed {slowest * 1000:.0f} ms after the command had ended")

    # Nobody else's has heard of it.
    async def still_there():
        living = [c for n, c in connections if n != 3]
        return await asyncio.gather(*(asyncio.wait_for(asyncio.shield(c.ping()), 30) for c in living))

    loop.run(still_there(), 120)
    assert len(ended) == EACH
    loop.run(close_all(connections), 120)


def test_a_user_has_as_many_as_the_settings_say(many, echo):
    many.settings(backend_port=echo.port, more="websocket: {per_user: 4}\n")
    many.aaiti("policy", "reload")
    token = many.login(many.users["admin"])
    with contextlib.ExitStack() as stack:
        statuses = [stack.enter_context(contextlib.closing(Raw(many, token=token))).status for _ in range(7)]
    assert sorted(statuses) == [101] * 4 + [429] * 3
