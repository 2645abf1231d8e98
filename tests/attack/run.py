#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""usage: run.py [--only NAME[,NAME…]] [--list] [--write]

Attacks a gateway of its own on loopback, as shipped, from many addresses of 127.0.0.0/8, and judges each attack by its figures. --write
puts them into docs/attacks.md, in place of those of the same name. Closes with `N passed, N failed, N skipped`.
"""
import argparse
import os
import signal
import sys
import time
import traceback

import pytest

import blocking  # noqa: F401: modules of attacks, in the order of the table
import tools  # noqa: F401
import guessing  # noqa: F401
import floods  # noqa: F401
import broken  # noqa: F401
from conftest import pytest_unconfigure
from rig import ATTACKS, Skipped, World, HERE

SECONDS_EACH = 120
DOCUMENT = HERE.parents[1] / "docs/attacks.md"
HEAD = """\
# Attacks
What `make attack` does to a gateway as shipped, and what was seen when each row was last written. Everything runs on loopback, from as many addresses of
127.0.0.0/8 as an attack wants; the tools are Debian's `hydra` and `slowhttptest`, the rest is in `tests/attack`. Meanwhile a signed-in bot polls fifty times a
second from an address of its own: *bot p99* is what it had to wait, *quiet* what it waits when nobody attacks. No answer of the bot's may be anything but 200.
Attackers, bot, gateway and backend share one machine of {cores} cores.

| attack | what is done | what must hold | seen |
|---|---|---|---|
"""


def overdue(*_):
    raise TimeoutError(f"not done after {SECONDS_EACH} s")


def judge(world, row):
    began = time.monotonic()
    signal.alarm(SECONDS_EACH)
    try:
        verdict, figures = "passed", row.run(world)
    except Skipped as why:
        verdict, figures = "skipped", str(why)
    except (Exception, pytest.fail.Exception) as fault:
        verdict, figures = "failed", " ".join(str(fault).split())[:400] or type(fault).__name__
        if not isinstance(fault, (AssertionError, pytest.fail.Exception)):
            traceback.print_exc()
    finally:
        signal.alarm(0)
    print(f"{verdict:<8} {row.name:<28} {time.monotonic() - began:5.1f} s  {figures}", flush=True)
    return verdict, figures


def write(results):
    """Rows of attacks that were not made this time stay as they are."""
    old = DOCUMENT.read_text().splitlines(True) if DOCUMENT.exists() else []
    rows = {row.name: line for row in ATTACKS for line in old if line.startswith(f"| {row.name} |")}
    for row, (verdict, figures) in results:
        rows[row.name] = f"| {row.name} | {row.does} | {row.must} | {figures if verdict == 'passed' else f'**{verdict}**: {figures}'} |\n"
    DOCUMENT.write_text(HEAD.format(cores=os.cpu_count()) + "".join(rows[row.name] for row in ATTACKS if row.name in rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names, with commas between them")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else [row.name for row in ATTACKS]
    unknown = set(names) - {row.name for row in ATTACKS}
    if unknown:
        parser.error(f"no such attack: {', '.join(sorted(unknown))}")
    if options.list:
        print("".join(f"{row.name:<28} {row.does}\n" for row in ATTACKS), end="")
        return 0
    signal.signal(signal.SIGALRM, overdue)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    world = World()
    results = []
    world.closing.callback(pytest_unconfigure)
    with world.closing:
        for row in ATTACKS:
            if row.name in names:
                results.append((row, judge(world, row)))
        world.failed = any(verdict == "failed" for _, (verdict, _) in results)
    if options.write:
        write(results)
    count = [sum(verdict == wanted for _, (verdict, _) in results) for wanted in ("passed", "failed", "skipped")]
    print("{} passed, {} failed, {} skipped".format(*count))
    return 0 if count[0] and not count[1] else 1


if __name__ == "__main__":
    sys.exit(main())
