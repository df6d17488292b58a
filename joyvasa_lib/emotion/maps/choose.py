"""Which map from action units to expression a motion space, or a checkpoint, uses."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from joyvasa_lib.checkpoints.folder import BUNDLED
from joyvasa_lib.emotion.maps.learned import read_unit_map
from joyvasa_lib.emotion.maps.linear import LinearUnitMap, arkit_unit_map
from joyvasa_lib.emotion.maps.liveportrait_directions import liveportrait_unit_map
from joyvasa_lib.emotion.maps.unit_map import UnitToExpression
from joyvasa_lib.motion.space import COMPACT_SPACE_NAME, LIVEPORTRAIT_21, MotionSpace, get_space

BUNDLED_MAP = BUNDLED / "emotion"


def linear_map(space: MotionSpace) -> LinearUnitMap:
    """The linear map of a space.

    For LivePortrait's 21 keypoints it is made of the published slider directions, for other spaces
    of their blendshapes (:func:`~joyvasa_lib.emotion.maps.linear.arkit_unit_map`).

    Raises:
        MotionError: the space has no blendshapes.
    """
    return liveportrait_unit_map() if space == LIVEPORTRAIT_21 else arkit_unit_map(space)


@lru_cache(maxsize=8)
def default_map(space: MotionSpace) -> UnitToExpression:
    """The map that the editor uses for a space unless it is given another.

    For the compact space it is that of the bundled checkpoint, for others the linear one.

    Raises:
        MotionError: the space has no blendshapes.
        CheckpointError: the bundled map is damaged.
    """
    return bundled_map() if space.name == COMPACT_SPACE_NAME else linear_map(space)


def load_unit_map(checkpoint: str | Path, space: MotionSpace) -> UnitToExpression:
    """The map of a checkpoint folder for a space.

    A checkpoint without a folder ``emotion``, with a map of another space, or with the decision
    for the linear basis, gives the space's linear map. A folder that is there loads strictly or
    not at all.

    Args:
        checkpoint: folder that may hold ``emotion``.
        space: motion space of the motions that are edited.

    Raises:
        CheckpointError: the folder ``emotion`` is incomplete, damaged or of another version.
        MotionError: there is no learned map, and the space has no blendshapes.
    """
    return read_unit_map(Path(checkpoint) / "emotion", space) or linear_map(space)


@lru_cache(maxsize=1)
def bundled_map() -> UnitToExpression:
    """The map of the compact space that is part of the package, read once.

    Raises:
        CheckpointError: it is damaged.
    """
    space = get_space()
    return read_unit_map(BUNDLED_MAP, space) or linear_map(space)
