"""Displacements known at some vertices of the head rig, spread over the others.

Axis legend: ``v`` vertices, ``n`` vertices with a known value, ``m`` points of a contour.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lu_factor, lu_solve

from joyvasa_lib.rig.head_rig import HeadRig

Doubles = NDArray[np.float64]


def spread(
    rig: HeadRig, known: NDArray[np.int32], values: Doubles, reach: float, noise: float
) -> Doubles:
    """[v, d] regularised Gaussian kernel interpolation of values at known vertices.

    Args:
        rig: the head model.
        known: [n] vertices.
        values: [n, d] what is known there.
        reach: standard deviation of the kernel on the mean head, rig units.
        noise: variance of the values' noise, relative to theirs.
    """
    kernel, factors = _kernel(rig, known.astype(np.int32).tobytes(), reach, noise)
    return np.asarray(kernel @ lu_solve(factors, values))


@lru_cache(maxsize=8)
def _kernel(
    rig: HeadRig, known: bytes, reach: float, noise: float
) -> tuple[Doubles, tuple[Doubles, NDArray[np.int32]]]:
    """[v, n] kernel between all vertices and known ones, and the system of the latter, factored.

    The vertices that are known are the rig's own, the same for every face.
    """
    chosen = np.frombuffer(known, np.int32)
    places = rig.mean.astype(np.float64) / reach
    squared = (places**2).sum(1)[:, None] + (places[chosen] ** 2).sum(1)
    kernel = np.exp(-0.5 * np.maximum(squared - 2.0 * places @ places[chosen].T, 0.0))
    return kernel, lu_factor(kernel[chosen] + noise * np.eye(len(chosen)))


def height_of(contour: Doubles, x: Doubles) -> Doubles:
    """Y of a contour [m, 2] at x, of any shape; constant beyond its ends."""
    order = np.argsort(contour[:, 0])
    return np.asarray(np.interp(x, contour[order, 0], contour[order, 1]))


def along(contour: Doubles, share: Doubles) -> Doubles:
    """[n, d] points of a contour [m, d] at shares [n] of its length, in [0, 1]."""
    done = way_along(contour)
    return np.stack([np.interp(share, done, column) for column in contour.T], 1)


def way_along(contour: Doubles) -> Doubles:
    """[m] share of the length of a contour [m, d] that lies before each of its points."""
    steps = np.linalg.norm(np.diff(contour, axis=0), axis=1)
    done = np.concatenate([[0.0], np.cumsum(steps)])
    return np.asarray(done / max(float(done[-1]), 1e-9))
