"""Watermarks against a naive model: whatever order records finish in, none unfinished is passed."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.kit.kafka.offset_tracker import OffsetTracker


class WatermarkModel(RuleBasedStateMachine):
    """The model keeps every offset ever begun, and looks for the lowest one that is not finished."""

    def __init__(self) -> None:
        super().__init__()
        self.mark = OffsetTracker()
        self.begun: list[int] = []
        self.finished: set[int] = set()
        self.committed: int | None = None

    @rule(gap=st.integers(0, 3))
    def begin(self, gap: int) -> None:
        offset = (self.begun[-1] + 1 if self.begun else 40) + gap
        self.begun.append(offset)
        self.mark.begin(offset)

    @precondition(lambda self: self.open())
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(self.open()))
        self.finished.add(offset)
        self.mark.finish(offset)

    @precondition(lambda self: self.mark.due() is not None)
    @rule()
    def commit(self) -> None:
        self.committed = self.mark.due()
        assert self.committed is not None
        self.mark.committed(self.committed)

    def open(self) -> list[int]:
        return [offset for offset in self.begun if offset not in self.finished]

    @invariant()
    def position_is_the_first_unfinished(self) -> None:
        last = self.begun[-1] + 1 if self.begun else None
        expected = self.open()[0] if self.open() else last
        assert self.mark.position == expected
        assert self.mark.due() == (None if expected == self.committed else expected)

    @invariant()
    def nothing_unfinished_is_passed_or_forgotten(self) -> None:
        assert all(self.mark.position is not None and self.mark.position <= offset for offset in self.open())
        first = self.open()[0] if self.open() else None
        held = [offset for offset in self.begun if first is not None and offset >= first]
        assert self.mark.unfinished == len(held)


TestWatermark = WatermarkModel.TestCase


@given(st.permutations(range(12)))
def test_all_finished_in_any_order_is_all_done(order: list[int]) -> None:
    mark = OffsetTracker()
    for offset in range(12):
        mark.begin(offset)
    for offset in order:
        mark.finish(offset)
    assert (mark.position, mark.unfinished, mark.due()) == (12, 0, 12)


def test_nothing_was_taken_yet() -> None:
    mark = OffsetTracker()
    assert (mark.position, mark.due(), mark.unfinished) == (None, None, 0)
