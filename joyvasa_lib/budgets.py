"""How large an input may be: every size that a file states is compared with these first.

A file of a few kilobytes can state a size that takes gigabytes. The budgets hold for the whole
process; a program that reads other people's files sets them once, with :func:`set_budgets` or
environment variables named ``JOYVASA_MAX_`` and the field, as ``JOYVASA_MAX_VIDEO_PIXELS``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields

from joyvasa_lib.checks import checked_int
from joyvasa_lib.errors import OptionError

_PREFIX = "JOYVASA_MAX_"
_MOST = 2**53
_MB = 2**20


@dataclass(frozen=True)
class Budgets:
    """Largest sizes that are read.

    Attributes:
        image_pixels: pixels of an image; three or four bytes each.
        image_bytes: length of an image file, which some formats need whole in memory.
        video_pixels: pixels of one frame of a video; the default is 8K.
        video_frames: frames of a video; the default is six hours at 60 a second.
        audio_seconds: length of a recording; the default is six hours.
        crop_side: side of the square that is cut around a face, in pixels; beyond the image's
            border, too.
        pickle_bytes: length of a pickle itself, without the numbers of torch's tensors.
        pickle_memory: bytes of the objects that a pickle makes. What a pickle may take grows with
            its length, up to this: an hour of driving motion takes 1.4 GB.
        safetensors_header: length of a safetensors file's header, in bytes.
        zip_directory: length of a zip archive's list of members, in bytes.
        zip_bytes: bytes of all members of a compressed archive, unpacked.
        json_bytes: length of a JSON file.
        json_values: values of a JSON file, as its commas and brackets tell.
        yaml_bytes: length of a YAML file.
        yaml_values: values of a YAML file, once every alias is replaced by what it stands for.
        xmp_bytes: length of the XMP packet that tells how a file was made.

    Raises:
        OptionError: a budget is not a whole number above 0.
    """

    image_pixels: int = 200_000_000
    image_bytes: int = 1024 * _MB
    video_pixels: int = 8192 * 4320
    video_frames: int = 6 * 3600 * 60
    audio_seconds: int = 6 * 3600
    crop_side: int = 10_000
    pickle_bytes: int = 256 * _MB
    pickle_memory: int = 2048 * _MB
    safetensors_header: int = 16 * _MB
    zip_directory: int = 8 * _MB
    zip_bytes: int = 1024 * _MB
    json_bytes: int = 16 * _MB
    json_values: int = 2_000_000
    yaml_bytes: int = _MB // 2
    yaml_values: int = 100_000
    xmp_bytes: int = _MB

    def __post_init__(self) -> None:
        for field in fields(self):
            checked_int(field.name, getattr(self, field.name), least=1, most=_MOST)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Budgets:
        """The defaults, replaced by what the environment sets.

        Raises:
            OptionError: a variable is not a whole number above 0.
        """
        values = {}
        for field in fields(cls):
            name = _PREFIX + field.name.upper()
            if name in environment:
                text = environment[name].strip()
                whole = text.isascii() and text.isdigit() and len(text) < 20
                values[field.name] = checked_int(
                    name, int(text) if whole else text, least=1, most=_MOST
                )
        return cls(**values)


_chosen: Budgets | None = None


def budgets() -> Budgets:
    """What holds now: what was set last, else what the environment says.

    Raises:
        OptionError: nothing was set and an environment variable is not a whole number above 0.
    """
    return Budgets.from_environment() if _chosen is None else _chosen


def set_budgets(chosen: Budgets | None) -> None:
    """Sets the budgets of this process; None returns to the environment's.

    Raises:
        OptionError: it is neither.
    """
    global _chosen
    if chosen is not None and not isinstance(chosen, Budgets):
        raise OptionError(f"Budgets are set by Budgets(...) or None, not {chosen!r}")
    _chosen = chosen
