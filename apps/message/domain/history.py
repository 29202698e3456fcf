"""Pages of a channel's history: which messages a request selects. Pure."""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from shared.contracts.errors import FieldError
from shared.contracts.message import Message, ReadHistory
from shared.contracts.validation import validation_failed

BOUNDS = ("before", "after", "around", "cursor")
"""The bounds of a page of history; at most one of them may be given."""


class Window(Struct, frozen=True, kw_only=True):
    """The part of a history that is requested: `older` messages before the anchor, `newer` ones after it.

    Without an anchor the newest messages count as older.
    """

    anchor: UUID | None
    older: int
    newer: int
    with_anchor: bool
    """The page includes the anchor itself."""

    def select(self, messages: Sequence[Message], anchor: int | None) -> tuple[list[Message], bool]:
        """Return the page, the newest message first, and True if messages older than the page exist.

        `messages`, the newest first too, are at least the window, the anchor and the next older one, as far
        as they exist; `anchor` is the anchor's sequence.
        """
        if anchor is None:
            page = list(messages[: self.older])
        else:
            newer = [message for message in messages if message.sequence > anchor]
            older = [message for message in messages if message.sequence < anchor]
            itself = [message for message in messages if self.with_anchor and message.sequence == anchor]
            page = [*newer[max(0, len(newer) - self.newer) :], *itself, *older[: self.older]]
        return page, bool(page) and messages[-1].sequence < page[-1].sequence


def window_of(request: ReadHistory) -> Window:
    """Return the part of the history that a request selects.

    Of an `around` page of n, one is the message itself and the others lie half on each side (one more on the
    older side when n is even). Raises `validation.failed` naming all bounds when more than one is given.
    """
    given = [bound for bound in BOUNDS if getattr(request, bound) is not None]
    if len(given) > 1:
        rule = f"only one of {', '.join(BOUNDS)} may be given"
        raise validation_failed(FieldError(bound, rule) for bound in given)
    limit = request.limit
    if request.around is not None:
        return Window(anchor=request.around, older=limit // 2, newer=(limit - 1) // 2, with_anchor=True)
    if request.after is not None:
        return Window(anchor=request.after, older=0, newer=limit, with_anchor=False)
    return Window(anchor=request.before or request.cursor, older=limit, newer=0, with_anchor=False)


def page_next(page: Sequence[Message], has_older: bool) -> str | None:
    """Return the cursor of a page: the id of its oldest message, when older ones exist."""
    return str(page[-1].id) if page and has_older else None
