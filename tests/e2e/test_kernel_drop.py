# SPDX-License-Identifier: Apache-2.0
"""Blocks in the kernel: a gateway in a network namespace of its own, and clients in another, whose packets are dropped or not."""
import concurrent.futures
import contextlib
import ctypes
import os
import shutil
import subprocess

import pytest
from conftest import Gateway, until
from test_audit import search

CLONE_NEWNET, CLONE_NEWNS = 0x40000000, 0x00020000
PR_CAPBSET_DROP, CAP_NET_ADMIN = 24, 12
OURS, CLIENTS = "192.0.2.254", ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
OURS_6, CLIENTS_6 = "2001:db8:1::fe", ["2001:db8:1::1", "2001:db8:1:0:1::1", "2001:db8:1:1::1"]  # two of one /64
libc = ctypes.CDLL(None, use_errno=True)


def run(*command, check=True):
    return subprocess.run(command, check=check, text=True, capture_output=True, timeout=20)


@contextlib.contextmanager
def own_network():
    """This thread, and what it starts, in a namespace of its own."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            pytest.skip(f"no network namespace can be made: {os.strerror(ctypes.get_errno())}")
        run("ip", "link", "set", "lo", "up")
        yield
    finally:
        assert libc.setns(before, CLONE_NEWNET) == 0
        os.close(before)


@contextlib.contextmanager
def neighbours():
    """A process in a second namespace, where the clients' addresses are."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "300"])
    inside = ("nsenter", f"--net=/proc/{holder.pid}/ns/net")
    try:
        until(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != os.readlink("/proc/thread-self/ns/net"), what="the second namespace")
        run("ip", "link", "add", "gw0", "type", "veth", "peer", "name", "c0", "netns", str(holder.pid))
        run("ip", "address", "add", f"{OURS}/24", "dev", "gw0")
        run("ip", "link", "set", "gw0", "up")
        for address in CLIENTS:
            run(*inside, "ip", "address", "add", f"{address}/24", "dev", "c0")
        run("ip", "address", "add", f"{OURS_6}/32", "dev", "gw0", "nodad")
        for address in CLIENTS_6:
            run(*inside, "ip", "address", "add", f"{address}/32", "dev", "c0", "nodad")
        run(*inside, "ip", "link", "set", "c0", "up")
        yield inside
    finally:
        holder.kill()
        holder.wait()


