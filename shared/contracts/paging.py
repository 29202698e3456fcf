"""Keyset paging: opaque cursors made of the sort key of a page's last row.

A cursor is valid for one list of one owner only.
"""

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


class Cursor(NamedTuple):
    """The sort key of a page's last row, after which the next page starts."""

    at: datetime
    id: UUID


class Listing:
    """A paged list, identified by its name and the id of its owner."""

    def __init__(self, name: str, owner_id: UUID) -> None:
        self._scope = sha256(f"{name} {owner_id}".encode()).digest()[:8]

    def decode(self, text: str | None) -> Cursor | None:
        """Return the decoded cursor; None for the first page.

        Raises `validation.failed` for a text that is not a cursor of this list.
        """
        if text is None:
            return None
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            scope, at_us, row_id = _LAYOUT.unpack(raw)
            cursor = Cursor(_EPOCH + at_us * _MICROSECOND, UUID(bytes=row_id))
        except (ValueError, OverflowError, struct.error):
            raise _invalid_cursor() from None
        if scope != self._scope or self._encode(cursor) != text:
            raise _invalid_cursor()
        return cursor

    def split(
        self, rows: Sequence[T], limit: int, cursor_of: Callable[[T], Cursor]
    ) -> tuple[Sequence[T], str | None]:
        """Return the first `limit` rows, and the encoded cursor of the next page if there are more rows."""
        if len(rows) <= limit:
            return rows, None
        return rows[:limit], self._encode(cursor_of(rows[limit - 1]))

    def _encode(self, cursor: Cursor) -> str:
        raw = _LAYOUT.pack(self._scope, (cursor.at - _EPOCH) // _MICROSECOND, cursor.id.bytes)
        return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _invalid_cursor() -> ServiceError:
    return validation_failed([FieldError("cursor", "must be the `next` of an earlier page of this list")])
