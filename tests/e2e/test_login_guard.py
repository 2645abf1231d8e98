# SPDX-License-Identifier: Apache-2.0
"""Who is held up at signing in, for how long, and who never is. Clients of all the world come by X-Forwarded-For of a trusted proxy."""
import contextlib
import itertools
import json
import threading
import time
from pathlib import Path

import httpx
import pytest
from conftest import Gateway, Load, until

LOCK_S = 15 * 60
TRUSTED = "trusted_proxies: [127.0.0.1/32]\n"
ADDRESSES = itertools.count(1)


def guarded(make_gateway, **login):
    """As shipped, but for the delays, and before it a proxy that is believed."""
    values = {"delay": "0ms", "delay_max": "0ms", **login}
    settings = "".join(f"  {key}: {value}\n" for key, value in values.items())
    return make_gateway(login=settings, more=TRUSTED)


@pytest.fixture(scope="module")
def world():
    """One gateway for the tests that need no settings of their own: addresses and users are each test's own."""
    with contextlib.closing(Gateway(login="  delay: 0ms\n  delay_max: 0ms\n", more=TRUSTED)) as gateway:
        yield gateway


def fresh_address():
    n = next(ADDRESSES)
    return f"198.18.{n // 250}.{n % 250 + 1}"


def attempt(gateway, address, name, password="wrong", cookie=None, **more):
    headers = {"X-Forwarded-For": address, **({"Cookie": cookie} if cookie else {})}
    return gateway.client(**more).post("/api/auth/login", json={"username": name, "password": password}, headers=headers)


def told(answer):
    """What a client is told, but for what differs each time."""
    body = answer.json()
    body.pop("instance", None)
    return answer.status_code, json.dumps(body, sort_keys=True), sorted(answer.headers)


def test_exactly_five_failures_lock_the_login_route_and_nothing_else(world):
    user, address = world.add_user("trader"), fresh_address()
    token = world.login(user)
    for _ in range(5):
        assert attempt(world, address, user.name).status_code == 401
    locked = attempt(world, address, user.name)
    assert locked.status_code == 429
    assert locked.headers["content-type"] == "application/problem+json"
    assert locked.json()["error"] == "Too many failed attempts, try again in 15 minutes"
    assert LOCK_S - 30 < int(locked.headers["retry-after"]) <= LOCK_S
    # The right password does not open it, and asking does not extend it.
    again = attempt(world, address, user.name, user.password)
    assert again.status_code == 429 and int(again.headers["retry-after"]) <= int(locked.headers["retry-after"])
    headers = {"X-Forwarded-For": address, "Authorization": f"Bearer {token}"}
    assert world.client().get("/api/bots", headers=headers).status_code == 200


def test_nobody_locks_the_owner_out_from_elsewhere(world):
    user = world.add_user("trader")
    for _ in range(4):
        address = fresh_address()
        while attempt(world, address, user.name).status_code == 401:
            pass
    assert attempt(world, fresh_address(), user.name, user.password).status_code == 200


def test_one_good_login_hides_nobody(world):
    victim, attacker, address = world.add_user("trader"), world.add_user("trader"), fresh_address()
    statuses = []
    for _ in range(6):
        statuses.append(attempt(world, address, victim.name).status_code)
        statuses.append(attempt(world, address, attacker.name, attacker.password).status_code)
    assert statuses[::2] == [401] * 5 + [429]
    assert statuses[1:9:2] == [200] * 4 and statuses[9] == 429


def test_words_tell_nothing_of_who_there_is(world):
    user = world.add_user("trader")
    answers = {}
    for name in (user.name, user.email, "nobody-at-all"):
        address = fresh_address()
        answers[name] = [told(attempt(world, address, name)) for _ in range(7)]
    assert answers[user.name] == answers[user.email] == answers["nobody-at-all"]
    assert [a[0] for a in answers[user.name]] == [401] * 5 + [429] * 2


def test_an_ipv6_client_has_as_many_attempts_as_its_64(world):
    n = next(ADDRESSES)
    statuses = [attempt(world, f"2001:db8:{n:x}:1::{i + 1:x}", f"user-{i}").status_code for i in range(6)]
    assert statuses == [401] * 5 + [429]
    assert attempt(world, f"2001:db8:{n:x}:2::1", "user-7").status_code == 401


