"""Where skin folds when a face moves: lines on the face, and the blendshapes that deepen them.

The lines are those that anatomy describes for each muscle: across the forehead for the frontalis,
upright between the brows for the corrugator, across the bridge for the procerus and the nose's own
muscle, fans beside the eyes for the orbicularis oculi, from the nose to beside the mouth for the
muscles that raise lip and cheek, below the corners of the mouth for its depressor, and the dimpled
chin of the mentalis (Ekman, Friesen & Hager 2002, FACS manual, appearance changes of each unit).

Axis legend: ``n`` points of a line, ``p`` 468 landmarks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.rig.regions import EYES, NASOLABIAL_FOLDS

Points = NDArray[np.float64]

_FOREHEAD = (
    (70, 21), (63, 54), (105, 103), (66, 67), (107, 109), (9, 10),
    (336, 338), (296, 297), (334, 332), (293, 284), (300, 251),
)  # fmt: skip
"""Points of the brows' upper edge, from the right temple to the left one, and of the hairline."""
_HEIGHTS = (0.34, 0.50, 0.66, 0.80)
"""Shares of the way from brows to hairline at which the forehead folds."""
_FANS = (-32.0, -8.0, 18.0)
"""Degrees from the axis of an eye, up positive, of the folds beside its outer corner."""
_SMILE = {
    "Right": (
        (129, 129, 0.0),
        (203, 205, 0.25),
        (216, 206, 0.2),
        (207, 212, 0.55),
        (214, 212, 0.25),
    ),
    "Left": (
        (358, 358, 0.0),
        (423, 425, 0.25),
        (436, 426, 0.2),
        (427, 432, 0.55),
        (434, 432, 0.25),
    ),
}
"""Places from the nose to beside the mouth, between two points each: a smile carries the corner of
the mouth up to this line, and the skin folds there."""


@dataclass(frozen=True)
class Line:
    """One groove.

    Attributes:
        points: [n, 2] pixels.
        depth: [n] of the groove, millimetres.
        width: its standard deviation, millimetres.
        side: where skin bulges beside it: 0 on both sides, 1 to the right of the line's direction
            (y down), -1 to the left.
    """

    points: Points
    depth: NDArray[np.float64]
    width: float
    side: int = 0


@dataclass(frozen=True)
class Fold:
    """Grooves that deepen together.

    Attributes:
        name: what is shown on sheets.
        blendshapes: share of its depth at full activation of each.
        lines: its grooves.
        dimples: middle [2] and radius in pixels of dimpled skin, or None.
    """

    name: str
    blendshapes: Mapping[str, float]
    lines: tuple[Line, ...]
    dimples: tuple[Points, float] | None = None


def face_folds(marks: Points) -> list[Fold]:
    """The folds of a face.

    Args:
        marks: [p, 2] landmarks of the fitted head, pixels.
    """
    folds = [*_forehead(marks), *_between_brows(marks), _bridge(marks)]
    for eye, corner, name in zip(EYES, (291, 61), ("Left", "Right"), strict=True):
        outer, inner = marks[eye.outer_corner], marks[eye.inner_corner]
        folds.append(_beside_eye(outer, inner, name))
        bag = marks[list(eye.bag[1:-1])]
        below = Line(bag, 0.30 * _tapered(len(bag)), 1.1)
        folds.append(
            Fold(f"below eye {name}", _sided(name, eyeSquint=0.6, cheekSquint=0.7), (below,))
        )
        folds += _beside_mouth(marks, corner, name)
    return [*folds, _chin(marks)]


def _sided(side: str, **blendshapes: float) -> dict[str, float]:
    return {f"{name}{side}": share for name, share in blendshapes.items()}


def _tapered(count: int, power: float = 0.7) -> NDArray[np.float64]:
    """[n] from 0 over 1 to 0."""
    return np.asarray(np.sin(np.pi * (np.arange(count) + 0.5) / count) ** power)


def _forehead(marks: Points) -> list[Fold]:
    low, high = (marks[[pair[end] for pair in _FOREHEAD]] for end in (0, 1))
    x = np.linspace(-1.0, 1.0, len(_FOREHEAD))
    middle = np.exp(-0.5 * (x / 0.34) ** 2)
    sides = (
        ("middle", {"browInnerUp": 1.0}, middle),
        ("Left", {"browOuterUpLeft": 1.0}, np.clip(x + 0.25, 0, 1) ** 0.5 * (1.0 - middle)),
        ("Right", {"browOuterUpRight": 1.0}, np.clip(0.25 - x, 0, 1) ** 0.5 * (1.0 - middle)),
    )
    ends = np.clip((1.0 - np.abs(x)) / 0.25, 0.0, 1.0)
    folds = []
    for name, blendshapes, where in sides:
        lines = []
        for number, height in enumerate(_HEIGHTS):
            wave = 0.03 * np.sin(2.3 * x + 1.9 * number)
            points = low + (height + wave)[:, None] * (high - low)
            strength = (0.85, 1.0, 0.8, 0.5)[number]
            lines.append(Line(points, 0.55 * strength * where * ends, 0.95))
        folds.append(Fold(f"forehead {name}", blendshapes, tuple(lines)))
    return folds


