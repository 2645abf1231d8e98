# SPDX-License-Identifier: Apache-2.0
"""Pages of two other origins in Debian's Chromium (tests/browser/cors.mjs asks, this judges): one is listed, one is not. Both are of the gateway's own
site, 127.0.0.1, so that the browser sends the user's cookie along from either: the worst case."""
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from browser import account, play
from conftest import ROOT, Gateway

DEMO_PAGE = ROOT / "examples/demo-page"
ROUTES = """\
routes:
  - {match: "GET /demo/", ui: page, access: public}
  - {match: "GET /demo/page.js", ui: asset, access: public}
"""
READ = {"type": "cors", "status": 200, "id": True, "limit": True, "retry": False}
THREW = {"threw": "TypeError"}


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.partition("?")[0].strip("/") or "index.html"
        found = (DEMO_PAGE / name).is_file()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html" if name == "index.html" else "text/javascript")
        self.end_headers()
        self.wfile.write((DEMO_PAGE / name).read_bytes() if found else b"")

    def log_message(self, *_):
        pass


def serve_page(gateway):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(gateway.home / "tls/cert.pem", gateway.home / "tls/key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"https://127.0.0.1:{server.server_port}"


@pytest.fixture(scope="module")
def seen():
    gateway = Gateway(start=False)
    listed, listed_origin = serve_page(gateway)
    other, other_origin = serve_page(gateway)
    try:
        policy = gateway.home / "policy.yaml"
        policy.write_text(policy.read_text().replace("routes:\n", ROUTES, 1))
        gateway.settings(more=f'cors: {{origins: ["{listed_origin}"]}}\n')
        gateway.start()
        told = {"url": gateway.url, "listed": listed_origin, "other": other_origin, "user": account(gateway.users["trader"])}
        gateway.backend.forget()
        yield play("cors", told, 60), gateway.backend.received()
    finally:
        gateway.close()
        listed.shutdown()
        other.shutdown()


def test_the_cookie_has_its_flags(seen):
    assert {"name": "__Host-aaiti_session", "httpOnly": True, "secure": True, "sameSite": "Lax"} in seen[0]["cookies"]


def test_a_listed_page_reads_changes_and_learns_why_it_is_refused(seen):
    tries = seen[0]
    assert tries["listed reads"] == READ and tries["listed changes"] == {**READ, "status": 201}
    assert tries["listed is refused"] == {**READ, "status": 403, "limit": False}
    assert tries["listed without the user"]["status"] == 401 and tries["listed without the user"]["id"]


def test_the_demo_page_works_where_it_is_ours_or_listed(seen):
    """Ours asks by cookie alone, with the `Bearer null` of A.A.I.T.I's own frontend; the listed one by its token."""
    ours, listed = seen[0]["own demo page"], seen[0]["listed demo page"]
    assert ours == {"first": "2 bots", "bots": 2, "then": "Momentum is running", "signed": ["Bearer null"], "script": ""}
    assert listed == {**ours, "then": "Momentum is stopped", "signed": ["Bearer eyJh"]}


def test_elsewhere_it_does_not(seen):
    """Though the browser has the user's cookie, and sends it along."""
    assert seen[0]["other demo page"] == {"first": "Not done: Failed to fetch", "bots": 0, "then": "", "signed": [], "script": ""}


@pytest.mark.parametrize("name", ["other reads", "other changes", "other deletes", "null origin"])
def test_of_any_other_the_browser_keeps_the_answer(seen, name):
    assert seen[0][name] == THREW


def test_what_a_browser_sends_without_asking_changes_nothing(seen):
    tries, received = seen
    assert tries["other changes blindly"] == THREW  # Cross-Origin-Resource-Policy: not even that there was an answer
    assert tries["other's image"] == "nothing" and tries["other's form"] == 403
    changes = [r for r in received if r["method"] not in ("GET", "HEAD")]
    assert [r["path"] for r in changes] == ["/api/bots/bot-1/start", "/api/bots/bot-1/stop", "/api/bots"], changes
