"""GCRA against its definition: what any stretch of time lets pass, and no more."""

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.gcra import SECOND_US, Rate, per_minute, whole_seconds

rates = st.builds(Rate, st.integers(1, 200), st.integers(1, 120).map(lambda seconds: seconds * SECOND_US))
pauses = st.lists(st.integers(0, 5 * SECOND_US), max_size=60)


def admitted(rate: Rate, pauses_us: list[int]) -> list[int]:
    """The moments at which a caller who asks after these pauses is let pass."""
    now_us, tat_us, passed = 1_000_000, 0, []
    for pause_us in pauses_us:
        now_us += pause_us
        if rate.wait_us(tat_us, now_us) == 0:
            tat_us = rate.after(tat_us, now_us)
            passed.append(now_us)
    return passed


@given(rates, pauses)
def test_no_stretch_of_time_lets_more_pass_than_it_may(rate: Rate, pauses_us: list[int]) -> None:
    passed = admitted(rate, pauses_us)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            lasted_us = passed[last] - passed[first]
            assert last - first + 1 <= rate.limit + lasted_us / rate.interval_us


@given(rates, pauses)
def test_nobody_waits_who_asks_no_oftener_than_the_rate(rate: Rate, pauses_us: list[int]) -> None:
    slow = [pause_us + rate.interval_us for pause_us in pauses_us]
    assert len(admitted(rate, slow)) == len(slow)


@given(rates)
def test_exactly_the_limit_passes_at_once(rate: Rate) -> None:
    assert len(admitted(rate, [0] * (rate.limit + 50))) == rate.limit


@given(rates, st.integers(0, 10**13), st.integers(0, 10**13))
def test_who_waits_as_long_as_told_may_and_not_a_moment_before(rate: Rate, tat_us: int, now_us: int) -> None:
    wait_us = rate.wait_us(tat_us, now_us)
    assert rate.wait_us(tat_us, now_us + wait_us) == 0
    if wait_us:
        assert rate.wait_us(tat_us, now_us + wait_us - 1) > 0


def test_a_limit_finer_than_a_microsecond_still_counts() -> None:
    assert Rate(10_000_000, SECOND_US).interval_us == 1
    assert per_minute(100).interval_us == 600_000


def test_seconds_to_wait_are_rounded_up() -> None:
    assert [whole_seconds(time_us) for time_us in (0, 1, SECOND_US, SECOND_US + 1)] == [1, 1, 1, 2]
