"""Routes of messages, served by the message service."""

from apps.gateway.routes.route import Route
from shared.contracts.message import (
    MESSAGE_DELETE,
    MESSAGE_EDIT,
    MESSAGE_GET,
    MESSAGE_HISTORY,
    MESSAGE_SEND,
)

_TAG = "Messages"
_MESSAGES = "/api/channels/{channelId}/messages"

ROUTES = (
    Route("POST", _MESSAGES, MESSAGE_SEND, _TAG),
    Route("GET", _MESSAGES, MESSAGE_HISTORY, _TAG),
    Route("GET", f"{_MESSAGES}/{{messageId}}", MESSAGE_GET, _TAG),
    Route("PATCH", f"{_MESSAGES}/{{messageId}}", MESSAGE_EDIT, _TAG),
    Route("DELETE", f"{_MESSAGES}/{{messageId}}", MESSAGE_DELETE, _TAG),
)
