# SPDX-License-Identifier: Apache-2.0
"""testssl.sh against the listener with an ECDSA and an RSA certificate of an authority that it knows. What it finds is what docs/tls.md lists, each with the
reason why it stays; and what is negotiated is what that document says."""
import contextlib
import json
import re
import shutil
import ssl
import subprocess

import pytest
from conftest import ROOT, Gateway, until
from test_tls import Authority, s_client

TESTSSL_SECONDS = 1800
HARMLESS = {"OK", "INFO", "DEBUG"}
TLS_1_3 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
PAIR = """\
tls: {certificate: tls/ec.pem, key: tls/ec.key, second_certificate: tls/rsa.pem, second_key: tls/rsa.key}
"""


def accepted():
    """{(id, severity)} of the table in the document."""
    section = re.search(r"^## What testssl.sh finds$(.*?)(?=^## |\Z)", (ROOT / "docs/tls.md").read_text(), re.S | re.M)[1]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| `")]
    assert all(len(row) == 3 and row[2] for row in rows), rows
    return {(row[0], row[1]) for row in rows}


def sure(rows):
    """Those that the tool means, and not that it could not connect; none where it gave up on the way."""
    is_whole = any(row["id"] == "LUCKY13" for row in rows)
    return [row for row in rows if is_whole and "connect problem" not in row["finding"].lower()]


def with_second_look(rows, look):
    """A machine with other work to do makes the tool miss a connection now and then: what it is not sure of it looks at once more."""
    known = sure(rows)
    if len(known) == len(rows):
        return rows
    ids = {row["id"] for row in known}
    return known + [row for row in look() if row["id"] not in ids]


def test_what_the_tool_could_not_connect_for_is_looked_at_once_more():
    last, fine = {"id": "LUCKY13", "finding": "not vulnerable"}, {"id": "HSTS", "finding": "offered"}
    missed = {"id": "sessionresumption_ticket", "finding": "check failed because of connect problem"}
    seen = {"id": "sessionresumption_ticket", "finding": "not supported"}
    unused = {"id": "HSTS", "finding": "of the second look"}
    for first, second, wanted in (([fine, last], None, [fine, last]), ([fine, missed, last], [unused, seen, last], [fine, last, seen]),
                                  ([fine, missed, last], [unused, missed, last], [fine, last, missed]), ([fine], [fine, seen, last], [fine, seen, last])):
        assert with_second_look(first, lambda second=second: second) == wanted


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """[{id, severity, finding}] of testssl.sh."""
    program = shutil.which("testssl")
    if program is None:
        pytest.fail("no testssl; scripts/install.sh tls")
    directory = tmp_path_factory.mktemp("testssl")
    authority, gateway = Authority(directory / "authority"), Gateway(start=False)

    def look(name):
        subprocess.run([program, "--quiet", "--warnings", "off", "--color", "0", "--nodns", "none", "--add-ca", authority.path("root.pem"),
                        "--jsonfile", directory / f"{name}.json", f"https://localhost:{gateway.port}"],
                       stdin=subprocess.DEVNULL, stdout=(directory / "said").open("a"), stderr=subprocess.STDOUT, cwd=directory, timeout=TESTSSL_SECONDS)
        return json.loads((directory / f"{name}.json").read_text())

    with contextlib.closing(gateway), authority.responding():
        for kind in ("ec", "rsa"):
            for file in authority.sign(kind, kind, days=90):
                (gateway.home / "tls" / file.name).write_text(file.read_text())
        gateway.settings(more=PAIR)
        gateway.trust = ssl.create_default_context(cafile=authority.path("root.pem"))
        gateway.start()
        # The first client of each worker and certificate has it ask the responder.
        for _ in range(2 * 4):
            for algorithm in ("ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256"):
                until(lambda: "OCSP Response Status: successful" in s_client(gateway, "-status", "-sigalgs", algorithm), what="a stapled answer")
        rows = with_second_look(look("first"), lambda: look("second"))
    assert any(row["id"] == "LUCKY13" for row in rows), (directory / "said").read_text()[-2000:]
    return rows


def test_it_finds_what_the_document_lists_and_nothing_else(found):
    told = {(row["id"], row["severity"]): row["finding"] for row in found if row["severity"] not in HARMLESS}
    assert told.keys() == accepted(), told


def test_nothing_is_older_than_tls_1_2(found):
    offered = {row["id"]: row["finding"].split()[0] for row in found if re.fullmatch(r"(SSL|TLS)(v?\d)(_\d)?", row["id"])}
    assert offered == {"SSLv2": "not", "SSLv3": "not", "TLS1": "not", "TLS1_1": "not", "TLS1_2": "offered", "TLS1_3": "offered"}


def test_every_suite_is_aead_with_forward_secrecy(found):
    suites = {row["finding"].split()[1] for row in found if re.fullmatch(r"cipher_x[0-9a-f]+", row["id"])}
    assert suites == TLS_1_3 | {f"ECDHE-{kind}-{cipher}" for kind in ("ECDSA", "RSA")
                                for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")}


def test_the_order_is_ours_and_both_certificates_are_trusted(found):
    one = {row["id"]: row for row in found}
    assert one["cipher_order"]["severity"] == "OK"
    for certificate in ("<cert#1>", "<cert#2>"):
        assert one[f"cert_chain_of_trust {certificate}"]["finding"] == "passed."
        assert one[f"OCSP_stapling {certificate}"]["severity"] == "OK"
    assert {one[f"cert_keySize {c}"]["finding"] for c in ("<cert#1>", "<cert#2>")} == {"RSA 2048 bits", "EC 256 bits"}
