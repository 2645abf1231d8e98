#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""usage: tally.py FILE...: sums test results and closes with `N passed, N failed, N skipped`; exits 1 when any failed.

Reads meson's testlog.json (a test counts by what it printed itself: `N passed, N failed[, N skipped]`, or cmocka's summary;
else as one), pytest's junit XML, and texts whose last line has that form.
"""
import json
import re
import sys
import xml.etree.ElementTree as ET

OWN = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)
CMOCKA = re.compile(r"^\[ +(PASSED|FAILED|SKIPPED) +\] (?:.*: )?(\d+) test\(s\)", re.M)
BAD = {"FAIL", "ERROR", "TIMEOUT", "INTERRUPT", "UNEXPECTEDPASS"}


def printed(text):
    own = OWN.findall(text)
    if own:
        return [int(n or 0) for n in own[-1]]
    counts = {}
    for kind, n in CMOCKA.findall(text):
        counts[kind] = counts.get(kind, 0) + int(n)
    return [counts.get("PASSED", 0), counts.get("FAILED", 0), counts.get("SKIPPED", 0)]


def of_meson(path):
    total = [0, 0, 0]
    for line in open(path, encoding="utf-8"):
        test = json.loads(line)
        passed, failed, skipped = printed(test.get("stdout", "") + "\n" + test.get("stderr", ""))
        if test["result"] in BAD:
            failed = max(failed, 1)  # it may have died before it could say so
        elif test["result"] == "SKIP":
            skipped = max(skipped, 1)
        elif passed + failed + skipped == 0:
            passed = 1
        total = [a + b for a, b in zip(total, (passed, failed, skipped))]
    return total


def of_pytest(path):
    total = [0, 0, 0]
    for suite in ET.parse(path).getroot().iter("testsuite"):
        failed = int(suite.get("failures")) + int(suite.get("errors"))
        skipped = int(suite.get("skipped"))
        total = [total[0] + int(suite.get("tests")) - failed - skipped, total[1] + failed, total[2] + skipped]
    return total


def of_text(path):
    said = [line for line in open(path, encoding="utf-8", errors="replace").read().splitlines() if not line.startswith(("make: ", "make["))]
    found = OWN.fullmatch(said[-1]) if said else None  # only the last: whoever died before it has failed
    return [int(n or 0) for n in found.groups()] if found else [0, 1, 0]


def main(paths):
    total = [0, 0, 0]
    for path in paths:
        read = of_meson if path.endswith(".json") else of_pytest if path.endswith(".xml") else of_text
        try:
            counts = read(path)
        except (OSError, ValueError, ET.ParseError) as fault:
            print(f"tally.py: {path}: {fault}", file=sys.stderr)
            counts = [0, 1, 0]  # a result that cannot be read is no success
        total = [a + b for a, b in zip(total, counts)]
    if total[0] == 0:
        print("tally.py: nothing passed", file=sys.stderr)
        total[1] = max(total[1], 1)
    print("{} passed, {} failed, {} skipped".format(*total))
    return total[1] > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
