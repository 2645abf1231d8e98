# SPDX-License-Identifier: Apache-2.0
"""Wrong configuration is refused at the start, with all that is wrong and the command that mends it."""
import os
import re
import resource
import subprocess
import time

import pytest
from conftest import AAITI


@pytest.fixture
def home(tmp_path):
    directory = tmp_path / "home"
    subprocess.run([AAITI, "--home", directory, "init"], check=True, capture_output=True)
    return directory


def refused(home, **environment):
    """`serve` and `config check` agree; gives what they say."""
    says = []
    for command in (["serve"], ["config", "check"]):
        done = subprocess.run([AAITI, "--home", home, *command], text=True, capture_output=True, timeout=20, env={**os.environ, **environment})
        assert done.returncode in (1, 3), (command, done.stdout, done.stderr)
        says.append(done.stderr)
    return says


def missing(path):
    path.unlink()


def short(path):
    path.write_text("0123456789abcdef\n")


def default(path):
    path.write_text("your-super-secret-jwt-key-change-in-production\n")


def repeated(path):
    path.write_text("ab" * 32 + "\n")


def world_readable(path):
    path.chmod(0o644)


def a_link(path):
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def empty(path):
    path.write_text("")


@pytest.mark.parametrize("key", ["keys/token.key", "keys/upstream.key"])
@pytest.mark.parametrize("spoil", [missing, short, default, repeated, world_readable, a_link, empty])
def test_a_bad_key_is_refused_with_what_mends_it(home, key, spoil):
    content = (home / key).read_text().strip()
    spoil(home / key)
    for says in refused(home):
        assert os.path.basename(key) in says
        assert re.search(r"aaiti init|chmod|openssl rand|head -c|name the file itself", says), says
        assert content not in says


def test_production_refuses_the_development_certificate(home):
    served, checked = refused(home, NODE_ENV="production")
    # As root, a home or a program that control's user cannot reach is refused first.
    assert re.search("development certificate|cannot use the home|cannot run this program", served)
    assert "development certificate" in checked


def test_a_certificate_with_anothers_key_is_refused(home):
    another = home / "another"
    subprocess.run([AAITI, "--home", another, "init"], check=True, capture_output=True)
    (home / "tls/key.pem").write_text((another / "tls/key.pem").read_text())
    served, checked = refused(home)
    assert re.search("not the certificate's|cannot use the home|cannot run this program", served)
    assert "the private key is not the certificate's" in checked


def test_equal_keys_are_refused(home):
    (home / "keys/token.key").write_text((home / "keys/upstream.key").read_text())
    for says in refused(home):
        assert "equal" in says and "aaiti init" in says


def test_the_mending_command_mends(home):
    (home / "keys/token.key").unlink()
    refused(home)
    subprocess.run([AAITI, "--home", home, "init"], check=True, capture_output=True)
    assert subprocess.run([AAITI, "--home", home, "config", "check"], capture_output=True).returncode == 0


FAULTY = """\
listen: 127.0.0.1
lisen: 127.0.0.1:8443
workers: many
session:
  idle: 8d
  per_usr: 3
environment: staging
upstream:
  url: "http://127.0.0.1:5000"
  key_file: keys/upstream.key
body:
  max: 1
token: yes
"""


def test_every_fault_is_listed_with_its_line(home):
    (home / "gateway.yaml").write_text(FAULTY)
    for says in refused(home):
        for line in (2, 3, 6, 7, 12, 13):
            assert f"gateway.yaml:{line}:" in says, (line, says)
        assert "did you mean" in says


def test_what_one_line_cannot_tell_is_checked_too(home):
    (home / "gateway.yaml").write_text("listen: localhost\nsession:\n  idle: 8d\n  absolute: 7d\n")
    for says in refused(home):
        assert "gateway.yaml:1:" in says and "session.absolute" in says


