"""Where a page of sessions ends: a cursor that only auth reads."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from struct import Struct, error
from uuid import UUID

from shared.contracts.errors import FieldError
from shared.contracts.validation import validation_failed

_LAYOUT = Struct(">q16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """The place of a session in its owner's list."""

    last_used_at: datetime
    id: UUID

    def cursor(self) -> str:
        """As text for the next call."""
        microseconds = (self.last_used_at - _EPOCH) // _MICROSECOND
        return urlsafe_b64encode(_LAYOUT.pack(microseconds, self.id.bytes)).decode()


def place_of(cursor: str) -> Place:
    """The place that a cursor stands for. Raises `validation.failed` for one that was never given."""
    try:
        microseconds, raw = _LAYOUT.unpack(urlsafe_b64decode(cursor))
        place = Place(_EPOCH + microseconds * _MICROSECOND, UUID(bytes=raw))
    except (ValueError, OverflowError, error):
        raise validation_failed((FieldError("cursor", "must be the `next` of an earlier page"),)) from None
    return place
