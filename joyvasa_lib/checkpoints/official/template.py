"""JoyVASA's motion template: offset and scale of every channel, from its training motions.

Axis legend: ``c`` model channels: 63 of expression, scale, translation (3), pitch, yaw, roll, and
whatever further ones a network was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.errors import CheckpointError

Floats = NDArray[np.float32]

PARTS = {"exp": 63, "scale": 1, "t": 3, "pitch": 1, "yaw": 1, "roll": 1}
"""What the template describes, in the order of the channels, and how many channels each has."""
CHANNELS = sum(PARTS.values())


def channel_ranges(template: Mapping[str, ArrayLike], channels: int) -> tuple[Floats, Floats]:
    """Offset and scale [c] of a network's channels.

    Expression is ``channel * std + mean``, the pose ``channel * (max - min) + min``. Channels past
    the seventieth (the released network has three, emotion values of its training set) describe
    nothing in a motion and keep their own numbers.

    Args:
        template: ``<statistic>_<part>`` to numbers; ``mean``, ``std`` of exp and ``min``, ``max``
            of the others are used, the rest is ignored.
        channels: c of the network.

    Raises:
        CheckpointError: an array is missing, of another size or not finite, a maximum lies below
            its minimum, or the network has fewer channels than a motion.
    """
    if channels < CHANNELS:
        raise CheckpointError(
            f"The motion generator has {channels} motion channels; a motion needs {CHANNELS}."
        )
    names = {part: ("mean", "std") if part == "exp" else ("min", "max") for part in PARTS}
    wanted = [f"{statistic}_{part}" for part, pair in names.items() for statistic in pair]
    if missing := [name for name in wanted if name not in template]:
        raise CheckpointError(
            f"The motion template has no {', '.join(missing)}; it is not JoyVASA's "
            "motion_template.pkl."
        )
    offsets, scales = [], []
    for part, (first, second) in names.items():
        offset = _numbers(template, f"{first}_{part}", PARTS[part])
        scale = _numbers(template, f"{second}_{part}", PARTS[part])
        scale = scale if part == "exp" else scale - offset
        if (scale < 0).any():
            raise CheckpointError(f"In the motion template the spread of {part} is negative.")
        offsets.append(offset)
        scales.append(scale)
    further = channels - CHANNELS
    return (
        np.concatenate([*offsets, np.zeros(further, np.float32)]),
        np.concatenate([*scales, np.ones(further, np.float32)]),
    )


def _numbers(template: Mapping[str, ArrayLike], name: str, size: int) -> Floats:
    try:
        values = np.asarray(template[name], dtype=np.float32).reshape(-1)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{name} of the motion template is no array: {error}") from error
    if values.shape != (size,) or not np.isfinite(values).all():
        raise CheckpointError(
            f"{name} of the motion template must be {size} finite numbers; it has {values.size}"
            + ("." if values.shape != (size,) else ", not all finite.")
        )
    return values
