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

_PREFIX = "JOYVASA_MAX_"


@dataclass(frozen=True)
class Budgets:
    """Largest sizes that are read.

    Attributes:
        image_pixels: pixels of an image, or of a crop cut from one; three bytes each.
        video_pixels: pixels of one frame of a video; the default is 8K.
        audio_seconds: length of a recording; the default is six hours.

    Raises:
        OptionError: a budget is not a whole number above 0.
    """

    image_pixels: int = 200_000_000
    video_pixels: int = 8192 * 4320
    audio_seconds: int = 6 * 3600

    def __post_init__(self) -> None:
        for field in fields(self):
            checked_int(field.name, getattr(self, field.name), least=1, most=2**31 - 1)

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
                value = int(text) if text.isascii() and text.isdigit() else text
                values[field.name] = checked_int(name, value, least=1, most=2**31 - 1)
        return cls(**values)


_chosen: Budgets | None = None


def budgets() -> Budgets:
    """What holds now: what was set last, else what the environment says.

    Raises:
        OptionError: nothing was set and an environment variable is not a whole number above 0.
    """
    return Budgets.from_environment() if _chosen is None else _chosen


def set_budgets(chosen: Budgets | None) -> None:
    """Sets the budgets of this process; None returns to the environment's."""
    global _chosen
    _chosen = chosen
