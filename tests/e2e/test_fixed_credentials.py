# SPDX-License-Identifier: Apache-2.0
"""Backends that want Basic or a fixed header: a credential of theirs may be short, and still no client sees or replaces it."""
import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

KINDS = {
    "basic": ("{basic: {key_file: keys/upstream.key}}", "bot:pw1", "Authorization", "Basic " + base64.b64encode(b"bot:pw1").decode()),
    "header": ("{header: {name: X-Backend-Key, key_file: keys/upstream.key}}", "k-1", "X-Backend-Key", "k-1"),
}


class FixedBackend:
    """Answers 200 to the one credential that it knows, 401 to every other; keeps the headers of each request."""

    def __init__(self, header, value):
        self.received = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.received.append(self.headers)
                self.send_response(200 if self.headers.get_all(header) == [value] else 401)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(params=KINDS)
def fixed(request, make_gateway):
    credential, secret, header, value = KINDS[request.param]
    backend = FixedBackend(header, value)
    request.addfinalizer(backend.close)
    gateway = make_gateway(start=False)
    settings = (gateway.home / "gateway.yaml").read_text()
    (gateway.home / "gateway.yaml").write_text(settings.replace(f":{gateway.backend.port}", f":{backend.server.server_port}"))
    (gateway.home / "keys/upstream.key").write_text(secret + "\n")
    (gateway.home / "policy.yaml").write_text(f"""\
upstream: {{url: "http://127.0.0.1:1", credential: {credential}}}
auth: {{login: POST /api/auth/login}}
roles: {{admin: {{permissions: ["*"]}}, trader: {{permissions: ["bots:read"]}}, viewer: {{permissions: []}}}}
routes:
  - {{match: GET /api/bots, permission: "bots:read"}}
  - {{match: GET /api/open, access: public}}
""")
    gateway.start()
    return gateway, backend, header, value


def test_the_backend_gets_its_own_credential_and_nobody_elses(fixed):
    gateway, backend, header, value = fixed
    token = gateway.login(gateway.users["trader"])
    assert gateway.client(token).get("/api/bots", headers={"X-Backend-Key": "of the client"}).status_code == 200
    assert gateway.client(gateway.login(gateway.users["viewer"])).get("/api/bots").status_code == 403
    assert gateway.client().get("/api/bots").status_code == 401
    [seen] = backend.received
    assert seen.get_all(header) == [value]
    assert token not in str(seen)


def test_a_client_cannot_present_it_in_the_gateways_place(fixed):
    """Where nobody is signed in the backend gets no credential at all, least of all the client's."""
    gateway, backend, header, value = fixed
    gateway.client().get("/api/open", headers={header: value})
    assert all(seen.get_all(header) != [value] for seen in backend.received)


def test_a_wrong_one_is_a_502_and_is_told_without_being_shown(fixed):
    gateway, backend, header, value = fixed
    token = gateway.login(gateway.users["trader"])
    gateway.stop()
    (gateway.home / "keys/upstream.key").write_text("not:that-one\n")
    gateway.start()
    before = len(gateway.log())
    assert gateway.client(token).get("/api/bots").status_code == 502
    assert "UPSTREAM_CREDENTIAL" in gateway.log()[before:] or "upstream" in gateway.log()[before:].lower()
    assert "that-one" not in gateway.log()


def test_one_that_would_break_the_request_is_refused_at_the_start(fixed):
    gateway, _, header, _ = fixed
    gateway.stop()
    (gateway.home / "keys/upstream.key").write_text("bot:pw\r\nX-User-Role: admin\n")
    done = gateway.aaiti("config", "check", check=False)
    assert done.returncode == 1 and "upstream key" in done.stderr and "X-User-Role" not in done.stderr
