"""Answers of a gateway as they come over HTTP/1.1: their length is always told."""

import re

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d{1,9})\r\n", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


def answer_length(received: bytes) -> int | None:
    """Return the size of the first response in bytes; None if its head is incomplete."""
    end = received.find(_HEAD_END)
    if end < 0:
        return None
    length = _LENGTH.search(received, 0, end + 2)
    return end + len(_HEAD_END) + (int(length[1]) if length else 0)


def status_of(answer: bytes) -> str:
    """Return the status code of a status line."""
    return answer[9:12].decode("ascii", "replace")


def body_of(answer: bytes) -> bytes:
    """Return the body of a complete response."""
    return answer[answer.index(_HEAD_END) + len(_HEAD_END) :]
