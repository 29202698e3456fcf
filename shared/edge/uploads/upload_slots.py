"""Bounds on concurrent uploads: of all profiles together, and of each."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from shared.contracts.errors import MESH_BUSY, RATE_LIMITED

_RETRY_AFTER_S = 5


class UploadSlots:
    """Slots for uploads. Half are reserved for first uploads, so that few profiles cannot hold them all."""

    def __init__(self, slots_max: int, per_profile_max: int) -> None:
        self._slots_max = slots_max
        self._per_profile_max = per_profile_max
        self._in_use: Counter[UUID] = Counter()

    @property
    def in_use(self) -> int:
        """The number of uploads in progress."""
        return self._in_use.total()

    @contextmanager
    def acquire(self, profile_id: UUID) -> Iterator[None]:
        """Hold a slot for one upload of this profile.

        Raises `rate.limited` if the profile has all of its slots in use, `mesh.busy` if no slot is free.
        """
        own = self._in_use[profile_id]
        if own >= self._per_profile_max:
            raise RATE_LIMITED.exception(
                f"You are uploading {own} files, the most allowed at once.", retry_after_s=_RETRY_AFTER_S
            )
        if self.in_use >= (self._slots_max / 2 if own else self._slots_max):
            raise MESH_BUSY.exception("Too many files are being uploaded.", retry_after_s=_RETRY_AFTER_S)
        self._in_use[profile_id] += 1
        try:
            yield
        finally:
            self._in_use[profile_id] -= 1
            self._in_use += Counter()  # drops zero counts
