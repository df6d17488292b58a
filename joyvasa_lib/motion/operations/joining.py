"""Joining: motions one after another, with or without a crossfade.

Axis legend: ``t`` frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from joyvasa_lib.checks import checked_int
from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.data import ARRAYS, MotionData, MotionT
from joyvasa_lib.motion.space import Floats


def require_same_kind(a: MotionData, b: MotionData) -> None:
    """Refuses to join motions of different kinds.

    Raises:
        MotionError: space, frame rate or reference differ; the message names both.
    """
    if a.space != b.space:
        raise MotionError(
            f"Motions of different spaces cannot be joined: {a.space.name!r} and {b.space.name!r}"
        )
    if a.fps != b.fps:
        raise MotionError(
            f"Motions of {a.fps:g} and {b.fps:g} fps cannot be joined; retime one of them first"
        )
    if a.reference != b.reference:
        raise MotionError(
            f"A motion relative to {a.reference!r} cannot be joined with one relative to "
            f"{b.reference!r}"
        )


def concatenate(motions: Sequence[MotionT], *, crossfade: int = 0) -> MotionT:
    """One motion after another; see :meth:`~joyvasa_lib.motion.motion.Motion.concatenate`.

    Raises:
        MotionError: nothing to join, different kinds, or a part shorter than its crossfades.
    """
    if not motions:
        raise MotionError("There is no motion to concatenate")
    crossfade = checked_int("crossfade", crossfade, least=0, error=MotionError)
    for motion in motions:
        if not isinstance(motion, MotionData):
            raise MotionError(f"Only motions can be joined, not {motion!r}")
    for other in motions[1:]:
        require_same_kind(motions[0], other)
    joints = len(motions) - 1
    for i, motion in enumerate(motions):
        needed = crossfade * ((i > 0) + (i < joints))
        if len(motion) < needed:
            raise MotionError(
                f"Part {i} has {len(motion)} frames, fewer than the {needed} its crossfades of "
                f"{crossfade} need"
            )
    joined: dict[str, Any] = {
        name: _join([getattr(m, name) for m in motions], crossfade, turns=name == "rotation")
        for name in ARRAYS
    }
    return replace(motions[0], **joined)


def _join(arrays: list[Floats], overlap: int, *, turns: bool) -> Floats:
    """Arrays [t, ...] end to end; the last ``overlap`` frames of each blend into the next."""
    if not overlap:
        return np.concatenate(arrays)
    phase = (np.arange(overlap) + 1.0) / (overlap + 1.0)
    rising = (0.5 - 0.5 * np.cos(np.pi * phase)).reshape(-1, *[1] * (arrays[0].ndim - 1))
    pieces = [arrays[0]]
    for array in arrays[1:]:
        before, after = pieces[-1][-overlap:], array[:overlap]
        change = after - before
        if turns:  # in the direction of the smaller angle
            change = (change + 180.0) % 360.0 - 180.0
        pieces[-1] = pieces[-1][:-overlap]
        pieces += [(before + rising * change).astype(np.float32), array[overlap:]]
    return np.concatenate(pieces)
