"""The limits of a connection, without a server: what each event leads to, and when."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from shared.contracts.errors import ServiceError
from shared.kit.http.connection_limits import ConnectionLimits, HttpBounds

BOUNDS = HttpBounds(
    connections_max=2,
    head_max_bytes=100,
    head_timeout_ms=1_000,
    body_timeout_ms=2_000,
    upload_path=b"/upload",
    upload_timeout_ms=60_000,
)


class Timer:
    """A timer that the test fires."""

    def __init__(self, seconds: float, callback: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self.seconds = seconds
        self.cancelled = False
        self._callback, self._arguments = callback, arguments

    def cancel(self) -> None:
        self.cancelled = True

    def fire(self) -> None:
        assert not self.cancelled
        self._callback(*self._arguments)


class Connection:
    """A connection and event loop that note what the limits do."""

    def __init__(self) -> None:
        self.answered, self.more_body, self.unsent = True, False, 0
        self.done: list[str] = []
        self.timers: list[Timer] = []

    def call_later(self, seconds: float, callback: Callable[..., None], *arguments: Any) -> Timer:
        self.timers.append(Timer(seconds, callback, arguments))
        return self.timers[-1]

    def running(self) -> list[float]:
        return [timer.seconds for timer in self.timers if not timer.cancelled]

    def is_answered(self) -> bool:
        return self.answered

    def awaits_body(self) -> bool:
        return self.more_body

    def unsent_bytes(self) -> int:
        return self.unsent

    def reject(self, error: ServiceError) -> None:
        self.done.append(error.code.name)

    def close_idle(self) -> None:
        self.done.append("closed")

    def abort(self) -> None:
        self.done.append("aborted")


@pytest.fixture
def connection() -> Connection:
    return Connection()


@pytest.fixture
def limits(connection: Connection) -> ConnectionLimits:
    limits = ConnectionLimits(BOUNDS, connection, connection)  # type: ignore[arg-type]
    limits.on_connected(1)
    return limits


def receive(limits: ConnectionLimits, size: int, *events: Callable[[], Any]) -> None:
    """Pass bytes and what the parser finds in them."""
    limits.on_data(size)
    for event in events:
        event()
    limits.on_parsed(size)


def request(limits: ConnectionLimits, connection: Connection, url: bytes = b"/", **state: Any) -> bool:
    """Pass a whole head; return True if it was accepted."""
    connection.answered, connection.more_body = False, state.get("more_body", True)
    accepted: list[bool] = []
    receive(
        limits, 50, limits.on_request, lambda: accepted.append(limits.on_head(url, state.get("headers", [])))
    )
    return accepted[0]


def test_one_connection_too_many_is_rejected_without_a_timer() -> None:
    connection = Connection()
    limits = ConnectionLimits(BOUNDS, connection, connection)  # type: ignore[arg-type]
    limits.on_connected(3)
    assert (connection.done, connection.timers) == (["mesh.busy"], [])
    assert limits.rejection is not None


def test_a_silent_connection_is_closed(connection: Connection, limits: ConnectionLimits) -> None:
    assert connection.running() == [1.0]
    connection.timers[0].fire()
    assert connection.done == ["closed"]


def test_a_head_that_does_not_end_has_one_timeout(connection: Connection, limits: ConnectionLimits) -> None:
    receive(limits, 10, limits.on_request)
    for _ in range(5):
        receive(limits, 10)
    assert connection.running() == [1.0]
    connection.timers[0].fire()
    assert connection.done == ["closed"]


def test_a_head_that_does_not_end_is_limited_in_size(
    connection: Connection, limits: ConnectionLimits
) -> None:
    receive(limits, 60, limits.on_request)
    receive(limits, 40)
    assert connection.done == []
    receive(limits, 1)
    assert connection.done == ["headers.too_large"]


def test_a_whole_head_is_limited_in_size_and_number(connection: Connection, limits: ConnectionLimits) -> None:
    assert request(limits, connection, headers=[(b"n" * 50, b"v" * 49)])
    assert not request(limits, connection, headers=[(b"n" * 50, b"v" * 50)])
    limits.on_unparsable()
    assert connection.done == ["headers.too_large"]
    assert not request(limits, connection, headers=[(b"", b"")] * 101)


def test_a_body_has_its_time_from_the_head_on(connection: Connection, limits: ConnectionLimits) -> None:
    request(limits, connection)
    assert connection.running() == [2.0]
    receive(limits, 10, lambda: limits.on_body(10))
    assert connection.running() == [2.0]
    connection.timers[-1].fire()
    assert connection.done == ["body.malformed"]


@pytest.mark.parametrize("url", [b"/upload", b"/upload/", b"/upload?x=1"])
def test_an_upload_has_longer(connection: Connection, limits: ConnectionLimits, url: bytes) -> None:
    request(limits, connection, url)
    assert connection.running() == [60.0]


def test_a_complete_body_needs_no_timer(connection: Connection, limits: ConnectionLimits) -> None:
    request(limits, connection)
    connection.more_body = False
    receive(limits, 10, lambda: limits.on_body(10))
    assert connection.running() == []


def test_the_framing_of_a_body_is_limited(connection: Connection, limits: ConnectionLimits) -> None:
    request(limits, connection)
    for _ in range(20):
        receive(limits, 90, lambda: limits.on_body(1))
    assert connection.done == []
    receive(limits, 101)
    assert connection.done == ["request.malformed"]
    connection.answered = True
    receive(limits, 101)
    assert connection.done == ["request.malformed", "aborted"]


@pytest.mark.parametrize(("url", "mebibytes"), [(b"/", 2), (b"/upload", 32)])
def test_after_the_response_a_body_is_discarded_up_to_a_limit(
    connection: Connection, limits: ConnectionLimits, url: bytes, mebibytes: int
) -> None:
    request(limits, connection, url)
    connection.answered = True
    taken = []
    for _ in range(mebibytes * 1024):
        taken.append(limits.on_body(1024))
    assert (any(taken), connection.done) == (False, [])
    limits.on_body(1)
    assert connection.done == ["aborted"]
    assert connection.running() == [2.0 if url == b"/" else 60.0]


def test_a_client_must_read(connection: Connection, limits: ConnectionLimits) -> None:
    connection.unsent = 100
    limits.on_writing_paused()
    connection.unsent = 99
    connection.timers[-1].fire()
    assert connection.done == []
    connection.timers[-1].fire()
    assert connection.done == ["aborted"]


def test_no_timer_outlives_the_connection(connection: Connection, limits: ConnectionLimits) -> None:
    request(limits, connection)
    limits.on_writing_paused()
    limits.on_disconnected()
    assert connection.running() == []


def test_garbage_is_rejected(connection: Connection, limits: ConnectionLimits) -> None:
    limits.on_unparsable()
    assert connection.done == ["request.malformed"]


async def test_it_runs_on_an_event_loop() -> None:
    connection = Connection()
    bounds = HttpBounds(head_timeout_ms=10)
    limits = ConnectionLimits(bounds, connection, asyncio.get_running_loop())
    limits.on_connected(1)
    await asyncio.sleep(0.1)
    assert connection.done == ["closed"]
