"""Calls for tests that have no broker."""

from typing import Any
from uuid import UUID

from shared.contracts.message import MESSAGE_SEND, SendMessage
from shared.contracts.operation import Operation
from shared.kit.clock import now_ms
from shared.kit.kafka.producer import Record
from shared.kit.rpc.handlers import Received
from shared.kit.security.record_signatures import RecordSigner
from shared.kit.wire.call import Call
from shared.kit.wire.headers import ERROR, STATUS

NOBODY = UUID(int=0)
SECRET = "the secret of the mesh that tests make"
SIGNATURES = RecordSigner(SECRET)

_SMALL = (
    "00" * 32,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ec" + "ff" * 30 + "7f",
    "ed" + "ff" * 30 + "7f",
    "ee" + "ff" * 30 + "7f",
)
SMALL_ORDER = tuple(
    bytes.fromhex(text)[:31] + bytes([bytes.fromhex(text)[31] | top]) for text in _SMALL for top in (0, 0x80)
)
"""All encodings of points of small order on Curve25519 and its twist; the top bit is ignored."""


def call_of(operation: Operation, **changes: Any) -> Call:
    """Return a call that expires in ten seconds."""
    values = {
        "operation": operation,
        "correlation_id": "c",
        "call_id": "1",
        "deadline_ms": now_ms() + 10_000,
        "reply_to": "gateway.replies.test",
        **changes,
    }
    return Call(**values)


def sending(content: str, **changes: Any) -> Received[SendMessage]:
    """Return a request to send a message."""
    request = SendMessage(content=content, channel_id=NOBODY, profile_id=NOBODY)
    return Received(request, call_of(MESSAGE_SEND, **changes))


class Outbox:
    """A producer that keeps its records; the test reports when they are written, or that they failed."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int | None, Record]] = []
        self.full = False

    def send(self, topic: str, record: Record, partition: int | None = None) -> bool:
        if not self.full:
            self.sent.append((topic, partition, record))
        return not self.full

    def settle(self, error: BaseException | None = None) -> None:
        """Report that all records are written, or failed."""
        for _, _, record in self.sent:
            if record.on_delivery is not None:
                record.on_delivery(error)

    def replies(self) -> list[tuple[int, str | None, bytes]]:
        """Return status, error code and body of each reply."""
        replies = []
        for _, _, record in self.sent:
            headers = {name: value.decode() for name, value in record.headers}
            replies.append((int(headers[STATUS]), headers.get(ERROR), record.value))
        return replies
