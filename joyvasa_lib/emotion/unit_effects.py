"""What each component of an emotion does to ARKit's blendshapes and to the head pose.

Axis legend: ``n`` components, 52 blendshapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.emotion.action_units import COMPONENTS, UNIT_OF
from joyvasa_lib.motion.blendshapes import BLENDSHAPES


@lru_cache(maxsize=1)
def arkit_matrix() -> NDArray[np.float64]:
    """Activations [n, 52] of the blendshapes for each component at intensity 1, read-only.

    Rows in the order of :data:`COMPONENTS`, columns in that of
    :data:`~joyvasa_lib.motion.blendshapes.BLENDSHAPES`. Rows of head components are zero.
    """
    matrix = np.zeros((len(COMPONENTS), len(BLENDSHAPES)))
    for row, name in enumerate(COMPONENTS):
        unit = UNIT_OF[name]
        side = name.partition("_")[2]
        for arkit, weight in unit.arkit[side].items():
            matrix[row, BLENDSHAPES.index(arkit)] = weight
    matrix.flags.writeable = False
    return matrix


@lru_cache(maxsize=1)
def arkit_home() -> Mapping[str, str]:
    """The component that each blendshape belongs to: the first that moves it fully and most."""
    matrix = arkit_matrix()
    main = (matrix >= 1.0) & (matrix == matrix.max(1, keepdims=True))
    return MappingProxyType(
        {
            arkit: COMPONENTS[int(np.argmax(main[:, column]))]
            for column, arkit in enumerate(BLENDSHAPES)
        }
    )


@lru_cache(maxsize=1)
def arkit_inverse() -> NDArray[np.float64]:
    """Component intensities [52, n] that give each blendshape alone, exactly; read-only.

    Only the components of :func:`arkit_home` are used. Where such a component moves further
    blendshapes, others cancel them: ``noseSneerLeft`` alone is AU9 minus its effect on lip and
    brow.
    """
    homes = [COMPONENTS.index(arkit_home()[arkit]) for arkit in BLENDSHAPES]
    inverse = np.zeros((len(BLENDSHAPES), len(COMPONENTS)))
    inverse[:, homes] = np.linalg.inv(arkit_matrix()[homes])
    inverse.flags.writeable = False
    return inverse


@lru_cache(maxsize=1)
def pose_matrix() -> NDArray[np.float64]:
    """Pitch, yaw, roll in degrees and log-scale [n, 4] of each component at intensity 1."""
    matrix = np.array([UNIT_OF[name].pose for name in COMPONENTS])
    matrix.flags.writeable = False
    return matrix
