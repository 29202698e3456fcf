"""Rules of thumbnails: which files can have them, and when rendering is tried again. Pure.

A try is counted before it begins, together with the time before which nobody tries again. So another try
follows however this one ends (even with this process), and only one process works on a file. A try that
failed because of the storage, not of the image, is uncounted.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from apps.file.domain.files import FileRecord
from apps.file.domain.types import can_be_thumbnailed

TRIES_MAX = 5
"""Background tries; afterwards only a request for a thumbnail has it tried again."""
_FIRST_PAUSE_S = 60
"""Longer than a try takes."""
_LONGEST_PAUSE_S = 3600


def can_have_thumbnails(file: FileRecord, size_max: int) -> bool:
    """Return True for an image of at most `size_max` bytes."""
    return can_be_thumbnailed(file.file.content_type) and file.file.size <= size_max


def may_try(file: FileRecord, now: datetime) -> bool:
    """Return True if it is undecided, and time to try."""
    return file.thumbnails is None and (file.thumbnails_after is None or file.thumbnails_after <= now)


def count_try(file: FileRecord, now: datetime) -> FileRecord:
    """Return the file with a try counted. The pause grows fourfold with each try, up to an hour.

    The count stops one above `TRIES_MAX`, so that a file that was given up stays so if a try is uncounted.
    """
    pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 4**file.thumbnail_tries)
    after = now + timedelta(seconds=pause_s)
    return replace(file, thumbnail_tries=min(file.thumbnail_tries, TRIES_MAX) + 1, thumbnails_after=after)


def uncount_try(file: FileRecord, counted: FileRecord, now: datetime) -> FileRecord:
    """Return the file without the try of `counted`, due again soon; unchanged if another try has begun."""
    if file.thumbnails is not None or file.thumbnails_after != counted.thumbnails_after:
        return file
    after = now + timedelta(seconds=_FIRST_PAUSE_S)
    return replace(file, thumbnail_tries=counted.thumbnail_tries - 1, thumbnails_after=after)


def given_up(file: FileRecord) -> bool:
    """Return True if only a request for a thumbnail has it tried again."""
    return file.thumbnail_tries >= TRIES_MAX
