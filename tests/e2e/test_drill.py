# SPDX-License-Identifier: Apache-2.0
"""`aaiti panic --drill`: traffic, the button, control killed, the policy reloaded, everything killed, all by itself."""
import json
import os
import subprocess

from conftest import AAITI


def test_the_drill_goes_well_and_leaves_nothing(tmp_path):
    tmp_path.chmod(0o755)  # as root, control and the workers are users of their own
    done = subprocess.run([AAITI, "panic", "--drill", "--json"], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, timeout=120)
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told["ok"], done.stdout + done.stderr
    assert told["opens_passed_before"] > 10 and told["opens_refused"] > 100
    assert told["opens_passed_after"] == 0
    assert told["closes"] == told["closes_ok"] > 100
    assert told["reads"] == told["reads_ok"]
    assert told["held_after_kill"] and told["resumed"]
    assert list(tmp_path.iterdir()) == []
