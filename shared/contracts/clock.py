"""Time and ids come from one place each, which tests can set."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    """The time, in UTC."""

    def now(self) -> datetime: ...


class Ids(Protocol):
    """Gives new ids: UUID version 7 (RFC 9562), ordered by time."""

    def new(self) -> UUID: ...
