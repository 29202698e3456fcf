"""The process that opens one image of others. What they do to it they do to nothing else.

A script by itself, told by its argument what to make: `{"cropped": 96, "scaled": [320, …], "cpu_s": 10}`.
The image is its standard input, a file. On its standard output it answers with a line
`{"sizes": {"96": bytes, …}}` and these WebP images in this order, or with `{"refused": why}` when the image
is at fault, or with `{"failed": why}`. Before it reads the first byte it gives away all that it does not need
(see `lock_up`).
"""

import copy  # noqa: F401
import ctypes
import io
import json
import os
import resource
import signal
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

# With `copy`, what Pillow would import when it meets such an image: nothing can be imported any more by then.
from PIL import (  # noqa: F401
    GifImagePlugin,
    Image,
    ImageColor,
    ImageFile,
    ImageFilter,
    ImageOps,
    ImagePalette,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
PIXELS_MAX = 40_000_000
MEMORY_MAX_BYTES = 1024 * 1024 * 1024
"""40 megapixels of a WebP take 640 MiB: libwebp holds several copies of all pixels. Others take half."""
_QUALITY = 80
_NICE = 5
_AS_THEY_ARE = frozenset({"L", "LA", "RGB", "RGBA", "CMYK"})
"""Modes that can be scaled without being converted first, which would take memory for a second copy."""
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38


def paint(image: BinaryIO, cropped: int, scaled: list[int]) -> dict[int, bytes]:
    """The thumbnails of an image by size, without its metadata and the right side up.

    Raises all that Pillow raises for what it can not read; more than 40 megapixels are refused by the
    header, before any is decoded. Of an image that moves the first picture counts.
    """
    sizes = sorted(scaled, reverse=True)
    with Image.open(image, formats=FORMATS) as opened:
        if opened.width * opened.height > PIXELS_MAX:
            raise Image.DecompressionBombError(f"{opened.width} × {opened.height} pixels")
        opened.draft("RGB", (sizes[0], sizes[0]))  # a JPEG is decoded no larger than is needed
        current = _small(opened, sizes[0])
    made = {}
    for size in sizes:
        current.thumbnail((size, size), Image.Resampling.LANCZOS)  # each from the one before, never larger
        made[size] = _webp(current)
    made[cropped] = _webp(ImageOps.fit(current, (cropped, cropped), Image.Resampling.LANCZOS))
    return made


def _small(opened: Image.Image, size: int) -> Image.Image:
    """The pixels of the first picture alone: what is saved from them carries nothing else."""
    opened.load()
    clear = opened.has_transparency_data
    image = opened
    if opened.mode.startswith("I;16"):
        image = opened.point(lambda level: level * (1 / 257)).convert("L")  # it would be cut off at 255
    elif opened.mode not in _AS_THEY_ARE or (clear and opened.mode not in ("LA", "RGBA")):
        image = opened.convert("RGBA" if clear else "RGB")
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    ImageOps.exif_transpose(image, in_place=True)
    pixels = image.convert("RGBA" if clear else "RGB")
    pixels.info.clear()
    return pixels


def _webp(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=_QUALITY)
    return out.getvalue()


def answer(image: BinaryIO, cropped: int, scaled: list[int]) -> tuple[dict[str, Any], list[bytes]]:
    """What is told about an image, and its thumbnails.

    An error of the system, or memory that does not suffice, is never the image's fault.
    """
    try:
        made = paint(image, cropped, scaled)
    except MemoryError:
        return {"failed": "MemoryError"}, []
    except OSError as error:
        # Pillow raises it without a number for what it can not read; -9 of its decoders is memory.
        ours = error.errno is not None or "memory" in str(error)
        return {"failed" if ours else "refused": type(error).__name__}, []
    except Exception as error:  # noqa: BLE001 - whatever such bytes do to a decoder, they have no thumbnail
        return {"refused": type(error).__name__}, []
    return {"sizes": {str(size): len(body) for size, body in made.items()}}, list(made.values())


def lock_up(cpu_s: int) -> None:
    """Give away, for good, what decoding needs not.

    No file or socket can be opened any more, none written to but the pipe that is there, no process started,
    no privilege gained; memory and processor time are bounded, nothing is dumped, and it ends with its
    parent. The kernel is told to end it first when memory runs out.
    """
    os.nice(_NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    bounds = {"AS": MEMORY_MAX_BYTES, "CPU": cpu_s, "CORE": 0, "FSIZE": 0, "NPROC": 0, "NOFILE": 0}
    for name, most in bounds.items():
        with suppress(AttributeError, ValueError, OSError):  # not every system knows each, or lets it be set
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))


def main() -> None:
    """Answer about one image."""
    wanted = json.loads(sys.argv[1])
    Image.preinit()
    Image.MAX_IMAGE_PIXELS = PIXELS_MAX
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    lock_up(wanted["cpu_s"])
    told, bodies = answer(sys.stdin.buffer, wanted["cropped"], wanted["scaled"])
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + b"".join(bodies))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
