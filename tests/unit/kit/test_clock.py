"""Ids stay in order whatever the clock does."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kit import clock
from shared.kit.clock import SystemIds, now_ms

BASE = (0x7 << 76) | (0x2 << 62)


def made_at(ms: int, rest: int = 0) -> UUID:
    return UUID(int=(ms << 80) | BASE | rest)


def ids_of(*made: UUID) -> SystemIds:
    source: Iterator[UUID] = iter(made)
    return SystemIds(lambda: next(source))


def test_a_clock_set_back_by_five_seconds_gives_no_smaller_id() -> None:
    now = now_ms()
    ids = ids_of(
        *(made_at(now + ms, ms) for ms in range(3)), *(made_at(now - 5_000 + ms) for ms in range(500))
    )
    given = [ids.new() for _ in range(503)]
    assert given == sorted(given)
    assert len(set(given)) == 503
    assert all(made.version == 7 and made.variant == UUID(int=BASE).variant for made in given)
    assert given[-1].int >> 80 == now + 2, "the time of ids stands still until the clock has caught up"


@given(st.lists(st.tuples(st.integers(-10_000, 10_000), st.integers(0, (1 << 62) - 1)), min_size=2))
def test_any_clock_gives_growing_ids(times: list[tuple[int, int]]) -> None:
    ids = ids_of(*(made_at(1_777_636_800_000 + ms, rest) for ms, rest in times))
    given = [ids.text() for _ in times]
    assert given == sorted(set(given))


def test_where_the_random_part_is_full_the_next_millisecond_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    full = made_at(5, (1 << 62) - 1)
    ids = ids_of(full, full)
    assert [ids.new().int >> 80, ids.new().int >> 80] == [5, 6]


def test_the_real_ones() -> None:
    ids = SystemIds()
    given = [ids.text() for _ in range(10_000)]
    assert given == sorted(set(given))
    assert abs((UUID(given[-1]).int >> 80) - clock.now_ms()) < 1_000
