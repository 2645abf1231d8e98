# SPDX-License-Identifier: Apache-2.0
"""Guessing what one does not have: passwords, keys, tokens."""
import base64
import collections
import concurrent.futures
import json
import queue
import secrets
import threading
import time

from rig import PROXY, Client, attack, check, counted, pause, random_text, together, until

ATTEMPTS = 5  # of one address, or of one address at one account
ANONYMOUS_BUDGET = 100
SIGN_IN_BUDGET = 300
SPRAYED, SPRAYERS = 10_000, 16
SPRAY = "Summer-2026!"
GUESSERS, CROWD, GUESS_SECONDS = 60, 120, 20
OWNER_SECONDS = 3
DEVICE = "aaiti_device"


def spray(gateway, address, names, found):
    """Eight sign-ins on the way at a time, over one connection; goes on when it is refused."""
    counts = collections.Counter()
    with Client(gateway.endpoint(), address, {"Content-Type": "application/json"}, timeout=90) as client:
        while names:
            batch = [names.pop() for _ in range(min(8, len(names)))]
            bodies = [json.dumps({"username": name, "password": SPRAY}).encode() for name in batch]
            answers = client.raw([client.head("POST", "/api/auth/login", {}, body) for body in bodies])
            counts.update(answer.status for answer in answers)
            found += [name for name, answer in zip(batch, answers) if answer.status == 200]
            names += batch[len(answers):]
    return counts


@attack(f"one password for {SPRAYED:,} accounts from {SPRAYERS} addresses; three accounts have it",
        f"no address tries more than {ATTEMPTS}; it is told to the operator; the bot is served and a stranger elsewhere signs in meanwhile")
def spraying(world):
    gateway = world.gateway()
    weak = [gateway.add_user("viewer") for _ in range(3)]
    for user in weak:
        gateway.aaiti("user", "passwd", user.name, "--password-stdin", text=SPRAY + "\n")
    names = [f"user{n}" for n in range(SPRAYED - len(weak))] + [user.name for user in weak]
    secrets.SystemRandom().shuffle(names)
    addresses = world.addresses(SPRAYERS)
    found = []
    began = time.monotonic()
    with world.served(gateway) as bot, concurrent.futures.ThreadPoolExecutor(SPRAYERS) as pool:
        work = [pool.submit(spray, gateway, address, names[n::SPRAYERS], found) for n, address in enumerate(addresses)]
        own = gateway.add_user("viewer")
        signed_in_after = sign_in_seconds(gateway, world.address(), own)
        counts = sum((done.result() for done in work), collections.Counter())
    took = time.monotonic() - began
    check(sum(counts.values()) >= SPRAYED, f"sent {counted(counts)}")
    check(counts[401] + len(found) <= ATTEMPTS * SPRAYERS, f"tried {counts[401]}: {counted(counts)}")
    check(set(counts) <= {200, 401, 429, 0}, counted(counts))
    told = until(lambda: gateway.aaiti("audit", "search", "--action", "login_spraying", "--json").stdout, what="the record of spraying").splitlines()
    check(signed_in_after < 10, f"a stranger's sign-in meanwhile took {signed_in_after:.1f} s")
    return (f"{counts[401] + len(found)} tried, {len(found)} found, {counts[429]:,} refused within {took:.0f} s; recorded {len(told)} times; "
            f"another signed in after {signed_in_after:.1f} s; {bot['figures']}")


def sign_in_seconds(gateway, address, user, **headers):
    with Client(gateway.endpoint(), address) as client:
        answer = client.sign_in(user.name, user.password, **headers)
    check(answer.status == 200, f"{user.name} from {address}: {answer.status} {answer.body[:200]}")
    return answer.seconds


@attack(f"{GUESSERS} addresses guess at one account for {GUESS_SECONDS} s, none more than four times, while its owner signs in every second from a known device",
        f"the owner is never refused and never waits more than {OWNER_SECONDS} s; a stranger's guess waits")
