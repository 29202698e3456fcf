"""What a relay sends: records in lines, a line for each partition."""

from msgspec import Struct

from shared.kit.wire.headers import Headers

Line = tuple[str, int]
"""A topic and a partition: what is sent there keeps its order."""


class OutboxRecord(Struct):
    """A record to be sent, for the row `place` of a page."""

    place: int
    key: bytes
    value: bytes
    headers: Headers


class Rejected(Struct):
    """A record that Kafka will never take, and why."""

    line: Line
    parcel: OutboxRecord
    reason: str


class LeaseLost(Exception):
    """The lease ran out while records were on their way; the producer that had them must be killed."""
