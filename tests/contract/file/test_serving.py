"""Polyglots are served with the checked type, and never so that a browser runs them."""

import io
import zipfile

import httpx
import pytest
from PIL import Image

from apps.file.usecases.download_file import download_file
from tests.unit.file.world import World, refused


@pytest.fixture
def world(postgres_world: World) -> World:
    """Only on Postgres and S3."""
    return postgres_world


def image(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(out, kind)
    return out.getvalue()


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("a.html", "<script>alert(1)</script>")
    return out.getvalue()


PAGE = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<</JS (app.alert(1))>>\n%%EOF\n"
POLYGLOTS = {
    "a gif that is a script": ("image/gif", b"GIF89a/*" + image("GIF")[8:] + b"*/=1;alert(1)//", True),
    "a gif with a page": ("image/gif", image("GIF") + PAGE, True),
    "a jpeg with a page": ("image/jpeg", image("JPEG") + PAGE, True),
    "a png with an archive": ("image/png", image("PNG") + archive(), True),
    "a pdf that is an archive": ("application/pdf", PDF + archive(), False),
    "a text with a page in it": ("text/plain", b"tea " + PAGE, True),
}


@pytest.mark.parametrize(("said", "body", "shown"), POLYGLOTS.values(), ids=POLYGLOTS)
async def test_what_is_two_things_is_served_as_one(world: World, said: str, body: bytes, shown: bool) -> None:
    file = await world.share(body, content_type=said)
    async with world.adapters.units.snapshot() as unit:
        kept = await unit.find(file.id)
    assert kept is not None
    for inline in (False, True):
        place = await download_file(kept, world.storage, world.clock, 60, inline=inline)
        async with httpx.AsyncClient() as http:
            answer = await http.get(place.url)
            other = await http.get(place.url.replace("attachment", "inline").replace("-type=", "-type=x-"))
        assert (answer.status_code, answer.content) == (200, body)
        assert answer.headers["content-type"] == said
        wanted = "inline" if inline and shown else "attachment"
        assert answer.headers["content-disposition"].startswith(wanted)
        assert other.status_code == 403  # nobody changes what the address says


@pytest.mark.parametrize("said", ["text/html", "application/zip", "image/svg+xml"])
@pytest.mark.parametrize("what", ["a gif with a page", "a png with an archive", "a pdf that is an archive"])
async def test_nor_as_the_other(world: World, said: str, what: str) -> None:
    _, body, _ = POLYGLOTS[what]
    assert await refused(world.share(body, content_type=said)) == "file.type_not_allowed"
