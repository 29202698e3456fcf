"""Script of the process that decodes one client's image, so that a malicious image harms nothing else.

Its argument is the request: `{"cropped": 96, "scaled": [320, …], "cpu_s": 10}`. The image is its standard
input, a file. It writes to its standard output a line `{"sizes": {"96": bytes, …}}` and these WebP images in
this order, or `{"refused": reason}` if the image is at fault, or `{"failed": reason}`. Before it reads the
first byte it drops all rights that it does not need (see `drop_rights`).
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

# These and `copy` are imported now, because Pillow imports them on demand, when no file can be opened.
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
"""A WebP of 40 megapixels takes 640 MiB: libwebp holds several copies of all pixels. Others take half."""
_QUALITY = 80
_NICE = 5
_SCALABLE = frozenset({"L", "LA", "RGB", "RGBA", "CMYK"})
"""Modes that are scaled without a conversion, which would take memory for a second copy."""
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38


def render(image: BinaryIO, cropped: int, scaled: list[int]) -> dict[int, bytes]:
    """Return the thumbnails of an image by size, without metadata and the right side up.

    Raises Pillow's errors for an image that it can not decode. An image of more than 40 megapixels is refused
    by its header, before anything is decoded. Of an animation the first frame counts.
    """
    sizes = sorted(scaled, reverse=True)
    with Image.open(image, formats=FORMATS) as opened:
        if opened.width * opened.height > PIXELS_MAX:
            raise Image.DecompressionBombError(f"{opened.width} × {opened.height} pixels")
        opened.draft("RGB", (sizes[0], sizes[0]))  # a JPEG is decoded no larger than needed
        current = _first_frame(opened, sizes[0])
    thumbnails = {}
    for size in sizes:
        current.thumbnail((size, size), Image.Resampling.LANCZOS)  # each from the one before, never larger
        thumbnails[size] = _webp(current)
    thumbnails[cropped] = _webp(ImageOps.fit(current, (cropped, cropped), Image.Resampling.LANCZOS))
    return thumbnails


def _first_frame(opened: Image.Image, size: int) -> Image.Image:
    """Return the pixels of the first frame alone, so that nothing else is saved with them."""
    opened.load()
    transparent = opened.has_transparency_data
    image = opened
    if opened.mode.startswith("I;16"):
        image = opened.point(lambda level: level * (1 / 257)).convert("L")  # Pillow would clip it at 255
    elif opened.mode not in _SCALABLE or (transparent and opened.mode not in ("LA", "RGBA")):
        image = opened.convert("RGBA" if transparent else "RGB")
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    ImageOps.exif_transpose(image, in_place=True)
    pixels = image.convert("RGBA" if transparent else "RGB")
    pixels.info.clear()
    return pixels


def _webp(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=_QUALITY)
    return out.getvalue()


def report(image: BinaryIO, cropped: int, scaled: list[int]) -> tuple[dict[str, Any], list[bytes]]:
    """Return the report on an image, and its thumbnails.

    An error of the system, or a lack of memory, is never the image's fault.
    """
    try:
        thumbnails = render(image, cropped, scaled)
    except MemoryError:
        return {"failed": "MemoryError"}, []
    except OSError as error:
        # Pillow raises it without a number for bad images; -9 of its decoders is a lack of memory.
        is_ours = error.errno is not None or "memory" in str(error)
        return {"failed" if is_ours else "refused": type(error).__name__}, []
    except Exception as error:  # noqa: BLE001 - bad bytes may raise anything in a decoder
        return {"refused": type(error).__name__}, []
    return {"sizes": {str(size): len(body) for size, body in thumbnails.items()}}, list(thumbnails.values())


def drop_rights(cpu_s: int) -> None:
    """Drop, for good, all rights that decoding does not need.

    From then on the process can not open a file or socket, write to anything but its pipe, start a process or
    gain a privilege; its memory and CPU time are bounded, it dumps no core, and it ends with its parent. The
    kernel kills it first if memory runs out.
    """
    os.nice(_NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    limits = {"AS": MEMORY_MAX_BYTES, "CPU": cpu_s, "CORE": 0, "FSIZE": 0, "NPROC": 0, "NOFILE": 0}
    for name, limit in limits.items():
        with suppress(AttributeError, ValueError, OSError):  # not every system has each, or lets us set it
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))


def main() -> None:
    """Render one image."""
    request = json.loads(sys.argv[1])
    Image.preinit()
    Image.MAX_IMAGE_PIXELS = PIXELS_MAX
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    drop_rights(request["cpu_s"])
    outcome, bodies = report(sys.stdin.buffer, request["cropped"], request["scaled"])
    sys.stdout.buffer.write(json.dumps(outcome).encode() + b"\n" + b"".join(bodies))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
