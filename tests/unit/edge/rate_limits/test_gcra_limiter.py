"""The limiter against the plain arithmetic, its bound on memory, and limits shared by several processes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.gcra import SECOND_US, Rate
from shared.edge.rate_limits.gcra_limiter import DEBT_MAX_WINDOWS, GcraLimiter

RATE = Rate(10, 10 * SECOND_US)


class Time:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.us = 5_000_000

    def __call__(self) -> int:
        return self.us


@pytest.fixture
def time() -> Time:
    return Time()


def limiter(time: Time, rate: Rate = RATE, callers_max: int = 100, share_from: int = 1) -> GcraLimiter[str]:
    return GcraLimiter(rate, callers_max=callers_max, share_from=share_from, now_us=time)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3 * SECOND_US)), max_size=80))
def test_each_caller_has_the_limit_of_the_arithmetic(steps: list[tuple[str, int]]) -> None:
    time = Time()
    limited, tats = limiter(time), dict.fromkeys("abc", 0)
    for caller, pause_us in steps:
        time.us += pause_us
        remaining_us = RATE.remaining_us(tats[caller], time.us)
        assert limited.take(caller) == remaining_us
        if remaining_us >= 0:
            tats[caller] = RATE.after(tats[caller], time.us)


def test_the_room_tells_how_many_are_left_and_how_long_to_wait(time: Time) -> None:
    limited = limiter(time)
    assert [limited.take("a") // RATE.interval_us for _ in range(10)] == list(range(9, -1, -1))
    assert limited.take("a") == -RATE.interval_us
    time.us += RATE.interval_us - 1
    assert limited.take("a") == -1
    time.us += 1
    assert limited.take("a") == 0


def test_a_refusal_costs_nothing(time: Time) -> None:
    limited = limiter(time)
    for _ in range(1000):
        limited.take("a")
    time.us += RATE.interval_us
    assert limited.take("a") >= 0


def test_what_is_given_back_may_be_taken_again(time: Time) -> None:
    limited = limiter(time)
    for _ in range(1000):
        assert limited.take("a") >= 0
        limited.give_back("a")
    assert limited.drain_unshared() == {}


def test_memory_is_bounded_and_the_busy_are_not_forgotten(time: Time) -> None:
    limited = limiter(time, callers_max=20)
    while limited.take("busy") >= 0:
        pass
    for number in range(10_000):
        limited.take(f"address {number}")
        if number % 5 == 0:
            assert limited.take("busy") < 0
        assert len(limited) <= 20
    for number in range(20):
        limited.take(f"another {number}")
    assert limited.take("busy") >= 0, "forgotten at last, for it was silent"


def test_what_is_told_is_told_once_and_only_of_callers_who_took_enough(time: Time) -> None:
    limited = limiter(time, share_from=3)
    for caller in "aaabbbbc":
        limited.take(caller)
    assert limited.drain_unshared() == {"a": 3, "b": 4}
    assert limited.drain_unshared() == {}
    limited.take("c")
    assert limited.drain_unshared() == {}
    limited.take("c")
    assert limited.drain_unshared() == {"c": 3}


def test_without_anybody_to_be_told_nothing_is_kept_for_that(time: Time) -> None:
    limited = GcraLimiter[int](RATE, callers_max=20, now_us=time)
    for caller in range(1000):
        limited.take(caller)
    assert limited.drain_unshared() == {}


def test_requests_that_are_paid_back_are_shared_all_the_same(time: Time) -> None:
    limited = limiter(time, share_from=3)
    for _ in range(3):
        limited.take("a")
        time.us += RATE.span_us
    assert limited.drain_unshared() == {"a": 3}


def test_requests_admitted_by_others_count_and_may_be_a_debt(time: Time) -> None:
    limited = limiter(time)
    limited.add("a", 9, 0)
    assert limited.take("a") == 0
    limited.add("a", 5, 0)
    assert limited.take("a") == -6 * RATE.interval_us


def test_requests_admitted_by_others_long_ago_are_paid_back(time: Time) -> None:
    limited = limiter(time)
    limited.add("a", 10, 4 * RATE.interval_us)
    assert limited.take("a") == 3 * RATE.interval_us
    limited.add("b", 3, 4 * RATE.interval_us)
    assert len(limited) == 1


def test_no_count_of_others_blocks_a_caller_forever(time: Time) -> None:
    limited = limiter(time)
    limited.add("a", 10**9, 0)
    time.us += DEBT_MAX_WINDOWS * RATE.span_us
    assert limited.take("a") >= 0


class Several:
    """Limiters that share the counts of requests they admitted, from time to time."""

    def __init__(self, count: int, share_from: int) -> None:
        self.time = Time()
        self.limiters = [limiter(self.time, share_from=share_from) for _ in range(count)]
        self.passed: list[tuple[int, int]] = []

    def take(self, number: int) -> None:
        if self.limiters[number].take("a") >= 0:
            self.passed.append((self.time.us, number))

    def share(self) -> list[int]:
        """Share all counts; return the number of requests that each limiter shared."""
        counts = []
        for sender in self.limiters:
            shared = sender.drain_unshared()
            counts.append(shared.get("a", 0))
            for receiver in self.limiters:
                if receiver is not sender:
                    for caller, count in shared.items():
                        receiver.add(caller, count, 0)
        return counts


@given(
    st.integers(2, 4),
    st.integers(1, 3),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3 * SECOND_US)), max_size=150),
    st.integers(1, 20),
)
def test_the_error_of_several_is_at_most_what_is_not_shared_yet(
    count: int, share_from: int, steps: list[tuple[int, int]], period: int
) -> None:
    """The bound of the decision record: limit + time / interval + requests that others have not shared."""
    several = Several(count, share_from)
    begun_us, unshared, worst = several.time.us, [0] * count, 0
    for step, (number, pause_us) in enumerate(steps):
        several.time.us += pause_us
        before = len(several.passed)
        several.take(number % count)
        unshared[number % count] += len(several.passed) - before
        worst = max(worst, max(sum(unshared) - own for own in unshared))
        if step % period == period - 1:
            shared = several.share()
            assert shared == [count if count >= share_from else 0 for count in unshared]
            unshared = [total - part for total, part in zip(unshared, shared, strict=True)]
        allowed = RATE.limit + (several.time.us - begun_us) / RATE.interval_us
        assert len(several.passed) <= allowed + worst


@pytest.mark.parametrize("count", [2, 3, 8])
def test_steady_callers_just_under_the_limit_at_each_have_one_limit(count: int) -> None:
    share_from, intervals = 3, 100
    several = Several(count, share_from)
    for _ in range(intervals):
        for number in range(count):
            several.take(number)
        several.share()
        several.time.us += RATE.interval_us
    unshared = (count - 1) * share_from
    assert len(several.passed) <= RATE.limit + intervals + unshared


def test_who_took_from_all_at_once_waits_until_that_is_paid_back() -> None:
    """The burst of the worst case is a loan: the mean over time is right."""
    several = Several(3, 1)
    for _ in range(50):
        for number in range(3):
            several.take(number)
    assert len(several.passed) == 3 * RATE.limit
    several.share()
    several.time.us += 2 * RATE.span_us
    for number in range(3):
        several.take(number)
    assert len(several.passed) == 3 * RATE.limit
    several.time.us += RATE.interval_us
    several.take(0)
    assert len(several.passed) == 3 * RATE.limit + 1
