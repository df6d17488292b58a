"""Mean, spread and range of motion values, gathered piece by piece and merged in any grouping.

Axis legend: ``t`` frames, ``c`` channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Exact = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Statistics of frames.

    Attributes:
        frames: how many.
        mean: [c].
        squares: [c] sum of squared deviations from the mean.
        lowest: [c]; infinity without frames.
        highest: [c]; minus infinity without frames.
    """

    frames: int
    mean: Exact
    squares: Exact
    lowest: Exact
    highest: Exact

    @classmethod
    def of(cls, values: Floats) -> Moments:
        """Of values [t, c]."""
        exact = np.asarray(values, np.float64)
        if len(exact) == 0:
            return cls.none(exact.shape[1])
        mean = exact.mean(axis=0)
        squares = np.square(exact - mean).sum(axis=0)
        return cls(len(exact), mean, squares, exact.min(axis=0), exact.max(axis=0))

    @classmethod
    def none(cls, channels: int) -> Moments:
        """Of no frame at all."""
        zero, far = np.zeros(channels), np.full(channels, np.inf)
        return cls(0, zero, zero, far, -far)

    @classmethod
    def merged(cls, parts: Iterable[Moments], channels: int) -> Moments:
        """Of all frames of the parts (Chan, Golub & LeVeque 1983)."""
        total = cls.none(channels)
        for part in parts:
            if part.frames:
                total = total._with(part)
        return total

    def _with(self, other: Moments) -> Moments:
        frames = self.frames + other.frames
        step = other.mean - self.mean
        return Moments(
            frames,
            self.mean + step * (other.frames / frames),
            self.squares + other.squares + np.square(step) * (self.frames * other.frames / frames),
            np.minimum(self.lowest, other.lowest),
            np.maximum(self.highest, other.highest),
        )

    @property
    def spread(self) -> Exact:
        """[c] standard deviation."""
        return np.asarray(np.sqrt(self.squares / max(self.frames, 1)))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, exact to the last bit."""
        curves = {name: getattr(self, name).tolist() for name in _CURVES if self.frames}
        return {"frames": self.frames, **curves}

    @classmethod
    def from_dict(cls, about: Mapping[str, Any], channels: int) -> Moments:
        """The inverse of :meth:`to_dict`.

        Raises:
            KeyError: a part is missing.
            ValueError: a part has another number of channels.
        """
        if not about["frames"]:
            return cls.none(channels)
        curves = {name: np.asarray(about[name], np.float64) for name in _CURVES}
        if any(curve.shape != (channels,) for curve in curves.values()):
            raise ValueError(f"statistics are not of {channels} channels")
        return cls(int(about["frames"]), **curves)


_CURVES = ("mean", "squares", "lowest", "highest")
