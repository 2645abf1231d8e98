#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Include direction by room, and which files may name which foreign library. The tables are the rules; prints every breach."""
import fnmatch
import pathlib
import re
import sys

# room: rooms whose headers it may include, besides its own and include/gw.
ROOMS = {
    "include/gw": [],
    "src/base": [],
    "src/crypto": ["src/base"],
    "src/config": ["src/base"],
    "src/policy": ["src/base", "src/config"],
    "src/shared": ["src/base"],
    "src/token": ["src/base", "src/crypto"],
    "src/journal": ["src/base", "src/crypto"],
    "src/websocket": ["src/base", "src/crypto", "src/token"],
    "src/pipeline": ["src/base", "src/crypto", "src/config", "src/policy", "src/shared", "src/token", "src/journal", "src/websocket"],
    "src/store": ["src/base", "src/journal"],
    "src/audit": ["src/base", "src/crypto", "src/journal", "src/store"],
    "src/identity": ["src/base", "src/crypto", "src/config", "src/policy", "src/store", "src/audit", "src/shared", "src/token"],
    "src/response": ["src/base", "src/crypto", "src/policy", "src/shared", "src/store", "src/audit"],
    "src/control": ["src/base", "src/crypto", "src/config", "src/policy", "src/store", "src/shared", "src/token", "src/journal",
                    "src/pipeline", "src/audit", "src/identity", "src/response"],
    "nginx": [],
    "cli": ["src/*"],
    "fuzz": ["src/*"],
    "tests": ["src/*"],
    "bench": ["src/*"],
}

# Headers of foreign libraries: the only files that may name them.
FOREIGN = {
    "openssl/*": ["src/crypto/*"],
    "argon2.h": ["src/crypto/*"],
    "crypt.h": ["src/crypto/*"],
    "sqlite3.h": ["src/store/db.h", "src/store/import_aaiti.c"],  # db.h: the SQLite backend's own
    "microhttpd.h": ["src/control/*", "cli/drill_backend.c"],
    "yaml.h": ["src/config/yaml.c"],
    "jansson.h": ["src/base/json.h", "cli/*", "fuzz/*"],
    "ngx_*": ["nginx/*"],
    "nginx.h": ["nginx/*"],
}
# Tests that look behind a room's back, or hold it against the library.
FOREIGN_TESTS = {"sqlite3.h": ["src/store/test_*.c", "bench/micro_audit.c"], "argon2.h": ["tests/replay/*"], "crypt.h": ["tests/replay/*"],
                 "jansson.h": ["tests/replay/*"]}

# Words that must not stand in a room's code at all.
WORDS = {r"\bngx_": ["include/*", "src/*", "cli/*", "fuzz/*"]}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
COMMENT = re.compile(r"/\*.*?\*/", re.S)
STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')


def room_of(path):
    for room in ROOMS:
        if path.startswith(room + "/"):
            return room
    return None


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def matches(path, patterns):
    return any(fnmatch.fnmatch(path, p) for p in patterns)


def resolve(root, path, name):
    """The project file that an include names, or None when it is foreign."""
    for base in ("include", "src", str(pathlib.Path(path).parent), ""):
        candidate = pathlib.Path(base) / name
        if (root / candidate).is_file():
            return candidate.as_posix()
    return None


def faults_of(root, path, text):
    room = room_of(path)
    if room is None:
        yield 1, "is in no room; add it to ROOMS"
        return
    for include in INCLUDE.finditer(text):
        line = text.count("\n", 0, include.start()) + 1
        name = include.group(2)
        target = resolve(root, path, name)
        if target is None:
            for pattern, owners in FOREIGN.items():
                allowed = owners + FOREIGN_TESTS.get(pattern, [])
                if fnmatch.fnmatch(name, pattern) and not matches(path, allowed):
                    yield line, f"<{name}> belongs to {', '.join(owners)}"
            if include.group(1) == '"':
                yield line, f'"{name}" is no file of the project'
            continue
        to = room_of(target)
        if to not in (room, "include/gw") and not matches(to or "", ROOMS[room]):
            yield line, f"{room} may not include {target}"
    code = STRING.sub(blank, text)
    for word, places in WORDS.items():
        if matches(path, places):
            for found in re.finditer(word, code):
                yield text.count("\n", 0, found.start()) + 1, f"'{found.group()}' may not stand here"


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    count = 0
    for top in sorted({room.split("/")[0] for room in ROOMS}):
        for file in sorted(p for p in (root / top).rglob("*") if p.suffix in (".c", ".h", ".def")):
            path = file.relative_to(root).as_posix()
            text = COMMENT.sub(blank, file.read_text(encoding="utf-8"))
            for line, fault in faults_of(root, path, text):
                print(f"{path}:{line}: {fault}")
                count += 1
    return count > 0


if __name__ == "__main__":
    sys.exit(main())
