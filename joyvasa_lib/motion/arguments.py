"""Checks of what motions are made of and asked for."""

from __future__ import annotations

from typing import Any

from joyvasa_lib.checks import checked_float
from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.space import MotionSpace

MOST_FRAMES = 10**7
"""Frames of the longest motion that is made: 4.6 days at 25 a second."""


def checked_fps(fps: Any) -> float:
    """``fps`` as a float.

    Raises:
        MotionError: it is not a positive number.
    """
    return checked_float("fps", fps, above=0.0, error=MotionError)


def checked_space(space: Any) -> MotionSpace:
    """A motion space, not something else.

    Raises:
        MotionError: something else.
    """
    if isinstance(space, MotionSpace):
        return space
    raise MotionError(f"space must be a MotionSpace, not {space!r}; see get_space()")
