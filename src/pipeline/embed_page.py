# SPDX-License-Identifier: Apache-2.0
"""Writes one of the gateway's pages as C: embed_page.py OUT.c panic.html|page.html

Its Content-Security-Policy names the page's one style, and its one script if it may have one, by their hashes, so that the browser takes these
bytes and no others, whatever comes to stand between them. The page is cut at its marks, where the gateway puts in what differs.
"""
import base64
import hashlib
import json
import os
import re
import sys

PAGES = {
    "panic": {
        "header": "pipeline/panic_page.h",
        "marks": ("@login@", "@logout@"),
        "elements": ("script", "style"),
        "policy": "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; form-action 'none'; base-uri 'none'; "
                  "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    },
    "page": {
        "header": "pipeline/pages.h",
        "marks": ("@title@", "@main@"),
        "elements": ("style",),
        "policy": "default-src 'none'; style-src {style}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    },
}


def source_of(page, element):
    """The hash of what stands in the page's only such element (CSP3 section 6.7.3.3: its text, as it is)."""
    inside = re.findall(rf"<{element}>(.*?)</{element}>", page, re.S)
    if len(inside) != 1 or len(re.findall(rf"<{element}\b", page)) != 1:
        sys.exit(f"the page needs one <{element}> without attributes")
    return f"'sha256-{base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()}'"


def literal(text):
    """A C string a line: ASCII, octal escapes of what is not, for they cannot swallow what follows."""
    lines = []
    for line in text.splitlines(keepends=True):
        escaped = json.dumps(line, ensure_ascii=False)
        lines.append("        " + "".join(c if ord(c) < 128 else "".join(f"\\{b:03o}" for b in c.encode()) for c in escaped))
    return "\n".join(lines)


out, name = sys.argv[1:]
with open(name, encoding="utf-8", newline="") as file:
    page = file.read()
what = os.path.splitext(os.path.basename(name))[0]
rules = PAGES[what]
if re.search(r"\bstyle=|\bon[a-z]+=|[a-z]+://", page):
    sys.exit("the page has an inline style or handler, or names another place: its policy would refuse it")
if "script" not in rules["elements"] and re.search(r"<script\b", page):
    sys.exit("the page has a script: its policy would refuse it")
parts = []
rest = page
for mark in rules["marks"]:
    before, found, rest = rest.partition(mark)
    if not found:
        sys.exit(f"the page lacks {mark}, or has the marks in another order")
    parts.append(before)
parts.append(rest)
if any(mark in part for mark in rules["marks"] for part in parts):
    sys.exit("a mark stands twice")
policy = rules["policy"].format(**{element: source_of(page, element) for element in rules["elements"]})
with open(out, "w", encoding="ascii") as c:
    c.write(f'#include "{rules["header"]}"\n\nconst struct gw_str gw_{what}_html[GW_{what.upper()}_PARTS] = {{\n')
    c.writelines(f"    GW_STR(\n{literal(part)}),\n" for part in parts)
    c.write(f"}};\nconst struct gw_str gw_{what}_policy = GW_STR({json.dumps(policy)});\n")
