# SPDX-License-Identifier: Apache-2.0
"""`meson install`: what it puts where, and that the installed program works with what was installed and with nothing else."""
import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT, build_directory

# Below the prefix; LIB is the system's directory of libraries, which differs by architecture.
FILES = {
    "bin/aaiti": 0o755,
    "LIB/aaiti/ngx_http_gw_module.so": 0o755,
    "share/aaiti/passwords/blocklist.txt": 0o644,
    "share/aaiti/policies/aaiti.yaml": 0o644,
    "share/bash-completion/completions/aaiti.bash": 0o644,
    "share/doc/aaiti/ARCHITECTURE.md": 0o644,
    "share/doc/aaiti/CHANGELOG.md": 0o644,
    "share/doc/aaiti/LICENSE": 0o644,
    "share/doc/aaiti/README.md": 0o644,
    "share/doc/aaiti/SECURITY.md": 0o644,
    "share/doc/aaiti/docs/api-keys.md": 0o644,
    "share/doc/aaiti/docs/attacks.md": 0o644,
    "share/doc/aaiti/docs/blocks.md": 0o644,
    "share/doc/aaiti/docs/cors.md": 0o644,
    "share/doc/aaiti/docs/forward-auth.md": 0o644,
    "share/doc/aaiti/docs/metrics.md": 0o644,
    "share/doc/aaiti/docs/openapi.json": 0o644,
    "share/doc/aaiti/docs/options.md": 0o644,
    "share/doc/aaiti/docs/policy.md": 0o644,
    "share/doc/aaiti/docs/sign-in.md": 0o644,
    "share/doc/aaiti/docs/tls.md": 0o644,
    "share/doc/aaiti/docs/websockets.md": 0o644,
    "share/doc/aaiti/examples/forward-auth/Caddyfile": 0o644,
    "share/doc/aaiti/examples/forward-auth/nginx.conf": 0o644,
    "share/doc/aaiti/examples/forward-auth/traefik.yaml": 0o644,
    "share/man/man1/aaiti.1": 0o644,
}


@pytest.fixture(scope="module")
def prefix():
    """An installed tree, staged in a directory that the users of both planes can reach."""
    with tempfile.TemporaryDirectory(prefix="aaiti-e2e-") as stage:
        os.chmod(stage, 0o755)
        subprocess.run(["meson", "install", "-C", build_directory(), "--no-rebuild", "--quiet", "--destdir", stage], check=True)
        program, = Path(stage).rglob("bin/aaiti")
        yield program.parent.parent


def run(prefix, *arguments):
    return subprocess.run([prefix / "bin/aaiti", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)


def module_of(prefix):
    module, = prefix.glob("lib*/**/ngx_http_gw_module.so")
    return module


def test_everything_is_installed_and_nothing_else(prefix):
    library = str(module_of(prefix).parent.parent.relative_to(prefix))
    files = {str(p.relative_to(prefix)): p.stat().st_mode & 0o7777 for p in prefix.rglob("*") if not p.is_dir()}
    assert {re.sub(f"^{library}/", "LIB/", name): mode for name, mode in files.items()} == FILES
    for name in ("policies/aaiti.yaml", "passwords/blocklist.txt"):
        assert (prefix / "share/aaiti" / name).read_bytes() == (ROOT / "data" / name).read_bytes()


def test_manual_and_completion_know_every_command(prefix):
    shown = run(prefix, "--help").stdout
    commands = re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)(?= |$)", shown.split("Commands:")[1].split("Options,")[0], re.M)
    assert len(commands) > 20
    manual = (prefix / "share/man/man1/aaiti.1").read_text().replace("\\-", "-")
    assert re.findall(r"^\.SS ([a-z-]+(?: [a-z-]+)?)(?= |$)", manual, re.M) == commands
    script = (prefix / "share/bash-completion/completions/aaiti.bash").read_text()
    for command in commands:
        options = re.findall(r"^  (--[a-z-]+)", run(prefix, *command.split(), "--help").stdout, re.M)
        section = manual.split(f"\n.SS {command} ")[1].split("\n.S")[0].replace("\\-", "-")
        assert set(options) - {"--home", "--json", "--help"} == set(re.findall(r"^\.B (--[a-z-]+)", section, re.M)), command
        *before, word = command.split()
        assert word in complete(script, *before, ""), command
        assert set(options) - {"--home"} <= set(complete(script, *command.split(), "-")), command


def complete(script, *words):
    """What bash offers for the last word of `aaiti WORDS`."""
    line = f"COMP_WORDS=(aaiti \"$@\") COMP_CWORD={len(words)}; _aaiti; echo ${{COMPREPLY[@]}}"
    return subprocess.run(["bash", "-c", f"{script}\n{line}", "bash", *words], check=True, capture_output=True, text=True).stdout.split()


def test_installed_program_serves_with_what_was_installed(prefix, make_gateway):
    assert run(prefix, "--version").stdout.startswith("aaiti ")
    g = make_gateway(program=prefix / "bin/aaiti", spare_users=4)
    assert (g.home / "policy.yaml").read_bytes() == (prefix / "share/aaiti/policies/aaiti.yaml").read_bytes()
    assert f'load_module "{module_of(prefix)}";' in g.aaiti("serve", "--print-config").stdout
    assert g.client().get("/api/bots").status_code == 401
    assert g.signed_in(g.users["viewer"]).get("/api/bots").status_code == 200
    assert g.signed_in(g.users["viewer"]).post("/api/bots/bot-1/start").status_code == 403
    # Compiled in or taken from the build, a path would show here.
    mapped = {line.split()[-1] for pid in g.pids("nginx: worker") for line in Path(f"/proc/{pid}/maps").read_text().splitlines()}
    assert str(module_of(prefix)) in mapped and not any(str(build_directory()) in path for path in mapped)


def test_program_may_be_called_by_a_link(prefix, tmp_path):
    (tmp_path / "aaiti").symlink_to(prefix / "bin/aaiti")
    done = subprocess.run([tmp_path / "aaiti", "--home", tmp_path / "home", "init"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("lost, command", [("share/aaiti/policies/aaiti.yaml", "init"), ("LIB/aaiti/ngx_http_gw_module.so", "serve"),
                                           ("share/aaiti/passwords/blocklist.txt", "control")])
def test_what_is_not_installed_is_named_and_not_taken_from_elsewhere(prefix, tmp_path, lost, command):
    path = prefix / lost.replace("LIB", str(module_of(prefix).parent.parent.relative_to(prefix)))
    if command != "init":
        assert run(prefix, "--home", tmp_path / "home", "init").returncode == 0
    path.rename(tmp_path / "lost")
    try:
        done = run(prefix, "--home", tmp_path / "home", command)
    finally:
        (tmp_path / "lost").rename(path)
    assert done.returncode == 1 and lost.rpartition("/")[2] in done.stderr and str(prefix) in done.stderr
