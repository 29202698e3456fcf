"""Of a file that is streamed no more than a part is in memory at once."""

import asyncio
import gc
from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.file.world import PART, Form, World

PARTS = 3


class Piece(bytes):
    """Counted as long as anybody has it."""

    alive = 0

    def __new__(cls, *given: Any) -> "Piece":
        cls.alive += 1
        return super().__new__(cls, *given)

    def __del__(self) -> None:
        Piece.alive -= 1


class Counted(Form):
    """Notes how many earlier pieces are still kept when the next one is asked for."""

    kept = 0

    async def read(self, size: int) -> bytes:
        for _ in range(100):  # a thread that is done may hold its piece for a moment
            gc.collect()
            if not Piece.alive:
                break
            await asyncio.sleep(0.001)
        self.kept = max(self.kept, Piece.alive)
        return Piece(await super().read(size))


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_part_is_let_go_before_the_next_one_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    async def part(place: str, upload: str, number: int, body: bytes) -> str:
        return "tag"

    async def finish(place: str, upload: str, tags: Sequence[str]) -> None:
        assert len(tags) == PARTS

    monkeypatch.setattr(world.storage, "upload_part", part)
    monkeypatch.setattr(world.storage, "complete_upload", finish)
    for _ in range(2):  # with a key the second one is compared only
        form = Counted(world.channel, b"a" * (PARTS * PART))
        assert (await world.receive(form, key=key)).size == PARTS * PART
        assert form.kept == 0
