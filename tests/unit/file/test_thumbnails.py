"""Images of others are opened in a process of their own, which may fail, but not for long."""

import io
import os
import struct
import zlib
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from apps.file.outbound import thumbnails
from apps.file.outbound.thumbnails import ThumbnailWorkers


@pytest.fixture
async def workers() -> AsyncIterator[ThumbnailWorkers]:
    made = ThumbnailWorkers(1, timeout_s=20)
    yield made
    await made.close()


def image(
    size: tuple[int, int] = (1000, 500), kind: str = "PNG", mode: str = "RGB", **options: object
) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 1 if mode in ("1", "P", "L", "I;16") else "teal").save(out, kind, **options)
    return out.getvalue()


def png_that_says(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a size."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


async def painted(workers: ThumbnailWorkers, body: bytes) -> dict[int, bytes]:
    async with workers.desk() as folder:
        (folder / "image").write_bytes(body)
        made = await workers.paint(folder / "image", folder)
    assert not folder.exists()
    return made


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("PNG", "1"),
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("GIF", "P"),
        ("WEBP", "RGBA"),
    ],
)
async def test_thumbnails_of_every_kind(workers: ThumbnailWorkers, kind: str, mode: str) -> None:
    made = await painted(workers, image(kind=kind, mode=mode))
    sizes = {size: Image.open(io.BytesIO(body)).size for size, body in made.items()}
    assert sizes == {96: (96, 96), 320: (320, 160), 640: (640, 320), 800: (800, 400)}


async def test_none_is_larger_than_the_image(workers: ThumbnailWorkers) -> None:
    made = await painted(workers, image((40, 20)))
    sizes = {size: Image.open(io.BytesIO(body)).size for size, body in made.items()}
    assert sizes == {96: (96, 96), 320: (40, 20), 640: (40, 20), 800: (40, 20)}


BAD = {
    "a bomb": image((8000, 8000), mode="1"),
    "a size that is a lie": png_that_says(100_000, 100_000),
    "a smaller lie": png_that_says(6000, 6000),
    "cut off": image()[:-200],
    "no image": b"tea",
    "nothing": b"",
    "another kind": image(kind="BMP"),
    "an svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "noise": b"\x89PNG\r\n\x1a\n" + os.urandom(5000),
    "a gif with a huge frame": b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + bytes(20),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
async def test_what_has_none_ends_nothing(workers: ThumbnailWorkers, body: bytes) -> None:
    assert await painted(workers, body) == {}
    assert await painted(workers, image())


async def test_what_follows_an_image_is_not_kept(workers: ThumbnailWorkers) -> None:
    secret = b"<script>alert(1)</script>"
    body = image(kind="JPEG", comment=secret) + secret + b"PK\x03\x04"
    assert all(secret not in thumbnail for thumbnail in (await painted(workers, body)).values())


async def test_what_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = ThumbnailWorkers(1, timeout_s=0.5)
    monkeypatch.setattr(thumbnails, "_COMMAND", ("sleep", "60"))
    assert await painted(workers, image()) == {}
    monkeypatch.undo()
    workers._timeout_s = 20
    assert await painted(workers, image())
    await workers.close()


async def test_a_worker_that_dies_is_replaced(workers: ThumbnailWorkers) -> None:
    await painted(workers, image())
    worker = workers._idle.get_nowait()
    assert worker is not None
    worker.kill()
    await worker.wait()
    workers._idle.put_nowait(worker)
    assert await painted(workers, image())


async def test_folders_that_could_not_be_made_take_up_no_room(
    workers: ThumbnailWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(**_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as full:
        full.setattr(thumbnails, "TemporaryDirectory", no_room)
        for _ in range(thumbnails._WAITING_MAX):
            with pytest.raises(OSError, match="no space left"):
                async with workers.desk():
                    pass
    async with workers.desk() as folder:
        assert folder.is_dir()
