# SPDX-License-Identifier: Apache-2.0
"""The listener's TLS: two certificates, what is negotiated, resumption, a stapled answer, and certificates that are exchanged under load."""
import base64
import contextlib
import datetime
import http.client
import http.server
import itertools
import json
import re
import select
import signal
import socket
import ssl
import subprocess
import threading
import urllib.parse
from pathlib import Path

import h2.connection
import h2.events
import httpx
import pytest
from conftest import Gateway, Load, free_port, until
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

KEYS = {"ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]}
EXTENSIONS = """\
[authority]
basicConstraints = critical, CA:TRUE
[leaf]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost, DNS:gw.example.com, DNS:other.example.com, IP:127.0.0.1
authorityInfoAccess = OCSP;URI:http://127.0.0.1:{responder}/
"""


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30, **options).stdout.decode(errors="replace")


class Authority:
    """A root of this file's own, what it has signed, and its responder."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir()
        self.port = free_port()
        (self.directory / "extensions").write_text(EXTENSIONS.format(responder=self.port))
        self.key("root", "ec")
        openssl("req", "-x509", "-new", "-key", self.path("root.key"), "-subj", "/CN=e2e root", "-days", "30", "-out", self.path("root.pem"))

    def path(self, name):
        return self.directory / name

    def key(self, name, kind):
        openssl("genpkey", *KEYS[kind], "-out", self.path(f"{name}.key"))

    def sign(self, name, kind, subject="/CN=gw.example.com", extensions="leaf", days=20):
        """Makes NAME.key and NAME.pem, and gives their names."""
        self.key(name, kind)
        openssl("req", "-new", "-key", self.path(f"{name}.key"), "-subj", subject, "-out", self.path(f"{name}.csr"))
        openssl("x509", "-req", "-in", self.path(f"{name}.csr"), "-CA", self.path("root.pem"), "-CAkey", self.path("root.key"),
                "-set_serial", x509.random_serial_number(), "-days", days, "-extfile", self.path("extensions"), "-extensions", extensions, "-out", self.path(f"{name}.pem"))
        with self.path(f"{name}.pem").open("a") as chain:  # stapling needs who has signed it
            chain.write(self.path("root.pem").read_text())
        return self.path(f"{name}.pem"), self.path(f"{name}.key")

    @contextlib.contextmanager
    def responding(self):
        """Says of every certificate that it is good."""
        authority = self

        class Responder(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(base64.b64decode(urllib.parse.unquote(self.path.lstrip("/"))))

            def do_POST(self):
                self.answer(self.rfile.read(int(self.headers["Content-Length"])))

            def answer(self, asked):
                body = authority.answer(asked)
                self.send_response(200)
                self.send_header("Content-Type", "application/ocsp-response")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Responder) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()

    def answer(self, asked):
        root = x509.load_pem_x509_certificate(self.path("root.pem").read_bytes())
        key = serialization.load_pem_private_key(self.path("root.key").read_bytes(), None)
        wanted = ocsp.load_der_ocsp_request(asked).serial_number
        leaf = next(c for c in map(self.leaf, self.path("").glob("*.pem")) if c.serial_number == wanted)
        now = datetime.datetime.utcnow()
        answer = ocsp.OCSPResponseBuilder().add_response(
            cert=leaf, issuer=root, algorithm=hashes.SHA1(), cert_status=ocsp.OCSPCertStatus.GOOD, this_update=now - datetime.timedelta(minutes=5),
            next_update=now + datetime.timedelta(days=1), revocation_time=None, revocation_reason=None)
        return answer.responder_id(ocsp.OCSPResponderEncoding.HASH, root).sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    @staticmethod
    def leaf(file):
        return x509.load_pem_x509_certificate(file.read_bytes())


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("tls") / "authority")
    made.sign("ec", "ec")
    made.sign("rsa", "rsa")
    return made


OWN_TLS = """\
listen_plain: 127.0.0.1:{plain}
tls:
  certificate: tls/ec.pem
  key: tls/ec.key
  second_certificate: tls/rsa.pem
  second_key: tls/rsa.key
  names: [gw.example.com, "other.example.com:8443"]
  acme_dir: {acme}
