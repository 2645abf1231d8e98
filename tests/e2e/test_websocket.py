# SPDX-License-Identifier: Apache-2.0
"""WebSockets through the gateway: who may open one, what goes over it, and how it ends."""
import contextlib
import os
import re
import signal
import struct

import httpx
import pytest
import websockets
from conftest import Gateway, until
from test_hostile_backend import Liar
from sockets import Raw, add_route, connect, echo, frame, loop  # noqa: F401 (fixtures)

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@pytest.fixture(scope="module")
def sockets(echo):
    with contextlib.closing(Gateway(start=False, backend_port=echo.port)) as g:
        add_route(g)
        g.start()
        yield g


@pytest.fixture(scope="module")
def token(sockets):
    return sockets.login(sockets.users["trader"])


def close_of(frames):
    """The one Close among them, as (code, reason), and it must be the last."""
    closes = [payload for first, payload in frames if first & 15 == CLOSE]
    assert len(closes) == 1 and frames[-1][0] & 15 == CLOSE, frames
    return struct.unpack(">H", closes[0][:2])[0], closes[0][2:].decode()


def test_messages_go_both_ways(sockets, echo, loop, token):
    async def talk():
        async with connect(sockets, token=token, subprotocols=["v0", "v1"]) as c:
            assert c.subprotocol == "v1"
            sizes = [0, 1, 125, 126, 1000, 4095, 4096, 4097, 60000, 65531]
            for size in sizes:
                await c.send("x" * size)
                assert await c.recv() == "echo " + "x" * size
                await c.send(b"\xff" * size)
                assert await c.recv() == b"\xff" * size
            await (await c.ping())
            for i in range(500):
                await c.send(str(i))
            for i in range(500):
                assert await c.recv() == f"echo {i}"
        return c.close_code

    assert loop.run(talk()) == 1000
    path, head = echo.heads[-1]
    assert path == "/live"
    assert head["Authorization"].startswith("Bearer ") and token not in head["Authorization"]
    assert head["X-Forwarded-Proto"] == "https" and "Sec-WebSocket-Extensions" not in head


def test_who_may_not_gets_none(sockets, echo):
    before = len(echo.heads)
    for given, status in (({}, 401), ({"token": "e30.e30.e30"}, 401)):
        with contextlib.closing(Raw(sockets, **given)) as c:
            assert c.status == status
    plain = sockets.signed_in(sockets.users["viewer"]).get("/live")
    assert plain.status_code == 426 and plain.headers["upgrade"] == "websocket" and plain.json()["type"].endswith("upgrade-required")
    assert len(echo.heads) == before


def test_what_comes_with_the_handshake_is_looked_at(sockets, echo, token):
    with contextlib.closing(Raw(sockets, token=token, early=frame(TEXT, b"early") + frame(TEXT, b"half")[:4])) as c:
        assert c.status == 101
        assert c.read() == (0x81, b"echo early")
        c.send(frame(TEXT, b"half")[4:])
        assert c.read() == (0x81, b"echo half")
    heard = len(echo.heard)
    with contextlib.closing(Raw(sockets, token=token, early=frame(TEXT, b"unmasked", mask=None))) as c:
        assert close_of(c.ends()) == (1002, "a client's frame is not masked")
    assert len(echo.heard) == heard


