"""A mark into the files that are written: XMP where each format keeps it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any
from uuid import UUID

from PIL import Image, PngImagePlugin, TiffImagePlugin

from joyvasa_lib.errors import OutputError
from joyvasa_lib.media.provenance.mark import Mark

XMP_BOX = UUID("BE7ACFCB-97A9-42E8-9C71-999491E3AFAC").bytes
"""Names the box of an MP4 file that holds XMP (ISO 16684-3, section 3.2.1)."""

_PNG_KEYWORD = "XML:com.adobe.xmp"
_EXIF_DESCRIPTION, _TIFF_XMP = 0x010E, 700


def image_parameters(suffix: str, mark: Mark | None) -> dict[str, Any]:
    """What Pillow's ``save`` is given for an image with a mark.

    Args:
        suffix: of the file, lower case. BMP keeps nothing.
        mark: None for none.
    """
    if mark is None:
        return {}
    exif = Image.Exif()
    exif[_EXIF_DESCRIPTION] = mark.note
    packet = mark.to_xmp()
    if suffix == ".png":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt(_PNG_KEYWORD, packet)
        return {"exif": exif, "pnginfo": texts}
    if suffix in (".tif", ".tiff"):
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[_EXIF_DESCRIPTION] = mark.note
        tags.tagtype[_TIFF_XMP] = 7  # bytes of no further meaning
        tags[_TIFF_XMP] = packet.encode()
        return {"tiffinfo": tags}
    return {"exif": exif, "xmp": packet.encode()}


def video_arguments(mark: Mark | None) -> list[str]:
    """What ffmpeg is told about a video: a comment, and XMP where its container takes it.

    That is QuickTime, as ``moov/udta/XMP_``, and Matroska, as a tag; for MP4 see
    :func:`append_xmp`.
    """
    if mark is None:
        return []
    return ["-metadata", f"comment={mark.note}", "-metadata", f"xmp={mark.to_xmp()}"]


def append_xmp(path: Path, mark: Mark) -> None:
    """Adds the XMP box to the end of a finished MP4 file.

    What is there stays where it is, so the index at the file's start still fits, and nothing of
    the video is read. The time does not grow with the file.

    Raises:
        OutputError: the file cannot be written.
    """
    packet = mark.to_xmp().encode()
    box = struct.pack(">I4s", 8 + len(XMP_BOX) + len(packet), b"uuid") + XMP_BOX + packet
    try:
        with path.open("ab") as file:
            file.write(box)
    except OSError as error:
        raise OutputError(
            f"Cannot write {path} ({error}); free some space or choose another place"
        ) from error
