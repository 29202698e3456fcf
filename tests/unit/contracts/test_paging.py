"""Cursors lead on in their own list, and everything else is refused."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.contracts import errors
from shared.contracts.errors import ServiceError
from shared.contracts.paging import Cursor, Listing
from tests.unit.server.world import refused

OWNER = UUID(int=7)
PLACE = Cursor(datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC), UUID(int=9))


def cursor_of(listing: Listing, place: Cursor = PLACE) -> str:
    _, cursor = listing.split([place, place], 1, lambda row: row)
    assert cursor is not None
    return cursor


@given(some.datetimes(timezones=some.just(UTC)), some.uuids())
def test_a_cursor_says_exactly_where_the_page_ended(at: datetime, place_id: UUID) -> None:
    listing = Listing("members", OWNER)
    assert listing.decode(cursor_of(listing, Cursor(at, place_id))) == Cursor(at, place_id)


def test_the_last_page_has_no_cursor() -> None:
    assert Listing("members", OWNER).split([PLACE], 1, lambda row: row) == ([PLACE], None)


@pytest.mark.parametrize("other", [Listing("channels", OWNER), Listing("members", UUID(int=8))])
def test_a_cursor_of_another_list_is_refused(other: Listing) -> None:
    with pytest.raises(ServiceError) as caught:
        other.decode(cursor_of(Listing("members", OWNER)))
    assert caught.value.code is errors.VALIDATION_FAILED
    assert [fault.path for fault in caught.value.errors] == ["cursor"]


@given(some.text(alphabet="ABCabc019-_", min_size=1, max_size=256))
def test_garbage_is_refused(cursor: str) -> None:
    with refused(errors.VALIDATION_FAILED):
        Listing("members", OWNER).decode(cursor)


def test_a_cursor_that_was_tampered_with_is_refused() -> None:
    listing = Listing("members", OWNER)
    cursor = cursor_of(listing)
    for spoilt in (cursor[:-1], cursor + "A", cursor[:-1] + "_", "A" + cursor[1:]):
        with refused(errors.VALIDATION_FAILED):
            listing.decode(spoilt)