def test_delays_grow_and_an_account_under_attack_asks_strangers_for_the_longest(make_gateway):
    """No client here waits as long as the longest: who is answered was not asked for it."""
    gateway = guarded(make_gateway, delay="100ms", delay_max="15s")
    user = gateway.users["trader"]

    answer = attempt(gateway, "192.0.2.1", user.name, user.password)
    device = answer.headers.get_list("set-cookie")
    device = next(c for c in device if c.startswith("__Secure-aaiti_device="))
    assert all(part in device for part in ("Path=/api/auth/login", "Secure", "HttpOnly", "SameSite=Strict", f"Max-Age={90 * 86400}"))
    device = device.split(";")[0]
    for delay_s in (0, 0.1, 0.2, 0.4, 0.8):
        began = time.monotonic()
        assert attempt(gateway, "198.51.100.1", user.name).status_code == 401
        assert time.monotonic() - began >= delay_s

    def waits(*arguments, **more):
        with pytest.raises(httpx.ReadTimeout):
            attempt(gateway, *arguments, timeout=httpx.Timeout(20, read=1), **more)

    waits("203.0.113.1", user.name, user.password)
    assert attempt(gateway, "203.0.113.2", user.name, user.password, cookie=device, timeout=12).status_code == 200
    assert attempt(gateway, "192.0.2.1", user.name, user.password, timeout=12).status_code == 200
    other = gateway.users["viewer"]
    for n in range(5):
        assert attempt(gateway, f"198.51.100.{n + 10}", other.name).status_code == 401
    waits("203.0.113.3", other.name, other.password, cookie=device)  # another's cookie


def test_no_number_of_strangers_keeps_a_known_device_from_its_hash(make_gateway):
    """More of them than there are places, each from an address of its own."""
    gateway = guarded(make_gateway, queue=8, queue_per_address=2)
    user = gateway.users["trader"]
    answer = attempt(gateway, "192.0.2.1", user.name, user.password)
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("__Secure-aaiti_device=")).split(";")[0]
    n = itertools.count(1)
    lock = threading.Lock()

    def spray():
        with lock:
            i = next(n)
        with contextlib.suppress(httpx.TimeoutException):  # hashing gives way to all else on the machine
            return attempt(gateway, f"198.51.{i // 250}.{i % 250 + 1}", f"user-{i}").status_code
        return None

    with Load(spray, threads=16) as load:
        until(lambda: any(status == 503 for _, status in list(load.ledger)), 30, "a full queue")
        statuses = [attempt(gateway, "203.0.113.77", user.name, user.password, cookie=cookie).status_code for _ in range(8)]
    assert statuses == [200] * 8


def test_spraying_is_slowed_and_told_of(world):
    """One address against many accounts: five are looked at, and the trail tells once, whatever goes on."""
    address = fresh_address()
    with world.client() as client:
        statuses = [client.post("/api/auth/login", json={"username": f"spray-{n}", "password": "Password1!"}, headers={"X-Forwarded-For": address}).status_code
                    for n in range(200)]
    assert statuses == [401] * 5 + [429] * 195
    rows = [json.loads(line) for line in world.aaiti("--json", "audit", "search", "--action", "login_spraying", "--address", address).stdout.splitlines()]
    causes = {row["details"]["cause"]: row for row in rows}
    assert len(causes) == len(rows) and "address" in causes, rows
    row = causes["address"]
    suspects = world.aaiti("block", "list").stdout
    assert any(address in line and "suspect" in line for line in suspects.splitlines()), suspects
    assert row["severity"].lower() == "high" and row["details"]["accounts"] >= 20 and row["details"]["attempts"] >= row["details"]["accounts"]


