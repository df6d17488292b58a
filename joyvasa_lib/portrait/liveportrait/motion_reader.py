"""The motion of one person over a sequence of crops, as the motion extractor M sees it.

Axis legend: ``b`` crops of a batch, ``s`` side of M's images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.motion import LIVEPORTRAIT_21, Motion
from joyvasa_lib.motion.driving.source_keypoints import SourceKeypoints
from joyvasa_lib.motion.space import Floats
from joyvasa_lib.portrait.liveportrait.motion_extractor import ExtractedMotion, MotionExtractor
from joyvasa_lib.portrait.liveportrait.networks import to_array

_BATCH = 8


def read_motion(
    extractor: MotionExtractor,
    image_of: Callable[[FaceCrop], Tensor],
    crops: Iterable[FaceCrop],
    fps: float,
) -> Motion:
    """Expression and head pose of every crop.

    Place and size are relative to the first crop, wherever the others are cut.

    Args:
        extractor: M.
        image_of: what M sees of a crop, [1, 3, s, s] in [0, 1].
        crops: of one person, turned alike.
        fps: frames a second.

    Returns:
        One frame for each crop, ``reference="absolute"``.

    Raises:
        NoFaceError: there is no crop.
    """
    first: FaceCrop | None = None
    parts: list[Motion] = []
    remaining = iter(crops)
    while batch := list(islice(remaining, _BATCH)):
        first = first or batch[0]
        found = extractor(torch.cat([image_of(crop) for crop in batch]))
        zoom, shift = _relative_places(first, batch)
        parts.append(
            Motion(
                expression=to_array(found.expression),
                rotation=to_array(found.rotation),
                translation=zoom * to_array(found.translation) + shift,
                scale=zoom * to_array(found.scale),
                fps=fps,
                space=LIVEPORTRAIT_21,
                reference="absolute",
            )
        )
    if not parts:
        raise NoFaceError("There is no frame to extract motion from")
    return Motion.concatenate(parts)


def source_keypoints(found: ExtractedMotion) -> SourceKeypoints:
    """Keypoints, expression and pose of the first image that M saw."""
    return SourceKeypoints(
        keypoints=to_array(found.keypoints[0]),
        expression=to_array(found.expression[0]),
        rotation=to_array(found.rotation[0]),
        translation=to_array(found.translation[0]),
        scale=to_array(found.scale[0]),
    )


def _relative_places(first: FaceCrop, crops: Iterable[FaceCrop]) -> tuple[Floats, Floats]:
    """How crops lie in the first one, in units of M, whose crop reaches from -1 to 1.

    Returns:
        Zoom [b, 1] and shift [b, 3]: a point ``x`` of a crop is ``zoom * x + shift`` of the first.
    """
    side = first.size / 2
    maps = np.stack([first.matrix @ np.linalg.inv(crop.matrix) for crop in crops])
    zoom = np.hypot(maps[:, 0, 0], maps[:, 1, 0])
    centre = np.stack([maps[:, axis, 2] for axis in (0, 1)], 1) + zoom[:, None] * (side - 0.5)
    shift = np.pad((centre - (side - 0.5)) / side, ((0, 0), (0, 1)))
    return zoom[:, None].astype(np.float32), shift.astype(np.float32)
