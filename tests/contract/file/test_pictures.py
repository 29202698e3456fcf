"""Thumbnails of images of all formats, with a real S3 and real renderers."""

import asyncio
import io
import struct
import zlib
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from apps.file.domain.files import FileRecord, Usage
from apps.file.outbound.pending_thumbnails import SqlPendingThumbnails
from apps.file.outbound.storage import S3Storage
from apps.file.outbound.thumbnails import ProcessRenderer
from apps.file.usecases.get_thumbnail import get_thumbnail
from apps.file.usecases.make_thumbnails import MakeThumbnails
from cli.config.ports import free_port
from shared.contracts.errors import ServiceError
from shared.kit.database.database import Database
from tests.support.s3 import TestedS3, s3_at
from tests.unit.file.test_thumbnails import png_that_says
from tests.unit.file.world import World

RED, BLUE = (255, 0, 0), (0, 0, 255)
SIZE_MAX = 25 * 2**20


@pytest.fixture
def world(postgres_world: World) -> World:
    """Only on Postgres and S3."""
    return postgres_world


def refused(code: str) -> "pytest.RaisesExc[ServiceError]":
    return pytest.raises(ServiceError, match=code.replace(".", r"\."))


class CountingRenderer(ProcessRenderer):
    """Counts the rendered images."""

    rendered = 0

    async def render(self, image: Any) -> dict[int, bytes]:
        self.rendered += 1
        return await super().render(image)


class Replica:
    """The thumbnail side of one process of the file service."""

    def __init__(self, world: World, storage: S3Storage | None = None) -> None:
        self.world = world
        self.workers = CountingRenderer(1, timeout_s=20)
        self.making = MakeThumbnails(
            world.adapters.units, storage or world.storage, self.workers, world.clock, SIZE_MAX
        )

    async def kept(self, file_id: UUID) -> FileRecord:
        async with self.world.adapters.units.snapshot() as unit:
            kept = await unit.find(file_id)
        assert kept is not None
        return kept

    async def thumbnail(self, file_id: UUID, size: int = 320) -> Image.Image:
        kept, world = await self.kept(file_id), self.world
        place = await get_thumbnail(kept, size, self.making, world.storage, world.clock, 60)
        async with httpx.AsyncClient() as http:
            answer = (await http.get(place.url)).raise_for_status()
        assert answer.headers["content-type"] == "image/webp"
        return Image.open(io.BytesIO(answer.content))

    async def of(self, body: bytes, content_type: str) -> Image.Image:
        return await self.thumbnail((await self.world.share(body, content_type=content_type)).id)

    async def has_none(self, body: bytes, content_type: str) -> None:
        file = await self.world.share(body, content_type=content_type)
        with refused("file.no_thumbnail"):
            await self.thumbnail(file.id)
        assert (await self.kept(file.id)).thumbnails is False


@pytest.fixture
def replica(world: World) -> Replica:
    return Replica(world)


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def halves(mode: str = "RGB") -> Image.Image:
    """Red to the left, blue to the right, 400 × 200."""
    picture = Image.new("RGB", (400, 200), RED)
    picture.paste(BLUE, (200, 0, 400, 200))
    return picture.convert(mode)


def looks_like(picture: Image.Image, at: tuple[int, int], colour: tuple[int, ...]) -> bool:
    pixel = picture.convert("RGBA" if len(colour) == 4 else "RGB").getpixel(at)
    assert isinstance(pixel, tuple)
    return all(abs(is_ - wanted) < 24 for is_, wanted in zip(pixel, colour, strict=True))


async def test_forty_megapixels_and_not_one_more(replica: Replica) -> None:
    assert (await replica.of(saved(Image.new("1", (8000, 5000)), "PNG"), "image/png")).size == (320, 200)
    await replica.has_none(saved(Image.new("1", (8000, 5001)), "PNG"), "image/png")


async def test_a_picture_bomb(replica: Replica) -> None:
    body = png_that_says(50_000, 50_000)
    assert len(body) < 4096
    await replica.has_none(body, "image/png")


async def test_a_text_that_grows_within_a_picture(replica: Replica) -> None:
    """100 MB of text in a PNG of 100 kB: Pillow reads no more than 64 MB of it, then says no."""
    zeros = zlib.compress(bytes(100 * 2**20))
    chunk = b"zTXt" + b"tea\0\0" + zeros
    bomb = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    png = saved(halves(), "PNG")
    await replica.has_none(png[:33] + bomb + png[33:], "image/png")


