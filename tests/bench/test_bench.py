"""The whole command against a stand-in: what it counts, checks and cleans up."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner

from bench import with_python, with_wrk
from bench.command import bench
from bench.job import SINGLE, Job, Operation, Result, Target
from tests.bench.desk import Desk

DRIVERS = [
    pytest.param(
        "wrk", marks=pytest.mark.skipif(not with_wrk.is_there(), reason="there is no wrk on this machine")
    ),
    "python",
]
RUN = {"wrk": with_wrk.run, "python": with_python.run}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.with_wrk.DRAIN_S", 1)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(bench, ("load", "--warm-up", "1", *arguments))
    return result.exit_code, result.output


def job(desk: Desk, operation: Operation, in_flight: int = 3) -> Job:
    desk.messages = {"c1": {}, "c2": {}}
    return Job(
        operation=operation,
        host="127.0.0.1",
        port=desk.port,
        in_flight=in_flight,
        seconds=1,
        run="run",
        targets=[Target("c1", "token-1"), Target("c2", "token-2")],
    )


@pytest.mark.parametrize("driver", DRIVERS)
def test_all_is_measured_checked_and_cleaned_up(driver: str) -> None:
    with Desk() as desk:
        options = ("--in-flight", "1,8", "--seconds", "1", "--driver", driver)
        code, output = run("send", *options, "--url", f"http://127.0.0.1:{desk.port}")
        stored = sum(map(len, desk.messages.values()))
    assert code == 0, output
    assert f"acknowledged with 201: {stored:,}; in the histories: {stored:,}." in output
    rows = [line for line in output.splitlines() if line.startswith("| send")]
    assert [row.split("|")[2].strip() for row in rows] == ["1", "8"]
    assert all(row.split("|")[-2].strip() == "0" for row in rows)
    assert f"/s by {driver}" in output
    assert (len(desk.deleted), desk.signed_out) == (4, 20)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_message_that_was_acknowledged_but_not_stored_is_found_out(driver: str) -> None:
    with Desk(forget_every=1500) as desk:
        options = ("--in-flight", "2", "--seconds", "1", "--driver", driver)
        code, output = run("send", *options, "--url", f"http://127.0.0.1:{desk.port}")
    assert code == 1
    assert "Cleaning up" in output


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("operation", SINGLE)
def test_drivers_count_every_answer(driver: str, operation: Operation) -> None:
    with Desk(refuse_every=5) as desk:
        result: Result = RUN[driver](job(desk, operation))
        stored = sum(map(len, desk.messages.values()))
        touched = [channel for channel, known in desk.messages.items() if known]
    assert result.driver == driver
    assert 0 < result.p50_us <= result.p90_us <= result.p99_us <= result.max_us
    assert result.socket_errors == 0
    if operation in (Operation.HISTORY, Operation.ME):
        assert (set(result.statuses), result.errors) == ({"200"}, 0)
        return
    assert result.created == stored
    assert touched == ["c1", "c2"]
    assert result.errors == result.statuses["503"]
    assert abs(result.errors - stored / 4) <= 1
    assert stored - 3 <= result.measured <= stored


@pytest.mark.parametrize("drive", [with_wrk.run, with_python.run])
def test_a_driver_without_a_server_says_so(drive: Callable[[Job], Result]) -> None:
    if drive is with_wrk.run and not with_wrk.is_there():
        pytest.skip("there is no wrk on this machine")
    with Desk() as desk:
        asked = job(desk, Operation.ME)
    asked.port = 1
    with pytest.raises(RuntimeError):
        drive(asked)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--in-flight", "0"], "from 1 to 4096"),
        (["--in-flight", "1,x"], "from 1 to 4096"),
        (["--seconds", "0"], "1<=x<=120"),
        (["--seconds", "120"], "600 seconds"),
        (["--url", "http://example.org"], "another machine"),
        (["--url", "https://127.0.0.1"], "must be like"),
        (["fly"], "fly"),
        (["me", "--url", "http://127.0.0.1:1"], "refused"),
    ],
)
def test_what_can_not_be_done_is_said(arguments: list[str], said: str) -> None:
    code, output = run(*arguments)
    assert code != 0
    assert said in output


def test_limits_that_are_on_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Desk, "answer", lambda *_: (429, {"code": "rate.limited"}))
    with Desk() as desk:
        code, output = run("me", "--url", f"http://127.0.0.1:{desk.port}")
    assert code == 1
    assert "RATE_LIMIT_PER_MINUTE=0" in output


def test_limits_that_are_off_are_told_to_who_wants_to_measure_them() -> None:
    options = ("--in-flight", "2", "--seconds", "1", "--driver", "python", "--url")
    with Desk() as desk:
        code, output = run("limited-send", *options, f"http://127.0.0.1:{desk.port}")
        assert (code, len(desk.deleted)) == (1, 4)
    assert "RATE_LIMIT_PER_MINUTE=" in output
    with Desk(limit='"caller";q=10000000;w=60') as desk:
        code, output = run("limited-send", *options, f"http://127.0.0.1:{desk.port}")
    assert code == 0, output
    assert "| limited-send" in output


def test_without_a_name_all_is_measured_but_what_needs_other_settings_or_s3() -> None:
    apart = {Operation.LIMITED_SEND, Operation.FILE, Operation.THUMBNAIL}
    assert set(SINGLE) == set(Operation) - apart
