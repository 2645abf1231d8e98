# SPDX-License-Identifier: Apache-2.0
"""Other proxies in front, which ask the gateway about each request: those of examples/forward-auth, as they stand there but for ports and paths."""
import contextlib
import http.client
import json
import subprocess

import httpx
import pytest
from conftest import ROOT, Gateway, end, free_port, until

EXAMPLES = ROOT / "examples/forward-auth"
TRUSTING = "trusted_proxies: [127.0.0.1/32]\nverify_proxies: [127.0.0.1/32]\n"


@pytest.fixture(scope="module")
def trusting():
    with contextlib.closing(Gateway(more=TRUSTING)) as gateway:
        yield gateway


def adapted(name, gateway, port):
    text = (EXAMPLES / name).read_text()
    for old, new in (("127.0.0.1:8080", f"127.0.0.1:{port}"), ("127.0.0.1:8443", f"127.0.0.1:{gateway.port}"),
                     ("127.0.0.1:5000", f"127.0.0.1:{gateway.backend.port}"), ("/var/lib/aaiti/tls", str(gateway.home / "tls"))):
        assert old in text, f"{name} does not say {old}"
        text = text.replace(old, new)
    return text


def nginx(gateway, port, directory):
    inner = adapted("nginx.conf", gateway, port)
    temporary = "".join(f"{n}_temp_path {directory}/{n};\n" for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    file = directory / "nginx.conf"
    file.write_text(f"daemon off;\nuser root;\npid {directory}/pid;\nerror_log {directory}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{inner}}}\n")
    return ["/usr/sbin/nginx", "-e", str(directory / "error.log"), "-c", str(file)]


def caddy(gateway, port, directory):
    file = directory / "Caddyfile"
    file.write_text(adapted("Caddyfile", gateway, port))
    return ["/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config", str(file)]


def is_open(port):
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/aaiti/health").status_code == 200
    return False


@pytest.fixture(scope="module", params=[nginx, caddy], ids=["nginx", "caddy"])
def proxy(request, trusting, tmp_path_factory):
    """The address of another proxy before the gateway and the backend."""
    port, directory = free_port(), tmp_path_factory.mktemp(request.param.__name__)
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen(request.param(trusting, port, directory), stdout=log, stderr=log, cwd=directory,
                                   env={"HOME": str(directory), "PATH": "/usr/bin:/bin"})
    try:
        until(lambda: is_open(port), what="the proxy")
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process, 15)


@pytest.fixture(scope="module")
def tokens(trusting):
    return {role: trusting.login(user) for role, user in trusting.users.items()}


def ask(proxy, method, path, token=None, **headers):
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return httpx.request(method, proxy + path, headers={k.replace("_", "-"): v for k, v in headers.items()}, json={} if method == "POST" else None)


def last(gateway):
    received = gateway.backend.received()
    gateway.backend.forget()
    return received[-1]


def test_who_may_reaches_the_backend_with_its_credential(proxy, trusting, tokens):
    trusting.backend.forget()
    assert ask(proxy, "GET", "/api/bots?x=1", tokens["viewer"], cookie="theme=dark").status_code == 200
    seen = last(trusting)
    headers = {k.lower(): v for k, v in seen["headers"]}
    assert (seen["path"], seen["query"]) == ("/api/bots", "x=1")
    assert headers["authorization"].startswith("Bearer ") and tokens["viewer"] not in str(seen)
    assert headers["x-aaiti-user"] == "viewer" and headers["x-aaiti-role"] == "viewer"
    assert headers["cookie"] == "theme=dark"


def test_our_cookie_and_the_key_stay_behind(proxy, trusting, tokens):
    trusting.backend.forget()
    assert ask(proxy, "GET", "/api/bots", cookie=f"a=1; __Host-aaiti_session={tokens['viewer']}").status_code == 200
    seen = last(trusting)
    assert tokens["viewer"] not in str(seen) and "a=1" in str(seen)
    key = trusting.aaiti_json("apikey", "add", "viewer")["secret"]
    assert ask(proxy, "GET", "/api/bots", x_api_key=key).status_code == 200
    assert key not in str(last(trusting))


@pytest.mark.parametrize("method,path,role,status", [
    ("GET", "/api/bots", None, 401), ("GET", "/api/bots", "nonsense", 401), ("POST", "/api/bots", "viewer", 403), ("GET", "/api/nothing", "admin", 403),
    ("GET", "/api/%62ots", "admin", 403), ("GET", "/aaiti%2fhealth", "admin", 400)])
def test_others_do_not(proxy, trusting, tokens, method, path, role, status):
    trusting.backend.forget()
    assert ask(proxy, method, path, role and tokens.get(role, role)).status_code == status
    assert trusting.backend.received() == []


def test_the_client_is_given_the_id_that_tells_why(proxy, trusting, tokens):
    refused = ask(proxy, "POST", "/api/bots", tokens["viewer"])
    assert refused.status_code == 403
    assert "NO_PERMISSION" in trusting.aaiti("explain", refused.headers["x-request-id"], check=False).stdout
    assert len(ask(proxy, "GET", "/api/bots", tokens["viewer"]).headers.get_list("x-request-id")) <= 1