def test_an_operator_sees_and_clears(world):
    user, address = world.add_user("trader"), fresh_address()
    for _ in range(5):
        attempt(world, address, user.name)
    mine = [x for x in world.aaiti_json("lockout", "list") if x["address"] == address]
    assert {x["scope"] for x in mine} == {"address", "pair"} and all(x["state"] == "locked" for x in mine)
    assert {x["user"] for x in mine} == {None, user.name}
    delayed = [x for x in world.aaiti_json("lockout", "list") if x["user"] == user.name and x["scope"] == "account"]
    assert [x["state"] for x in delayed] == ["delayed"]
    assert address in world.aaiti("lockout", "list").stdout
    assert world.aaiti_json("lockout", "clear", "--address", address)["cleared"] == 2
    assert attempt(world, address, user.name, user.password).status_code == 200
    world.aaiti("lockout", "clear", "--user", user.name)
    assert not [x for x in world.aaiti_json("lockout", "list") if x["user"] == user.name]


def test_rights_of_the_lockout_calls(world):
    clients = {role: world.client(world.login(world.users[role])) for role in ("admin", "viewer")}
    assert clients["admin"].get("/aaiti/v1/lockouts").status_code == 200
    assert clients["viewer"].get("/aaiti/v1/lockouts").status_code == 403
    assert clients["viewer"].delete("/aaiti/v1/lockouts?address=192.0.2.1").status_code == 403
    assert clients["admin"].delete("/aaiti/v1/lockouts?address=192.0.2.1").json() == {"cleared": 0}
    assert clients["admin"].delete("/aaiti/v1/lockouts?address=x").status_code == 400


def test_an_old_password_a_code_and_a_refresh_token_cannot_be_tried_for_ever(world):
    user, address = world.add_user("trader"), fresh_address()
    client = world.signed_in(user)
    here = {"X-Forwarded-For": address}
    change = {"currentPassword": "not it", "newPassword": "Another-Pass-7!"}
    statuses = [client.put("/aaiti/v1/password", json=change, headers=here).status_code for _ in range(6)]
    assert statuses == [403] * 5 + [429]
    reset = {"code": "x" * 22, "newPassword": "Another-Pass-7!"}
    assert [world.client().post("/aaiti/v1/password/reset", json=reset, headers=here).status_code for _ in range(6)] == [403] * 5 + [429]
    refresh = {"refreshToken": "y" * 43}
    assert [world.client().post("/api/auth/refresh", json=refresh, headers=here).status_code for _ in range(6)] == [401] * 5 + [429]
    # None of that is a sign-in.
    assert attempt(world, address, user.name, user.password).status_code == 200


def test_a_reload_forgets_nothing(world):
    address = fresh_address()
    for _ in range(4):
        assert attempt(world, address, "somebody").status_code == 401
    world.aaiti("policy", "reload")
    assert attempt(world, address, "somebody").status_code == 401
    assert attempt(world, address, "somebody").status_code == 429


def test_the_backend_never_sees_the_device_cookie(world):
    user = world.add_user("trader")
    client = world.signed_in(user)
    world.backend.forget()
    assert client.get("/api/bots", headers={"Cookie": "__Secure-aaiti_device=x; theme=dark"}).status_code == 200
    received = json.dumps(world.backend.received())
    assert "aaiti_device" not in received and "theme=dark" in received


def processor_time(pid):
    """In clock ticks, of all threads: a busy machine makes everything late, but nothing more work. proc(5), stat."""
    utime, stime = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return int(utime) + int(stime)


def test_time_tells_nothing_of_who_there_is(make_gateway, tmp_path):
    """Without a floor, so that the work itself shows: an unknown name, a user of ours, one imported with bcrypt."""
    from test_login import import_bcrypt_user

    gateway = make_gateway(floor="0ms", login="  delay: 0ms\n  delay_max: 0ms\n  attempts: 10\n")
    import_bcrypt_user(gateway, tmp_path)
    client, (control, *_) = gateway.client(), gateway.pids("control --home")
    work = dict.fromkeys(("nobody-at-all", "trader", "bcrypt-user"), 0)
    for _ in range(9):
        for name in work:  # in turn: what else the machine does meets all alike
            before = processor_time(control)
            assert client.post("/api/auth/login", json={"username": name, "password": "x"}).status_code == 401
            work[name] += processor_time(control) - before
    assert max(work.values()) < 1.6 * min(work.values()), work