def distributed_guessing(world):
    gateway = world.gateway()
    user, home = gateway.add_user("trader"), world.address()
    sign_in_seconds(gateway, home, user)
    stop = time.monotonic() + GUESS_SECONDS
    counts, lock = collections.Counter(), threading.Lock()
    guesses = queue.SimpleQueue()
    for address in world.addresses(GUESSERS) * (ATTEMPTS - 1):
        guesses.put(address)

    def guess():
        while time.monotonic() < stop and not guesses.empty():
            with Client(gateway.endpoint(), guesses.get(), timeout=60) as client:
                answer = client.sign_in(user.name, random_text(12))
            with lock:
                counts[answer.status] += 1

    owner = []
    with concurrent.futures.ThreadPoolExecutor(GUESSERS) as pool:
        work = [pool.submit(guess) for _ in range(GUESSERS)]
        while time.monotonic() < stop:
            owner.append(sign_in_seconds(gateway, home, user))
            pause(max(0, 1 - owner[-1]))
        for done in work:
            done.result()
    check(max(owner) <= OWNER_SECONDS, f"the owner waited {max(owner):.1f} s; guesses {counted(counts)}")
    check(not counts[200] and counts[401], counted(counts))
    return f"{counted(counts)}; the owner signed in {len(owner)} times, after {max(owner):.1f} s at most"


def verdicts_in_turn(gateway, address, steps):
    """Statuses of sign-ins one after another over one connection: each (name, password)."""
    with Client(gateway.endpoint(), address, timeout=60) as client:
        return [client.sign_in(*step).status for step in steps]


@attack(f"{CROWD} addresses at once sign in as ever other people for {GUESS_SECONDS} s, so that all hashing is theirs, while an owner signs in every second from a known device",
        f"the owner is never refused and never waits more than {OWNER_SECONDS} s")
def hashing_used_up(world):
    gateway = world.gateway()
    user, home = gateway.add_user("trader"), world.address()
    sign_in_seconds(gateway, home, user)
    stop, owner = time.monotonic() + GUESS_SECONDS, []

    def crowd(address):
        counts = collections.Counter()
        while time.monotonic() < stop:
            with Client(gateway.endpoint(), address, timeout=60) as client:
                counts[client.sign_in(random_text(8), random_text(12)).status] += 1
        return counts
    with concurrent.futures.ThreadPoolExecutor(CROWD) as pool:
        work = [pool.submit(crowd, address) for address in world.addresses(CROWD)]
        while time.monotonic() < stop:
            owner.append(sign_in_seconds(gateway, home, user))
            pause(max(0, 1 - owner[-1]))
        counts = sum((done.result() for done in work), collections.Counter())
    check(max(owner) <= OWNER_SECONDS, f"the owner waited {max(owner):.1f} s; the others {counted(counts)}")
    check(set(counts) <= {401, 429, 503}, counted(counts))
    return f"the others: {counted(counts)}; the owner signed in {len(owner)} times, after {max(owner):.1f} s at most"


@attack("an attacker shows the cookie of a device that is known for his own account, as it is and beside another, and one with a bit changed, while he guesses at another's that is under attack",
        "it is known for no other account: his guess waits as long as any stranger's; the owner's own device does not wait")
def foreign_device(world):
    gateway = world.gateway()
    victim, own = gateway.add_user("trader"), gateway.add_user("viewer")
    cookies = {}
    for user in (victim, own):
        with Client(gateway.endpoint(), world.address()) as client:
            answer = client.sign_in(user.name, user.password)
        cookies[user] = next(line.split(";")[0] for line in answer.headers["set-cookie"].split("\n") if DEVICE in line)

    def guess(cookie, password=None):
        with Client(gateway.endpoint(), world.address(), timeout=60) as client:
            return client.sign_in(victim.name, password or random_text(12), **({"Cookie": cookie} if cookie else {}))
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(guess, [None] * ATTEMPTS))
        good = cookies[victim]
        changed = good[:-8] + ("A" if good[-8] != "A" else "B") + good[-7:]
        foreign = list(pool.map(guess, [cookies[own], changed]))
        both = guess(f"{cookies[own]}; {good}").status
        owner = guess(good, victim.password)
    waited = min(answer.seconds for answer in foreign)
    check({answer.status for answer in foreign} == {401} and waited > 4, f"{[(a.status, round(a.seconds, 1)) for a in foreign]}")
    check(both == 400, f"two of these cookies: {both}")
    check(owner.status == 200 and owner.seconds < OWNER_SECONDS, f"the owner's device: {owner.status} after {owner.seconds:.1f} s")
    return f"his guesses waited {waited:.1f} s or more; the owner's device, from an address that nobody knew, {owner.seconds:.1f} s"


