"""``inspect_media``: what an image or a video says about how it was made."""

from __future__ import annotations

import mmap
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from joyvasa_lib.budgets import budgets
from joyvasa_lib.errors import MediaError, MissingDependencyError
from joyvasa_lib.media.decoding.ffmpeg import FFmpeg, input_arguments
from joyvasa_lib.media.files import check_readable, is_still_image
from joyvasa_lib.media.image_files import open_image
from joyvasa_lib.media.provenance.manifests import Manifest, read_manifest
from joyvasa_lib.media.provenance.mark import Mark

_NOTES = ("This video is synthetic", "This image is synthetic")
"""How the sentences begin that this library writes; no other comment is taken for a statement."""

_EXIF_DESCRIPTION, _TIFF_XMP = 0x010E, 700
_MOVING_IMAGES = (b"GIF8", b"\x89PNG", b"RIFF")
_QUICKTIME_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_GIF_XMP, _GIF_XMP_ENDS = b"\x21\xff\x0bXMP DataXMP", b"\x01\xff\xfe\xfd"
_MOST_OTHER_METADATA = 2**20
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_LINE = re.compile(r"((?:[^\\\n=]|\\.)+)=((?:[^\\\n]|\\.)*)\n", re.DOTALL)


@dataclass(frozen=True)
class Inspection:
    """What a file says about how it was made; nobody has to tell the truth in one.

    Attributes:
        path: the file.
        kind: ``image``, or ``media`` for videos and recordings.
        mark: what its XMP says; None without any.
        mark_problem: why its XMP was not read; "" where it was, or there is none.
        note: its comment, or description; "" without one.
        manifest: its Content Credentials; None without any, or where they were not looked for.
        manifest_read: whether Content Credentials were looked for, which takes the extra ``c2pa``.
    """

    path: Path
    kind: str
    mark: Mark | None
    mark_problem: str
    note: str
    manifest: Manifest | None
    manifest_read: bool

    @property
    def synthetic(self) -> bool | None:
        """Whether it says that it is synthetic in any way; None where it says nothing of the kind.

        False only where something in it names a source that is not synthetic, and nothing one that
        is.
        """
        said = [mark.synthetic for mark in self._marks]
        said.append(True if self.note.startswith(_NOTES) else None)
        return True if True in said else False if False in said else None

    @property
    def made_by(self) -> str:
        """The program that it says it was made with, "" where it names none."""
        return next((mark.tool for mark in self._marks if mark.tool), "")

    @property
    def _marks(self) -> list[Mark]:
        marks = [] if self.manifest is None else [self.manifest.mark]
        return marks if self.mark is None else [*marks, self.mark]


def inspect_media(path: str | os.PathLike[str]) -> Inspection:
    """Reads what a file says about how it was made: XMP, comment and Content Credentials.

    Args:
        path: an image, or a video or recording that ffmpeg reads.

    Raises:
        MediaError: there is no such file, or it is none of these, damaged, or above a budget.
    """
    source = check_readable(path, "media")
    with source.open("rb") as file:
        start = file.read(16)
    if is_still_image(source) or start.startswith(_MOVING_IMAGES[:2]) or _is_webp(start):
        kind, (packet, note) = "image", _said_by_image(source)
    else:
        kind, (packet, note) = "media", _said_by_video(source, start[4:8] in _QUICKTIME_BOXES)
    mark, problem = None, ""
    if packet:
        try:
            mark = Mark.from_xmp(packet)
        except MediaError as error:
            problem = str(error)
    try:
        manifest, looked = read_manifest(source), True
    except MissingDependencyError:
        manifest, looked = None, False
    return Inspection(source, kind, mark, problem, note, manifest, looked)


def _is_webp(start: bytes) -> bool:
    return start[:4] == b"RIFF" and start[8:12] == b"WEBP"


def _said_by_image(path: Path) -> tuple[bytes, str]:
    """XMP packet and description of an image file."""
    try:
        with open_image(path) as full_image:
            packet = _packet_of(full_image)
            if not packet and full_image.format == "PNG":
                full_image.load()  # texts may stand behind the pixels
                packet = _packet_of(full_image)
            if not packet and full_image.format == "GIF":
                packet = _packet_of_gif(path)
            description = full_image.getexif().get(_EXIF_DESCRIPTION, "")
    except MediaError:
        raise
    except Exception as error:  # Pillow's readers raise almost anything on damaged files.
        raise MediaError(f"The image {path} is damaged ({error}); give another one") from error
    return packet, description if isinstance(description, str) else ""


def _packet_of(full_image: Image.Image) -> bytes:
    tags: Any = getattr(full_image, "tag_v2", {})  # of a TIFF
    info = full_image.info
    packet: Any = info.get("xmp") or info.get("XML:com.adobe.xmp") or tags.get(_TIFF_XMP) or b""
    if isinstance(packet, tuple):  # of a TIFF, in some versions of Pillow
        packet = packet[0]
    return packet.encode() if isinstance(packet, str) else bytes(packet)


def _packet_of_gif(path: Path) -> bytes:
    """XMP of a GIF, which Pillow does not read; 258 bytes from 1, 255 and 254 on end it."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        begins = data.find(_GIF_XMP)
        if begins < 0:
            return b""
        begins += len(_GIF_XMP)
        ends = data.find(_GIF_XMP_ENDS, begins, begins + budgets().xmp_bytes)
        return data[begins:ends] if ends >= 0 else b""


def _said_by_video(path: Path, quicktime: bool) -> tuple[bytes, str]:
    """XMP packet and comment of a file that ffmpeg reads, from what it lists of a file's head."""
    most = 2 * budgets().xmp_bytes + _MOST_OTHER_METADATA  # special characters are escaped
    export = ["-export_xmp", "1"] if quicktime else []
    arguments = [*export, *input_arguments(path), "-f", "ffmetadata", "pipe:1"]
    with FFmpeg(arguments, drain=True) as ffmpeg:
        listed = ffmpeg.stdout.read(most + 1)
        if len(listed) > most:
            raise MediaError(f"What {path} says about itself is longer than allowed (xmp_bytes)")
        if ffmpeg.finish() != 0:
            raise MediaError(
                f"{path} is not an image, video or recording that is read "
                f"({ffmpeg.reason() or 'it holds nothing'}); give another one"
            )
    found: dict[str, str] = {}
    for key, value in _LINE.findall(listed.decode("utf-8", errors="replace")):
        found.setdefault(key.lower(), _ESCAPED.sub(r"\1", value))
    return found.get("xmp", "").encode(), found.get("comment", "")