@pytest.mark.parametrize(("kind", "frames"), [("GIF", 2000), ("WEBP", 200)])
async def test_of_what_moves_the_first_picture_counts(replica: Replica, kind: str, frames: int) -> None:
    more = [Image.new("RGB", (400, 200), (number % 256, 255, 0)) for number in range(frames)]
    body = saved(halves(), kind, save_all=True, append_images=more)
    thumbnail = await replica.of(body, f"image/{kind.lower()}")
    assert getattr(thumbnail, "n_frames", 1) == 1
    assert looks_like(thumbnail, (20, 80), RED)
    assert looks_like(thumbnail, (300, 80), BLUE)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_the_right_side_is_up_and_nothing_tells_where_it_was_taken(replica: Replica, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the left side is the top
    exif[0x010E] = "where I live"
    exif.get_ifd(0x8825)[1] = "N"
    notes = PngInfo()
    notes.add_text("Comment", "where I live")
    options = {"pnginfo": notes} if kind == "PNG" else {}
    body = saved(halves(), kind, exif=exif, **options)
    assert b"where I live" in body
    thumbnail = await replica.of(body, f"image/{kind.lower()}")
    assert thumbnail.size == (160, 320)
    assert looks_like(thumbnail, (80, 20), RED)
    assert looks_like(thumbnail, (80, 300), BLUE)
    assert not thumbnail.getexif()
    assert not {"exif", "xmp", "icc_profile", "comment"} & set(thumbnail.info)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
async def test_what_is_cut_off_has_none(replica: Replica, kind: str) -> None:
    noise = Image.effect_noise((400, 300), 80).convert("RGB")
    body = saved(noise, kind)
    await replica.has_none(body[: len(body) // 2], f"image/{kind.lower()}")


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "CMYK"), ("PNG", "P"), ("GIF", "P"), ("PNG", "RGBA")])
async def test_colours_are_kept(replica: Replica, kind: str, mode: str) -> None:
    thumbnail = await replica.of(saved(halves(mode), kind), f"image/{kind.lower()}")
    assert looks_like(thumbnail, (20, 80), RED)
    assert looks_like(thumbnail, (300, 80), BLUE)


async def test_sixteen_bits_a_pixel(replica: Replica) -> None:
    grey = Image.new("I;16", (400, 200), 128 * 257)
    assert looks_like(await replica.of(saved(grey, "PNG"), "image/png"), (20, 80), (128, 128, 128))


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
async def test_what_is_clear_stays_clear(replica: Replica, kind: str) -> None:
    picture = halves("P")
    clear = picture.getpixel((0, 0))
    thumbnail = await replica.of(saved(picture, kind, transparency=clear), f"image/{kind.lower()}")
    pixel = thumbnail.convert("RGBA").getpixel((20, 80))
    assert isinstance(pixel, tuple)
    assert pixel[3] == 0
    assert looks_like(thumbnail, (300, 80), (*BLUE, 255))


async def test_two_replicas_make_one_thumbnail(world: World) -> None:
    one, two = Replica(world), Replica(world)
    file = await world.share(saved(halves(), "PNG"), content_type="image/png")
    pictures = await asyncio.gather(*(each.thumbnail(file.id) for each in (one, two, one, two)))
    assert [picture.size for picture in pictures] == [(320, 160)] * 4
    assert one.workers.rendered + two.workers.rendered == 1


async def test_two_replicas_look_for_what_is_due(world: World, database: Database) -> None:
    replicas = [Replica(world), Replica(world)]
    files = [await world.share(saved(halves(), "PNG"), content_type="image/png") for _ in range(6)]
    files.append(await world.share())
    pending = SqlPendingThumbnails(database)
    await asyncio.gather(*(each.making.make_due(pending) for each in replicas))
    assert sum(each.workers.rendered for each in replicas) == 6
    assert [(await replicas[0].kept(file.id)).thumbnails for file in files] == [True] * 6 + [False]
    assert await pending.due(world.clock.now(), 10) == []


async def test_what_failed_is_due_again_later(world: World, database: Database, s3: TestedS3) -> None:
    away = S3Storage(s3_at(s3, "nowhere", f"http://127.0.0.1:{free_port()}"))
    file = await world.share(saved(halves(), "PNG"), content_type="image/png")
    unlucky, replica, pending = Replica(world, away), Replica(world), SqlPendingThumbnails(database)
    with refused("mesh.busy"):
        await unlucky.making.make(await unlucky.kept(file.id))
    kept = await replica.kept(file.id)
    assert (kept.thumbnails, kept.thumbnail_tries) == (None, 0)  # not the image's fault
    assert await replica.making.make_due(pending) == 0
    world.clock.ahead = timedelta(seconds=61)
    assert await replica.making.make_due(pending) == 1
    assert (await replica.thumbnail(file.id)).size == (320, 160)
    await away.close()


async def test_two_replicas_sweep_at_once(world: World) -> None:
    """Room is given back once, and nothing stays."""
    files = [await world.share() for _ in range(15)]
    for _ in range(5):
        await world.create()
    for file in files[:10]:
        await world.delete(file.id)
    for hours in (1, 3, 5):  # swept; taken away once more after the last writes; forgotten
        world.clock.ahead = timedelta(hours=hours)
        await asyncio.gather(*(world.sweep() for _ in range(3)))
    kept = sorted(f"files/{file.id}" for file in files[10:])
    assert await world.left() == (Usage(15, 5), 5, kept)
