# SPDX-License-Identifier: Apache-2.0
"""The gateway's own pages to sign in and out with, and what a browser gets of a backend's pages."""
import html
import re
from urllib.parse import quote

import httpx
import pytest
from browser import account, play
from conftest import Gateway

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode": "navigate"}
BOT = {"name": "b", "strategy_type": "momentum"}
FORM_POLICY = re.compile(r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
PAGE, ADMIN_PAGE = "/api/bots", "/api/analytics/system-info"


def with_pages(gateway):
    """Two of the backend's reads answer a browser."""
    policy = gateway.home / "policy.yaml"
    text = policy.read_text()
    for path in (PAGE, ADMIN_PAGE):
        text, count = re.subn(rf'(match: "GET {path}", )', r"\1ui: page, ", text)
        assert count == 1, path
    policy.write_text(text)


@pytest.fixture(scope="module")
def paged():
    g = Gateway(start=False)
    try:
        with_pages(g)
        g.start()
        yield g
    finally:
        g.close()


@pytest.fixture
def browser(paged):
    """Keeps cookies; follows no redirect."""
    return paged.client()


def own(gateway):
    return {"Origin": gateway.url, "Sec-Fetch-Site": "same-origin", **HTML}


def log_in(gateway, client, user, **more):
    return client.post("/aaiti/login", data={"username": user.name, "password": user.password, **more}, headers=own(gateway))


def csrf_of(page):
    found, = re.findall(r'name="csrf" value="([\w-]{43})"', page)
    return found


# ---- signing in ----

def test_the_form_signs_in_and_leads_back(paged, browser):
    page = browser.get(f"/aaiti/login?next={quote('/api/bots?x=1&y=2', safe='')}", headers=HTML)
    assert page.status_code == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    assert FORM_POLICY.fullmatch(page.headers["content-security-policy"]) and page.headers["cache-control"] == "no-store"
    assert page.headers["x-frame-options"] == "DENY" and "set-cookie" not in page.headers
    target, = re.findall(r'name="next" value="([^"]*)"', page.text)
    answer = log_in(paged, browser, paged.users["trader"], next=html.unescape(target))
    assert answer.status_code == 303 and answer.headers["location"] == "/api/bots?x=1&y=2" and answer.content == b""
    cookies = {c.partition("=")[0]: c for c in answer.headers.get_list("set-cookie")}
    assert set(cookies) == {"__Host-aaiti_session", "__Secure-aaiti_refresh", "__Secure-aaiti_device"}
    session = cookies["__Host-aaiti_session"].split("; ")[1:]
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(session) and not any(a.startswith("Domain") for a in session)
    assert "Path=/aaiti/login" in cookies["__Secure-aaiti_device"]
    assert browser.get(answer.headers["location"], headers=HTML).status_code == 200


@pytest.mark.parametrize("evil", ["//evil.example", "/\\evil.example", "/%2f/evil.example", "/%5cevil.example", "/\t/evil.example", "https:evil.example",
                                  "https://evil.example", "/a\r\nSet-Cookie: a=b", "/aaiti/login?next=/aaiti/login", "javascript:alert(1)", "/" + "a" * 1024])
def test_it_leads_nowhere_else(paged, browser, evil):
    page = browser.get("/aaiti/login", params={"next": evil}, headers=HTML)
    assert 'name="next" value="/"' in page.text
    answer = log_in(paged, browser, paged.users["viewer"], next=evil)
    assert answer.status_code == 303 and answer.headers.get_list("location") == ["/"] and "a" not in answer.cookies


def test_a_failure_is_told_in_the_page_and_in_the_trail(paged, browser):
    """One answer for a wrong password and for a name that nobody has; recorded as that of the JSON call."""
    told = []
    for name in (paged.users["trader"].name, "nobody-has-this"):
        answer = browser.post("/aaiti/login", data={"username": name, "password": "Wrong-1-password", "next": "/api/bots"}, headers=own(paged))
        assert answer.status_code == 401 and FORM_POLICY.fullmatch(answer.headers["content-security-policy"])
        assert "The user name or the password is wrong." in answer.text and "set-cookie" not in answer.headers
        told.append(answer.text.replace(name, "NAME"))
    assert told[0] == told[1] and 'value="/api/bots"' in told[0]


def test_markup_in_what_was_sent_is_text(paged, browser):
    answer = browser.post("/aaiti/login", data={"username": '"><script>x</script>', "password": "x"}, headers=own(paged))
    assert "<script" not in answer.text and "&lt;script&gt;" in answer.text


@pytest.mark.parametrize("foreign", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}])
def test_no_other_page_signs_anybody_in(paged, browser, foreign):
    user = paged.users["viewer"]
    answer = browser.post("/aaiti/login", data={"username": user.name, "password": user.password}, headers={**HTML, **foreign})
    assert answer.status_code == 403 and "Cross-site request refused" in answer.text and "set-cookie" not in answer.headers


