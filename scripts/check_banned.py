#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Refuses the calls of scripts/banned.txt, C++ comments, and sources without the SPDX line. Prints every breach."""
import fnmatch
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIPPED = re.compile(r"""/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)


def rules():
    for line in (ROOT / "scripts/banned.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        names, where, why = (part.strip() for part in line.split("|", 2))
        call = re.compile(r"(?<![\w.>])(" + "|".join(map(re.escape, names.split())) + r")\s*\(")
        places = where.split()
        yield call, [p for p in places if p[0] != "!"], [p[1:] for p in places if p[0] == "!"], why


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def main():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.c", "*.h", "*.def"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split()
    table = list(rules())
    count = 0
    for path in listed:
        if not (ROOT / path).is_file():
            continue
        source = (ROOT / path).read_text(encoding="utf-8")
        text = SKIPPED.sub(blank, source)
        found = [] if "SPDX-License-Identifier: Apache-2.0" in source[:200] else [(0, "no SPDX line")]
        found += [(m.start(), "// comment; /* */ only") for m in re.finditer(r"//", text)]
        for call, places, spared, why in table:
            if any(fnmatch.fnmatch(path, p) for p in places) and not any(fnmatch.fnmatch(path, p) for p in spared):
                found += [(m.start(), f"{m.group(1)}: {why}") for m in call.finditer(text)]
        for at, fault in sorted(found):
            print(f"{path}:{text.count(chr(10), 0, at) + 1}: {fault}")
            count += 1
    return count > 0


if __name__ == "__main__":
    sys.exit(main())
