"""Image files, opened without being decoded, once their sizes are within the budgets.

``Image.open`` is not used: it has a limit of its own, which belongs to the program that this
library runs in and is neither changed nor needed here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from joyvasa_lib.budgets import budgets
from joyvasa_lib.errors import MediaError, MissingDependencyError

SAFE_FORMATS = (
    *("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "DIB", "TIFF"),
    *("AVIF", "JPEG2000", "PPM", "TGA", "PCX", "SGI"),
)
"""Pillow formats that are plain pixels. EPS is left out because it starts Ghostscript, and icons
because Pillow decodes them, to whatever size they have, before it tells one."""

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
_ANY_HEIF_BRANDS = {b"mif1", b"msf1"}
"""Of HEIC and AVIF images alike."""
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_NO_SUCH_FORMAT = (SyntaxError, IndexError, TypeError, struct.error)
"""What Pillow's readers raise for a file that is not of their format."""


def open_image(path: Path) -> Image.Image:
    """An image that is not decoded yet; its file is closed together with it.

    Raises:
        MediaError: no format that is read fits the file, or a size in it is above a budget.
        MissingDependencyError: it is a HEIC image and the extra ``heic`` is not installed.
    """
    most = budgets().image_bytes
    if path.stat().st_size > most:
        raise MediaError(f"{path} is longer than the {most} bytes allowed (image_bytes)")
    file = path.open("rb")
    try:
        full_image = _identified(file, path)
        full_image._exclusive_fp = True  # type: ignore[attr-defined] # closed with the image
        _check_parts(full_image, str(path))
    except BaseException:
        file.close()
        raise
    return full_image


def check_pixels(size: tuple[int, int], name: str) -> None:
    """Refuses an image that is above the budget.

    Raises:
        MediaError: it has more pixels.
    """
    width, height = size
    most = budgets().image_pixels
    if width * height > most:
        raise MediaError(
            f"{name} has {width}x{height} pixels, above the {most} allowed (image_pixels); "
            "make it smaller first"
        )


def _identified(file: BinaryIO, path: Path) -> Image.Image:
    start = file.read(64)
    for factory, accepts in _readers(start, path):
        if not accepts(start[:16]):
            continue
        file.seek(0)
        try:
            return factory(file, str(path))
        except _NO_SUCH_FORMAT:
            continue
    raise MediaError(f"{path} is not an image of a known format; convert it to PNG or JPEG")


def _readers(
    start: bytes, path: Path
) -> list[tuple[Callable[[Any, str], Image.Image], Callable[[bytes], Any]]]:
    """What opens a file of each format that this installation reads, and what recognises it."""
    if _is_heic(start):
        try:
            from pillow_heif import HeifImageFile
        except ImportError as error:
            raise MissingDependencyError(
                f"{path} is a HEIC image; install what reads it with pip install "
                '"joyvasa_lib[heic]", or save it as JPEG or PNG'
            ) from error
        return [(HeifImageFile, lambda _: True)]
    Image.init()
    known = [Image.OPEN[name] for name in SAFE_FORMATS if name in Image.OPEN]
    return [(factory, accepts or (lambda _: True)) for factory, accepts in known]


def _check_parts(full_image: Image.Image, name: str) -> None:
    """Checks the size, and those of the parts that a file decodes to beside it."""
    check_pixels(full_image.size, name)
    tags = getattr(full_image, "tag_v2", {})  # of a TIFF: one tile is decoded at a time
    tile = int(tags.get(_TILE_WIDTH, 1)), int(tags.get(_TILE_LENGTH, 1))
    check_pixels(tile, f"A tile of {name}")


def _is_heic(start: bytes) -> bool:
    if start[4:8] != b"ftyp":
        return False
    brands = {start[i : i + 4] for i in range(16, min(len(start), start[3]), 4)}
    major = start[8:12]
    return major in _HEIC_BRANDS or (major in _ANY_HEIF_BRANDS and b"avif" not in brands)
