"""Bodies that stall, arrive too slowly, or are cut off."""

import asyncio
from typing import Any

import pytest

from shared.contracts.errors import ServiceError
from shared.edge.uploads.body_reader import IncomingBody, MinimumRate

TEMPO = MinimumRate(stall_timeout_s=20, rate_min_bytes_s=100, rate_window_s=30)


class Sender:
    """Sends pieces of these sizes, each after a pause, on a clock that does not wait."""

    def __init__(self, *pieces: tuple[float, int]) -> None:
        self.now_s = 0.0
        self._pieces = list(pieces)

    async def receive(self) -> dict[str, Any]:
        if not self._pieces:
            return {"type": "http.disconnect"}
        pause_s, size = self._pieces.pop(0)
        self.now_s += pause_s
        return {"type": "http.request", "body": bytes(size), "more_body": True}

    async def detail(self, tempo: MinimumRate = TEMPO, our_pause_s: float = 0.0) -> str:
        """Return the detail of the error that ends the body."""
        body = IncomingBody(self.receive, tempo, lambda: self.now_s)
        with pytest.raises(ServiceError) as raised:
            while await body.next() is not None:
                self.now_s += our_pause_s
        assert raised.value.code.name == "body.malformed"
        return raised.value.detail


BROKEN = "The connection ended before the body did."
SLOW = "The body arrived too slowly: at least 100 bytes a second are required, averaged over 30 s."


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([(1, 1)] * 29, BROKEN),  # too early to tell
        ([(1, 1)] * 30, SLOW),
        ([(1, 99)] * 30, SLOW),
        ([(1, 100)] * 300, BROKEN),
        ([(19, 10), (1, 1000), *[(1, 300)] * 10], BROKEN),  # a pause, then as fast as before
        ([(0, 10**6), *[(1, 1)] * 60], SLOW),  # a fast start lasts for one window
    ],
)
async def test_the_average_of_each_window_counts(pieces: list[tuple[float, int]], expected: str) -> None:
    assert await Sender(*pieces).detail() == expected


async def test_time_that_the_sender_waits_for_us_does_not_count() -> None:
    assert await Sender(*[(0.1, 10)] * 200).detail(our_pause_s=60) == BROKEN


async def test_without_a_minimum_any_rate_is_accepted() -> None:
    tempo = MinimumRate(stall_timeout_s=20, rate_min_bytes_s=0, rate_window_s=30)
    assert await Sender(*[(10, 0)] * 50).detail(tempo) == BROKEN


async def test_a_body_that_stalls() -> None:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(5)
        return {}

    tempo = MinimumRate(stall_timeout_s=0.05, rate_min_bytes_s=0, rate_window_s=1)
    with pytest.raises(ServiceError, match=r"No data arrived for 0\.05 s"):
        await IncomingBody(receive, tempo).next()


async def test_nothing_is_awaited_after_the_last_chunk() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x", "more_body": False}

    body = IncomingBody(receive, TEMPO)
    assert [await body.next(), await body.next(), await body.next()] == [b"x", None, None]
