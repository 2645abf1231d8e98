# SPDX-License-Identifier: Apache-2.0
"""Keys are exchanged while the gateway runs: no request is refused for it, no killed process leaves a home that cannot start."""
import os
import signal
import time

import httpx
import jwt
import pytest
from conftest import Load, until

ALGORITHMS = ("HS256", "EdDSA")
KEY_FILE = {"HS256": "keys/token.key", "EdDSA": "keys/token-ed25519.key"}
STEPS = 7
TEST_BUILD = "test" in os.environ.get("AAITI_BUILD", "")
NEW_SECRET = "Qx7-vT2_mLs9RbYe4WkZc8HdUa3NfJg6PiKo5"


def gateway_of(make_gateway, algorithm, **options):
    """A gateway whose keys `aaiti init` made for the algorithm."""
    gateway = make_gateway(start=False, **options)
    gateway.settings(more=f"token: {{ algorithm: {algorithm} }}\n")
    gateway.aaiti("init")
    gateway.start()
    return gateway


@pytest.fixture(params=ALGORITHMS)
def own(request, make_gateway):
    return request.param, gateway_of(make_gateway, request.param)


def kid(token):
    return jwt.get_unverified_header(token)["kid"]


def keys(gateway):
    return {k["generation"]: k for k in gateway.aaiti_json("key", "list")["signing"]["keys"]}