"""


@pytest.fixture(scope="module")
def own(authority):
    """A gateway with an ECDSA and an RSA certificate, in files that tests may exchange."""
    gateway = Gateway(start=False)
    with contextlib.closing(gateway):
        tls = gateway.home / "tls"
        for name in ("ec.pem", "ec.key", "rsa.pem", "rsa.key"):
            (tls / name).write_text(authority.path(name).read_text())
        gateway.plain_port, acme = free_port(), gateway.directory / "acme/.well-known/acme-challenge"
        acme.mkdir(parents=True)
        gateway.settings(more=OWN_TLS.format(plain=gateway.plain_port, acme=gateway.directory / "acme"))
        gateway.trust = ssl.create_default_context(cafile=authority.path("root.pem"))
        gateway.start()
        yield gateway


def s_client(gateway, *options, text=""):
    """What openssl says of one connection."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port}", *map(str, options)], input=text, text=True, capture_output=True,
                          timeout=30)
    return done.stdout + done.stderr


def fingerprint(file):
    return openssl("x509", "-in", file, "-noout", "-fingerprint", "-sha256").split("=")[1].replace(":", "").strip().lower()


def shown(gateway, *options):
    """The fingerprint of what is shown now."""
    pem = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", s_client(gateway, "-showcerts", *options), re.S)[0]
    return openssl("x509", "-noout", "-fingerprint", "-sha256", input=pem.encode()).split("=")[1].replace(":", "").strip().lower()


