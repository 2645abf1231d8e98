# SPDX-License-Identifier: Apache-2.0
"""Clients' certificates: who is let in at all, whom one names, and what ends it."""
import contextlib
import datetime
import json
import socket
import ssl

import httpx
import pytest
from conftest import Gateway, until
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.utcnow()
DAY = datetime.timedelta(days=1)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """Signs clients' certificates, each with its key in one file."""

    def __init__(self, directory, common_name):
        self.directory, self.name, self.key = directory, name(common_name), ec.generate_private_key(ec.SECP256R1())
        self.common_name = common_name
        builder = self.builder(self.name, self.key).add_extension(x509.BasicConstraints(True, None), True)
        self.file = self.directory / f"{common_name}.pem"
        self.file.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def builder(self, subject, key, begins=NOW - DAY, ends=NOW + DAY):
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends))

    def sign(self, subject, usage=ExtendedKeyUsageOID.CLIENT_AUTH, **times):
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self.builder(name(subject), key, **times).add_extension(x509.BasicConstraints(False, None), True)
        made = builder.add_extension(x509.ExtendedKeyUsage([usage]), False).sign(self.key, hashes.SHA256())
        file = self.directory / f"{self.common_name}-{subject}.pem"
        file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return Client(file, made)

    def revocations(self, *revoked):
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(NOW - DAY).next_update(NOW + DAY)
        for client in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(client.certificate.serial_number).revocation_date(NOW - DAY).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Client:
    def __init__(self, file, certificate):
        self.file, self.certificate = file, certificate
        self.fingerprint = certificate.fingerprint(hashes.SHA256()).hex()


def context(gateway, client=None):
    made = ssl.create_default_context(cafile=str(gateway.home / "tls/cert.pem"))
    if client is not None:
        made.load_cert_chain(client.file)
    return made


@contextlib.contextmanager
def asking(gateway, client=None, **more):
    with httpx.Client(base_url=gateway.url, verify=context(gateway, client), **more) as http:
        yield http


def is_refused_at_the_door(answer):
    return (answer.status_code == 403 and answer.headers["content-type"] == "application/problem+json"
            and answer.json()["type"] == "urn:aaiti:problem:client-certificate" and "instance" not in answer.json())


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    directory = tmp_path_factory.mktemp("clients")
    return Authority(directory, "e2e clients"), Authority(directory, "strangers")


class Door(Gateway):
    """What asks whether the gateway is ready shows a certificate, too."""

    def __init__(self, authority, certificates):
        super().__init__(start=False)
        self.crl = self.home / "tls/clients.crl"
        self.crl.write_bytes(authority.revocations())
        self.settings(more=f"tls:\n  client_certificates: {certificates}\n  client_ca: '{authority.file}'\n  client_crl: tls/clients.crl\n")
        if certificates == "required":
            self.trust.load_cert_chain(authority.sign("ready").file)
        self.start()


@pytest.fixture(scope="module")
def required(authorities):
    with contextlib.closing(Door(authorities[0], "required")) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def optional(authorities):
    with contextlib.closing(Door(authorities[0], "optional")) as gateway:
        yield gateway


def not_good(authorities):
    ours, strangers = authorities
    return {"of a stranger": strangers.sign("stranger"), "expired": ours.sign("expired", ends=NOW - DAY / 2),
            "not begun": ours.sign("early", begins=NOW + DAY / 2), "of a server": ours.sign("server", usage=ExtendedKeyUsageOID.SERVER_AUTH)}


def test_who_has_to_show_a_certificate_is_told_nothing_without_a_good_one(required, authorities):
    bad = {"none": None, **not_good(authorities)}
    for why, client in bad.items():
        for path in ("/aaiti/health", "/api/bots", "/aaiti/v1/me", "/no/such"):
            with asking(required, client) as http:
                assert is_refused_at_the_door(http.get(path, headers={"X-API-Key": "aak_nonsense"})), (why, path)
    with asking(required, authorities[0].sign("good")) as http:
        assert http.get("/aaiti/health").json()["status"] == "ok"
        assert http.get("/api/bots").status_code == 401
    with asking(required, bad["expired"]) as http:
        until(lambda: http.get("/") and "gw refused: client certificates:" in required.log() and bad["expired"].fingerprint in required.log())
    assert "certificate has expired" in required.log()


