# SPDX-License-Identifier: Apache-2.0
"""The id of a refused request: nothing to a stranger, an explanation to the operator."""
import base64
import hmac
import re
import secrets
import signal
import struct
import time
import uuid
from datetime import datetime

import pytest
from conftest import until
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

URN = "urn:aaiti:request:"
LENGTH = 96
MASK = (1 << 64) - 1
MARK_KEY = (0x6161697469206964, 0x206F662061206E61)


def siphash(text, key=MARK_KEY):
    """SipHash-2-4 by its paper, not by our code."""
    v = [key[0] ^ 0x736F6D6570736575, key[1] ^ 0x646F72616E646F6D, key[0] ^ 0x6C7967656E657261, key[1] ^ 0x7465646279746573]

    def rotate(x, n):
        return (x << n | x >> (64 - n)) & MASK

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & MASK
            v[2] = (v[2] + v[3]) & MASK
            v[1], v[3] = rotate(v[1], 13) ^ v[0], rotate(v[3], 16) ^ v[2]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[1]) & MASK
            v[0] = (v[0] + v[3]) & MASK
            v[1], v[3] = rotate(v[1], 17) ^ v[2], rotate(v[3], 21) ^ v[0]
            v[2] = rotate(v[2], 32)

    data = text.encode()
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def mark(text):
    return siphash(text) & 0xFFFFFFFF


def open_by_hand(key, sealed):
    """As src/pipeline/request_id.h has it. The key's text without the newline is the key."""
    raw = base64.urlsafe_b64decode(sealed)
    assert len(raw) == 72
    request, nonce, text = raw[:16], raw[16:28], raw[28:]
    hour = int.from_bytes(request[:6], "big") // 3_600_000
    derived = hmac.digest(key, b"aaiti request id, AES-256-GCM key of an hour" + hour.to_bytes(8, "big"), "sha256")
    plain = AESGCM(derived).decrypt(nonce, text, request)
    return uuid.UUID(bytes=request), plain[0], int.from_bytes(plain[1:4], "big"), struct.unpack(">6I", plain[4:])


def refused(answer):
    """The id of a refusal, which header and body agree on."""
    assert answer.status_code >= 400, answer.text
    sealed = answer.headers["X-Request-Id"]
    assert answer.json()["instance"] == URN + sealed
    assert re.fullmatch(rf"[A-Za-z0-9_-]{{{LENGTH}}}", sealed)
    return sealed


def explain(gateway, sealed):
    return gateway.aaiti_json("explain", sealed)


def told(gateway, sealed):
    return gateway.aaiti("explain", sealed, check=False).returncode == 0


SIGNED_IN = "Authorization"
# method, path, who, headers; and what the operator is to be told.
ROWS = [
    ("GET", "/api/bots", None, {}, dict(status=401, reason="ANONYMOUS", stage="access", route="GET /api/bots", permission="bots:read")),
    ("POST", "/api/bots", "viewer", {}, dict(status=403, reason="NO_PERMISSION", stage="access", route="POST /api/bots", permission="bots:write")),
    ("GET", "/api/nothing", "admin", {}, dict(status=403, reason="NO_ROUTE", stage="route", route=None)),
    ("GET", "/api/users/settings", "admin", {}, dict(status=403, reason="ROUTE_DENIED", stage="route", access="deny")),
    ("GET", "/api//bots", None, {}, dict(status=400, reason="BAD_TARGET", stage="route", route=None)),
    ("GET", "/api/bots", None, {SIGNED_IN: "Bearer a.b.c"}, dict(status=401, reason="TOKEN_REFUSED", stage="token", detail=".")),
    ("GET", "/api/bots", None, {SIGNED_IN: "Bearer x"}, dict(status=401, reason="TOKEN_REFUSED", stage="token", detail="three dot")),
    ("POST", "/api/auth/login", None, {"Origin": "https://elsewhere.invalid"},
     dict(status=403, reason="ORIGIN_REFUSED", stage="cors", route=None)),
    ("POST", "/api/auth/login", None, {"Sec-Fetch-Site": "cross-site"},
     dict(status=403, reason="CROSS_SITE", stage="cross-site", detail="foreign origin", access="public")),
]


@pytest.mark.parametrize("method, path, who, headers, told", ROWS, ids=[f"{r[4]['reason']}-{i}" for i, r in enumerate(ROWS)])
def test_each_refusal_explains_itself(gateway, tokens, method, path, who, headers, told):
    began = time.time()
    client = gateway.client(tokens[who] if who else None)
    sealed = refused(client.request(method, path, headers=headers))
    found = explain(gateway, sealed)
    for member in ("status", "reason", "stage", "route"):
        if member in told:
            assert found[member] == told[member], found
    assert found["unknown"] == [] and found["why"]
    assert (found["detail"] is not None) == ("detail" in told) and re.search(told.get("detail", ""), found["detail"] or "")
    if "access" in told:
        assert found["needed"] == {"access": told["access"]}
    if "permission" in told:
        assert found["needed"]["permission"] == told["permission"] and "admin" in found["needed"]["roles"]
    assert found["policy"]["inForce"] is True and found["policy"]["generation"] >= 1
    assert abs(datetime.fromisoformat(found["time"].replace("Z", "+00:00")).timestamp() - began) < 60
    # The log's line has the same id.
    [line] = [line for line in gateway.log().splitlines() if sealed in line and "gw refused" in line]
    assert f"reason={told['reason']}" in line
    words = gateway.aaiti("explain", URN + sealed).stdout
    assert told["reason"] in words and str(told["status"]) in words and "still in force" in words


