# SPDX-License-Identifier: Apache-2.0
"""The recipe of docs/tls.md with certbot, run as it stands there but for its directories: a certificate from an authority on loopback (Debian's pebble,
which checks the challenge at our port without TLS), shown by the listener, and renewed under load."""
import contextlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess

import httpx
import pytest
from conftest import AAITI, ROOT, Gateway, Load, free_port, until
from cryptography import x509

NAME = "gw.example.com"
ASK = f"GET /aaiti/health HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode()
DIRECTORIES = ("/etc/letsencrypt", "/var/lib/aaiti", "/var/lib/acme")
CERTBOT = """\
server = https://localhost:{port}/dir
config-dir = {directory}/etc/letsencrypt
work-dir = {directory}/work
logs-dir = {directory}/logs
no-random-sleep-on-renew = true
"""


def recipe(kind):
    """The block of the document that begins with ```KIND below the heading of the recipe."""
    text = (ROOT / "docs/tls.md").read_text()
    return re.search(rf"^## Certificates by ACME$.*?^```{kind}\n(.*?)^```$", text, re.S | re.M)[1]


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Pebble:
    """An authority, and a server of names to which every name is 127.0.0.1."""

    def __init__(self, directory, http_port):
        self.directory, self.port, self.manager, self.names = directory, free_port(), free_port(), free_port()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName = DNS:localhost", "-days", "2", "-keyout", directory / "pebble.key", "-out", directory / "pebble.pem"],
                       check=True, capture_output=True, timeout=30)
        (directory / "pebble.json").write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self.manager}", "httpPort": http_port, "tlsPort": free_port(),
            "certificate": str(directory / "pebble.pem"), "privateKey": str(directory / "pebble.key")}}))
        self.processes = []

    def __enter__(self):
        try:
            self.start("pebble-challtestsrv", "-dns01", f"127.0.0.1:{self.names}", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "",
                       "-management", f"127.0.0.1:{free_port()}")
            self.start("pebble", "-config", self.directory / "pebble.json", "-dnsserver", f"127.0.0.1:{self.names}")
            for port in (self.names, self.port, self.manager):
                until(lambda port=port: listens(port), what="pebble")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()

    def start(self, *command):
        with (self.directory / f"{command[0]}.log").open("ab") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}))

    def root(self):
        """It makes one at each start."""
        trust = ssl.create_default_context(cafile=self.directory / "pebble.pem")
        return httpx.get(f"https://localhost:{self.manager}/roots/0", verify=trust).text


class Recipe:
    """A gateway as the recipe wants it, and the machine's directories that the recipe names, below one of the test's own."""

    def __init__(self, gateway):
        self.gateway, self.directory, self.plain_port = gateway, gateway.directory, free_port()
        (self.directory / "var/lib").mkdir(parents=True)
        self.environment = {**os.environ, "PATH": f"{AAITI.parent}:{os.environ['PATH']}", "XDG_CONFIG_HOME": str(self.directory / "config"),
                            "REQUESTS_CA_BUNDLE": str(self.directory / "pebble.pem")}

    def placed(self, text):
        for name in DIRECTORIES:
            text = text.replace(name, str(self.gateway.home if name == "/var/lib/aaiti" else self.directory / name[1:]))
        return text

    def start(self):
        """With what the recipe has in gateway.yaml, but for the port."""
        self.gateway.settings(more=self.placed(recipe("yaml")).replace("0.0.0.0:80", f"127.0.0.1:{self.plain_port}"))
        self.gateway.start()

    def use(self, pebble):
        (self.directory / "config/letsencrypt").mkdir(parents=True)
        (self.directory / "config/letsencrypt/cli.ini").write_text(CERTBOT.format(port=pebble.port, directory=self.directory))

    def run(self, commands):
        done = subprocess.run(["bash", "-ec", self.placed(commands)], env=self.environment, stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr + self.gateway.log()
        return done.stdout + done.stderr


@pytest.fixture
def authority_and_recipe():
    missing = [tool for tool in ("certbot", "pebble", "pebble-challtestsrv") if not shutil.which(tool)]
    if missing:
        pytest.fail(f"no {', '.join(missing)}; scripts/install.sh tls")
    gateway = Gateway(start=False)
    with contextlib.closing(gateway):
        made = Recipe(gateway)
        with Pebble(gateway.directory, made.plain_port) as pebble:
            made.use(pebble)
            yield pebble, made


def shown(gateway):
    pem = ssl.get_server_certificate(("127.0.0.1", gateway.port))
    return x509.load_pem_x509_certificate(pem.encode())


def test_the_recipe_gets_a_certificate_and_renews_it_under_load(authority_and_recipe):
    pebble, made = authority_and_recipe
    gateway = made.gateway
    made.start()
    said = made.run(recipe("sh"))
    assert "Successfully received certificate" in said and said.count("The gateway shows the certificate") == 2, said
    first = shown(gateway)
    assert "Pebble" in first.issuer.rfc4514_string()
    trust = ssl.create_default_context(cadata=pebble.root())

    def ask():
        """As a client that knows the authority and the name, by a connection of its own."""
        try:
            with socket.create_connection(("127.0.0.1", gateway.port), 10) as sock, trust.wrap_socket(sock, server_hostname=NAME) as tls:
                tls.sendall(ASK)
                return b"".join(iter(lambda: tls.recv(65536), b"")).split(b"\r\n")[0]
        except OSError as error:
            return repr(error)

    with Load(ask) as load:
        until(lambda: len(load.ledger) > 4, what="load")
        said = made.run("certbot renew --force-renewal")
        assert "all renewals succeeded" in said and "The gateway shows the certificate" in said, said
        second = shown(gateway)
        asked = len(load.ledger)
        until(lambda: len(load.ledger) > asked + 8, what="requests after the renewal")
    assert second.serial_number != first.serial_number
    assert {status for _, status in load.ledger} == {b"HTTP/1.1 200 OK"}
