"""Committable offsets against a naive model: no uncompleted record is passed, whatever their order."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.kit.kafka.offset_tracker import OffsetTracker


class TrackerModel(RuleBasedStateMachine):
    """A model that keeps every started offset, and searches for the lowest one that is not completed."""

    def __init__(self) -> None:
        super().__init__()
        self.tracker = OffsetTracker()
        self.started: list[int] = []
        self.completed: set[int] = set()
        self.committed: int | None = None

    @rule(gap=st.integers(0, 3))
    def start(self, gap: int) -> None:
        offset = (self.started[-1] + 1 if self.started else 40) + gap
        self.started.append(offset)
        self.tracker.start(offset)

    @precondition(lambda self: self.open())
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(self.open()))
        self.completed.add(offset)
        self.tracker.complete(offset)

    @precondition(lambda self: self.tracker.committable() is not None)
    @rule()
    def commit(self) -> None:
        self.committed = self.tracker.committable()
        assert self.committed is not None
        self.tracker.committed(self.committed)

    def open(self) -> list[int]:
        return [offset for offset in self.started if offset not in self.completed]

    @invariant()
    def position_is_the_first_uncompleted(self) -> None:
        last = self.started[-1] + 1 if self.started else None
        expected = self.open()[0] if self.open() else last
        assert self.tracker.position == expected
        assert self.tracker.committable() == (None if expected == self.committed else expected)

    @invariant()
    def nothing_uncompleted_is_passed_or_forgotten(self) -> None:
        assert all(
            self.tracker.position is not None and self.tracker.position <= offset for offset in self.open()
        )
        first = self.open()[0] if self.open() else None
        held = [offset for offset in self.started if first is not None and offset >= first]
        assert self.tracker.unfinished == len(held)


TestTracker = TrackerModel.TestCase


@given(st.permutations(range(12)))
def test_all_are_completed_in_any_order(order: list[int]) -> None:
    tracker = OffsetTracker()
    for offset in range(12):
        tracker.start(offset)
    for offset in order:
        tracker.complete(offset)
    assert (tracker.position, tracker.unfinished, tracker.committable()) == (12, 0, 12)


def test_a_new_tracker_has_nothing_to_commit() -> None:
    tracker = OffsetTracker()
    assert (tracker.position, tracker.committable(), tracker.unfinished) == (None, None, 0)
