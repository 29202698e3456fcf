"""The walk through the dead letters works as its page describes it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.concord import Concord

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "dead-letters.md"
ID = r"message/0/\d+"


def test_the_walk_through_works_when_pasted(concord: Concord) -> None:
    steps = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.S)
    assert len(steps) == 6
    script = "\necho =====\n".join(step.replace("|| echo", "2>&1 || echo") for step in steps)
    pasted = script.replace(".venv/bin/concord", "$PYTHON -m cli.main").replace(".venv/bin/python", "$PYTHON")
    done = subprocess.run(
        ["bash", "-eu", "-c", pasted],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=ROOT,
        env={**os.environ, **concord.environ, "PYTHON": sys.executable},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    listed, shown, redriven, back, refused, _ = done.stdout.split("=====\n")
    assert re.search(rf"{ID} .* server-events/\d/\d+ +waiting +\w", listed)
    assert re.search(rf"{ID} .* message.send/\d/\d+ +kept +", listed)
    assert re.search(r"from +server-events/", shown)
    assert re.search(r"reason +\w.*\n  raised +\w", shown)
    assert '"oops": 1' in shown
    assert "correlation_id: walk-through" in shown
    assert "value    not kept: a request may hold a password or a token" in shown
    assert "garbage" not in shown
    (letter,) = re.findall(rf"({ID}) is retried\n1 redriven", redriven)
    assert re.search(rf"{letter} was redriven before, at .*\n0 redriven", redriven)
    assert letter not in back.split()
    assert re.search(rf"{ID} .* server-events/\d/\d+ +waiting ", back), "it failed again and is back"
    assert re.search(rf"{ID} cannot be redriven: it is a request of message.send: .*\n0 redriven", refused)
    assert "exit code 1" in refused
