"""The offset up to which a partition may be committed while its records complete in any order."""

from collections import deque


class OffsetTracker:
    """The lowest uncompleted offset of one partition."""

    def __init__(self) -> None:
        self._started: deque[int] = deque()
        self._completed: set[int] = set()
        self._next: int | None = None
        self._committed: int | None = None

    def start(self, offset: int) -> None:
        """Note that a record is being processed; offsets must ascend."""
        self._started.append(offset)
        self._next = offset + 1

    def complete(self, offset: int) -> None:
        """Note that a record is processed, in whatever order."""
        self._completed.add(offset)
        while self._started and self._started[0] in self._completed:
            self._completed.discard(self._started.popleft())

    @property
    def unfinished(self) -> int:
        """The number of started records that are not below `position` yet."""
        return len(self._started)

    @property
    def position(self) -> int | None:
        """The offset to commit: the lowest one that is not completed. None before the first record."""
        return self._started[0] if self._started else self._next

    def committable(self) -> int | None:
        """Return the position if it changed since the last commit, otherwise None."""
        position = self.position
        return None if position == self._committed else position

    def committed(self, position: int) -> None:
        """Note that this position is committed."""
        self._committed = position
