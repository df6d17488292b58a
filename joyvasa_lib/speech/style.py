"""How somebody speaks, as a user dials it: presets, numbers, and changes over time.

Axis legend: ``t`` frames, ``s`` 4 dials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checks import checked_float
from joyvasa_lib.errors import OptionError

Floats = NDArray[np.float32]

MOST = 2.0
"""Largest value of a dial."""
CHANGING = 0.5
"""Seconds in which one style becomes the next."""
StyleName = Literal["calm", "neutral", "lively", "presenter"]


@dataclass(frozen=True)
class SpeakingStyle:
    """How somebody speaks; 1 is what people who speak to others do, 0 nothing of it, 2 the most.

    Attributes:
        articulation: how far the mouth moves.
        head: how much the head moves.
        brows: how often and how far brows move.
        smile: how often and how much is smiled.

    Raises:
        OptionError: a value is no number from 0 to 2.
    """

    articulation: float = 1.0
    head: float = 1.0
    brows: float = 1.0
    smile: float = 1.0

    def __post_init__(self) -> None:
        """Checks every dial."""
        for field in fields(self):
            value = checked_float(field.name, getattr(self, field.name), least=0, most=MOST)
            object.__setattr__(self, field.name, value)

    def array(self) -> Floats:
        """[s] the dials in the order of :data:`DIALS`."""
        return np.array(astuple(self), np.float32)


DIALS: tuple[str, ...] = tuple(field.name for field in fields(SpeakingStyle))
"""Names of the dials, in the order that networks know."""

STYLES: dict[str, SpeakingStyle] = {
    "calm": SpeakingStyle(articulation=0.8, head=0.5, brows=0.4, smile=0.5),
    "neutral": SpeakingStyle(),
    "lively": SpeakingStyle(articulation=1.2, head=1.4, brows=1.5, smile=1.3),
    "presenter": SpeakingStyle(articulation=1.3, head=1.7, brows=1.3, smile=1.0),
}
"""Styles that have a name."""

OneStyle = StyleName | SpeakingStyle | Mapping[str, float]
StyleLike = OneStyle | Sequence[tuple[float, OneStyle]]
"""A name, dials (those that are not named are 1), or pairs of a time in seconds and a style."""


@dataclass(frozen=True)
class StyleTrack:
    """A style that may change over time.

    Attributes:
        moments: seconds from which on each style holds, rising, the first 0.
        styles: one for each moment.
    """

    moments: tuple[float, ...]
    styles: tuple[SpeakingStyle, ...]

    def at(self, times: NDArray[np.floating]) -> Floats:
        """Dials [t, s] at times [t] in seconds; one style becomes the next in half a second."""
        dials = np.tile(self.styles[0].array(), (len(times), 1)).astype(np.float64)
        changes = zip(self.moments[1:], pairwise(self.styles), strict=True)
        for moment, (before, after) in changes:
            share = np.clip((np.asarray(times) - moment) / CHANGING, 0.0, 1.0)[:, None]
            dials += share * (after.array() - before.array())
        return dials.astype(np.float32)


def style_track(style: StyleLike) -> StyleTrack:
    """Reads what a user says of style.

    Args:
        style: see :data:`StyleLike`.

    Raises:
        OptionError: an unknown name or dial, a value out of range, or times that do not rise
            from 0.
    """
    if isinstance(style, (str, SpeakingStyle, Mapping)):
        return StyleTrack((0.0,), (_one(style),))
    pairs = _pairs(style)
    moments = tuple(
        checked_float("The time of a style", time, least=0, most=1e6) for time, _ in pairs
    )
    if moments[0] != 0.0 or any(a >= b for a, b in pairwise(moments)):
        raise OptionError(
            f"The times of styles must rise from 0, not {', '.join(f'{one:g}' for one in moments)}"
        )
    return StyleTrack(moments, tuple(_one(one) for _, one in pairs))


def _pairs(style: Sequence[tuple[float, OneStyle]]) -> list[tuple[float, OneStyle]]:
    try:
        pairs = [(time, one) for time, one in style]
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"style must be one of {', '.join(STYLES)}, dials such as {{'head': 0.5}}, or pairs of "
            f"a time in seconds and a style, not {style!r}"
        ) from error
    if not pairs:
        raise OptionError("style holds no style; give at least one, from 0 seconds on")
    return pairs


def _one(style: object) -> SpeakingStyle:
    if isinstance(style, SpeakingStyle):
        return style
    if isinstance(style, Mapping):
        if unknown := sorted(set(map(str, style)) - set(DIALS)):
            raise OptionError(
                f"A style has no dial {unknown[0]!r}; its dials are {', '.join(DIALS)}"
            )
        return replace(SpeakingStyle(), **style)
    if isinstance(style, str) and style in STYLES:
        return STYLES[style]
    raise OptionError(
        f"style must be one of {', '.join(get_args(StyleName))}, or dials such as "
        f"{{'head': 0.5}}, not {style!r}"
    )
