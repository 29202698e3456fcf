"""Read forms as they arrive, in pieces of any size, never whole."""

import asyncio
from uuid import UUID

import pytest

from apps.file.inbound.multipart import IncomingFile, open_form
from shared.contracts.errors import ServiceError

CHANNEL = UUID(int=7)
TYPE = "multipart/form-data; boundary=x"
BODY = bytes(range(256)) * 50


def part(name: str, body: bytes, more: str = "") -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + body + b"\r\n"


def file_part(body: bytes = BODY, name: str = "tea.png", kind: str = "image/png") -> bytes:
    return part("file", body, f'; filename="{name}"\r\nContent-Type: {kind}')


FORM = part("channelId", str(CHANNEL).encode()) + file_part() + b"--x--\r\n"


class Pieces:
    """A body in pieces of one size; counts the pieces that were pulled."""

    def __init__(self, body: bytes, size: int) -> None:
        self._pieces = [body[at : at + size] for at in range(0, len(body), size)]
        self.pulled = 0

    async def next(self) -> bytes | None:
        self.pulled += 1
        return self._pieces.pop(0) if self._pieces else None


async def opened(body: bytes, size: int = 1000, kind: str = TYPE) -> IncomingFile:
    return await open_form(kind, len(body), Pieces(body, size).next)


async def code_of(body: bytes, kind: str = TYPE) -> str:
    try:
        incoming = await opened(body, kind=kind)
        while await incoming.read(10_000):
            pass
    except ServiceError as error:
        return " ".join([error.code.name, *(field.path for field in error.errors)])
    return "fine"


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 10**6])
async def test_a_form_in_pieces_of_any_size(size: int) -> None:
    incoming = await opened(FORM, size)
    assert (incoming.channel_id, incoming.name, incoming.content_type) == (CHANNEL, "tea.png", "image/png")
    parts = []
    while piece := await incoming.read(10_000):
        parts.append(piece)
    assert b"".join(parts) == BODY
    assert {len(piece) for piece in parts[:-1]} == {10_000}


async def test_no_more_is_pulled_than_is_needed() -> None:
    pieces = Pieces(FORM, 1000)
    incoming = await open_form(TYPE, len(FORM), pieces.next)
    assert pieces.pulled == 1
    await incoming.read(5000)
    assert pieces.pulled <= 7


CHANNEL_PART = part("channelId", str(CHANNEL).encode())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (FORM, "fine"),
        (FORM[:-2], "fine"),  # only the line break after the last boundary is missing
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
        (FORM + bytes(100_000), "fine"),  # bytes after the form are not parsed
        (b"--x\r\n" + b"A: b\r\n" * 1000, "body.malformed"),
    ],
)
async def test_the_errors_of_a_form(body: bytes, expected: str) -> None:
    assert await code_of(body) == expected


@pytest.mark.parametrize(
    "kind", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=x"]
)
async def test_only_forms(kind: str) -> None:
    assert await code_of(FORM, kind) == "media_type.unsupported"


@pytest.mark.parametrize(
    ("begin", "endless", "detail"),
    [
        (b"\r\n", b"\r\n" * 500, "Too much comes before the file"),
        (b"preamble", b"tea " * 250, "Too much comes before the file"),
        (CHANNEL_PART + b"--x ", b" " * 1000, "no valid multipart/form-data"),
    ],
    ids=["blank lines", "preamble", "blanks behind a boundary"],
)
async def test_bytes_before_the_file_are_bounded(begin: bytes, endless: bytes, detail: str) -> None:
    """A body without a length has no end: a client could send for minutes without ever sending a file."""
    pieces = [begin]
    pulled = 0

    async def receive() -> bytes:
        nonlocal pulled
        pulled += 1
        return pieces.pop() if pieces else endless

    with pytest.raises(ServiceError, match=rf"body\.malformed: .*{detail}"):
        async with asyncio.timeout(5):
            await open_form(TYPE, None, receive)
    assert pulled < 30


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'filename="t\xc3\xa9.png"', "té.png"),
        (b'filename="t\xe9.png"', "t\ufffd.png"),
        (b"filename=\"tea.png\"; filename*=utf-8''t%C3%A9.png", "té.png"),
        (b"filename*=UTF-8''t%C3%A9.png; filename=tea.png", "té.png"),
        (b'filename="%22tea%22.png"', '"tea".png'),
        (b'filename="C:\\\\fakepath\\\\tea.png"', "tea.png"),
    ],
)
async def test_the_name_of_a_file_in_each_spelling(disposition: bytes, name: str) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; ' + disposition
    incoming = await opened(CHANNEL_PART + head + b"\r\n\r\ntea\r\n--x--")
    assert (incoming.name, await incoming.read(10)) == (name, b"tea")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"A: " + b"b" * 4000, "fine"),
        (b"A: " + b"b" * 5000, "body.malformed"),
        (b"\r\n".join(b"A%d: b" % number for number in range(8)), "body.malformed"),
        (b"Content-Length: 4", "body.malformed"),
    ],
    ids=["long", "too long", "too many", "another length"],
)
async def test_the_headers_of_a_part_are_bounded(header: bytes, expected: str) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n' + header
    assert await code_of(CHANNEL_PART + head + b"\r\n\r\ntea\r\n--x--") == expected


async def test_a_file_with_boundary_like_bytes_is_kept_as_it_is() -> None:
    body = b"\r\n--y\r\n-\r\n--\r\r\n--" * 100
    for size in (1, 3, 100):
        incoming = await opened(CHANNEL_PART + file_part(body) + b"--x--", size)
        assert await incoming.read(10**6) == body
        assert await incoming.read(10**6) == b""


async def test_a_boundary_too_long() -> None:
    assert await code_of(FORM, "multipart/form-data; boundary=" + "x" * 2000) == "body.malformed"
