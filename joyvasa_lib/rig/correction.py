"""Puts a fitted head on its landmarks: spreads the residuals of identity and blendshapes.

Axis legend: ``v`` vertices, ``n`` points with a known displacement.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.eyelids import lid_edges
from joyvasa_lib.rig.head_rig import Floats, HeadRig
from joyvasa_lib.rig.regions import EYEBALLS, EYES, INNER_UPPER_LIP, OUTER_LIPS, TEETH
from joyvasa_lib.rig.spreading import Doubles, along, spread, way_along

_REACH, _SMOOTHING = 0.35, 0.05
"""Standard deviation of the kernel that spreads displacements of the head, rig units, and the
variance of the landmarks' noise relative to displacements."""
_CONTOUR_REACH, _CONTOUR_SMOOTHING = 0.11, 0.02
"""The same for what is left at the contours of eyelids and lips, whose points are that far apart:
these are met, since an eyelid or a lip that is cut at the wrong place is seen at once."""
_LIPS = (*OUTER_LIPS, INNER_UPPER_LIP[0], INNER_UPPER_LIP[-1])


def spread_residuals(rig: HeadRig, vertex: NDArray[np.int32], displacement: Doubles) -> Floats:
    """[v, 3] displacements known at some vertices, spread smoothly over the head.

    Args:
        rig: the head model.
        vertex: [n] vertices whose displacement is known.
        displacement: [n, 3] rig units.
    """
    known, first = np.unique(vertex, return_index=True)
    smooth = spread(rig, known, displacement[first], _REACH, _SMOOTHING)
    return np.asarray(smooth * rig.head_weight[:, None], dtype=np.float32)


def meet_contours(rig: HeadRig, shape: Floats, landmarks: Doubles) -> Floats:
    """[v, 3] displacement that puts the edges of eyelids and lips on the image's, rig units.

    Inner contours of the lips are left to :func:`~joyvasa_lib.rig.lips.lip_parting`, except for
    their corners. Eyeballs and teeth stay.

    Args:
        rig: the head model.
        shape: [v, 3] the expressive head that was fitted.
        landmarks: [468 or 478, 3] the image's landmarks in the head's frame, rig units.
    """
    vertex = [rig.landmark_vertex[list(_LIPS)]]
    place = [landmarks[list(_LIPS)]]
    for eye, edges in zip(EYES, lid_edges(rig), strict=True):
        for ids, edge in zip((eye.upper_lid, eye.lower_lid), edges, strict=True):
            contour = landmarks[list(ids)]
            contour = contour if contour[0, 0] < contour[-1, 0] else contour[::-1]
            vertex.append(edge)
            place.append(along(contour, way_along(rig.mean[edge].astype(np.float64))))
    known, first = np.unique(np.concatenate(vertex), return_index=True)
    wanted = np.concatenate(place)[first] - shape[known]
    wanted[:, 2] = 0.0
    smooth = spread(rig, known, wanted, _CONTOUR_REACH, _CONTOUR_SMOOTHING)
    smooth[rig.part_vertices(*EYEBALLS, *TEETH, "tongue")] = 0.0
    return np.asarray(smooth * rig.head_weight[:, None], dtype=np.float32)
