"""Reading what drivers and servers say, and telling it in a table."""

import pytest

from bench.answers import answer_length, body_of, status_of
from bench.job import Job, Operation, Result, Target, request_of
from bench.table import errors_of, row_of, table
from bench.with_wrk import command, read

WRK = """Running 10s test @ http://127.0.0.1:3001
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    12.31ms    3.1ms   50.0ms   90.00%
"""
WRK += (
    'BENCH {"measured":790,"statuses":{"201":800,"503":7},"socket_errors":2,'
    '"p50_us":1200,"p90_us":2500,"p99_us":31000,"max_us":51234}\n'
)


def result(**changes: object) -> Result:
    values = {
        "driver": "wrk",
        "seconds": 8,
        "measured": 16_000,
        "statuses": {"201": 16_010},
        "socket_errors": 0,
        "p50_us": 1_234.0,
        "p90_us": 2_000.0,
        "p99_us": 30_000.0,
        "max_us": 99_960.0,
    }
    return Result(**{**values, **changes})  # type: ignore[arg-type]


def job(operation: Operation) -> Job:
    targets = [Target("c1", "t1"), Target("c2", "t2")]
    return Job(
        operation=operation, host="127.0.0.1", port=3001, in_flight=64, seconds=8, run="r", targets=targets
    )


def test_what_wrk_prints_is_read() -> None:
    found = read(WRK, 10)
    assert (found.rate, found.created, found.errors) == (79, 800, 9)
    assert (found.p50_us, found.p90_us, found.p99_us, found.max_us) == (1200, 2500, 31000, 51234)


@pytest.mark.parametrize("output", ["", "Running 10s test", WRK + WRK])
def test_what_wrk_did_not_say_is_an_error(output: str) -> None:
    with pytest.raises(RuntimeError):
        read(output, 10)


def test_wrk_has_a_connection_for_each_request_in_flight(tmp_path: object) -> None:
    line = command(job(Operation.SEND), tmp_path)  # type: ignore[arg-type]
    assert line[:4] == ["wrk", "-t2", "-c64", "-d10s"]
    assert "http://127.0.0.1:3001" in line


def test_requests_are_whole_and_go_around_the_targets() -> None:
    first, second = (request_of(job(Operation.SEND), number).decode() for number in (0, 1))
    assert first.startswith("POST /api/channels/c1/messages HTTP/1.1\r\n")
    assert "Authorization: Bearer t1\r\n" in first
    assert second.startswith("POST /api/channels/c2/messages HTTP/1.1\r\n")
    head, _, body = first.partition("\r\n\r\n")
    assert f"Content-Length: {len(body)}" in head
    assert '"nonce":"r-0-0"' in body
    assert request_of(job(Operation.HISTORY), 0).startswith(b"GET /api/channels/c1/messages?limit=50 ")
    assert request_of(job(Operation.ME), 0).startswith(b"GET /api/auth/me ")


def test_answers_are_cut_where_they_end() -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    assert answer_length(whole + b"HTTP/1.1") == len(whole)
    assert answer_length(whole[:20]) is None
    assert (status_of(whole), body_of(whole)) == ("200", b"hello")
    empty = b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n"
    assert answer_length(empty) == len(empty)


def test_every_answer_that_is_no_2xx_is_an_error_and_shown() -> None:
    bad = result(statuses={"201": 10, "200": 1, "503": 2, "404": 1}, socket_errors=3)
    assert (bad.errors, errors_of(bad)) == (6, "1× 404, 2× 503, 3× no answer")
    assert errors_of(result()) == "0"


def test_the_table_is_aligned() -> None:
    rows = [row_of(Operation.SEND, 1, result()), row_of(Operation.HISTORY, 256, result(measured=8))]
    lines = table(rows).splitlines()
    assert len({len(line) for line in lines}) == 1
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells == ["send", "1", "2,000", "1.2", "2.0", "30.0", "100.0", "0"]
