"""Cursors: opaque, made of the last row's sort key, good for one list of one owner only."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple, TypeVar
from uuid import UUID

from shared.contracts.errors import FieldError, ServiceError
from shared.contracts.validation import validation_failed

T = TypeVar("T")

_LAYOUT = struct.Struct(">8sq16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Place(NamedTuple):
    """Where a page ended: the sort key of its last row."""

    at: datetime
    id: UUID


class Listing:
    """One list, named and with the id of whom it belongs to."""

    def __init__(self, name: str, owner_id: UUID) -> None:
        self._scope = sha256(f"{name} {owner_id}".encode()).digest()[:8]

    def start(self, cursor: str | None) -> Place | None:
        """Where to go on. Raises `validation.failed` for a cursor that is none of this list's."""
        if cursor is None:
            return None
        try:
            raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            scope, at_us, place_id = _LAYOUT.unpack(raw)
            place = Place(_EPOCH + at_us * _MICROSECOND, UUID(bytes=place_id))
        except (ValueError, OverflowError, struct.error):
            raise _not_ours() from None
        if scope != self._scope or self._cursor(place) != cursor:
            raise _not_ours()
        return place

    def cut(
        self, rows: Sequence[T], size: int, place: Callable[[T], Place]
    ) -> tuple[Sequence[T], str | None]:
        """The first `size` rows, and the cursor of the rest when there is one."""
        if len(rows) <= size:
            return rows, None
        return rows[:size], self._cursor(place(rows[size - 1]))

    def _cursor(self, place: Place) -> str:
        raw = _LAYOUT.pack(self._scope, (place.at - _EPOCH) // _MICROSECOND, place.id.bytes)
        return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _not_ours() -> ServiceError:
    return validation_failed([FieldError("cursor", "must be the `next` of an earlier page of this list")])
