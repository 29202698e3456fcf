"""Which files have thumbnails, and when it is tried again to make them. Pure.

A try is counted before it begins, together with the time before which nobody tries again: so whatever ends it
(this process too), another try follows, and only one process is at it. What this process saw to be the fault
of the storage, and not of the image, gives the try back.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from apps.file.domain.files import FileRecord
from apps.file.domain.types import may_have_thumbnails

TRIES_MAX = 5
"""So often it is tried by itself; later on whoever asks for a thumbnail has it tried again."""
_FIRST_PAUSE_S = 60
"""Longer than a try takes."""
_LONGEST_PAUSE_S = 3600


def can_have_any(kept: FileRecord, size_max: int) -> bool:
    """Whether it is an image that is not too large (bytes)."""
    return may_have_thumbnails(kept.file.content_type) and kept.file.size <= size_max


def may_try(kept: FileRecord, now: datetime) -> bool:
    """Whether it is not decided, and it is time to try."""
    return kept.thumbnails is None and (kept.thumbnails_after is None or kept.thumbnails_after <= now)


def one_try_more(kept: FileRecord, now: datetime) -> FileRecord:
    """The file with a try counted: after each failure four times as long passes, an hour at most.

    One more than `TRIES_MAX` at most, so that what was given up still is when a try is given back.
    """
    pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 4**kept.thumbnail_tries)
    after = now + timedelta(seconds=pause_s)
    return replace(kept, thumbnail_tries=min(kept.thumbnail_tries, TRIES_MAX) + 1, thumbnails_after=after)


def one_try_less(kept: FileRecord, counted: FileRecord, now: datetime) -> FileRecord:
    """The file without the try that was `counted`, soon to be tried again; unchanged if another has begun."""
    if kept.thumbnails is not None or kept.thumbnails_after != counted.thumbnails_after:
        return kept
    after = now + timedelta(seconds=_FIRST_PAUSE_S)
    return replace(kept, thumbnail_tries=counted.thumbnail_tries - 1, thumbnails_after=after)


def given_up(kept: FileRecord) -> bool:
    """Whether it is tried again only when somebody asks."""
    return kept.thumbnail_tries >= TRIES_MAX
