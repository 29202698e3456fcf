"""Read a channel's history."""

from apps.message.domain.history import page_next, window_of
from apps.message.domain.messages import message_not_found, not_text, require_member
from apps.message.ports import History
from shared.contracts.fields import ChannelType
from shared.contracts.message import Messages, ReadHistory


async def read_history(request: ReadHistory, history: History) -> Messages:
    """Return a page of messages, always the newest first.

    * Only members read; a deleted channel is not found; only TEXT channels have a history.
    * Without a bound the page has the newest messages; with `before` (or `cursor`) or `after` the nearest on
      that side of a message; with `around` that message is in the middle. An unknown message is not found; a
      deleted one still marks its position.
    * Deleted messages are left out.
    * `next` is the oldest message of the page when older ones exist, whatever the bound was: pass it as
      `before` to go on towards the past. To go on towards the present pass the first item as `after`, until a
      page is empty.

    Raises `validation.failed` for more than one bound.
    """
    window = window_of(request)
    page = await history.page(request.channel_id, request.profile_id, window)
    channel, _ = require_member(page.membership)
    if channel.type is not ChannelType.TEXT:
        raise not_text()
    if window.anchor is not None and page.anchor is None:
        raise message_not_found()
    items, has_older = window.select(page.messages, page.anchor)
    return Messages(items=items, next=page_next(items, has_older))