def test_the_id_is_what_the_description_says(gateway, tokens):
    key = (gateway.home / "keys/request-id.key").read_bytes().removesuffix(b"\n")
    sealed = refused(gateway.client(tokens["viewer"]).post("/api/bots"))
    request, version, generation, marks = open_by_hand(key, sealed)
    found = explain(gateway, sealed)
    assert (version, str(request), generation) == (1, found["requestId"], found["policy"]["generation"])
    assert marks[1:] == (mark("NO_PERMISSION"), mark("access"), 0, mark("POST /api/bots"), mark("bots:write"))
    with pytest.raises(InvalidTag):
        open_by_hand(key + b"x", sealed)


def test_a_stranger_learns_nothing(gateway, tokens):
    """Two refusals of one status differ in nothing but their ids, and those have one length and no part in common."""
    client = gateway.client(tokens["viewer"])
    answers = [client.get("/api/nothing"), client.get("/api/users/settings"), client.post("/api/bots"), client.get("/api/nothing")]
    ids = [refused(a) for a in answers]
    bodies = [{k: v for k, v in a.json().items() if k != "instance"} for a in answers]
    assert all(b == bodies[0] for b in bodies)
    sizes = {(len(a.content), *(k for k in a.headers if k != "date")) for a in answers}
    assert len(sizes) == 1
    tails = [base64.urlsafe_b64decode(i)[16:] for i in ids]
    for i, a in enumerate(tails):
        for b in tails[:i]:
            assert sum(x == y for x, y in zip(a, b)) < 8


def test_what_passes_keeps_a_plain_id(gateway, tokens):
    gateway.backend.forget()
    answer = gateway.client(tokens["viewer"]).get("/api/bots")
    plain = answer.headers["X-Request-Id"]
    assert uuid.UUID(plain).version == 7
    [seen] = gateway.backend.received()
    assert [v for k, v in seen["headers"] if k.lower() == "x-request-id"] == [plain]
    done = gateway.aaiti("explain", plain, check=False)
    assert done.returncode == 1 and "aaiti audit search --request-id" in done.stderr
    # Control's own refusals have one, too.
    told = gateway.client().post("/api/auth/login", json={"username": "nobody", "password": "wrong"}).json()
    assert told["instance"].startswith("urn:uuid:")
    assert gateway.aaiti("explain", told["instance"], check=False).returncode == 1


def test_what_is_no_id_of_ours_is_said_to_be_none(gateway):
    sealed = refused(gateway.client().get("/api/bots"))
    other = "B" if sealed[50] == "A" else "A"
    random = base64.urlsafe_b64encode(b"\1" + secrets.token_bytes(71)).decode()  # no "-" at its start, as no id has
    for forged in (sealed[:50] + other + sealed[51:], random):
        done = gateway.aaiti("explain", forged, check=False)
        assert done.returncode == 1 and "no refusal of this gateway" in done.stderr
    for nonsense in ("x", "", "a/b", "%00", sealed[:-1], sealed + "A", "ü" * 48, "A" * 4000, "../status"):
        done = gateway.aaiti("explain", nonsense, check=False)
        assert done.returncode == 1 and done.stderr.count("\n") == 1 and done.stdout == "", (nonsense, done)
    assert gateway.aaiti("explain", sealed, "--as", "viewer", check=False).returncode == 2
    # Nobody but the operator may ask, and a client's answer tells no more.
    path = f"/aaiti/v1/refusals/{sealed}"
    assert gateway.client().get(path).status_code == 401


def test_admins_may_not_ask_over_the_network(gateway, tokens):
    sealed = refused(gateway.client().get("/api/bots"))
    assert gateway.client(tokens["admin"]).get(f"/aaiti/v1/refusals/{sealed}").status_code == 403


def test_an_id_outlives_its_policy_its_gateway_but_not_its_key(make_gateway):
    gateway = make_gateway()
    client = gateway.client()
    denied, hidden = refused(client.get("/api/bots")), refused(client.get("/api/users/settings"))
    policy = gateway.home / "policy.yaml"
    policy.write_text(re.sub(r"(?m)^.*GET /api/users/settings.*\n", "", policy.read_text()))
    gateway.aaiti("policy", "reload")
    found = explain(gateway, hidden)
    assert (found["policy"]["inForce"], found["route"], found["unknown"]) == (False, None, ["route"])
    assert found["reason"] == "ROUTE_DENIED" and "no longer in force" in gateway.aaiti("explain", hidden).stdout
    # Without its key nothing is told. A reload of the whole makes another one, which nginx takes, too.
    key = gateway.home / "keys/request-id.key"
    before = key.read_bytes()
    key.unlink()
    done = gateway.aaiti("explain", denied, check=False)
    assert done.returncode == 1 and "request-id.key" in done.stderr
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: key.exists() and told(gateway, refused(gateway.client().get("/api/bots"))), what="ids by the new key")
    assert "made a key of request ids" in gateway.log() and key.stat().st_mode & 0o777 == 0o600
    assert key.read_bytes() != before and before.strip().decode() not in gateway.log()
    done = gateway.aaiti("explain", denied, check=False)
    assert done.returncode == 1 and "its key was exchanged" in done.stderr
    listed = gateway.aaiti_json("key", "list")["requestId"]
    assert listed["file"] == str(key) and listed["since"] and "request-id" in gateway.aaiti("key", "list").stdout
    # And without the gateway by the command alone.
    key.write_bytes(before)
    gateway.stop()
    found = explain(gateway, denied)
    assert found["policy"]["inForce"] is None and found["needed"]["permission"] == "bots:read"
    assert "does not run now" in gateway.aaiti("explain", denied).stdout
