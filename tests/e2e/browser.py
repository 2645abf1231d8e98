# SPDX-License-Identifier: Apache-2.0
"""Scenes in Debian's Chromium: tests/browser/NAME.mjs plays them, and the test that asks for them judges what they saw."""
import json
import os
import shutil
import subprocess

import pytest
from conftest import ROOT

DIRECTORY = ROOT / "tests/browser"


def play(name, told, timeout_s, needs="playwright-core"):
    """What each scene saw. Without a browser there is nothing to see; where CI runs that is a fault, not a reason to skip."""
    missing = [tool for tool in ("chromium", "node") if not shutil.which(tool)]
    missing += [needs] * (not (DIRECTORY / "node_modules" / needs).exists())
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no {', '.join(missing)}; scripts/install.sh browser")
    done = subprocess.run(["node", DIRECTORY / f"{name}.mjs"], input=json.dumps(told), text=True, capture_output=True, timeout=timeout_s)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def account(user):
    return {"username": user.name, "password": user.password}