@pytest.mark.parametrize(("data", "code"), [
    (b"\xc1\x80\0\0\0\0", 1002),
    (frame(3), 1002),
    (frame(PING, b"x" * 126), 1002),
    (frame(PING, final=False), 1002),
    (frame(0), 1002),
    (frame(TEXT, b"a", final=False) + frame(TEXT, b"b"), 1002),
    (frame(TEXT, b"\xc3\x28"), 1007),
    (frame(TEXT, b"\xed\xa0\x80"), 1007),
    (frame(TEXT, b"\xf0\x9f", final=False) + frame(0, b"\x98"), 1007),
    (frame(CLOSE, b"\x03"), 1002),
    (frame(CLOSE, b"\x03\xed"), 1002),
    (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    (b"\x82\xff\x80\0\0\0\0\0\0\0" + b"\0" * 4, 1002),
    (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + b"\0" * 4, 1009),
    (b"\x82\xff\0\0\0\0\0\x01\0\x01" + b"\0" * 4, 1009),
    (b"\x82\xfe\x00\x7d" + b"\0" * 129, 1002),
    (frame(TEXT, b"x" * 65537), 1009),
    (frame(TEXT, b"x" * 40000, final=False) + frame(0, b"x" * 40000), 1009),
])
def test_what_breaks_the_protocol_is_closed_with_its_code(sockets, echo, token, data, code):
    """Each at once, and byte by byte."""
    for pieces in ([data], [data[i:i + 1] for i in range(min(len(data), 200))] + [data[200:]]):
        heard = len(echo.heard)
        with contextlib.closing(Raw(sockets, token=token)) as c:
            c.send(frame(TEXT, b"before"))
            assert c.read() == (0x81, b"echo before")
            with contextlib.suppress(OSError):
                for piece in pieces:
                    c.send(piece)
            assert close_of(c.ends())[0] == code
        assert len(echo.heard) == heard + 1


def test_fragments_and_control_frames_keep_their_order(sockets, token):
    with contextlib.closing(Raw(sockets, token=token)) as c:
        stream = frame(PING, b"1") + frame(TEXT, b"a\xc3", final=False) + frame(PING, b"2") + frame(0, b"\xa4", final=False) + frame(0, b"c") + frame(PONG)
        for i in range(len(stream)):
            c.send(stream[i:i + 1])
        assert c.read() == (0x8a, b"1")
        assert c.read() == (0x8a, b"2")
        assert c.read() == (0x81, "echo aäc".encode())
        c.send(frame(CLOSE, struct.pack(">H", 3000) + b"done"))
        assert close_of(c.ends()) == (3000, "done")


def test_a_session_that_ends_takes_its_sockets_with_it(sockets, echo, loop):
    user = sockets.add_user("trader")
    tokens = [sockets.login(user) for _ in range(2)]

    async def opened():
        return [await connect(sockets, token=t) for t in tokens]

    first, second = loop.run(opened())
    # Another token of the same session: nothing happens to the socket.
    sockets.client(tokens[0]).post("/api/auth/logout").raise_for_status()

    async def see():
        with pytest.raises(websockets.ConnectionClosed):
            await first.recv()
        await second.send("still here")
        return first.close_code, first.close_reason, await second.recv()

    code, reason, said = loop.run(see(), 5)
    assert (code, said) == (1008, "echo still here") and reason == "Authentication required"
    sockets.aaiti("user", "disable", user.name)

    async def see_second():
        with pytest.raises(websockets.ConnectionClosed):
            await second.recv()
        return second.close_code

    assert loop.run(see_second(), 5) == 1008
    until(lambda: not echo.open, what="the end of the backend's side")


def test_a_policy_that_takes_the_right_away_closes_what_is_open(sockets, loop, token):
    async def opened():
        return await connect(sockets, token=token)

    c = loop.run(opened())
    policy = sockets.home / "policy.yaml"
    text = policy.read_text()
    policy.write_text(text.replace('"GET /live", permission: bots:read', '"GET /live", role: admin'))
    try:
        sockets.aaiti("policy", "reload")

        async def see():
            with pytest.raises(websockets.ConnectionClosed):
                await c.recv()
            return c.close_code, c.close_reason

        assert loop.run(see(), 10) == (1008, "Forbidden")
    finally:
        policy.write_text(text)
        sockets.aaiti("policy", "reload")

    def opens_again():
        with contextlib.closing(Raw(sockets, token=token)) as again:
            return again.status == 101

    until(opens_again, what="the policy as it was")


def ticket_of(client, path="/live"):
    answer = client.post("/aaiti/v1/ws-tickets", json={"path": path})
    assert answer.status_code == 201, answer.text
    assert answer.json()["expiresIn"] == 30
    return answer.json()["ticket"]


def test_a_ticket_opens_one_socket_once_over_all_workers(sockets, echo):
    client = sockets.signed_in(sockets.users["viewer"])

    # Of the second in which the memory was made nobody can tell what was used.
    def opens():
        with contextlib.closing(Raw(sockets, f"/live?ticket={ticket_of(client)}")) as c:
            return c.status == 101

    until(opens, what="a memory of tickets")
    for _ in range(4):
        ticket = ticket_of(client)
        statuses = []
        with contextlib.ExitStack() as stack:
            for _ in range(6):
                statuses.append(stack.enter_context(contextlib.closing(Raw(sockets, f"/live?v=2&ticket={ticket}"))).status)
        assert sorted(statuses) == [101] + [401] * 5
        assert echo.heads[-1][0] == "/live?v=2"
    # Nowhere but where it was given for, and no token.
    ticket = ticket_of(client)
    assert sockets.client().get(f"/api/bots?ticket={ticket}").status_code == 401
    assert sockets.client(ticket).get("/api/bots").status_code == 401
    with contextlib.closing(Raw(sockets, f"/live?ticket={client.headers['Authorization'][7:]}")) as c:
        assert c.status == 401
    assert ticket not in sockets.log()


def test_who_may_not_open_it_gets_no_ticket(sockets):
    client = sockets.signed_in(sockets.users["viewer"])
    for path, status in (("/api/bots", 400), ("/nowhere", 400), ("live", 400), ("/live/../live", 400), ("/live?a=1", 201), ("/" + "x" * 128, 400)):
        assert client.post("/aaiti/v1/ws-tickets", json={"path": path}).status_code == status, path
    assert client.post("/aaiti/v1/ws-tickets", json={}).status_code == 400
    assert sockets.client().post("/aaiti/v1/ws-tickets", json={"path": "/live"}).status_code == 401


def test_a_cookie_opens_one_for_our_own_pages_alone(sockets, token):
    cookie = f"Cookie: __Host-aaiti_session={token}\r\n"
    for origin, status in (("", 403), ("Origin: https://evil.example\r\n", 403), ("Origin: null\r\n", 403),
                           (f"Origin: https://127.0.0.1:{sockets.port}\r\n", 101)):
        with contextlib.closing(Raw(sockets, headers=cookie + origin)) as c:
            assert c.status == status, origin


def test_an_api_key_opens_one_and_ends_it(sockets, loop):
    user = sockets.add_user("viewer")
    made = sockets.aaiti_json("apikey", "add", user.name)
    with contextlib.closing(Raw(sockets, headers=f"X-API-Key: {made['secret']}\r\n")) as c:
        assert c.status == 101
        c.send(frame(TEXT, b"by key"))
        assert c.read() == (0x81, b"echo by key")
        sockets.aaiti("apikey", "revoke", made["key"])
        assert close_of(c.ends()) == (1008, "Authentication required")
    client = sockets.client()
    assert client.post("/aaiti/v1/ws-tickets", json={"path": "/live"}, headers={"X-API-Key": made["secret"]}).status_code == 401


def test_workers_that_end_say_so(sockets, loop, token):
    async def opened():
        return await connect(sockets, token=token)

    c = loop.run(opened())
    os.kill(sockets.pids("nginx: master")[0], signal.SIGHUP)  # as new keys or certificates do

    async def see():
        with pytest.raises(websockets.ConnectionClosed):
            await c.recv()
        return c.close_code, c.close_reason

    assert loop.run(see(), 10) == (1012, "the gateway restarts")
    assert sockets.client().get("/aaiti/health").status_code == 200


@pytest.fixture(scope="module")
def lied_to():
    liar = Liar()
    with contextlib.closing(Gateway(start=False, backend_port=liar.port)) as g:
        add_route(g)
        g.liar = liar
        g.start()
        yield g
    liar.close()


SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize(("answer", "status"), [
    (SWITCHING + b"\r\n", 502),
    (SWITCHING + b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi", 502),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200),
    (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", 400),
    (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", 502),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + SWITCHING + b"\r\n", 502),
])
def test_a_backend_that_lies_opens_none(lied_to, answer, status):
    lied_to.liar.answer, lied_to.liar.hold = answer, True
    with contextlib.closing(Raw(lied_to, token=lied_to.login(lied_to.users["viewer"]))) as c:
        assert c.status == status
        assert b"hi" not in c.buffer or status == 200


def test_a_backend_that_does_not_answer_is_given_up(lied_to):
    lied_to.liar.answer, lied_to.liar.hold = b"", True
    with contextlib.closing(Raw(lied_to, token=lied_to.login(lied_to.users["viewer"]))) as c:
        assert c.status == 504


def test_a_worker_that_is_killed_leaves_others_counts_alone(sockets, token):
    """Its sockets end with it, and are not counted any more."""
    held = [Raw(sockets, token=token) for _ in range(19)]
    try:
        assert all(c.status == 101 for c in held)
        for pid in sockets.pids("nginx: worker"):
            os.kill(pid, signal.SIGKILL)

        admin = sockets.client(sockets.login(sockets.users["admin"]), transport=httpx.HTTPTransport(verify=sockets.trust, retries=5))

        def open_sockets():
            with contextlib.suppress(httpx.TransportError):
                return re.search(r"^aaiti_sockets (\d+)$", admin.get("/aaiti/metrics").text, re.M).group(1)

        until(lambda: open_sockets() == "0", what="the end of what killed workers had open")
        held += [Raw(sockets, token=token) for _ in range(19)]
        assert all(c.status == 101 for c in held)
    finally:
        for c in held:
            c.close()


def test_http2_has_no_sockets(sockets, token):
    with httpx.Client(http2=True, verify=sockets.trust) as client:
        answer = client.get(f"{sockets.url}/live", headers={"Authorization": f"Bearer {token}"})
    assert (answer.http_version, answer.status_code) == ("HTTP/2", 426)