@attack("an attacker signs in to an account of his own between any two guesses at another's", f"his own successes wash nothing clean: at most {ATTEMPTS} are tried")
def hiding_behind_good_sign_ins(world):
    gateway = world.gateway()
    victim, own = gateway.add_user("trader"), gateway.add_user("viewer")
    steps = [step for _ in range(8) for step in ((victim.name, random_text(12)), (own.name, own.password))]
    statuses = verdicts_in_turn(gateway, world.address(), steps)
    guesses = collections.Counter(statuses[0::2])
    check(guesses[401] <= ATTEMPTS and set(guesses) <= {401, 429}, f"guesses: {counted(guesses)}")
    check(guesses[429], "he was never refused")
    return f"guesses: {counted(guesses)}"


@attack("the same account spelled in many ways: upper case, e-mail address, spaces, full-width letters; from one address, with the password at the end",
        f"at most {ATTEMPTS} are tried")
def spellings(world):
    gateway = world.gateway()
    victim = gateway.add_user("trader")
    name = victim.name
    spelled = [name, name.upper(), name.capitalize(), victim.email, victim.email.upper(), f" {name}", f"{name} ", f"{name}\u0000", f"{name}\u200b",
               "".join(chr(ord(c) + 0xfee0) for c in name), f"{name}@", f"{name}\t"]
    statuses = verdicts_in_turn(gateway, world.address(), [(one, random_text(12)) for one in spelled] + [(name, victim.password)])
    counts = collections.Counter(statuses)
    check(counts[401] <= ATTEMPTS and not counts[200], counted(counts))
    return counted(counts)


@attack("sign-ins by the trusted proxy, each from another address of one IPv6 /64, each with another account", f"they are one client's: at most {ATTEMPTS} are tried")
def sign_ins_from_one_network_of_ipv6(world):
    gateway, counts = world.gateway(), collections.Counter()
    net = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}"
    with Client(gateway.endpoint(), PROXY, timeout=60) as client:
        for n in range(20):
            counts[client.sign_in(f"six{n}", SPRAY, **{"X-Forwarded-For": f"{net}::{secrets.token_hex(2)}:{n:x}"}).status] += 1
    check(counts[401] <= ATTEMPTS and set(counts) <= {401, 429}, counted(counts))
    return counted(counts)


@attack("guesses at one account from ever new addresses, five by its name and five by its e-mail address, in upper case and lower case by turns",
        "however it is written, a further guess waits as long as any may")
def spellings_from_everywhere(world):
    gateway = world.gateway()
    victim = gateway.add_user("trader")

    def guess(name):
        with Client(gateway.endpoint(), world.address(), timeout=60) as client:
            return client.sign_in(name, random_text(12))
    written = [[one, one.upper(), one.title()] for one in (victim.name, victim.email)]
    with concurrent.futures.ThreadPoolExecutor(2 * ATTEMPTS) as pool:
        list(pool.map(guess, [one[n % 3] for n in range(ATTEMPTS) for one in written]))
        further = list(pool.map(guess, written[0] + written[1]))
    waited = min(answer.seconds for answer in further)
    check({answer.status for answer in further} == {401} and waited > 4, f"{[(a.status, round(a.seconds, 1)) for a in further]}")
    return f"each further guess waits {waited:.1f} s or more"