def test_what_is_no_form_is_refused(paged, browser):
    for content, kind, status in ((b"{}", "application/json", 415), (b"username=a&username=b&password=c", "application/x-www-form-urlencoded", 400),
                                  (b"username=a&password=b&role=admin", "application/x-www-form-urlencoded", 400),
                                  (b"x" * 70_000, "application/x-www-form-urlencoded", 413)):
        answer = browser.post("/aaiti/login", content=content, headers={"Content-Type": kind, **own(paged)})
        assert answer.status_code == status, content[:40]


# ---- signing out ----

def test_the_button_signs_out(paged, browser):
    log_in(paged, browser, paged.users["viewer"])
    token = browser.cookies["__Host-aaiti_session"]
    page = browser.get("/aaiti/login?next=/api/bots", headers=HTML)
    assert "You are signed in" in page.text and 'href="/api/bots"' in page.text
    assert csrf_of(page.text) == csrf_of(browser.get("/aaiti/logout", headers=HTML).text)
    answer = browser.post("/aaiti/logout", data={"csrf": csrf_of(page.text)}, headers=own(paged))
    assert answer.status_code == 303 and answer.headers["location"] == "/aaiti/logout" and answer.headers["clear-site-data"] == '"storage"'
    assert {c.partition("=")[0] for c in answer.headers.get_list("set-cookie") if "Max-Age=0" in c} == {"__Host-aaiti_session", "__Secure-aaiti_refresh"}
    assert "You are signed out" in browser.get("/aaiti/logout", headers=HTML).text
    assert paged.client(token).get(PAGE).status_code == 401


def test_a_browser_that_says_nothing_of_its_origin_needs_the_token(paged, browser):
    log_in(paged, browser, paged.users["trader"])
    page = browser.get("/aaiti/logout", headers=HTML)
    refused = browser.post("/aaiti/logout", data={"csrf": "x"}, headers=HTML)
    assert refused.status_code == 403 and csrf_of(refused.text) == csrf_of(page.text)
    change = BOT
    assert browser.post("/api/bots", json=change).status_code == 403
    paged.backend.forget()
    assert browser.post("/api/bots", json=change, headers={"X-CSRF-Token": csrf_of(page.text)}).status_code == 201
    assert "x-csrf-token" not in {k.lower() for r in paged.backend.received() for k, _ in r["headers"]}
    foreign = {"X-CSRF-Token": csrf_of(page.text), "Origin": "https://evil.example"}
    assert browser.post("/api/bots", json=change, headers=foreign).status_code == 403
    assert browser.post("/aaiti/logout", data={"csrf": csrf_of(page.text)}, headers={**HTML, "Origin": "https://evil.example"}).status_code == 403
    assert browser.post("/aaiti/logout", data={"csrf": csrf_of(page.text)}, headers=HTML).status_code == 303


