# SPDX-License-Identifier: Apache-2.0
"""What the backend receives: a minted credential, and nothing of the client's."""
import json
import time

import jwt
import pytest


def upstream_key(gateway):
    return (gateway.home / "keys/upstream.key").read_text().rstrip("\n")


def last(gateway):
    return gateway.backend.received()[-1]


def headers_of(received):
    headers = {}
    for name, value in received["headers"]:
        headers.setdefault(name.lower(), []).append(value)
    return headers


@pytest.mark.parametrize("role", ["admin", "trader", "viewer"])
def test_the_backend_gets_a_minted_token_of_the_user(gateway, tokens, role):
    gateway.backend.forget()
    assert gateway.client(tokens[role]).get("/api/bots").status_code == 200
    headers = headers_of(last(gateway))
    [credential] = headers["authorization"]
    minted = credential.removeprefix("Bearer ")
    claims = jwt.decode(minted, upstream_key(gateway), algorithms=["HS256"])
    user = gateway.users[role]
    assert (claims["userId"], claims["username"], claims["role"]) == (user.upstream_id, user.name, role)
    assert 0 < claims["exp"] - time.time() <= 61
    assert minted != tokens[role]


def test_nothing_of_the_clients_credential_arrives(gateway, tokens):
    """Wherever a client may put it."""
    gateway.backend.forget()
    user = gateway.add_user("trader")
    client = gateway.client()
    token = client.post("/api/auth/login", json={"username": user.name, "password": user.password}).json()["token"]
    ours = {cookie.name: cookie.value for cookie in client.cookies.jar}
    assert len(ours) == 3  # session, refresh, device
    extra = {
        "Authorization": f"Bearer {token}", "X-User-Id": "1", "X-User-Role": "admin", "X-AAITI-User": "admin", "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-User": "admin", "X-Forwarded-Proto": "http", "X-Real-IP": "6.6.6.6", "Forwarded": "for=6.6.6.6",
        "Cookie": "; ".join(["theirs=1", *(f"{name}={value}" for name, value in ours.items()), "mine=2"]),
        "Proxy-Authorization": "Basic eDp5",
    }
    assert gateway.client().post("/api/bots/bot-1/start", headers=extra).status_code == 200
    received = last(gateway)
    everything = json.dumps(received)
    assert "6.6.6.6" not in everything
    assert [secret for secret in (token, *ours.values(), *ours) if secret in everything] == []
    headers = headers_of(received)
    assert [h for h in headers if h.startswith(("x-user-", "x-aaiti-"))] == []
    assert "x-forwarded-user" not in headers and "proxy-authorization" not in headers
    cookies = "; ".join(headers.get("cookie", []))
    assert "theirs=1" in cookies and "mine=2" in cookies


