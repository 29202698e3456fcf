"""Drives the load with `wrk`, when it is installed, by a Lua script of our own."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from bench.job import Job, Result

SCRIPT = Path(__file__).with_name("load.lua")
TIMEOUT_S = 15
DRAIN_S = 2
"""The seconds that wait for the answers to requests that were sent in time."""

_MARK = "BENCH "


def is_there() -> bool:
    """Return True if `wrk` is installed."""
    return shutil.which("wrk") is not None


def run(job: Job) -> Result:
    """One run. Raises RuntimeError with wrk's own words when it fails."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        targets = Path(folder) / "targets"
        targets.touch(mode=0o600)
        targets.write_text(
            "".join(f"{one.channel_id} {one.token}\n" for one in job.targets), encoding="ascii"
        )
        done = subprocess.run(  # noqa: S603 - the command line is ours
            command(job, targets), capture_output=True, text=True, timeout=job.seconds + 60, check=False
        )
    if done.returncode != 0:
        raise RuntimeError(f"wrk failed: {done.stderr or done.stdout}")
    return read(done.stdout, job.seconds)


def command(job: Job, targets: Path) -> list[str]:
    """Return the command line: one connection for each request in flight."""
    threads = min(2, job.in_flight)
    wrk = ["wrk", f"-t{threads}", f"-c{job.in_flight}", f"-d{int(job.seconds) + DRAIN_S}s"]
    options = [f"--timeout={TIMEOUT_S}s", "-s", str(SCRIPT), f"http://{job.host}:{job.port}", "--"]
    return [*wrk, *options, job.operation.value, str(job.seconds), job.run, str(targets)]


def read(output: str, seconds: float) -> Result:
    """Return the output of our script among wrk's lines. Raise RuntimeError if it is missing."""
    lines = [line.removeprefix(_MARK) for line in output.splitlines() if line.startswith(_MARK)]
    if len(lines) != 1:
        raise RuntimeError(f"wrk said nothing of use: {output[-500:]}")
    counted: dict[str, Any] = msgspec.json.decode(lines[0])
    return msgspec.convert({**counted, "driver": "wrk", "seconds": seconds}, Result)
