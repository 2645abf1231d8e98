# SPDX-License-Identifier: Apache-2.0
"""Clients' certificates: who is let in at all, whom one names, and what ends it."""
import contextlib
import datetime
import json
import ssl
import subprocess

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


def test_our_own_calls_come_through_the_door(required):
    assert required.aaiti("health").returncode == 0


def test_who_may_show_a_certificate_shows_a_good_one(optional, authorities):
    for why, client in not_good(authorities).items():
        with asking(optional, client) as http:
            assert is_refused_at_the_door(http.get("/aaiti/health")), why
    with asking(optional) as http:
        assert http.get("/aaiti/health").status_code == 200
        assert http.get("/api/bots").status_code == 401