def test_a_client_cannot_say_what_it_asked_for(proxy, trusting, tokens):
    trusting.backend.forget()
    lies = {"x_forwarded_method": "GET", "x_forwarded_uri": "/api/bots", "x_forwarded_host": "evil.example", "x_original_uri": "/api/bots"}
    assert ask(proxy, "POST", "/api/bots", tokens["viewer"], **lies).status_code == 403
    assert trusting.backend.received() == []
    assert ask(proxy, "GET", "/api/bots", tokens["viewer"], x_aaiti_user="admin", x_aaiti_role="admin").status_code == 200
    seen = last(trusting)
    assert "admin" not in {v for k, v in seen["headers"] if k.lower().startswith("x-aaiti")}


def test_nor_by_names_that_some_servers_read_as_others(proxy, trusting, tokens):
    trusting.backend.forget()
    lies = {"X_AAITI_User": "liar", "X_Forwarded_For": "198.51.100.9", "authorization": f"Bearer {tokens['viewer']}"}
    assert httpx.get(proxy + "/api/bots", headers=lies).status_code == 200
    assert not [name for name, _ in last(trusting)["headers"] if "_" in name]
    assert ask(proxy, "GET", "/api/bots", tokens["viewer"], x_http_method_override="DELETE").status_code in {400, 403}
    assert trusting.backend.received() == []


@pytest.mark.parametrize("path", ["/aaiti/verify", "/aaiti/verify?x=1", "/aaiti/%76erify", "/aaiti/./verify", "//aaiti/verify", "/api/auth/../../aaiti/verify"])
def test_no_client_asks_for_the_backends_credential(proxy, tokens, path):
    lies = {"x-forwarded-method": "GET", "x-forwarded-uri": "/api/bots", "x-forwarded-for": "198.51.100.7", "authorization": f"Bearer {tokens['viewer']}"}
    connection = http.client.HTTPConnection(httpx.URL(proxy).host, httpx.URL(proxy).port, timeout=20)  # sends the path as it is
    with contextlib.closing(connection):
        connection.request("GET", path, headers=lies)
        answer = connection.getresponse()
        assert answer.status in {400, 403, 404} and answer.getheader("authorization") is None


def test_the_gateways_own_calls_go_to_it(proxy, trusting):
    user = trusting.users["viewer"]
    answer = httpx.post(proxy + "/api/auth/login", json={"username": user.name, "password": user.password})
    assert answer.status_code == 200 and ask(proxy, "GET", "/api/bots", answer.json()["token"]).status_code == 200


def test_a_press_refuses_what_opens_risk_and_lets_positions_be_closed(proxy, trusting, tokens):
    trusting.aaiti("panic")
    try:
        trusting.backend.forget()
        assert ask(proxy, "POST", "/api/bots/bot-1/start", tokens["trader"]).status_code == 403
        assert trusting.backend.received() == []
        assert ask(proxy, "POST", "/api/bots/bot-1/stop", tokens["trader"]).status_code == 200
    finally:
        trusting.aaiti("resume")


# ---- the conversation itself, with the fields that Traefik sends ----

def verify(gateway, method="GET", uri="/api/bots", token=None, **more):
    headers = {"x-forwarded-method": method, "x-forwarded-uri": uri, "x-forwarded-host": "bots.example", "x-forwarded-proto": "https",
               "x-forwarded-for": "198.51.100.7", "x-forwarded-port": "443", "x-forwarded-server": "t", **more}
    if token:
        headers["authorization"] = f"Bearer {token}"
    return gateway.client().get("/aaiti/verify", headers=headers)


def test_what_the_answers_say(trusting, tokens):
    good = verify(trusting, token=tokens["viewer"])
    assert good.status_code == 200 and good.content == b"" and good.headers["x-aaiti-user"] == "viewer" and good.headers["cookie"] == ""
    nobody = verify(trusting)
    assert (nobody.status_code, nobody.headers["x-aaiti-status"], nobody.headers["www-authenticate"]) == (401, "401", "Bearer")
    trusting.aaiti("panic", "--group", "bots", "--for", "60s")
    try:
        held = verify(trusting, "POST", "/api/bots/bot-1/start", tokens["trader"])
        assert (held.status_code, held.headers["x-aaiti-status"], held.json()["type"]) == (403, "503", "urn:aaiti:problem:risk-off")
        assert int(held.headers["retry-after"]) <= 60
    finally:
        trusting.aaiti("resume", "--group", "bots")


def test_what_was_let_through_is_in_the_trail_as_that(trusting, tokens):
    answer = verify(trusting, "POST", "/api/bots/bot-1/stop", tokens["trader"])
    assert answer.status_code == 200

    def row():
        lines = trusting.aaiti("--json", "audit", "search", "--outcome", "verified").stdout.splitlines()
        return [r for r in map(json.loads, lines) if r["requestId"] == answer.headers["x-request-id"]]

    [found] = until(row, what="the row")
    assert found["action"] == "bot_stopped" and found["address"] == "198.51.100.7"


def test_strangers_are_not_answered(gateway):
    token = gateway.login(gateway.users["viewer"])
    answer = verify(gateway, token=token)
    assert answer.status_code == 403 and "authorization" not in answer.headers
