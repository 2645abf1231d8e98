#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""usage: check_threads.py BUILD: holds threaded_tests of meson.build against what the unit tests of a finished build link: who links what
starts threads is to be run under TSan, and nobody else."""
import json
import subprocess
import sys

STARTS = {"pthread_create", "thrd_create"}


def tests(build):
    listed = subprocess.run(["meson", "introspect", "--tests", build], check=True, capture_output=True, text=True).stdout
    for test in json.loads(listed):
        suites = {suite.split(":")[-1] for suite in test["suite"]}
        if "unit" in suites:
            yield test["name"], test["cmd"][0], "threads" in suites


def starts_threads(program):
    listed = subprocess.run(["nm", "-D", "--undefined-only", program], check=True, capture_output=True, text=True).stdout
    return any(line.split()[-1].split("@")[0] in STARTS for line in listed.splitlines())


def main():
    faults = []
    for name, program, is_listed in tests(sys.argv[1]):
        if starts_threads(program) != is_listed:
            faults.append(f"{name}: " + ("links nothing that starts threads: take it out of threaded_tests" if is_listed else
                                         "links what starts threads: add it to threaded_tests"))
    print("".join(f"meson.build: {fault}\n" for fault in faults), end="")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