@pytest.fixture(scope="module")
def world():
    missing = [name for name in ("ip", "nft", "unshare", "nsenter", "curl") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and: {missing or 'nothing else'}")
    with own_network(), neighbours() as inside, contextlib.closing(Gateway(start=False, more="block.kernel: nftables\n")) as gateway:
        settings = gateway.home / "gateway.yaml"
        settings.write_text(settings.read_text().replace("listen: 127.0.0.1:", "listen: 0.0.0.0:", 1))
        gateway.start()
        gateway.inside = inside
        yield gateway


def ask(gateway, address, path="/aaiti/health", port=None, *more):
    """The status; None: no answer."""
    done = run(*gateway.inside, "curl", "-sk", "--connect-timeout", "2", "-m", "15", "-o", "/dev/null", "-w", "%{http_code}", "--interface", address, *more,
               f"https://{f'[{OURS_6}]' if ':' in address else OURS}:{port or gateway.port}{path}", check=False)
    return None if done.returncode == 28 else int(done.stdout)


def table():
    return run("nft", "list", "table", "inet", "aaiti", check=False).stdout


def capabilities(gateway, name):
    status = open(f"/proc/{gateway.pids(name)[0]}/status").read()
    return {line.split(":")[0]: int(line.split()[1], 16) for line in status.splitlines() if line.startswith("Cap")}


def test_control_has_that_capability_and_no_other(world):
    has = capabilities(world, "control")
    if run("id", "-u", "aaiti", check=False).returncode != 0:
        pytest.skip("no system user for control")
    assert has["CapPrm"] == has["CapEff"] == has["CapAmb"] == 1 << 12


def test_the_blocked_are_dropped_and_others_served(world):
    until(lambda: "chain input" in table(), what="the table")
    assert [ask(world, a) for a in CLIENTS] == [200] * 3
    # who is signed in from there is not dropped, but refused by the gateway
    user = world.add_user("trader")
    login = ask(world, CLIENTS[1], "/api/auth/login", None, "-H", "Content-Type: application/json",
                "-d", f'{{"username": "{user.name}", "password": "{user.password}"}}')
    assert login == 200
    for address in CLIENTS[:2]:
        world.aaiti("block", "add", address)
    world.aaiti("block", "add", CLIENTS[2], "--suspect")
    until(lambda: CLIENTS[0] in table() and CLIENTS[1] in table(), what="the blocks in the kernel")
    assert ask(world, CLIENTS[0]) is None
    assert ask(world, CLIENTS[1]) == 403
    assert ask(world, CLIENTS[2]) == 200
    server = subprocess.Popen(["/usr/bin/python3", "-m", "http.server", "8099", "--bind", OURS], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:  # another port of the same machine is none of ours; it speaks no TLS
        until(lambda: run(*world.inside, "curl", "-s", "-m", "2", "--interface", CLIENTS[0], f"http://{OURS}:8099/", check=False).returncode == 0,
              what="an answer at another port")
    finally:
        server.kill()
        server.wait()
    world.aaiti("block", "remove", CLIENTS[0])
    until(lambda: ask(world, CLIENTS[0]) == 200, what="the end of the block")


def test_it_ends_by_itself_and_with_the_gateway(world):
    world.aaiti("block", "add", CLIENTS[0], "--for", "5s")
    until(lambda: ask(world, CLIENTS[0]) is None, what="the block")
    until(lambda: ask(world, CLIENTS[0]) == 200, what="its end")
    world.stop()
    assert table() == ""


def test_ipv6_is_dropped_by_networks(world):
    """Its listener is now at an address of IPv6, and that of IPv4 is gone."""
    settings = world.home / "gateway.yaml"
    settings.write_text(settings.read_text().replace("listen: 0.0.0.0:", "listen: '[::]:").replace(f":{world.port}", f":{world.port}'", 1))
    world.start(wait=False)
    until(lambda: ask(world, CLIENTS_6[0]) == 200, what="the listener")
    assert [ask(world, a) for a in CLIENTS_6] == [200] * 3
    world.aaiti("block", "add", CLIENTS_6[0])
    until(lambda: ask(world, CLIENTS_6[0]) is None, what="the block in the kernel")
    assert ask(world, CLIENTS_6[1]) is None  # of the same /64
    assert ask(world, CLIENTS_6[2]) == 200
    world.aaiti("block", "remove", CLIENTS_6[0])
    until(lambda: ask(world, CLIENTS_6[1]) == 200, what="the end of the block")


def test_without_the_setting_there_is_neither_table_nor_capability():
    if os.geteuid() != 0 or run("id", "-u", "aaiti", check=False).returncode != 0:
        pytest.skip("no system user for control")
    with own_network(), contextlib.closing(Gateway()) as gateway:
        has = capabilities(gateway, "control")
        assert has["CapPrm"] == has["CapEff"] == has["CapAmb"] == 0
        assert "inet aaiti" not in run("nft", "list", "tables").stdout


def nft_missing():
    if libc.unshare(CLONE_NEWNS) != 0:
        pytest.skip("no mount namespace can be made")
    run("mount", "--make-rprivate", "/")
    run("mount", "--bind", "/dev/null", "/usr/sbin/nft")


def nft_forbidden():
    """For good, of this thread: so it has to end with the test."""
    assert libc.prctl(PR_CAPBSET_DROP, CAP_NET_ADMIN, 0, 0, 0) == 0


def blocks_without_kernel():
    with contextlib.closing(Gateway(more='block.kernel: nftables\ntrusted_proxies: ["127.0.0.0/8"]\n')) as gateway:
        def status(address):
            return gateway.client().get("/aaiti/health", headers={"X-Forwarded-For": address}).status_code

        reader = gateway.signed_in(gateway.users["admin"])
        until(lambda: 'aaiti_block_kernel{state="failed"} 1' in reader.get("/aaiti/metrics").text.splitlines(), what="the failure in the metrics")
        assert status("192.0.2.50") == 200
        gateway.aaiti("block", "add", "192.0.2.50")
        assert [status("192.0.2.50"), status("192.0.2.51")] == [403, 200]
        listed = gateway.aaiti("block", "list")
        assert "192.0.2.50" in listed.stdout and "block.kernel" in listed.stderr
        assert reader.get("/aaiti/v1/blocks").json()["kernel"] == "failed"
        assert 'aaiti_block_kernel{state="in-force"} 0' in reader.get("/aaiti/metrics").text.splitlines()
        assert gateway.aaiti("health", check=False).returncode == 0
        assert capabilities(gateway, "control")["CapAmb"] in (0, 1 << CAP_NET_ADMIN)
        lines = [line for line in gateway.log().splitlines() if "kernel-drop" in line and "/usr/sbin/nft" in line]
        assert len(lines) == 1, lines
        row, = search(gateway, "--action", "kernel_drop_failed")
        assert row["severity"] == "high" and row["details"]["error"] in lines[0], row
        return lines[0]


@pytest.mark.parametrize("prepare, says", [(nft_missing, "apt-get install nftables"), (nft_forbidden, "refuses: ")])
def test_where_the_kernel_cannot_be_told_the_gateway_holds_the_blocks(prepare, says):
    if os.geteuid() != 0:
        pytest.skip("needs root")

    def alone():
        with own_network():
            prepare()
            return blocks_without_kernel()

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        assert says in thread.submit(alone).result()
