"""How many uploads a process has in hand: of all people together, and of each."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from shared.contracts.errors import MESH_BUSY, RATE_LIMITED

_RETRY_AFTER_S = 5


class UploadSlots:
    """The places for uploads. So that a few people can not hold them all, half of them is for first ones."""

    def __init__(self, places_max: int, person_max: int) -> None:
        self._places_max = places_max
        self._person_max = person_max
        self._taken: Counter[UUID] = Counter()

    @property
    def taken(self) -> int:
        """How many uploads are in hand."""
        return self._taken.total()

    @contextmanager
    def take(self, profile_id: UUID) -> Iterator[None]:
        """A place for one upload of this person.

        Raises `rate.limited` when he has as many as one may have, `mesh.busy` when there is none for him.
        """
        own = self._taken[profile_id]
        if own >= self._person_max:
            raise RATE_LIMITED.exception(
                f"You are uploading {own} files, as many as one may at once.", retry_after_s=_RETRY_AFTER_S
            )
        if self.taken >= (self._places_max / 2 if own else self._places_max):
            raise MESH_BUSY.exception("Too many files are being uploaded.", retry_after_s=_RETRY_AFTER_S)
        self._taken[profile_id] += 1
        try:
            yield
        finally:
            self._taken[profile_id] -= 1
            self._taken += Counter()  # forgets who has none
