# SPDX-License-Identifier: Apache-2.0
"""The page of the panic button: as it is served, and in Debian's Chromium (tests/browser/panic.mjs plays the scenes, this judges them)."""
import base64
import hashlib
import re

import pytest
from browser import account, play
from conftest import ROOT

COMMON_POLICY = "default-src 'none'; frame-ancestors 'none'"


def hash_of(page, element):
    inside, = re.findall(f"<{element}>(.*?)</{element}>", page, re.S)
    return f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'"


# ---- as it is served ----

def test_it_may_run_its_own_script_and_nothing_else(gateway):
    answer = gateway.client().get("/aaiti/panic")
    assert answer.status_code == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers.get_list("content-security-policy") == [
        f"default-src 'none'; script-src {hash_of(answer.text, 'script')}; style-src {hash_of(answer.text, 'style')}; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"]
    assert answer.headers["cache-control"] == "no-store" and answer.headers["x-frame-options"] == "DENY"
    assert "set-cookie" not in answer.headers


def test_no_other_answer_has_its_policy(gateway, tokens):
    client = gateway.client(tokens["viewer"])
    for path in ("/", "/aaiti/health", "/api/bots", "/aaiti/panic/", "/aaiti/panic/x", "/aaiti/v1/sessions"):
        assert client.get(path).headers.get_list("content-security-policy") == [COMMON_POLICY], path


def test_head_and_other_methods(gateway):
    head = gateway.client().head("/aaiti/panic")
    assert head.status_code == 200 and head.content == b"" and int(head.headers["content-length"]) > 1000
    assert gateway.client().post("/aaiti/panic").status_code == 403


def test_another_site_cannot_press_it_by_the_cookie(gateway, tokens):
    cookie = {"Cookie": f"__Host-aaiti_session={tokens['admin']}"}
    for foreign in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {}):
        answer = gateway.client().post("/aaiti/v1/mode", headers={**cookie, **foreign}, json={"mode": "stopped"})
        assert answer.status_code == 403 and answer.json()["type"] == "urn:aaiti:problem:cross-site", foreign
    assert gateway.client(tokens["viewer"]).get("/aaiti/v1/mode").json()["mode"] == "off"


# ---- in a browser ----

@pytest.fixture(scope="module")
def seen(gateway):
    shots = ROOT / "build/screenshots"
    shots.mkdir(parents=True, exist_ok=True)
    told = {"url": gateway.url, "shots": str(shots),
            "users": {role: account(user) for role, user in gateway.users.items()}}
    yield play("panic", told, 90)
    gateway.client(gateway.login(gateway.users["admin"])).post("/aaiti/v1/mode", json={"mode": "off"})


SCENES = ("a wrong password", "a trader stops new risk", "a trader may not lift", "a viewer may not stop, in the dark", "an administrator lifts",
          "signing out ends the session", "control is down, then the network", "markup from the gateway")


@pytest.fixture
def scene(seen):
    def of(name):
        assert "error" not in seen[name], seen[name]
        return seen[name]
    return of


@pytest.mark.parametrize("name", SCENES)
def test_nothing_is_wrong_on_the_console_and_nothing_comes_from_elsewhere(scene, name):
    assert scene(name)["faults"] == [] and scene(name)["elsewhere"] == []


@pytest.mark.parametrize("name", SCENES)
def test_fingers_and_eyes_can_use_it(scene, name):
    for looks in (*scene(name)["looks"], *([scene(name)["asked"]] if "asked" in scene(name) else [])):
        assert looks == {"wide": False, "small": [], "nameless": [], "faint": []}


def test_each_scene_is_judged(seen):
    assert tuple(seen) == SCENES


def test_a_wrong_password_is_told_in_words(scene):
    s = scene("a wrong password")
    assert s["said"] == "The user name or the password is wrong." and not s["desk"] and s["focus"] == "password"


def test_a_trader_stops_new_risk_and_everybody_can_read_why(scene, gateway):
    s = scene("a trader stops new risk")
    assert s["before"] == s["escaped"] == "Mode: off" and s["after"] == "Mode: risk-off"
    assert "<b>rates</b> jump" in s["entries"] and gateway.users["trader"].name in s["entries"] and "until it is lifted" in s["entries"]


def test_the_token_is_kept_nowhere(scene):
    s = scene("a trader stops new risk")
    assert s["kept"] == 0 and s["cookies"] == 0


def test_who_may_not_is_told_so_and_nothing_changes(scene):
    lifted = scene("a trader may not lift")
    assert lifted["said"].startswith("You may not do this.") and lifted["after"] == "Mode: risk-off"
    stopped = scene("a viewer may not stop, in the dark")
    assert stopped["said"].startswith("You may not do this.") and stopped["before"] == stopped["after"] == "Mode: risk-off"


def test_an_administrator_lifts_it(scene):
    assert scene("an administrator lifts")["after"] == "Mode: off" and scene("an administrator lifts")["entries"] == ""


def test_signing_out_ends_the_session(scene):
    assert scene("signing out ends the session")["status"] == 401 and scene("signing out ends the session")["said"] == ""


def test_what_does_not_answer_is_told_in_words(scene):
    s = scene("control is down, then the network")
    assert "control plane does not answer" in s["down"] and "aaiti panic" in s["down"]
    assert s["stale"].startswith("This may be out of date.") and "Try again" in s["gone"]


def test_what_the_gateway_sends_is_text(scene):
    s = scene("markup from the gateway")
    assert s["elements"] == 0 and s["title"] == "Emergency stop" and "<img" in s["mode"]