def status_of(gateway, token, path="/api/bots"):
    """By a new connection: any worker may take it."""
    return httpx.get(f"{gateway.url}{path}", verify=gateway.trust, headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code


def rotate(gateway, *more, text=None):
    """And waits until the workers of before have ended; with a signing key nobody need do that."""
    before = gateway.pids("nginx: worker")
    done = gateway.aaiti("key", "rotate", *more, text=text)
    until(lambda: not set(before) & set(gateway.pids("nginx: worker")), what="new workers")
    return done


def test_a_rotation_under_load_refuses_nothing(own):
    algorithm, gateway = own
    user = gateway.users["viewer"]
    old, before = gateway.login(user), keys(gateway)

    def ask():
        token = gateway.login(user)
        return kid(token), status_of(gateway, token), status_of(gateway, old)

    with Load(ask, threads=3) as load:
        until(lambda: len(load.ledger) > 3, what="load")
        gateway.aaiti("key", "rotate", "--signing")
        rotated, seen = time.monotonic(), len(load.ledger)
        until(lambda: len(load.ledger) > seen + 12, what="requests after the rotation")
    after = keys(gateway)
    assert {rest for _, (_, *statuses) in load.ledger for rest in statuses} == {200}
    assert {name for began, (name, *_) in load.ledger if began > rotated} == {before["next"]["kid"]}
    assert kid(old) == before["current"]["kid"] == after["previous"]["kid"]
    assert after["current"]["kid"] == before["next"]["kid"]
    assert after["next"]["kid"] not in {k["kid"] for k in before.values()}
    inspected = gateway.aaiti("token", "inspect", text=old + "\n", check=False)
    assert inspected.returncode == 0, inspected.stdout + inspected.stderr
    assert jwt.get_unverified_header(old)["alg"] == algorithm


def test_a_second_rotation_waits_for_the_old_tokens_or_ends_them(own):
    _, gateway = own
    user = gateway.users["viewer"]
    first = gateway.login(user)
    rotate(gateway, "--signing")
    second = gateway.login(user)
    refused = gateway.aaiti("key", "rotate", "--signing", check=False)
    assert refused.returncode == 1 and keys(gateway)["previous"]["until"] in refused.stderr, refused.stderr
    assert status_of(gateway, first) == status_of(gateway, second) == 200
    rotate(gateway, "--signing", "--force")
    third = gateway.login(user)
    until(lambda: {status_of(gateway, first) for _ in range(8)} == {401}, what="the end of the first key in every worker")
    assert status_of(gateway, second) == status_of(gateway, third) == 200


@pytest.mark.skipif(not TEST_BUILD, reason="only test builds can be killed at a step")
@pytest.mark.parametrize("algorithm,step", [("HS256", step) for step in range(STEPS)] + [("EdDSA", step) for step in (2, 4)])  # the steps are the same ones
def test_control_killed_in_the_middle_of_a_rotation(make_gateway, algorithm, step):
    gateway = gateway_of(make_gateway, algorithm, environment={"AAITI_TEST_KILL_AT_KEY_STEP": str(step)})
    user = gateway.users["viewer"]
    old, before = gateway.login(user), keys(gateway)
    control = gateway.pids("control --home")
    with Load(lambda: status_of(gateway, old), threads=2) as load:
        gateway.aaiti("key", "rotate", "--signing", check=False)
        until(lambda: gateway.pids("control --home") not in ([], control), what="another control")
        until(lambda: gateway.aaiti("health", check=False).returncode == 0, what="health")
    assert {status for _, status in load.ledger} == {200}
    after = keys(gateway)
    assert kid(old) in {k["kid"] for k in after.values()}
    assert after["current"]["kid"] in {before["current"]["kid"], before["next"]["kid"]}
    assert "next" in after
    for _ in range(4):
        assert status_of(gateway, gateway.login(user)) == 200
    gateway.stop()
    gateway.start()
    assert status_of(gateway, old) == 200
    assert keys(gateway) == after


# ---- public keys ----


def key_set(gateway):
    return gateway.client().get("/aaiti/jwks.json")


def test_another_program_verifies_by_the_published_keys(make_gateway):
    gateway = gateway_of(make_gateway, "EdDSA")
    answer = key_set(gateway)
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert answer.headers.get_list("cache-control") == ["public, max-age=300"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    published = jwt.PyJWKSet.from_dict(answer.json())
    assert {k.key_id for k in published.keys} == {keys(gateway)[g]["kid"] for g in ("current", "next")}
    rotate(gateway, "--signing")
    token = gateway.login(gateway.users["trader"])  # by a key that was published before it signed
    claims = jwt.decode(token, published[kid(token)].key, algorithms=["EdDSA"], issuer="aaiti-api", audience="aaiti-client")
    assert claims["role"] == "trader"
    assert not any("d" in k for k in answer.json()["keys"])
    until(lambda: len(key_set(gateway).json()["keys"]) == 3, what="all three public keys")


def test_of_a_secret_nothing_is_published(gateway):
    assert key_set(gateway).json() == {"keys": []}


def test_no_token_chooses_its_algorithm(make_gateway):
    gateway = gateway_of(make_gateway, "EdDSA")
    good = gateway.login(gateway.users["admin"])
    claims = jwt.decode(good, options={"verify_signature": False})
    public = key_set(gateway).json()["keys"][0]
    header = {"typ": "at+jwt", "kid": kid(good)}
    texts = [public["x"], jwt.utils.base64url_decode(public["x"]).decode("latin-1")]
    forged = [jwt.encode(claims, text, algorithm="HS256", headers=header) for text in texts]
    forged.append(jwt.encode(claims, (gateway.home / "keys/token.key").read_text().strip(), algorithm="HS256", headers=header))
    forged.append(jwt.encode(claims, None, algorithm="none", headers=header))
    assert {status_of(gateway, token) for token in forged} == {401}
    assert status_of(gateway, good) == 200


def test_workers_hold_no_private_key(make_gateway):
    """Nginx starts again without the seeds: it never needs them."""
    gateway = gateway_of(make_gateway, "EdDSA")
    token, path = gateway.login(gateway.users["viewer"]), gateway.home / KEY_FILE["EdDSA"]
    seed = path.read_text()
    path.unlink()
    before = gateway.pids("nginx: worker")
    os.kill(gateway.pids("nginx: master")[0], signal.SIGHUP)
    until(lambda: not set(before) & set(gateway.pids("nginx: worker")), what="new workers")
    assert status_of(gateway, token) == 200
    path.write_text(seed)
    path.chmod(0o600)


# ---- whose the keys are ----


def test_a_key_of_the_users_own_is_not_touched(make_gateway):
    gateway = make_gateway(environment={"JWT_SECRET": NEW_SECRET})
    refused = gateway.aaiti("key", "rotate", "--signing", check=False)
    assert refused.returncode == 1 and "your own" in refused.stderr
    assert NEW_SECRET not in refused.stderr
    assert status_of(gateway, gateway.login(gateway.users["viewer"])) == 200


@pytest.mark.parametrize("arguments", [[], ["--signing", "--upstream"], ["--signing", "--finish"], ["--upstream", "--force"]])
def test_a_rotation_says_of_what(gateway, arguments):
    assert gateway.aaiti("key", "rotate", *arguments, check=False).returncode == 2


def test_changing_the_algorithm_takes_a_restart(make_gateway):
    gateway = make_gateway()
    token = gateway.login(gateway.users["viewer"])
    gateway.settings(more="token: { algorithm: EdDSA }\n")
    gateway.aaiti("init")
    refused = gateway.aaiti("policy", "reload", check=False)
    assert refused.returncode == 1 and "restart" in refused.stderr
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: "takes a restart" in gateway.log(), what="the refusal in the log")
    assert status_of(gateway, token) == 200
    gateway.stop()
    gateway.start()
    assert status_of(gateway, token) == 401
    assert status_of(gateway, gateway.login(gateway.users["viewer"])) == 200


# ---- the upstream's secret ----


def switch_backend(gateway, secret):
    """The backend takes tokens by this secret from now on, and by no other."""
    gateway.backend.secret_file.write_text(secret + "\n")
    gateway.backend.process.send_signal(signal.SIGHUP)


@pytest.fixture
def moving(make_gateway):
    """A gateway whose backend keeps its secret in a file of its own."""
    gateway = make_gateway(start=False)
    gateway.backend.stop()
    secret_file = gateway.directory / "backend-secret"
    secret_file.write_text((gateway.home / "keys/upstream.key").read_text())
    gateway.backend.secret_file = secret_file
    gateway.backend.start()
    gateway.start()
    return gateway


def test_the_upstreams_secret_moves_under_load(moving):
    gateway = moving
    token = gateway.login(gateway.users["trader"])
    bearer = {"Authorization": f"Bearer {token}"}
    sent = []

    def ask():
        name = f"bot-{len(sent)}-{time.monotonic_ns()}"
        sent.append(name)
        with httpx.Client(base_url=gateway.url, verify=gateway.trust, headers=bearer, timeout=10) as c:
            # Every other one is larger than nginx keeps in memory: it is sent again from a file.
            config = {"padding": "x" * (200_000 if len(sent) % 2 else 10)}
            created = c.post("/api/bots", json={"name": name, "strategy_type": "grid", "config": config})
            return created.status_code, c.get("/api/bots").status_code, name

    with Load(ask, threads=3) as load:
        until(lambda: len(load.ledger) > 4, what="load")
        rotate(gateway, "--upstream", text=NEW_SECRET + "\n")
        until(lambda: len(load.ledger) > 12, what="requests by the old secret")
        switch_backend(gateway, NEW_SECRET)
        seen = len(load.ledger)
        until(lambda: len(load.ledger) > seen + 12, what="requests by the new secret")
        rotate(gateway, "--upstream", "--finish")
        seen = len(load.ledger)
        until(lambda: len(load.ledger) > seen + 12, what="requests after the end")
    assert {(created // 100, read) for _, (created, read, _) in load.ledger} == {(2, 200)}
    assert (gateway.home / "keys/upstream.key").read_text().strip() == NEW_SECRET
    assert not (gateway.home / "keys/upstream.key.next").exists()
    # Each was carried out once, however often it was sent.
    listed = httpx.get(f"{gateway.url}/api/bots", verify=gateway.trust, headers=bearer, params={"limit": 10000}).text
    for _, (_, _, name) in load.ledger:
        assert listed.count(f'"{name}"') == 1, name


def test_two_refused_secrets_are_a_502_and_no_loop(moving):
    gateway = moving
    token = gateway.login(gateway.users["trader"])
    rotate(gateway, "--upstream", text=NEW_SECRET + "\n")
    stranger = gateway.add_user("trader", upstream_id="nobody-there")
    gateway.backend.forget()
    assert status_of(gateway, gateway.login(stranger)) == 502
    assert len([r for r in gateway.backend.received() if r["path"] == "/api/bots"]) == 2
    assert status_of(gateway, token) == 200


def test_what_cannot_be_staged(moving):
    gateway = moving
    home = gateway.home
    rows = {
        "short": "shorter than",
        (home / "keys/upstream.key").read_text(): "current one",
        (home / "keys/token.key").read_text(): "equals a signing key",
        (home / "keys/token.key.next").read_text(): "equals a signing key",
        "\n": "empty",
    }
    for secret, why in rows.items():
        refused = gateway.aaiti("key", "rotate", "--upstream", text=secret, check=False)
        assert refused.returncode in (1, 2) and why in refused.stderr, refused.stderr
        assert secret.strip() == "" or len(secret) < 10 or secret.strip() not in refused.stderr
    assert gateway.aaiti("key", "rotate", "--upstream", "--finish", check=False).returncode == 1
    assert [k["generation"] for k in gateway.aaiti_json("key", "list")["upstream"]["keys"]] == ["current"]
    secret_file = gateway.directory / "next-secret"
    secret_file.write_text(NEW_SECRET + "\n")
    gateway.aaiti("key", "rotate", "--upstream", "--file", secret_file)
    assert [k["generation"] for k in gateway.aaiti_json("key", "list")["upstream"]["keys"]] == ["current", "next"]
    assert NEW_SECRET not in gateway.log()