def forged(token):
    """As who holds a token of his own might try."""
    head, claims, signature = token.split(".")
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=="))

    def encoded(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    admin = encoded({**decoded, "role": "admin", "sub": random_text(16)})
    yield f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{admin}."
    yield f"{head}.{admin}.{signature}"
    yield f"{head}.{claims}.{random_text(43)}"
    yield f"{encoded({'alg': 'HS512', 'typ': 'JWT'})}.{claims}.{signature}"
    yield f"{encoded({'alg': 'EdDSA', 'typ': 'JWT', 'kid': 'x' * 100})}.{claims}.{signature}"
    yield f"{head}.{claims}.{signature[:-1]}"
    yield "x" * 3000


def guess_credentials(world, count, headers_of):
    """As fast as one address can over four connections; (what was answered, figures of the bot)."""
    gateway, address = world.gateway(), world.address()
    gateway.backend.forget()

    def some(batches):
        with Client(gateway.endpoint(), address, timeout=60) as client:
            return collections.Counter(answer.status for _ in range(batches)
                                       for answer in client.many([("GET", "/api/analytics/portfolio", headers_of()) for _ in range(20)]))
    with world.served(gateway) as bot, concurrent.futures.ThreadPoolExecutor(4) as pool:
        counts = together(pool, some, [count // 80 + 1] * 4)
    arrived = [r for r in gateway.backend.received() if r["path"].endswith("/portfolio")]
    check(not arrived, f"{len(arrived)} reached the backend")
    check(set(counts) <= {0, 401, 429} and counts[429], counted(counts))
    check(counts[401] <= ANONYMOUS_BUDGET + 10, f"{counts[401]} were looked at: {counted(counts)}")
    return f"{counted(counts)}; {bot['figures']}"


@attack("2,000 API keys guessed from one address, in X-API-Key and as Bearer", f"none opens anything; after {ANONYMOUS_BUDGET} the address is refused unheard")
def api_keys(world):
    def headers():
        key = f"aak_{secrets.token_hex(4)}_{random_text(43)}"
        return {"X-API-Key": key} if secrets.randbelow(2) else {"Authorization": f"Bearer {key}"}
    return guess_credentials(world, 2000, headers)


@attack("2,000 tokens forged from a good one (no algorithm, other algorithms, other claims, other signatures) from one address",
        f"none opens anything; after {ANONYMOUS_BUDGET} the address is refused unheard")
def tokens(world):
    gateway = world.gateway()
    shapes = list(forged(world.token(gateway, gateway.users["viewer"])))
    return guess_credentials(world, 2000, lambda: {"Authorization": f"Bearer {secrets.choice(shapes)}"})


@attack("1,000 Basic credentials guessed from one address", f"none opens anything; after {ANONYMOUS_BUDGET} the address is refused unheard")
def basic(world):
    name = world.gateway().users["admin"].name
    return guess_credentials(world, 1000, lambda: {"Authorization": "Basic " + base64.b64encode(f"{name}:{random_text(9)}".encode()).decode()})


@attack("1,000 refresh tokens that nobody was given, from one address, by body and by cookie", f"none is taken; no more than {SIGN_IN_BUDGET} are looked at")
def refresh_tokens(world):
    gateway, address = world.gateway(), world.address()
    counts = collections.Counter()
    with world.served(gateway) as bot, Client(gateway.endpoint(), address, timeout=60) as client:
        for n in range(50):
            requests = []
            for _ in range(20):
                token = random_text(43 if n % 2 else 64)
                body = json.dumps({"refreshToken": token}).encode()
                cookie = {"Cookie": f"__Secure-aaiti_refresh={token}"} if n % 5 == 0 else {}
                requests.append(client.head("POST", "/api/auth/refresh", {"Content-Type": "application/json", **cookie}, body))
            counts.update(answer.status for answer in client.raw(requests))
    check(set(counts) <= {0, 400, 401, 403, 429} and counts[429], counted(counts))
    check(sum(counts.values()) - counts[429] - counts[0] <= SIGN_IN_BUDGET, counted(counts))
    return f"{counted(counts)}; {bot['figures']}"


@attack("a machine's key is stolen: from another address than it is good from, beyond its scopes, in the query string, twice at once, and after it was revoked, over a connection that stays open",
        "it opens nothing that it was not made for; revoked, it opens nothing within 500 ms")
def stolen_key(world):
    gateway, home = world.gateway(), world.address()
    user = gateway.add_user("trader")
    made = gateway.aaiti_json("apikey", "add", user.name, "--scope", "bots:read", "--from", f"{home}/32")
    key = {"X-API-Key": made["secret"]}
    with Client(gateway.endpoint(), home, key) as own, Client(gateway.endpoint(), world.address(), key) as thief:
        check(own.get("/api/bots").status == 200, "the machine itself is refused")
        check(thief.get("/api/bots").status == 401, "from elsewhere")
        check(own.ask("POST", "/api/bots/bot-1/start", {}, b"").status == 403, "beyond its scopes")
        check(own.get("/api/bots", Authorization="Bearer x").status in (400, 401), "beside another credential")
        asked = collections.Counter(client.get(f"/api/bots?api_key={made['secret']}&apiKey={made['secret']}", **{"X-API-Key": ""}).status for client in (own, thief))
        check(set(asked) <= {400, 401}, f"in the query: {counted(asked)}")
        gateway.aaiti("apikey", "revoke", made["id"])
        began = time.monotonic()
        served = 0
        while time.monotonic() - began < 1:
            if own.get("/api/bots").status == 200:
                served = time.monotonic() - began
    check(served < 0.5, f"it was served {served:.1f} s after it was revoked")
    return f"refused each time; the last answer {1e3 * served:.0f} ms after it was revoked"
