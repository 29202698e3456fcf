"""A call can be followed as its page describes."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from cli.tracing.log_steps import log_steps
from tests.e2e.concord import Concord
from tests.e2e.people import Person

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "trace.md"


def run(concord: Concord, script: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, **concord.environ, "PYTHON": sys.executable}
    return subprocess.run(
        ["bash", "-u", "-c", script], capture_output=True, text=True, timeout=60, cwd=ROOT, env=environ
    )


def test_the_lines_of_the_page_work_when_pasted(concord: Concord, gateway_url: str) -> None:
    (script,) = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.S)
    pasted = script.replace("localhost:3001", gateway_url.removeprefix("http://"))
    done = run(concord, pasted.replace(".venv/bin/concord", "$PYTHON -m cli.main"))
    assert done.returncode == 0, done.stderr
    steps = [line.split()[2] for line in done.stdout.splitlines()[2:]]
    assert sorted(steps) == ["event", "reply", "request"], done.stdout
    assert "user.signup partition" in done.stdout
    assert "correct horse" not in done.stdout


def test_a_send_with_bodies_and_without(concord: Concord, person: Callable[..., Person]) -> None:
    ada, trace_id = person(), f"t-{secrets.token_hex(8)}"
    channel = ada.make_server()["channels"][0]["id"]
    answer = ada.post(
        f"/api/channels/{channel}/messages",
        json={"content": "between us"},
        headers={"X-Correlation-Id": trace_id},
    )
    assert answer.status_code == 201
    concord_trace = f"sleep 1; $PYTHON -m cli.main trace {trace_id}"
    quiet, loud = run(concord, concord_trace).stdout, run(concord, f"{concord_trace} --bodies").stdout
    for topic in (
        "message.send",
        "live-events",
        "message-events",
        "channels.send-message",
        "gateway.replies.",
    ):
        assert topic in quiet
    assert "between us" not in quiet
    assert loud.count("between us") == 5
    logs = [log_steps(concord.folder, trace_id, 0)]
    assert next(step.words for steps in logs for step in steps) == "POST /api/channels/{channelId}/messages"


def test_what_nobody_knows_is_told(concord: Concord) -> None:
    done = run(concord, "$PYTHON -m cli.main trace nobody")
    assert done.returncode == 1
    assert "Nothing since" in done.stderr
    assert "Traceback" not in done.stderr
    assert "letters, digits" in run(concord, "$PYTHON -m cli.main trace 'a b'").stderr
