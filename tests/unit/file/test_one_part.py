"""At most one part of a streamed file is in memory."""

import asyncio
import gc
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.unit.file.world import PART, Form, World

PARTS = 3


class Piece(bytes):
    """Counted while it is referenced."""

    alive = 0

    def __new__(cls, *given: Any) -> "Piece":
        cls.alive += 1
        return super().__new__(cls, *given)

    def __del__(self) -> None:
        Piece.alive -= 1


class Counted(Form):
    """Counts the earlier pieces that are still referenced when the next one is read."""

    alive_max = 0

    async def read(self, size: int) -> bytes:
        for _ in range(100):  # a finished thread may hold its piece for a moment
            if not Piece.alive:
                break
            gc.collect()
            await asyncio.sleep(0.001)
        self.alive_max = max(self.alive_max, Piece.alive)
        return Piece(await super().read(size))


@pytest.fixture(autouse=True)
def frozen_heap() -> Iterator[None]:
    """Exclude all earlier objects from garbage collections: scanning them takes 100 ms each time."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_part_is_let_go_before_the_next_one_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    async def upload_part(key: str, upload_id: str, number: int, body: bytes) -> str:
        return "tag"

    async def complete_upload(key: str, upload_id: str, etags: Sequence[str]) -> None:
        assert len(etags) == PARTS

    monkeypatch.setattr(world.storage, "upload_part", upload_part)
    monkeypatch.setattr(world.storage, "complete_upload", complete_upload)
    for _ in range(2):  # with a key the second one is compared only
        form = Counted(world.channel, b"a" * (PARTS * PART))
        assert (await world.receive(form, key=key)).size == PARTS * PART
        assert form.alive_max == 0