def test_the_frontend_that_sends_bearer_null(paged, browser):
    """As A.A.I.T.I's own does: its token is in a key that is never set, and the cookie comes along."""
    log_in(paged, browser, paged.users["trader"])
    for value in ("Bearer null", "Bearer undefined", "Bearer"):
        headers = {"Authorization": value}
        assert browser.get("/api/bots", headers=headers).status_code == 200
        assert browser.post("/api/bots", json=BOT, headers={**headers, "Origin": paged.url}).status_code == 201
        assert browser.put("/api/bots/none", json={"name": "c"}, headers={**headers, "Sec-Fetch-Site": "same-origin"}).status_code == 404  # the backend's
        assert browser.delete("/api/bots/b1", headers=headers).status_code == 403  # a trader may not; it was let in as far as that
    assert httpx.get(f"{paged.url}/api/bots", verify=paged.trust, headers={"Authorization": "Bearer null"}).status_code == 401


# ---- a backend's pages ----

def test_a_browser_is_sent_to_the_login_page_and_a_script_is_not(paged):
    client = paged.client()
    sent = client.get(PAGE + "?x=1", headers=HTML)
    assert sent.status_code == 303 and sent.headers["location"] == "/aaiti/login?next=%2Fapi%2Fbots%3Fx%3D1" and sent.content == b""
    assert "www-authenticate" not in sent.headers and sent.headers["cache-control"] == "no-store"
    assert client.get(PAGE, headers={"Cookie": "__Host-aaiti_session=stale", **HTML}).status_code == 303
    for headers in ({}, {"Accept": "application/json"}, {**HTML, "Sec-Fetch-Mode": "cors"}):
        answer = client.get(PAGE, headers=headers)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer" and answer.json()["error"] == "Authentication required"
    assert client.get("/api/bots/b1", headers=HTML).status_code == 401


def test_who_may_not_sees_a_page_that_says_no_more(paged, browser):
    log_in(paged, browser, paged.users["viewer"])
    answer = browser.get(ADMIN_PAGE, headers=HTML)
    assert answer.status_code == 403 and FORM_POLICY.fullmatch(answer.headers["content-security-policy"])
    assert "<h1>Forbidden</h1>" in answer.text and answer.headers["x-request-id"] in answer.text and "system:read" not in answer.text
    assert browser.get(ADMIN_PAGE).json()["type"] == "urn:aaiti:problem:forbidden"
    assert "system:read" in paged.aaiti("explain", answer.headers["x-request-id"]).stdout


# ---- in a browser ----

@pytest.fixture(scope="module")
def seen(paged):
    told = {"url": paged.url, "user": account(paged.users["viewer"]), "page": PAGE, "forbidden": ADMIN_PAGE}
    return play("login", told, 180, needs="axe-core")


@pytest.fixture
def scene(seen):
    def of(name):
        assert "error" not in seen[name], seen[name]
        return seen[name]
    return of


def test_they_work_without_script(paged, scene):
    s = scene("without script")
    assert s["signedIn"] == 3 and s["left"] == ["__Secure-aaiti_device"] and s["at"] == f"{paged.url}/aaiti/logout"


def test_everybody_can_use_them_in_light_and_dark(scene):
    faults = scene("the pages in light and dark")["seen"]
    assert len(faults) == 12 and faults == {name: [] for name in faults}


def test_the_browser_keeps_the_cookies_from_scripts_and_other_sites(scene):
    s = scene("the pages in light and dark")
    assert s["said"] == "The user name or the password is wrong." and s["kept"] == "" and s["stored"] == 0
    flags = {c["name"]: (c["path"], c["secure"], c["httpOnly"], c["sameSite"]) for c in s["cookies"]}
    assert flags == {"__Host-aaiti_session": ("/", True, True, "Lax"), "__Secure-aaiti_refresh": ("/api/auth/refresh", True, True, "Strict"),
                     "__Secure-aaiti_device": ("/aaiti/login", True, True, "Strict")}


def test_a_second_origin_changes_nothing(paged, scene):
    s = scene("a second origin")
    assert len(s["seen"]) == 6 and all(got["status"] == 403 for got in s["seen"].values()), s["seen"]
    assert s["seen"]["https://127.0.0.1:9443 change"]["cookie"] and not s["seen"]["https://evil.example change"]["cookie"]
    assert s["still"] == f"{paged.url}{PAGE}"