def test_the_end_of_the_authority_and_of_its_list_is_told(optional):
    log = [json.loads(line) for line in optional.log().splitlines() if line.startswith("{")]
    assert {(line["event"], line["days"]) for line in log if line["event"].startswith("client-c")} == {("client-ca", "1"), ("client-crl", "1")}
    rows = optional.signed_in(optional.users["admin"]).get("/aaiti/metrics").text.splitlines()
    left = {row.split()[0]: int(row.split()[1]) for row in rows if row.startswith("aaiti_client_c")}
    assert set(left) == {"aaiti_client_ca_expires_seconds", "aaiti_client_crl_expires_seconds"}
    assert all(0 < seconds <= DAY.total_seconds() for seconds in left.values()), left


def test_our_own_calls_come_through_the_door(required):
    assert required.aaiti("health").returncode == 0
    assert required.aaiti_json("cert", "reload") == {"shown": True}
    required.backend.forget()
    assert required.aaiti_json("make-safe", "--as", "admin")["summary"]["unread"] == 0
    assert "/api/bots" in {seen["path"].split("?")[0] for seen in required.backend.received()}


def test_who_may_show_a_certificate_shows_a_good_one(optional, authorities):
    for why, client in not_good(authorities).items():
        with asking(optional, client) as http:
            assert is_refused_at_the_door(http.get("/aaiti/health")), why
    with asking(optional) as http:
        assert http.get("/aaiti/health").status_code == 200
        assert http.get("/api/bots").status_code == 401


# ---- whom one names ----


def stand_for(gateway, client, user, *options):
    """The id of the record that says whom the certificate names."""
    return gateway.aaiti_json("apikey", "add", user, "--certificate", client.file, *options)


def make_bot(http, **headers):
    return http.post("/api/bots", json={"name": "mine", "strategy_type": "momentum"}, headers=headers)


OURS = {"sec-fetch-site": "same-origin"}


@pytest.fixture(scope="module")
def machine(required, authorities):
    """A service user by a certificate, which may read."""
    required.aaiti("user", "add", "machine", "--role", "trader", "--service", "--upstream-id", required.spare_ids.pop())
    client = authorities[0].sign("machine")
    client.record = stand_for(required, client, "machine", "--scope", "bots:read")
    return client


def test_it_is_its_user_and_may_no_more_than_its_scopes(required, machine):
    assert machine.record["certificate"] == machine.fingerprint and "secret" not in machine.record
    with asking(required, machine) as http:
        required.backend.forget()
        assert http.get("/api/bots").status_code == 200
        told = {"Client-Cert": "made-up", "X-SSL-Client-Verify": "SUCCESS", "X-Client-Cert": "made-up", "SSL-Client-S-DN": "CN=admin", "X-Client-Verify": "SUCCESS"}
        assert http.get("/api/bots", headers=told).status_code == 200
        for seen in required.backend.received():
            assert not [name for name, _ in seen["headers"] if "cert" in name.lower() or "ssl" in name.lower() or "verify" in name.lower()]
        refused = make_bot(http, **OURS)
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:aaiti:problem:forbidden")
        assert http.get("/api/auth/profile").status_code == 401  # the gateway's own calls do not go by it
    listed = next(k for k in required.aaiti_json("apikey", "list", "machine"))
    assert listed["certificate"] == machine.fingerprint and listed["lastUsedAt"]
    assert "cert" in required.aaiti("apikey", "list", "machine").stdout


def test_http2_and_a_certificate_go_together(required, machine):
    with asking(required, machine, http2=True) as http:
        answers = [http.get("/api/bots") for _ in range(3)]
        assert {(a.http_version, a.status_code) for a in answers} == {("HTTP/2", 200)}
        assert make_bot(http, **OURS).status_code == 403
    with asking(required, http2=True) as http:
        answer = http.get("/api/bots")
        assert answer.http_version == "HTTP/2" and is_refused_at_the_door(answer)


def test_what_else_is_presented_counts_in_its_place(required, machine):
    with asking(required, machine) as http:
        viewer = required.aaiti_json("apikey", "add", "viewer", "--scope", "signed-in")
        assert http.get("/api/bots", headers={"X-API-Key": viewer["secret"]}).status_code == 403
        assert http.get("/api/bots", headers={"Authorization": "Bearer nonsense"}).status_code == 401
        assert http.get("/api/bots", headers={"Cookie": "__Host-aaiti_session=nonsense"}).status_code == 401
        assert http.get("/api/bots", headers={"Authorization": "Bearer null"}).status_code == 200


def test_nobody_is_asked_for_one_by_a_header(required, machine, authorities):
    nobody = authorities[0].sign("nobody")
    pem = machine.file.read_text().split("-----BEGIN PRIVATE")[0].replace("\n", "%0A")
    with asking(required, nobody) as http:
        for header in ("X-SSL-Client-Cert", "X-Client-Cert", "Client-Cert", "X-Forwarded-Client-Cert", "X-SSL-Client-Fingerprint", "SSL-Client-Verify"):
            answer = http.get("/api/bots", headers={header: pem})
            assert answer.status_code == 401, header
    until(lambda: "stands for nobody, or that was revoked" in required.log() and f"certificate={nobody.fingerprint}" in required.log())


