"""The process that opens images of others. What they do to it they do to nothing else.

It reads a line `{"image": path, "folder": path}` from its input, writes `<size>.webp` files into the folder,
and answers with a line `{"sizes": […]}`, an empty list for what is no image that it takes. Whoever started it
bounds its time; its memory is bounded here.
"""

import json
import os
import resource
import sys
import warnings
from pathlib import Path

from PIL import Image, ImageFile, ImageOps

CROPPED = 96
SCALED = (800, 640, 320)
PIXELS_MAX = 40_000_000
MEMORY_MAX_BYTES = 1024 * 1024 * 1024
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_QUALITY = 80
_NICE = 5


def paint(image: Path, folder: Path) -> list[int]:
    """Write the thumbnails of an image, without its metadata and the right side up; gives their sizes.

    Raises all that Pillow raises for what it can not read; more than 40 megapixels are refused by the
    header, before any is decoded.
    """
    with Image.open(image, formats=_FORMATS) as opened:
        if opened.width * opened.height > PIXELS_MAX:
            raise Image.DecompressionBombError(f"{opened.width} × {opened.height} pixels")
        opened.draft("RGB", (SCALED[0], SCALED[0]))  # a JPEG is decoded no larger than is needed
        upright = ImageOps.exif_transpose(opened)
        current = _plain(upright)
    for size in SCALED:
        current.thumbnail((size, size), Image.Resampling.LANCZOS)  # each from the one before, never larger
        current.save(folder / f"{size}.webp", "WEBP", quality=_QUALITY)
    cropped = ImageOps.fit(current, (CROPPED, CROPPED), Image.Resampling.LANCZOS)
    cropped.save(folder / f"{CROPPED}.webp", "WEBP", quality=_QUALITY)
    return [CROPPED, *reversed(SCALED)]


def _plain(image: Image.Image) -> Image.Image:
    """The pixels of the first picture alone: what is saved from them carries nothing else."""
    mode = "RGBA" if image.has_transparency_data else "RGB"
    pixels = image.convert(mode)
    pixels.info.clear()
    return pixels


def main() -> None:
    """Answer until the input ends."""
    Image.MAX_IMAGE_PIXELS = PIXELS_MAX
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES, MEMORY_MAX_BYTES))
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            sizes = paint(Path(asked["image"]), Path(asked["folder"]))
        except Exception as error:  # noqa: BLE001 - whatever such bytes do to a decoder, they have no thumbnail
            sizes = []
            sys.stderr.write(f"no thumbnail: {type(error).__name__}\n")
        sys.stdout.write(json.dumps({"sizes": sizes}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
