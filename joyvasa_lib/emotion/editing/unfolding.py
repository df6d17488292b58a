"""How an expression unfolds on one face: what moves first, and which side moves further.

Lids that widen, a nose that wrinkles and a jaw that drops come first, brows and corners of the
mouth follow, and what only some emotions add comes last (Jack, Garrod & Schyns 2014, Current
Biology 24); cheeks follow the corners of a smile, and the head follows the face. Both sides of a
felt expression move nearly alike (Ekman, Hager & Friesen 1981, Psychophysiology 18). The papers
give the order; the seconds were chosen by eye.

Axis legend: ``t`` frames, ``n`` components of an emotion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from joyvasa_lib.emotion.action_units import COMPONENTS, UNIT_OF
from joyvasa_lib.emotion.curve import Curve

LAGS: Mapping[str, float] = MappingProxyType(
    {
        "brow": 0.04,
        "eye": 0.0,
        "cheek": 0.14,
        "nose": 0.0,
        "mouth": 0.08,
        "jaw": 0.02,
        "head": 0.2,
    }
)
"""Seconds by which a region follows the emotion."""
_LATE: Mapping[str, float] = MappingProxyType({"AU4": 0.1, "AU7": 0.1, "AU15": 0.12, "AU17": 0.12})
"""Seconds of units that come later than others of their region."""
_JITTER, _MOST_JITTER = 0.02, 0.04
"""Standard deviation and limit of what a person and a side add to a lag, seconds."""
_UNEVEN, _MOST_UNEVEN = 0.05, 0.1
"""Standard deviation and limit of the share by which one side of a region moves further."""


def unit_lags() -> Curve:
    """Seconds [n] by which each component follows the emotion."""
    units = [UNIT_OF[name] for name in COMPONENTS]
    return np.array([_LATE.get(unit.code, LAGS[unit.region]) for unit in units])


class Unfolding:
    """The order and evenness of one face.

    Attributes:
        lags: [n] seconds by which each component follows the emotion.
        evenness: [n] factor on each component.
    """

    def __init__(self, rng: np.random.Generator, amount: float) -> None:
        """Draws a face.

        Args:
            rng: of every random choice.
            amount: in [0, 1]; at 0 everything moves at once, and evenly.
        """
        places = sorted({_place(name) for name in COMPONENTS})
        regions = sorted(LAGS)
        jitter = _limited(rng, _JITTER, _MOST_JITTER, len(places))
        uneven = _limited(rng, _UNEVEN, _MOST_UNEVEN, len(regions))
        own = np.array([jitter[places.index(_place(name))] for name in COMPONENTS])
        towards = np.array([_SIDE[_place(name)[1]] for name in COMPONENTS])
        region = np.array([regions.index(UNIT_OF[name].region) for name in COMPONENTS])
        self.lags: Curve = amount * np.maximum(unit_lags() + own, 0.0)
        self.evenness: Curve = 1.0 + amount * towards * uneven[region]

    def __call__(self, emotion: Callable[[Curve], Curve], times: Curve) -> Curve:
        """The emotion [t, n] as this face shows it at times [t] in seconds."""
        vectors = np.empty((len(times), len(self.lags)))
        for lag in np.unique(self.lags):
            columns = self.lags == lag
            vectors[:, columns] = emotion(times - lag)[:, columns]
        return np.asarray(vectors * self.evenness)


_SIDE = {"left": 1.0, "right": -1.0, "": 0.0}


def _place(component: str) -> tuple[str, str]:
    """Region and side of a component; no side for upper and lower lip."""
    side = component.partition("_")[2]
    return UNIT_OF[component].region, side if side in _SIDE else ""


def _limited(rng: np.random.Generator, size: float, most: float, count: int) -> Curve:
    """Normal numbers [count] of a standard deviation, within limits."""
    return np.clip(rng.normal(0.0, size, count), -most, most)