def _between_brows(marks: Points) -> list[Fold]:
    folds = []
    for name, share in (("Right", 0.24), ("Left", 0.76)):
        ends = ((193, 417), (55, 285), (107, 336), (108, 337))
        lean = (0.0, 0.02, 0.0, -0.05)
        outward = np.sign(share - 0.5)
        points = np.array(
            [
                marks[a] + (share + outward * off) * (marks[b] - marks[a])
                for (a, b), off in zip(ends, lean, strict=True)
            ]
        )
        line = Line(points, 0.85 * np.array([0.3, 1.0, 0.85, 0.1]), 0.95)
        folds.append(Fold(f"between brows {name}", {f"browDown{name}": 1.0}, (line,)))
    return folds


def _bridge(marks: Points) -> Fold:
    lines = []
    for (a, b), depth in (((193, 417), 0.9), ((122, 351), 1.0), ((196, 419), 0.65)):
        share = np.array([0.04, 0.25, 0.5, 0.75, 0.96])[:, None]
        points = marks[a] + share * (marks[b] - marks[a])
        lines.append(Line(points, depth * np.array([0.1, 0.8, 1.0, 0.8, 0.1]), 0.85))
    for a, b, c in ((122, 236, 198), (351, 456, 420)):  # beside it, down to the wings
        lines.append(Line(marks[[a, b, c]], 0.7 * np.array([0.3, 1.0, 0.2]), 0.9))
    sneer = {"noseSneerLeft": 0.35, "noseSneerRight": 0.35}
    return Fold("bridge", sneer, tuple(lines))


def _beside_eye(outer: Points, inner: Points, name: str) -> Fold:
    along = outer - inner
    up = np.array([along[1], -along[0]]) * (1.0 if along[0] > 0 else -1.0)
    lines = []
    for number, degrees in enumerate(_FANS):
        reach = np.array([0.22, 0.38, 0.55, 0.72])
        angle = np.deg2rad(degrees + 10.0 * np.linspace(0.0, 1.0, 4) * np.sign(degrees))
        points = outer + reach[:, None] * (
            np.cos(angle)[:, None] * along + np.sin(angle)[:, None] * up
        )
        depth = (0.42, 0.5, 0.42)[number] * np.array([0.35, 1.0, 0.8, 0.05])
        lines.append(Line(points, depth, 0.75))
    return Fold(
        f"beside eye {name}",
        _sided(name, cheekSquint=1.0, eyeSquint=0.25, mouthSmile=0.15),
        tuple(lines),
    )


def _beside_mouth(marks: Points, corner: int, name: str) -> list[Fold]:
    left = name == "Left"
    side = -1 if left else 1
    ids = NASOLABIAL_FOLDS[1 if left else 0]
    depth = 0.95 * np.array([0.5, 1.0, 0.85, 0.25])
    sneer = Line(marks[list(ids)], depth, 1.5, side)
    smile = np.array([marks[a] + share * (marks[b] - marks[a]) for a, b, share in _SMILE[name]])
    cheek = Line(smile, 0.9 * np.array([0.3, 0.9, 1.0, 0.8, 0.1]), 1.5, side)
    across = marks[corner] - marks[61 if left else 291]
    down = marks[152] - marks[2]
    down = down / np.hypot(*down) * np.hypot(*across)
    below = marks[corner] + np.array(
        [0.05 * across + 0.07 * down, 0.10 * across + 0.20 * down, 0.09 * across + 0.33 * down]
    )
    beside = marks[corner] + np.array(
        [0.13 * across - 0.12 * down, 0.17 * across, 0.12 * across + 0.11 * down]
    )
    return [
        Fold(f"raised lip {name}", _sided(name, noseSneer=0.45, mouthUpperUp=0.3), (sneer,)),
        Fold(f"smile {name}", _sided(name, mouthSmile=0.75, cheekSquint=0.25), (cheek,)),
        Fold(
            f"below corner {name}",
            _sided(name, mouthFrown=0.8, mouthStretch=0.3),
            (Line(below, 0.6 * np.array([0.8, 1.0, 0.1]), 1.2),),
        ),
        Fold(
            f"beside corner {name}",
            _sided(name, mouthDimple=1.0),
            (Line(beside, 0.6 * np.array([0.3, 1.0, 0.3]), 1.1),),
        ),
    ]


def _chin(marks: Points) -> Fold:
    lip, tip = marks[17], marks[152]
    half = 0.24 * (marks[291] - marks[61])
    x = np.linspace(-1.0, 1.0, 7)[:, None]
    crease = lip + 0.30 * (tip - lip) + x * half + 0.08 * x**2 * (tip - lip)
    line = Line(crease, 0.6 * _tapered(7), 1.3)
    radius = 0.32 * float(np.hypot(*(tip - lip)))
    return Fold("chin", {"mouthShrugLower": 1.0}, (line,), (lip + 0.66 * (tip - lip), radius))
