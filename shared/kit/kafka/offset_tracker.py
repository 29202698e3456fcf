"""Watermarks: up to where a partition may be committed while its records finish in any order."""

from collections import deque


class OffsetTracker:
    """One partition: the lowest offset that is still unfinished."""

    def __init__(self) -> None:
        self._begun: deque[int] = deque()
        self._finished: set[int] = set()
        self._next: int | None = None
        self._committed: int | None = None

    def begin(self, offset: int) -> None:
        """A record was taken; offsets come in ascending order."""
        self._begun.append(offset)
        self._next = offset + 1

    def finish(self, offset: int) -> None:
        """A record is done, in whatever order."""
        self._finished.add(offset)
        while self._begun and self._begun[0] in self._finished:
            self._finished.discard(self._begun.popleft())

    @property
    def unfinished(self) -> int:
        """How many records were begun and are not below the mark yet."""
        return len(self._begun)

    @property
    def position(self) -> int | None:
        """The offset to commit: the first one that is not done. None: nothing was taken yet."""
        return self._begun[0] if self._begun else self._next

    def due(self) -> int | None:
        """The position when it moved since it was last committed, else None."""
        position = self.position
        return None if position == self._committed else position

    def committed(self, position: int) -> None:
        """This position stands committed."""
        self._committed = position