def test_each_client_is_shown_the_certificate_that_it_can_check(own, authority):
    ec, rsa = fingerprint(authority.path("ec.pem")), fingerprint(authority.path("rsa.pem"))
    assert shown(own) == ec
    assert shown(own, "-sigalgs", "rsa_pss_rsae_sha256") == rsa
    assert shown(own, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256") == rsa
    assert shown(own, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256") == ec


@pytest.mark.parametrize(("options", "reason"), [
    (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "protocol"), (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"], "handshake failure"),
    (["-tls1_2", "-cipher", "AES128-GCM-SHA256"], "handshake failure"), (["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"], "handshake failure"),
    (["-groups", "P-521"], "handshake failure")])
def test_what_is_weak_is_not_negotiated(own, options, reason):
    said = s_client(own, *options)
    assert reason in said and "Cipher is (NONE)" in said, said


@pytest.mark.parametrize(("options", "taken"), [
    (["-ciphersuites", "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"], "TLS_AES_128_GCM_SHA256"),
    (["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"], "TLS_CHACHA20_POLY1305_SHA256"),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"], "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256"], "ECDHE-ECDSA-CHACHA20-POLY1305")])
def test_the_order_is_ours_but_for_who_has_no_aes(own, options, taken):
    assert f"Cipher is {taken}\n" in s_client(own, *options)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_sessions_are_resumed_by_whichever_worker(own, tmp_path, version):
    """Without tickets: in memory that both workers see. A dozen connections meet both."""
    session, ask = tmp_path / "session", "GET /aaiti/health HTTP/1.0\r\n\r\n"
    s_client(own, version, "-ign_eof", "-sess_out", session, text=ask)
    for _ in range(6):  # of TLS 1.3 each is good for once, and brings the next
        assert "Reused, TLSv1." in s_client(own, version, "-ign_eof", "-sess_in", session, "-sess_out", session, text=ask)


def test_what_the_responder_says_is_stapled(own, authority):
    with authority.responding():
        said = until(lambda: "OCSP Response Status: successful" in (said := s_client(own, "-status")) and said, what="a stapled answer")
    assert "Cert Status: good" in said


def test_own_calls_know_both_certificates(own):
    """The health check and runs of make_safe go through the listener."""
    assert own.aaiti("health").returncode == 0


def put(gateway, authority, name):
    for kind in ("pem", "key"):
        (gateway.home / f"tls/ec.{kind}").write_text(authority.path(f"{name}.{kind}").read_text())


def test_new_certificates_are_taken_up_without_a_failed_request(own, authority):
    for name in ("next", "after"):
        authority.sign(name, "ec")

    def ask():
        """By a connection of its own: one that idles is closed by the workers that end, as the keep-alive time would."""
        try:
            return httpx.get(f"{own.url}/aaiti/health", verify=own.trust, timeout=10).status_code
        except httpx.HTTPError as error:
            return repr(error)

    with Load(ask) as load:
        until(lambda: len(load.ledger) > 4, what="load")
        for name in ("next", "after", "ec"):
            put(own, authority, name)
            assert "shows the certificate" in own.aaiti("cert", "reload").stdout
            assert shown(own) == fingerprint(authority.path(f"{name}.pem"))
            before = len(load.ledger)
            until(lambda: len(load.ledger) > before + 8, what="requests after the exchange")
    assert {status for _, status in load.ledger} == {200}


class Keeper:
    """A client that keeps its connection, and sends again by another where the one that it kept turns out to be closed before any of the answer."""

    def __init__(self, gateway, token):
        self.gateway, self.kept, self.again = gateway, None, 0
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, name):
        while True:
            is_new = self.kept is None
            if is_new:
                self.kept = http.client.HTTPSConnection("127.0.0.1", self.gateway.port, context=self.gateway.trust, timeout=10)
            try:
                self.kept.request("POST", "/api/bots", json.dumps({"name": name, "strategy_type": "momentum"}), self.headers)
                answer = self.kept.getresponse()
                answer.read()
            except (ConnectionError, ssl.SSLError) as error:
                self.kept.close()
                self.kept = None
                if is_new:
                    return repr(error)
                self.again += 1
                continue
            if answer.will_close:
                self.kept = None
            return answer.status

    def is_closed(self):
        return select.select([self.kept.sock], [], [], 0)[0] != []


def test_who_sends_again_on_a_closed_connection_loses_nothing_and_does_nothing_twice(own, authority):
    """An idle connection ends without a word when certificates are exchanged; what was sent by it has then been read by nobody."""
    authority.sign("kept", "ec")
    token = own.login(own.users["trader"])
    idle, keepers, names = [Keeper(own, token) for _ in range(4)], threading.local(), itertools.count()
    own.backend.forget()

    def ask():
        keepers.own = getattr(keepers, "own", None) or Keeper(own, token)
        return keepers.own.ask(f"kept-{next(names)}")

    answers = []
    with Load(ask, threads=2) as load:
        for name in ("kept", "ec"):
            answers += [keeper.ask(f"kept-{next(names)}") for keeper in idle]
            before = len(load.ledger)
            until(lambda: len(load.ledger) > before + 8, what="load")
            put(own, authority, name)
            own.aaiti("cert", "reload")
            until(lambda: all(keeper.is_closed() for keeper in idle), what="the end of idle connections")
            answers += [keeper.ask(f"kept-{next(names)}") for keeper in idle]
    assert [keeper.again for keeper in idle] == [2] * 4
    assert set(answers) | {status for _, status in load.ledger} == {201}
    made = [json.loads(r["body"])["name"] for r in own.backend.received() if r["method"] == "POST"]
    assert len(made) == len(set(made)) == len(answers) + len(load.ledger)


def test_a_client_of_http2_is_told_that_its_connection_ends(own, authority):
    trust = ssl.create_default_context(cafile=authority.path("root.pem"))
    trust.set_alpn_protocols(["h2"])
    client = h2.connection.H2Connection()
    client.initiate_connection()
    with socket.create_connection(("127.0.0.1", own.port), 10) as plain, trust.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
        sock.sendall(client.data_to_send())
        client.receive_data(sock.recv(65536))
        put(own, authority, "kept")
        own.aaiti("cert", "reload")
        events = [event for data in iter(lambda: sock.recv(65536), b"") for event in client.receive_data(data)]
    assert [e.error_code for e in events if isinstance(e, h2.events.ConnectionTerminated)] == [0]
    put(own, authority, "ec")
    own.aaiti("cert", "reload")


def test_a_pair_that_is_none_changes_nothing_and_is_told(own, authority):
    authority.sign("other", "ec")
    before = shown(own)
    (own.home / "tls/ec.pem").write_text(authority.path("other.pem").read_text())
    refused = own.aaiti("cert", "reload", check=False)
    assert refused.returncode == 1 and "the private key is not the certificate's" in refused.stderr
    own.process.send_signal(signal.SIGUSR1)  # serve looks for itself, too
    until(lambda: "WARN certificate:" in own.log(), what="the warning")
    own.process.send_signal(signal.SIGHUP)
    until(lambda: "WARN reload:" in own.log(), what="the warning of the reload")
    assert shown(own) == before
    checked = own.aaiti("cert", "check", check=False)
    assert checked.returncode == 1 and "the private key is not the certificate's" in checked.stderr
    put(own, authority, "ec")
    own.aaiti("cert", "reload")


@contextlib.contextmanager
def exchanged(file, old, new):
    """The text of a file is another one meanwhile."""
    before = file.read_text()
    assert old in before
    file.write_text(before.replace(old, new))
    try:
        yield
    finally:
        file.write_text(before)


def test_settings_that_are_refused_do_not_come_in_by_the_certificates(own, authority):
    authority.sign("refused", "ec")
    before = shown(own)
    for file in authority.path("refused.pem"), authority.path("refused.key"):
        (own.home / "tls" / file.name).write_text(file.read_text())
    with exchanged(own.home / "gateway.yaml", "tls/ec.", "tls/refused."):
        with exchanged(own.home / "policy.yaml", "roles:", "rolls:"):
            warnings = own.log().count("WARN reload:")
            own.process.send_signal(signal.SIGHUP)
            until(lambda: own.log().count("WARN reload:") > warnings, what="the refusal")
        with exchanged(own.home / "tls/ec.key", "KEY", "KEYS"):  # so that it is told which files are looked at
            own.process.send_signal(signal.SIGUSR1)
            until(lambda: "tls/ec.key: expected a private key" in own.log(), what="a look at the files in use")
        assert shown(own) == before


def test_what_is_looked_at_is_what_the_running_gateway_has_read(own, authority):
    authority.sign("elsewhere", "ec")
    for file in authority.path("elsewhere.pem"), authority.path("elsewhere.key"):
        (own.home / "tls" / file.name).write_text(file.read_text())
    with exchanged(own.home / "gateway.yaml", "tls/ec.", "tls/elsewhere."):
        told = own.aaiti("cert", "reload", check=False)
        assert told.returncode == 1 and told.stderr == (
            "aaiti: the settings here say `tls.certificate: \"tls/elsewhere.pem\"`, and the running gateway goes by `tls.certificate: \"tls/ec.pem\"`; "
            f"have it read the settings again: kill -HUP {own.process.pid}\n")
        own.process.send_signal(signal.SIGHUP)
        until(lambda: own.aaiti("cert", "reload", check=False).returncode == 0, what="the new names")
        assert shown(own) == fingerprint(authority.path("elsewhere.pem"))
    own.process.send_signal(signal.SIGHUP)
    until(lambda: own.aaiti("cert", "reload", check=False).returncode == 0, what="the names of before")
    assert shown(own) == fingerprint(authority.path("ec.pem"))


def test_what_is_shown_and_checked(own, authority):
    first, second = own.aaiti_json("cert", "show")
    assert first["fingerprint"] == fingerprint(authority.path("ec.pem")) and first["names"] == "localhost, gw.example.com, other.example.com, 127.0.0.1"
    assert (first["key"], second["key"]) == ("EC prime256v1", "RSA 2048")
    assert first["daysLeft"] == 19 and first["development"] is False and first["chainLength"] == 2
    unknown = own.aaiti("cert", "check", check=False)
    assert unknown.returncode == 1 and "--ca" in unknown.stderr
    known = own.aaiti("cert", "check", "--ca", authority.path("root.pem"))
    assert "EC prime256v1, 19 days left" in known.stdout


def test_every_fault_of_every_certificate_is_told_at_once(own, authority):
    with exchanged(own.home / "tls/ec.key", "KEY", "KEYS"), exchanged(own.home / "tls/rsa.key", "KEY", "KEYS"), \
            exchanged(own.home / "gateway.yaml", "names: [", "names: [third.example.com, "):
        told = own.aaiti("cert", "check", "--ca", authority.path("root.pem"), check=False)
    assert told.returncode == 1
    for file in ("ec", "rsa"):
        assert f"tls/{file}.key: expected a private key" in told.stderr
        assert f"tls/{file}.pem: the certificate is not for `third.example.com`" in told.stderr


def test_a_development_certificate_is_made_anew(own, tmp_path):
    with contextlib.closing(Gateway(start=False)) as gateway:
        before = gateway.aaiti_json("cert", "show")[0]
        assert before["development"] is True
        gateway.aaiti("cert", "self-signed", "--replace", "--names", "gw.example.com,192.0.2.7")
        after = gateway.aaiti_json("cert", "show")[0]
        assert after["names"] == "localhost, 127.0.0.1, ::1, gw.example.com, 192.0.2.7" and after["fingerprint"] != before["fingerprint"]
        gateway.aaiti("cert", "check")
        gateway.settings(more="tls: {names: [gw.example.com, other.example.com]}\n")
        refused = gateway.aaiti("cert", "check", check=False)
        assert refused.returncode == 1 and "not for `other.example.com`" in refused.stderr and "gw.example.com`" not in refused.stderr


# ---- the listener without TLS ----

PAGE = {"Accept": "text/html,application/xhtml+xml;q=0.9", "Host": "gw.example.com"}


def ask_plain(gateway, method, path, **headers):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", gateway.plain_port, timeout=10)) as connection:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


@pytest.mark.parametrize(("host", "path", "location"), [
    ("gw.example.com", "/", "https://gw.example.com/"), ("GW.EXAMPLE.COM:80", "/a%20b?x=1", "https://gw.example.com/a%20b?x=1"),
    ("other.example.com", "/aaiti/login", "https://other.example.com:8443/aaiti/login"), ("gw.example.com", "//evil.example.org/", "https://gw.example.com//evil.example.org/"),
    ("gw.example.com", "http://evil.example.org/x", None), ("evil.example.org", "/", None), ("gw.example.com.evil.example.org", "/", None),
    ("127.0.0.1", "/", None)])
def test_pages_are_sent_to_a_name_of_ours_alone(own, host, path, location):
    for method in ("GET", "HEAD"):
        status, headers, body = ask_plain(own, method, path, **{**PAGE, "Host": host})
        assert (status, headers.get("location")) == ((301, location) if location else (403, None))
        assert "strict-transport-security" not in headers and b"evil" not in body


@pytest.mark.parametrize(("method", "headers"), [("GET", {"Accept": "*/*"}), ("GET", {}), ("GET", {"Accept": "application/json"}), ("POST", {}), ("PUT", {}),
                                                 ("DELETE", {}), ("OPTIONS", {})])
def test_calls_without_tls_are_refused(own, method, headers):
    own.backend.forget()
    status, answer, body = ask_plain(own, method, "/api/bots", **{**PAGE, "Authorization": "Bearer secret-token", **headers} if headers.get("Accept") or
                                     method != "GET" else {"Host": "gw.example.com"})
    problem = json.loads(body)
    assert (status, answer["content-type"], problem["status"]) == (403, "application/problem+json", 403)
    assert "location" not in answer and "strict-transport-security" not in answer and own.backend.received() == []


def test_a_call_without_tls_is_told_of(own):
    def told():
        ask_plain(own, "POST", "/api/bots?token=secret-query", Host="gw.example.com", Authorization="Bearer secret-token")
        return "gw: refused a request without TLS, method POST, from 127.0.0.1" in own.log()

    until(told, what="the line of log")
    assert "secret-token" not in own.log() and "secret-query" not in own.log()


def test_an_authority_finds_its_challenge_and_nothing_else(own):
    directory = own.directory / "acme"
    (directory / ".well-known/acme-challenge/token-1").write_text("token-1.thumb")
    (directory / "secret").write_text("secret")
    (directory / ".well-known/acme-challenge/link").symlink_to(own.home / "keys/token.key")
    challenge = "/.well-known/acme-challenge/"
    assert ask_plain(own, "GET", challenge + "token-1", Host="gw.example.com")[::2] == (200, b"token-1.thumb")
    (directory / ".well-known/acme-challenge/page.html").write_text("<p>secret")
    (directory / ".well-known/acme-challenge/below").mkdir()
    others = ("token-2", "", "../../secret", "%2e%2e/%2e%2e/secret", "link", "page.html", "below/", "token-1/")
    for path in ("/secret", *(challenge + name for name in others)):
        status, _, body = ask_plain(own, "GET", path, Host="gw.example.com")
        assert status in (403, 404) and b"secret" not in body, path
    for line in own.log().splitlines():  # a stranger asks as often as he likes
        assert "acme-challenge" not in line or "without TLS" in line or "symbolic" in line
    assert ask_plain(own, "GET", challenge + "token-1", Host="evil.example.org")[0] == 403
    assert own.client().get(challenge + "token-1").status_code == 403  # by TLS it is a path as any other
