"""Bytes are what they are said to be, or are not taken."""

import io
import zipfile

import pytest
from PIL import Image

from apps.file.domain.types import (
    SNIFFED_BYTES,
    best_guess,
    canonical,
    check_allowed,
    check_real,
    is_said,
    may_be_shown,
    may_have_thumbnails,
)
from apps.file.outbound.sniffing import PureMagic
from apps.file.settings import FileSettings
from shared.contracts.errors import MeshError

ALLOWED = FileSettings(file_database_url="").limits().types


def image(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, kind)
    return out.getvalue()


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("a.txt", "tea")
    return out.getvalue()


REAL = {
    "image/png": image("PNG"),
    "image/jpeg": image("JPEG"),
    "image/gif": image("GIF"),
    "image/webp": image("WEBP"),
    "application/pdf": b"%PDF-1.7\n",
    "application/zip": archive(),
    "application/gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\3abc",
    "video/mp4": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41",
    "audio/ogg": b"OggS\0\2" + bytes(60) + b"vorbis",
    "audio/wav": b"RIFF\x24\0\0\0WAVEfmt " + bytes(30),
    "application/json": b'{"a": 1}',
    "text/plain": "Grüße\n".encode(),
    "text/csv": b"a,b\n1,2\n",
}
HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
PROGRAM = b"MZ\x90\0" + bytes(100)


async def refuses(said: str, body: bytes, *, whole: bool = True) -> bool:
    looks_like = await PureMagic().looks_like(body)
    try:
        check_real(said, looks_like, body, whole=whole)
    except MeshError as error:
        assert error.kind.code == "file.type_not_allowed"
        return True
    return False


@pytest.mark.parametrize(("said", "body"), REAL.items(), ids=REAL)
async def test_what_is_what_it_is_said_to_be(said: str, body: bytes) -> None:
    assert not await refuses(said, body)


@pytest.mark.parametrize("said", [kind for kind in REAL if not kind.startswith("text/")])
@pytest.mark.parametrize("body", [HTML, SVG, PROGRAM, b"tea", bytes(100)])
async def test_what_is_something_else(said: str, body: bytes) -> None:
    if (said, body) != ("application/json", b"tea"):  # any text may pass for JSON: nothing runs in it
        assert await refuses(said, body)


@pytest.mark.parametrize("body", [HTML, SVG, PROGRAM, b"a\0b", b"\xff\xfa\xfd", REAL["image/png"]])
async def test_what_is_no_plain_text(body: bytes) -> None:
    assert await refuses("text/plain", body)


async def test_a_character_may_be_cut_in_two_where_the_head_ends() -> None:
    head = ("a" * (SNIFFED_BYTES - 1) + "ü").encode()[:SNIFFED_BYTES]
    assert not await refuses("text/plain", head, whole=False)
    assert await refuses("text/plain", head, whole=True)
    assert await refuses("text/plain", b"\xc3" + b"a" * 20, whole=False)


async def test_an_image_that_is_a_page_too_is_an_image_and_nothing_else() -> None:
    """A polyglot is served under the one type that was checked, so the rest of it is noise."""
    both = REAL["image/gif"] + HTML
    assert not await refuses("image/gif", both)
    assert await refuses("text/html", HTML + REAL["image/gif"][:3]) is False  # only ALLOWED keeps pages out
    assert "text/html" not in ALLOWED
    assert "image/svg+xml" not in ALLOWED


@pytest.mark.parametrize(
    ("one", "other"),
    [("IMAGE/JPG", "image/jpeg"), ("text/plain; charset=utf-8", "text/plain"), ("audio/x-wav", "audio/wav")],
)
def test_one_name_for_each_type(one: str, other: str) -> None:
    assert canonical(one) == other


def test_only_types_that_are_allowed() -> None:
    check_allowed("image/png", ALLOWED)
    with pytest.raises(MeshError, match=r"file\.type_not_allowed"):
        check_allowed("text/html", ALLOWED)


@pytest.mark.parametrize(("expected", "body"), REAL.items(), ids=REAL)
async def test_a_type_that_was_not_said_is_guessed(expected: str, body: bytes) -> None:
    assert not is_said("application/octet-stream", ALLOWED)
    guessed = best_guess(await PureMagic().looks_like(body), body, ALLOWED, whole=True)
    assert guessed == ("text/plain" if expected == "text/csv" else expected)


@pytest.mark.parametrize("body", [HTML, SVG, PROGRAM, bytes(100)])
async def test_what_is_guessed_is_allowed(body: bytes) -> None:
    with pytest.raises(MeshError, match=r"file\.type_not_allowed"):
        best_guess(await PureMagic().looks_like(body), body, ALLOWED, whole=True)


def test_what_a_browser_may_show() -> None:
    assert all(may_be_shown(kind) for kind in ("image/png", "video/mp4", "audio/ogg", "text/plain"))
    assert not any(may_be_shown(kind) for kind in ("text/html", "image/svg+xml", "application/pdf"))
    assert may_have_thumbnails("image/webp")
    assert not may_have_thumbnails("image/svg+xml")
