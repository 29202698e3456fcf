"""Drives the load with a Python process of its own, where there is no `wrk`."""

import subprocess
import sys

import msgspec

from bench.job import Job, Result


def run(job: Job) -> Result:
    """One run, in a process beside this one. Raises RuntimeError with its words when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.with_python"],
        input=msgspec.json.encode(job),
        capture_output=True,
        timeout=job.seconds + 60,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the driver failed: {done.stderr.decode(errors='replace')[-2000:]}")
    return msgspec.json.decode(done.stdout, type=Result)


def main() -> None:
    """Read the job, do it, write the result."""
    import uvloop

    from bench.connections import drive

    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(drive(job))))


if __name__ == "__main__":
    main()
