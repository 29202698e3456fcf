"""Forms are read as they come, in whatever pieces, and never whole."""

import asyncio
from uuid import UUID

import pytest

from apps.file.inbound.multipart import IncomingFile, open_form
from shared.contracts.errors import ServiceError

CHANNEL = UUID(int=7)
TYPE = "multipart/form-data; boundary=x"
BODY = bytes(range(256)) * 300


def part(name: str, body: bytes, more: str = "") -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + body + b"\r\n"


def file_part(body: bytes = BODY, name: str = "tea.png", kind: str = "image/png") -> bytes:
    return part("file", body, f'; filename="{name}"\r\nContent-Type: {kind}')


FORM = part("channelId", str(CHANNEL).encode()) + file_part() + b"--x--\r\n"


class Pieces:
    """A body in pieces of one size; `ahead` is how many were asked for."""

    def __init__(self, body: bytes, size: int) -> None:
        self._pieces = [body[at : at + size] for at in range(0, len(body), size)]
        self.asked = 0

    async def next(self) -> bytes | None:
        self.asked += 1
        return self._pieces.pop(0) if self._pieces else None


async def opened(body: bytes, size: int = 1000, kind: str = TYPE) -> IncomingFile:
    return await open_form(kind, len(body), Pieces(body, size).next)


async def code_of(body: bytes, kind: str = TYPE) -> str:
    try:
        incoming = await opened(body, kind=kind)
        while await incoming.read(10_000):
            pass
    except ServiceError as error:
        return " ".join([error.kind.code, *(fault.path for fault in error.errors)])
    return "fine"


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 10**6])
async def test_a_form_in_pieces_of_any_size(size: int) -> None:
    incoming = await opened(FORM, size)
    assert (incoming.channel_id, incoming.name, incoming.content_type) == (CHANNEL, "tea.png", "image/png")
    parts = []
    while piece := await incoming.read(10_000):
        parts.append(piece)
    assert b"".join(parts) == BODY
    assert {len(each) for each in parts[:-1]} == {10_000}


async def test_no_more_is_asked_for_than_is_needed() -> None:
    pieces = Pieces(FORM, 1000)
    incoming = await open_form(TYPE, len(FORM), pieces.next)
    assert pieces.asked == 1
    await incoming.read(5000)
    assert pieces.asked <= 7


CHANNEL_PART = part("channelId", str(CHANNEL).encode())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (FORM, "fine"),
        (FORM[:-2], "fine"),  # the last boundary has come, only what nobody needs is missing
        (FORM[:-20], "body.malformed"),
        (FORM[: len(FORM) // 2], "body.malformed"),
        (b"", "body.malformed"),
        (b"garbage", "body.malformed"),
        (CHANNEL_PART + b"--x--", "validation.failed file"),
        (file_part() + b"--x--", "validation.failed channelId"),
        (file_part() + CHANNEL_PART + b"--x--", "validation.failed channelId"),
        (CHANNEL_PART * 2 + file_part() + b"--x--", "validation.failed channelId"),
        (part("channelId", b"x") + file_part() + b"--x--", "validation.failed channelId"),
        (part("channelId", b"x" * 9999) + file_part() + b"--x--", "validation.failed channelId"),
        (CHANNEL_PART + part("other", b"1") + file_part() + b"--x--", "validation.failed other"),
        (CHANNEL_PART + file_part(name="..") + b"--x--", "validation.failed file"),
        (CHANNEL_PART + file_part(name="") + b"--x--", "validation.failed file"),
        (CHANNEL_PART + file_part(kind="no type") + b"--x--", "validation.failed file"),
        (CHANNEL_PART + file_part() + file_part() + b"--x--", "validation.failed $"),
        (FORM + bytes(100_000), "fine"),  # what follows the form is not looked at
        (b"--x\r\n" + b"A: b\r\n" * 1000, "body.malformed"),
    ],
)
async def test_what_is_wrong_with_a_form_is_told(body: bytes, expected: str) -> None:
    assert await code_of(body) == expected


@pytest.mark.parametrize(
    "kind", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=x"]
)
async def test_only_forms(kind: str) -> None:
    assert await code_of(FORM, kind) == "media_type.unsupported"


@pytest.mark.parametrize("endless", [b"\r\n" * 500, b" " * 1000], ids=["lines", "blanks"])
async def test_no_more_than_so_much_comes_before_the_file(endless: bytes) -> None:
    """Without a length a body has no end: who sends for minutes what is no file keeps a processor busy."""
    pieces = [CHANNEL_PART + b"--x " if b" " in endless else b"\r\n"]
    asked = 0

    async def receive() -> bytes:
        nonlocal asked
        asked += 1
        return pieces.pop() if pieces else endless

    with pytest.raises(ServiceError, match=r"body\.malformed: Too much comes before the file"):
        async with asyncio.timeout(5):
            await open_form(TYPE, None, receive)
    assert asked < 30


async def test_a_boundary_too_long() -> None:
    assert await code_of(FORM, "multipart/form-data; boundary=" + "x" * 2000) == "body.malformed"
