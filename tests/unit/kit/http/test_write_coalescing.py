"""A response is written in one piece, in whatever parts it comes."""

import asyncio
from typing import Any

import pytest

from shared.kit.http.write_coalescing import JoiningTransport

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Raw:
    """A transport that records what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed_after: int | None = None

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed_after = len(self.written)

    def is_closing(self) -> bool:
        return self.closed_after is not None


@pytest.fixture
def raw() -> Raw:
    return Raw()


@pytest.fixture
async def transport(raw: Raw) -> Any:
    return JoiningTransport(raw, asyncio.get_running_loop())  # type: ignore[arg-type]


async def test_head_and_body_are_one(raw: Raw, transport: Any) -> None:
    transport.write(HEAD)
    transport.write(b"body")
    assert raw.written == [HEAD + b"body"]
    await asyncio.sleep(0)
    assert raw.written == [HEAD + b"body"]


async def test_a_head_alone_goes_at_the_next_turn(raw: Raw, transport: Any) -> None:
    transport.write(HEAD)
    assert raw.written == []
    await asyncio.sleep(0)
    assert raw.written == [HEAD]


async def test_two_answers_keep_their_order(raw: Raw, transport: Any) -> None:
    for number in (b"1", b"2"):
        transport.write(HEAD + number)
        transport.write(number)
    assert raw.written == [HEAD + b"11", HEAD + b"22"]


async def test_parts_of_a_body_are_not_kept(raw: Raw, transport: Any) -> None:
    transport.write(b"chunk")
    assert raw.written == [b"chunk"]


async def test_a_large_head_is_not_kept(raw: Raw, transport: Any) -> None:
    transport.write(HEAD.ljust(20_000))
    assert len(raw.written) == 1


async def test_closing_writes_what_was_kept_first(raw: Raw, transport: Any) -> None:
    transport.write(HEAD)
    transport.close()
    assert (raw.written, raw.closed_after) == ([HEAD], 1)
    assert transport.is_closing()