def test_a_page_of_another_site_does_nothing_by_it(optional, authorities):
    browser = authorities[0].sign("browser")
    stand_for(optional, browser, "trader")
    elsewhere = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    with asking(optional, browser) as http:
        assert make_bot(http).json()["type"] == "urn:aaiti:problem:cross-site"
        assert make_bot(http, origin="https://evil.example").json()["type"] == "urn:aaiti:problem:cross-site"
        assert make_bot(http, **elsewhere).status_code == 401
        assert http.get("/api/bots", headers=elsewhere).status_code == 401
        assert http.get("/api/bots", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}).status_code == 200
        assert make_bot(http, **OURS).status_code == 201
        assert make_bot(http, origin=optional.url).status_code == 201
    with asking(optional) as http:
        assert http.get("/api/bots").status_code == 401


BOTH_VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])


class Resuming:
    """A connection by ssl itself, whose session the next one resumes."""

    def __init__(self, gateway, client, version):
        self.gateway, self.context, self.session = gateway, context(gateway, client), None
        self.context.minimum_version = self.context.maximum_version = version

    def ask(self):
        with socket.create_connection(("127.0.0.1", self.gateway.port)) as plain, \
                self.context.wrap_socket(plain, server_hostname="127.0.0.1", session=self.session) as tls:
            tls.sendall(b"GET /api/bots HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: tls.recv(65536), b""))
            reused, self.session = tls.session_reused, tls.session  # of 1.3 it comes after the handshake
        return int(answer.split()[1]), reused


@BOTH_VERSIONS
def test_what_is_revoked_ends_at_once_everywhere(optional, authorities, version):
    client = authorities[0].sign(f"leaver {version.name}")
    record = stand_for(optional, client, "trader")
    resuming = Resuming(optional, client, version)
    with asking(optional, client) as http:
        assert http.get("/api/bots").status_code == 200
        assert resuming.ask() == (200, False)
        assert resuming.ask() == (200, True)
        optional.aaiti("apikey", "revoke", record["key"])
        assert http.get("/api/bots").status_code == 401
        assert resuming.ask() == (401, True)
        assert http.get("/aaiti/health").status_code == 200


@BOTH_VERSIONS
def test_what_its_authority_revokes_is_refused_at_the_door(optional, authorities, version):
    """The list is taken up without a restart, and no session from before it is resumed."""
    ours = authorities[0]
    gone, stays = ours.sign(f"gone {version.name}"), ours.sign(f"stays {version.name}")
    stand_for(optional, gone, "trader")
    stand_for(optional, stays, "trader")
    resuming = Resuming(optional, gone, version)
    assert resuming.ask() == (200, False)
    assert resuming.ask() == (200, True)
    optional.crl.write_bytes(ours.revocations(gone))
    optional.aaiti("cert", "reload")

    for _ in range(12):  # whichever worker is asked
        with asking(optional, gone) as http:
            assert is_refused_at_the_door(http.get("/api/bots"))
    assert resuming.ask() == (403, False)
    with asking(optional, stays) as http:
        assert http.get("/api/bots").status_code == 200
    assert "certificate revoked" in optional.log()


def test_who_may_say_whom_one_names(optional, authorities):
    pem = authorities[0].sign("wanted").file.read_text().split("-----BEGIN PRIVATE")[0]
    for user, status in (("trader", 403), ("admin", 201)):
        someone = optional.users[user]
        answer = optional.signed_in(someone).post("/aaiti/v1/api-keys", json={"certificate": pem, "password": someone.password})
        assert answer.status_code == status, answer.text
    assert optional.aaiti("apikey", "add", "viewer", "--certificate", authorities[0].directory / "e2e clients-wanted.pem", check=False).returncode == 1
    admin = optional.users["admin"]
    assert optional.signed_in(admin).post("/aaiti/v1/api-keys", json={"certificate": "x", "password": admin.password}).status_code == 400


def test_explain_tells_what_a_certificate_may(optional, authorities):
    client = authorities[0].sign("explained")
    key = stand_for(optional, client, "trader")["key"]
    told = optional.aaiti("explain", "POST", "/api/bots", "--key", key).stdout
    assert "with proof of the same origin" in told
    assert optional.aaiti("explain", "GET", "/api/bots", "--key", key).returncode == 0
    told = optional.aaiti("explain", "GET", "/aaiti/v1/me", "--key", key, check=False).stdout
    assert "control takes no certificate" in told or "401" in told
