"""Read a channel's history."""

from apps.message.domain.messages import Window, admit, message_not_found, not_text, page_next
from apps.message.ports import History
from shared.contracts.fields import ChannelType
from shared.contracts.message import Messages, ReadHistory


async def read_history(request: ReadHistory, window: Window, history: History) -> Messages:
    """A page of messages, always the newest first.

    * Only members read; a deleted channel is not found; only TEXT channels have a history.
    * Without a bound the newest messages; `before` (or `cursor`) and `after` the nearest on that side of a
      message; `around` that message in the middle. An unknown message is not found; a deleted one still marks
      its place.
    * Deleted messages are left out.
    * `next` is the oldest message of the page when there are older ones, whatever was asked for: give it as
      `before` to go on towards the past. To go on towards the present give the first item as `after`, until a
      page is empty.
    """
    page = await history.page(request.channel_id, request.profile_id, window)
    channel, _ = admit(page.gate)
    if channel.type is not ChannelType.TEXT:
        raise not_text()
    if window.anchor is not None and page.anchor is None:
        raise message_not_found()
    items, has_older = window.cut(page.messages, page.anchor)
    return Messages(items=items, next=page_next(items, has_older))
