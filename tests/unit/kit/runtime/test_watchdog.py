"""A process whose event loop stands still ends by itself and says where; no other does."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from apps.gateway import main as gateway
from shared.kit.config.settings import ProcessSettings, load
from shared.kit.kafka.consumer import SESSION_TIMEOUT_MS
from shared.kit.runtime import service
from shared.kit.runtime.watchdog import EXIT_CODE, STALL_MAX_S
from tests.unit.kit.runtime import stalling

WITHIN_S = 30.0


def start(function: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", stalling.__name__, function]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def last_line(output: bytes) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(output.splitlines()[-1])
    return line


@pytest.mark.parametrize("function", ["sleeping", "spinning"])
def test_a_loop_that_stands_still_ends_its_process(function: str) -> None:
    process = start(function)
    output, _ = process.communicate(timeout=WITHIN_S)
    assert process.returncode == EXIT_CODE
    line = last_line(output)
    assert line["level"] == "CRITICAL"
    assert line["logger"] == "shared.kit.runtime.watchdog"
    assert "the event loop has been blocked for 1 s" in line["message"]
    assert '/stalling.py", line ' in line["message"]
    assert f", in {function}\n" in line["message"]


def test_of_a_deep_stack_the_innermost_frames_are_logged() -> None:
    process = start("deep")
    output, _ = process.communicate(timeout=WITHIN_S)
    assert process.returncode == EXIT_CODE
    message = last_line(output)["message"]
    assert "in innermost\n" in message
    assert "repeated 36 more times" in message
    assert "in deep\n" not in message


def test_it_ends_also_when_nobody_reads_its_log() -> None:
    with start("unread") as process:
        assert process.wait(WITHIN_S) == EXIT_CODE


@pytest.mark.parametrize("function", ["busy", "leaving"])
def test_a_loop_that_moves_or_has_ended_is_left_alone(function: str) -> None:
    process = start(function)
    output, _ = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, output) == (0, b"ended by itself\n")


def test_a_process_that_was_suspended_goes_on() -> None:
    with start("idle") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        for _ in range(3):
            os.kill(process.pid, signal.SIGSTOP)
            time.sleep(1.3 * stalling.STALL_MAX_S)
            os.kill(process.pid, signal.SIGCONT)
            time.sleep(0.05)
        output, _ = process.communicate(b"\n", WITHIN_S)
        assert (process.returncode, output) == (0, b"ended by itself\n")


@pytest.mark.parametrize("module", [service, gateway])
def test_every_process_is_watched(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []

    def watched(work: Coroutine[Any, Any, None]) -> str:
        work.close()
        return "watched"

    monkeypatch.setattr(module, "watched", watched)
    monkeypatch.setattr(module.uvloop, "run", runs.append)
    monkeypatch.setattr(module, "make_undumpable", lambda: None)
    monkeypatch.setattr(module, "setup_logging", lambda *_: None)
    environ = {"MESH_SECRET": "s" * 32, "KAFKA_BOOTSTRAP_SERVERS": "localhost:9092"}
    monkeypatch.setattr(os, "environ", {**os.environ, **environ})
    if module is gateway:
        gateway.main()
    else:
        service.run_service("auth", load(ProcessSettings, environ), lambda _: asyncio.sleep(0))
    assert runs == ["watched"]


def test_a_stall_is_longer_than_the_session_of_the_group() -> None:
    assert STALL_MAX_S * 1000 > 2 * SESSION_TIMEOUT_MS
