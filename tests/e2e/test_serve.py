# SPDX-License-Identifier: Apache-2.0
"""What `aaiti serve` leaves on tmpfs: nothing when it only looked or was refused, and never another's files."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import AAITI, ROOT, run_directory

SECRET = "environment-Sq7Lr2Vz9Xw4Tn1Kd8Mb5Pf3Hc6Jg0"


@pytest.fixture
def home(tmp_path):
    directory = tmp_path / "home"
    subprocess.run([AAITI, "--home", directory, "init"], check=True, capture_output=True)
    return directory


def nginx_directory(home):
    return run_directory(home).with_name(run_directory(home).name + ".nginx")


def serve(home, *options, **environment):
    return subprocess.run([AAITI, "--home", home, "serve", *options], text=True, capture_output=True, timeout=20, env={**os.environ, **environment})


def made(home):
    return [d for d in (run_directory(home), nginx_directory(home)) if os.path.lexists(d)]


SPOILED = {
    "settings": lambda home: (home / "gateway.yaml").write_text("lisen: 127.0.0.1:1\n"),
    "policy": lambda home: (home / "policy.yaml").unlink(),
    "key": lambda home: (home / "keys/token.key").chmod(0o644),
    "certificate": lambda home: (home / "tls/cert.pem").unlink(),
    "listen": lambda home: (home / "gateway.yaml").write_text("listen: 127.0.0.1:1\nupstream:\n  url: \"https://127.0.0.1:5000\"\n"),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_refused_start_leaves_nothing(home, what):
    SPOILED[what](home)
    done = serve(home)
    assert done.returncode in (1, 3), done.stderr
    assert made(home) == []


@pytest.mark.parametrize("environment", [{"NODE_ENV": "production"}, {"JWT_SECRET": "short"}])
def test_a_start_that_the_environment_spoils_leaves_nothing(home, environment):
    assert serve(home, **environment).returncode in (1, 3)
    assert made(home) == []


@pytest.mark.parametrize("environment", [{}, {"JWT_SECRET": SECRET}])
def test_print_config_leaves_nothing(home, environment):
    done = serve(home, "--print-config", **environment)
    assert done.returncode == 0, done.stderr
    key = run_directory(home) if environment else home
    assert f'gw_token_key "{key}/keys/token.key";' in done.stdout
    assert SECRET not in done.stdout
    assert made(home) == []


def test_what_was_made_before_the_refusal_is_removed(home):
    """Somebody has planted a file where nginx's directory should be."""
    nginx_directory(home).write_text("planted")
    try:
        done = serve(home)
        assert done.returncode == 1 and "remove it" in done.stderr, done.stderr
        assert made(home) == [nginx_directory(home)]
    finally:
        nginx_directory(home).unlink()


def test_a_second_serve_is_refused_and_harms_nothing(make_gateway):
    gateway = make_gateway()
    token = gateway.login(gateway.users["trader"])
    files = sorted(p.name for d in gateway.run_directories() for p in Path(d).iterdir())
    conf = Path(gateway.run_directories()[1], "nginx.conf").stat()
    done = subprocess.run([AAITI, "serve"], text=True, capture_output=True, timeout=20, env={**gateway.environment, "JWT_SECRET": SECRET})
    assert done.returncode == 1 and "another `aaiti serve`" in done.stderr, done.stderr
    assert sorted(p.name for d in gateway.run_directories() for p in Path(d).iterdir()) == files
    assert Path(gateway.run_directories()[1], "nginx.conf").stat() == conf
    assert gateway.client(token).get("/api/bots").status_code == 200
    assert gateway.login(gateway.users["trader"])
    gateway.stop()
    assert not any(os.path.lexists(d) for d in gateway.run_directories())


def test_a_program_that_others_cannot_reach_serves_an_open_home(make_gateway, tmp_path):
    """As in a clone below /root: as root, everything stays root's, and that is said."""
    tmp_path.chmod(0o700)
    build = tmp_path / "clone/build"
    (build / "meson-private").mkdir(parents=True)
    (build / "nginx").mkdir()
    for name in ("aaiti", "nginx/ngx_http_gw_module.so"):
        shutil.copy2(AAITI.parent / name, build / name)
    shutil.copytree(ROOT / "data", tmp_path / "clone/data")
    gateway = make_gateway(program=build / "aaiti")
    assert gateway.client(gateway.login(gateway.users["viewer"])).get("/api/bots").status_code == 200
    assert os.geteuid() != 0 or "cannot run this program" in gateway.log()
