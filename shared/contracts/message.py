"""Messages: what the message service answers."""

from typing import Annotated

from msgspec import Meta

from shared.contracts import errors as e
from shared.contracts.base import Answer, Body, Request
from shared.contracts.fields import Content, Cursor, Id, Nonce, PageLimit, Sequence, Time
from shared.contracts.file import FILES_AT_ONCE_MAX, Attachment
from shared.contracts.operation import Operation

AttachmentIds = Annotated[
    tuple[Id, ...],
    Meta(
        max_length=FILES_AT_ONCE_MAX,
        examples=[[]],
        extra_json_schema={"uniqueItems": True},
        extra={"rule": f"must be at most {FILES_AT_ONCE_MAX} ids of files, each once"},
    ),
]


class Message(Answer, kw_only=True):
    """A message as stored. `sequence` counts from 1 without gaps within its channel."""

    id: Id
    channel_id: Id
    server_id: Id
    profile_id: Id
    sequence: Sequence
    content: Content
    nonce: Nonce | None
    created_at: Time
    edited_at: Time | None
    attachments: tuple[Attachment, ...] = ()


class Messages(Answer, kw_only=True):
    """A page of a channel's history, the newest first; `next` is a message id to give as `before`."""

    items: list[Message]
    next: Cursor | None


class SendMessageBody(Body, kw_only=True):
    """`attachments`: ids of complete files of the author's own, in this channel."""

    content: Content
    nonce: Nonce | None = None
    attachments: AttachmentIds = ()


class SendMessage(SendMessageBody, Request, kw_only=True, forbid_unknown_fields=False):
    channel_id: Id
    profile_id: Id


class HistoryQuery(Body, kw_only=True):
    """At most one of `before`, `after`, `around`: a message id. `cursor` is the same as `before`."""

    limit: PageLimit = 50
    before: Id | None = None
    after: Id | None = None
    around: Id | None = None
    cursor: Id | None = None


class ReadHistory(HistoryQuery, Request, kw_only=True, forbid_unknown_fields=False):
    channel_id: Id
    profile_id: Id


class OfMessage(Request, kw_only=True):
    """A call about one message that needs nothing more."""

    channel_id: Id
    message_id: Id
    profile_id: Id


class EditMessageBody(Body, kw_only=True):
    content: Content


class EditMessage(EditMessageBody, Request, kw_only=True, forbid_unknown_fields=False):
    channel_id: Id
    message_id: Id
    profile_id: Id


_IN_CHANNEL = (e.TOKEN_MISSING, e.TOKEN_INVALID, e.TOKEN_EXPIRED, e.CHANNEL_NOT_FOUND)

MESSAGE_SEND = Operation(
    name="message.send",
    service="message",
    summary="Send a message",
    description=(
        "Spaces around the content are trimmed. The same `nonce` of the same author in the same channel "
        "gives the first message again, with 200; so does the same `Idempotency-Key`, with 201. A message "
        "that was deleted meanwhile is not found; it is not sent again."
    ),
    request=SendMessage,
    body=SendMessageBody,
    answer=Message,
    status=201,
    also={200: "The message that was sent with this nonce before."},
    result="The created message.",
    key="channel_id",
    errors=(*_IN_CHANNEL, e.CHANNEL_NOT_TEXT, e.MESSAGE_NOT_FOUND, e.FILE_NOT_FOUND),
    hot=True,
    many=True,
    idempotent=True,
)
MESSAGE_HISTORY = Operation(
    name="message.history",
    service="message",
    summary="Read a channel's history",
    description=(
        "Newest first: without a bound the latest messages, with `before` or `after` those nearest to that "
        "message, with `around` those around it. A deleted message's id works too."
    ),
    request=ReadHistory,
    query=HistoryQuery,
    answer=Messages,
    result="A page of messages.",
    key="channel_id",
    errors=(*_IN_CHANNEL, e.CHANNEL_NOT_TEXT, e.MESSAGE_NOT_FOUND),
    hot=True,
    reads=True,
)
MESSAGE_GET = Operation(
    name="message.get",
    service="message",
    summary="Read a message",
    request=OfMessage,
    answer=Message,
    result="The message.",
    key="channel_id",
    errors=(*_IN_CHANNEL, e.MESSAGE_NOT_FOUND),
    reads=True,
)
MESSAGE_EDIT = Operation(
    name="message.edit",
    service="message",
    summary="Edit my message",
    request=EditMessage,
    body=EditMessageBody,
    answer=Message,
    result="The edited message.",
    key="channel_id",
    errors=(*_IN_CHANNEL, e.MESSAGE_NOT_FOUND, e.PERMISSION_DENIED),
)
MESSAGE_DELETE = Operation(
    name="message.delete",
    service="message",
    summary="Delete a message",
    description="By its author, an ADMIN or a MODERATOR. Its sequence is not used again.",
    request=OfMessage,
    status=204,
    result="The message is deleted.",
    key="channel_id",
    errors=(*_IN_CHANNEL, e.MESSAGE_NOT_FOUND, e.PERMISSION_DENIED),
)

OPERATIONS = (MESSAGE_SEND, MESSAGE_HISTORY, MESSAGE_GET, MESSAGE_EDIT, MESSAGE_DELETE)
