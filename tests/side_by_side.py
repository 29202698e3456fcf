"""`make test`: lint and each room of tests, some side by side, because most of them wait more than they work.

Every room starts the Kafka, Postgres and S3 that it needs on free ports. What a room says is shown as a whole
when it has ended.
"""

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

AT_ONCE = 3
APART = {"faults"}
"""Run by `make test-faults`, one after another."""
LONGEST_FIRST = ("e2e", "kit", "cli", "services", "unit", "security")

TESTS = Path(__file__).parent
LINT = ("lint", ["make", "--no-print-directory", "lint"])

Job = tuple[str, list[str]]

running: set[subprocess.Popen[str]] = set()
stopping = threading.Event()


def main() -> int:
    """Exit code 0 when everything is good."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    bad = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = [pool.submit(run, *job) for job in (LINT, *rooms())]
        for done in as_completed(jobs):
            name, code, output, took_s = done.result()
            print(f"\n===== {name}, {took_s:.0f} s =====\n{output}", flush=True)
            if code:
                bad.append(name)
    print(f"not good: {', '.join(bad)}" if bad else "all good")
    return 1 if bad else 0


def rooms() -> list[Job]:
    """All folders with tests, those that take long first."""
    names = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")} - APART
    order = [*(name for name in LONGEST_FIRST if name in names), *sorted(names - set(LONGEST_FIRST))]
    pytest = [sys.executable, "-m", "pytest", "-m", "not slow"]
    return [(f"tests/{name}", [*pytest, f"tests/{name}"]) for name in order]


def run(name: str, command: list[str]) -> tuple[str, int, str, float]:
    """The name, the exit code, all that was said, and how long it took."""
    if stopping.is_set():
        return name, 1, "not begun", 0.0
    begun = time.monotonic()
    print(f"{name} …", flush=True)
    process = subprocess.Popen(
        command, cwd=TESTS.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    running.add(process)
    output, _ = process.communicate()
    running.discard(process)
    return name, process.returncode, output, time.monotonic() - begun


def stop(*_: object) -> None:
    """Have all rooms end as a Ctrl-C would, each with what it started."""
    stopping.set()
    for process in list(running):
        process.send_signal(signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
