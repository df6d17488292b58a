"""How one person speaks: what a user can dial, and what merely differs from person to person.

Axis legend: ``t`` frames, 4 dials of :data:`~joyvasa_lib.speech.style.DIALS`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.speech.style import CHANGING, DIALS, MOST

Floats = NDArray[np.float32]

_CHANGES = 0.3
"""Share of longer recordings in which the style changes."""
_CHANGE_FROM = 6.0
"""Seconds from which on it may."""


@dataclass(frozen=True, eq=False)
class Speaker:
    """One person's way of speaking.

    Attributes:
        dials: [t, 4] in each frame.
        upper_lip: factor on the share of an opening that the upper lip makes.
        widening: width that an opening of 1 adds; people differ most in this.
        lopsided: by how much the person's left side moves more than the right, as a share.
        posture_seconds: mean time from one posture of the head to the next.
    """

    dials: Floats
    upper_lip: float = 1.0
    widening: float = 0.25
    lopsided: float = 0.0
    posture_seconds: float = 2.2

    def dial(self, name: str) -> Floats:
        """[t] one of the dials."""
        return self.dials[:, DIALS.index(name)]


def usual_speaker(frames: int) -> Speaker:
    """Everything as people do in the middle."""
    return Speaker(np.ones((frames, len(DIALS)), np.float32))


def draw_speaker(rng: np.random.Generator, frames: int, fps: float = 25.0) -> Speaker:
    """A person, who may change the style once.

    Args:
        rng: source of every random choice.
        frames: t.
        fps: frames a second.
    """
    dials = np.tile(_draw_dials(rng), (frames, 1))
    if frames > _CHANGE_FROM * fps and rng.random() < _CHANGES:
        when = rng.uniform(0.25, 0.75) * frames
        share = np.clip((np.arange(frames) - when) / (CHANGING * fps), 0.0, 1.0)[:, None]
        dials = dials + share * (_draw_dials(rng) - dials)
    return Speaker(
        dials.astype(np.float32),
        upper_lip=float(np.exp(rng.normal(0.0, 0.25))),
        widening=float(rng.uniform(0.05, 0.45)),
        lopsided=float(np.clip(rng.normal(0.0, 0.1), -0.25, 0.25)),
        posture_seconds=float(rng.uniform(1.6, 3.0)),
    )


def _draw_dials(rng: np.random.Generator) -> NDArray[np.float64]:
    """[4]; every value from 0 to 2 occurs, most are near 1."""
    articulation = np.clip(np.exp(rng.normal(0.0, 0.25)), 0.5, MOST)
    others = np.where(rng.random(3) < 0.12, 0.0, rng.gamma(4.0, 0.25, 3))
    return np.minimum(np.concatenate([[articulation], others]), MOST)
