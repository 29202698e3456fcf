"""The job of one run and its result, exchanged between the command and its drivers as JSON."""

from enum import StrEnum

from msgspec import Struct


class Operation(StrEnum):
    """The operations that can be measured."""

    SEND = "send"
    HISTORY = "history"
    ME = "me"
    LIMITED_SEND = "limited-send"
    """The same as `send`, on a Concord whose limits are on and too high to refuse anything."""
    FILE = "file"
    THUMBNAIL = "thumbnail"


SINGLE = (Operation.SEND, Operation.HISTORY, Operation.ME)
"""One request each; a file takes several."""


class Target(Struct, frozen=True):
    """A channel and the access token of one of its members."""

    channel_id: str
    token: str


class Job(Struct, kw_only=True):
    """So many requests in flight at once, each on a connection of its own, for `seconds`."""

    operation: Operation
    host: str
    port: int
    in_flight: int
    seconds: float
    run: str
    """Begins every nonce, so that no message of this run is taken for one of another."""
    targets: list[Target]


class Result(Struct, kw_only=True):
    """A driver's counters. Latencies are in microseconds, from the first byte sent to the last received."""

    driver: str
    seconds: float
    measured: int
    """2xx answers that came within the time; what was on the way at its end is waited for, but no rate."""
    statuses: dict[str, int]
    """All answers by status, those after the end too."""
    socket_errors: int
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.measured / self.seconds

    @property
    def errors(self) -> int:
        """Every answer that is no 2xx, and every request that had none."""
        bad = sum(count for status, count in self.statuses.items() if not status.startswith("2"))
        return bad + self.socket_errors

    @property
    def created(self) -> int:
        """The number of messages that were acknowledged as new."""
        return self.statuses.get("201", 0)


def request_of(job: Job, number: int, worker: str = "0") -> bytes:
    """Return the bytes of the `number`th request of a worker, the same as those of the Lua script."""
    target = job.targets[number % len(job.targets)]
    head = f"Host: {job.host}:{job.port}\r\nAuthorization: Bearer {target.token}\r\n"
    if job.operation is Operation.ME:
        return f"GET /api/auth/me HTTP/1.1\r\n{head}\r\n".encode()
    path = f"/api/channels/{target.channel_id}/messages"
    if job.operation is Operation.HISTORY:
        return f"GET {path}?limit=50 HTTP/1.1\r\n{head}\r\n".encode()
    nonce = f"{job.run}-{worker}-{number}"
    body = f'{{"content":"The engine weaves algebraic patterns, {number}.","nonce":"{nonce}"}}'
    kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"POST {path} HTTP/1.1\r\n{head}{kind}\r\n{body}".encode()