@pytest.mark.parametrize("text", ["a: &x 1\nb: *x\n", "listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n", "- a\n", "{", "a: b: c\n", "\x00", "x: !!int 1\n", "%YAML 1.2\n---\na: 1\n---\nb: 2\n"])
def test_what_is_not_plain_yaml_is_a_fault(home, text):
    (home / "gateway.yaml").write_text(text)
    for says in refused(home):
        assert "gateway.yaml" in says


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
MIB = 1024 * 1024
HOSTILE_YAML = {
    "a billion laughs": LAUGHS,
    "an alias of itself": "a: &a [*a]\n",
    "merged keys": "a: &a {b: c}\nd:\n  <<: *a\n",
    "10 MiB of one value": "listen: " + "x" * 10 * MIB + "\n",
    "10 MiB of lines": "# nothing\n" * MIB,
    "100,000 lists in each other": "[" * 100_000,
    "100,000 maps in each other": "{a: " * 100_000,
    "100,000 dashes": "- " * 100_000 + "\n",
    "100,000 keys": "".join(f"k{n}: 1\n" for n in range(100_000)),
    "a list as a key": "? [a]\n: b\n",
    "a key twice, one level down": "session:\n  idle: 1h\n  idle: 2h\n",
    "a long key": "? " + "k" * 100_000 + "\n: 1\n",
    "an endless quote": 'listen: "' + "x" * 100_000,
    "an object of Python": "listen: !!python/object/apply:os.system [id]\n",
    "UTF-16": "\ufefflisten: 127.0.0.1:1\n".encode("utf-16"),
    "bytes that are no text": b"listen: \xff\xfe\n",
}


@pytest.mark.parametrize("name", ["gateway.yaml", "policy.yaml"])
@pytest.mark.parametrize("text", HOSTILE_YAML.values(), ids=HOSTILE_YAML.keys())
def test_hostile_yaml_is_a_short_and_quick_refusal(home, name, text):
    (home / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    began = time.monotonic()
    done = subprocess.run([AAITI, "--home", home, "config", "check"], capture_output=True, text=True, errors="replace", timeout=60,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (512 * MIB, 512 * MIB)))
    assert done.returncode == 1 and name in done.stderr, (done.returncode, done.stderr[:500])
    assert time.monotonic() - began < 15 and len(done.stderr) < 300_000


def test_a_missing_policy_or_certificate_is_said(home):
    (home / "policy.yaml").unlink()
    assert all("policy.yaml" in says for says in refused(home))


def test_the_environment_overrides_the_file(home):
    done = subprocess.run([AAITI, "--home", home, "--json", "config", "show"], text=True, capture_output=True, env={**os.environ, "JWT_EXPIRES_IN": "1h", "NODE_ENV": "production"})
    assert '"token.ttl": "1h"' in done.stdout and '"environment": "production"' in done.stdout


def test_a_weak_secret_of_the_environment_is_refused(home):
    for says in refused(home, JWT_SECRET="short"):
        assert "JWT_SECRET" in says and "openssl rand" in says


def test_a_secret_of_the_environment_is_used_and_not_shown(make_gateway):
    secret = "environment-Sq7Lr2Vz9Xw4Tn1Kd8Mb5Pf3Hc6Jg0"
    gateway = make_gateway(environment={"JWT_SECRET": secret})
    import jwt

    token = gateway.login(gateway.users["trader"])
    jwt.decode(token, secret, algorithms=["HS256"], audience="aaiti-client")
    assert gateway.client(token).get("/api/bots").status_code == 200
    for pid in [gateway.process.pid, *gateway.pids("")]:
        for name in ("environ", "cmdline"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as f:
                    assert secret.encode() not in f.read(), (pid, name)
            except PermissionError:
                # Our processes are not dumpable, so that root alone may look: not even their own user sees it.
                assert name == "environ" and os.geteuid() != 0
    assert secret not in gateway.log()


def test_no_secret_is_in_a_log_or_an_argument(gateway, tokens):
    user = gateway.add_user("trader")
    client = gateway.signed_in(user)
    client.get("/api/bots", params={"token": "query-secret-value"})
    client.get("/api/none", params={"password": "query-secret-value"})
    gateway.client("not.a.token-secret-value").get("/api/bots")
    secrets = [user.password, client.headers["Authorization"].split()[1], "query-secret-value", "token-secret-value",
               (gateway.home / "keys/token.key").read_text().strip(), (gateway.home / "keys/upstream.key").read_text().strip()]
    log = gateway.log()
    assert [s[:12] for s in secrets if s in log] == []
    for pid in [gateway.process.pid, *gateway.pids("")]:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            assert not any(s.encode() in f.read() for s in secrets)


def test_a_self_test_that_fails_is_said(make_gateway):
    """The backend knows another secret than ours: the start says so."""
    gateway = make_gateway(start=False, more="self_test:\n  path: /api/bots\n")
    gateway.start()
    good = gateway.log()
    gateway.stop()
    (gateway.home / "keys/upstream.key").write_text("Zq8vN3xLr7Tb2Wk9Yf4Hc6Jm1Pd5Gs0RuVe-i_oA\n")
    gateway.start()
    later = gateway.log()[len(good):]
    assert re.search(r"self-test", later) and re.search(r"403|401|refused", later), later
    assert not re.search(r"self-test.*(refused|fail)", good), good
