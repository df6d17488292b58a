"""``EmotionCurve``: what an editor needs to know of an emotion, constant or changing over time.

Axis legend: ``t`` frames, ``n`` components of an emotion.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike, NDArray

Curve = NDArray[np.float64]


class EmotionCurve(ABC):
    """An emotion as a function of time."""

    __slots__ = ()

    @property
    @abstractmethod
    def is_neutral(self) -> bool:
        """Whether every component is zero at all times."""

    @property
    @abstractmethod
    def used(self) -> NDArray[np.bool_]:
        """Which components [n] differ from zero at any time."""

    @abstractmethod
    def sample(self, times: ArrayLike) -> Curve:
        """Vectors [t, n] at times [t] in seconds; [1, n] where all times have the same one."""


def frame_times(first: int, count: int, fps: float) -> Curve:
    """Times [t] in seconds of the middles of ``count`` frames, starting at frame ``first``."""
    return np.asarray((np.arange(first, first + count) + 0.5) / fps)
