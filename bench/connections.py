"""HTTP/1.1 connections that ask again as soon as they are answered."""

import asyncio
import time
from collections import Counter
from typing import cast

from bench.answers import answer_length, status_of
from bench.job import Job, Result, request_of

TIMEOUT_S = 15.0


class Tally:
    """The counters of all connections of a run."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.number = 0
        self.deadline = time.perf_counter() + job.seconds
        self.measured = 0
        self.statuses: Counter[str] = Counter()
        self.latencies_us: list[float] = []
        self.socket_errors = 0

    def next_request(self) -> bytes:
        """Return the next request."""
        self.number += 1
        return request_of(self.job, self.number)

    def answered(self, status: str, begun: float) -> None:
        """Count a complete response."""
        now = time.perf_counter()
        self.latencies_us.append((now - begun) * 1e6)
        self.statuses[status] += 1
        self.measured += status.startswith("2") and now < self.deadline

    def result(self) -> Result:
        """Return the figures of the run."""
        ordered = sorted(self.latencies_us) or [0.0]

        def at(share: float) -> float:
            return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

        return Result(
            driver="python",
            seconds=self.job.seconds,
            measured=self.measured,
            statuses=dict(self.statuses),
            socket_errors=self.socket_errors,
            p50_us=at(0.5),
            p90_us=at(0.9),
            p99_us=at(0.99),
            max_us=ordered[-1],
        )


class Connection(asyncio.Protocol):
    """One request in flight, again and again until the deadline."""

    def __init__(self, tally: Tally, ended: "asyncio.Future[None]") -> None:
        self._tally = tally
        self._ended = ended
        self._received = b""
        self._begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's, but do the same.
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        length = answer_length(self._received)
        if length is not None and len(self._received) >= length:
            self._tally.answered(status_of(self._received), self._begun)
            self._received = self._received[length:]
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._ended.done():
            self._tally.socket_errors += 1
            self._ended.set_result(None)

    def _ask(self) -> None:
        self._begun = time.perf_counter()
        if self._begun < self._tally.deadline:
            self._transport.write(self._tally.next_request())
        else:
            self._ended.set_result(None)
            self._transport.close()


async def drive(job: Job) -> Result:
    """All connections of a job; those that hang are given up some seconds after its end."""
    loop = asyncio.get_running_loop()
    tally = Tally(job)
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(job.in_flight)]
    for ended in ends:
        await loop.create_connection(lambda ended=ended: Connection(tally, ended), job.host, job.port)  # type: ignore[misc]
    _, hanging = await asyncio.wait(ends, timeout=job.seconds + TIMEOUT_S)
    tally.socket_errors += len(hanging)
    return tally.result()