def test_the_body_and_query_arrive_unchanged(gateway, tokens):
    gateway.backend.forget()
    body = json.dumps({"name": "ünïcode ✓", "strategy_type": "grid", "description": "x" * 20000}).encode()
    answer = gateway.client(tokens["trader"]).post("/api/bots?a=1&b=%2F&a=2", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201
    received = last(gateway)
    assert received["body"].encode("latin-1") == body
    assert received["query"] == "a=1&b=%2F&a=2"


def test_a_chunked_body_arrives_whole(gateway, tokens):
    gateway.backend.forget()
    parts = [b'{"name": "chunks",', b' "strategy_type": "grid"}']
    assert gateway.client(tokens["trader"]).post("/api/bots", content=iter(parts)).status_code == 201
    assert last(gateway)["body"].encode("latin-1") == b"".join(parts)


def test_a_token_in_the_query_is_no_credential(gateway, tokens):
    assert gateway.client().get("/api/bots", params={"token": tokens["viewer"]}).status_code == 401
    assert gateway.client().get("/api/bots", params={"access_token": tokens["viewer"]}).status_code == 401


def test_a_minted_token_is_not_good_at_the_gateway(gateway, tokens):
    gateway.backend.forget()
    gateway.client(tokens["viewer"]).get("/api/bots")
    [credential] = headers_of(last(gateway))["authorization"]
    assert gateway.client(credential.removeprefix("Bearer ")).get("/api/bots").status_code == 401


def forged(gateway, **changes):
    key = (gateway.home / "keys/token.key").read_text().rstrip("\n")
    token = gateway.login(gateway.users["viewer"])
    claims = jwt.decode(token, options={"verify_signature": False})
    header = jwt.get_unverified_header(token)
    algorithm = changes.pop("alg", "HS256")
    key = changes.pop("key", key)
    header.update(changes.pop("header", {}))
    claims.update(changes)
    claims = {k: v for k, v in claims.items() if v is not None}
    header.pop("alg", None)
    return jwt.encode(claims, key, algorithm=algorithm, headers=header)


FORGERIES = {
    "no signature": {"alg": "none", "key": None},
    "another key": {"key": "x" * 64},
    "HS384": {"alg": "HS384"},
    "expired": {"exp": 1},
    "no expiry": {"exp": None},
    "not yet": {"nbf": 4_000_000_000},
    "another issuer": {"iss": "evil"},
    "another audience": {"aud": "evil"},
    "no session": {"sid": None},
    "no jti": {"jti": None},
    "another session": {"sid": "018f0000-0000-7000-8000-000000000000"},
    "another user": {"sub": "018f0000-0000-7000-8000-000000000000"},
    "type JWT": {"header": {"typ": "JWT"}},
    "another kid": {"header": {"kid": "0123456789abcdef"}},
    "critical extension": {"header": {"crit": ["x"], "x": 1}},
}


def test_the_forger_can_make_a_good_token(gateway):
    """Else the rows below would prove nothing."""
    assert gateway.client(forged(gateway)).get("/api/bots").status_code == 200


@pytest.mark.parametrize("changes", FORGERIES.values(), ids=FORGERIES.keys())
def test_forged_tokens_are_refused(gateway, changes):
    gateway.backend.forget()
    assert gateway.client(forged(gateway, **dict(changes))).get("/api/bots").status_code == 401
    assert gateway.backend.received() == []


def test_the_role_of_the_token_does_not_count(gateway):
    """Rights come from the live user, even when the token with our own key says otherwise."""
    assert gateway.client(forged(gateway, role="admin")).post("/api/bots/bot-1/start").status_code in (401, 403)


def test_a_401_of_the_backend_to_our_credential_is_a_502(gateway):
    """The backend knows no such user: its 401 speaks of our credential, not of the client's."""
    user = gateway.add_user("trader", upstream_id="99999999-9999-4999-8999-999999999999")
    before = len(gateway.log())
    answer = gateway.signed_in(user).get("/api/bots")
    assert answer.status_code == 502
    assert answer.headers["content-type"] == "application/problem+json"
    assert "UPSTREAM_CREDENTIAL" in gateway.log()[before:] or "credential" in gateway.log()[before:]
    told = gateway.aaiti_json("explain", answer.json()["instance"])
    assert (told["reason"], told["stage"], told["route"]) == ("UPSTREAM_CREDENTIAL", None, "GET /api/bots")
    assert answer.headers["X-Request-Id"] in answer.json()["instance"]


def test_a_user_without_an_id_there_is_told_so(gateway):
    user = gateway.add_user("trader", upstream_id="")
    gateway.backend.forget()
    answer = gateway.signed_in(user).get("/api/bots")
    assert answer.status_code == 403 and answer.json()["type"].endswith("no-upstream-identity")
    assert gateway.backend.received() == []
    gateway.aaiti("user", "set", user.name, "--upstream-id", gateway.spare_ids.pop())
    assert gateway.signed_in(user).get("/api/bots").status_code == 200


def test_answers_of_the_backend_pass_but_for_its_own_headers(gateway, tokens):
    answer = gateway.client(tokens["trader"]).post("/api/bots", json={"name": "no strategy"})
    assert answer.status_code == 400 and answer.json() == {"error": "strategy_type is required"}
    assert gateway.client(tokens["trader"]).get("/api/bots/none").status_code == 404


def test_a_backend_that_is_down_is_a_502(make_gateway):
    gateway = make_gateway()
    client = gateway.signed_in(gateway.users["trader"])
    gateway.backend.stop()
    answer = client.get("/api/bots")
    assert answer.status_code in (502, 504) and answer.headers["content-type"] == "application/problem+json"
    assert client.get("/api/users").status_code == 403
    gateway.backend.start()
    assert client.get("/api/bots").status_code == 200
