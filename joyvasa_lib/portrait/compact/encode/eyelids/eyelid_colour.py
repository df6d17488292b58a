"""The colour of the skin of a closed upper eyelid, from what an open eye shows of it and around it.

An open eye shows a strip of its eyelid between lashes and fold. It carries make-up, but lashes,
liner and the shadow of the fold lie over it, and they darken all of a narrow strip. The skin
between fold and brow has none of them. The eyelid's colour lies between the two: nearer the lighter
one, and nearer the skin above where the strip is uneven, as lashes are and make-up is not. A strip
of another hue than the skin above is made up, and has the eyelid's colour: shadow has no such hue.
Under a low brow both are dark, as nothing of the eyelid is seen; once closed it meets the light,
and has two fifths of the cheek's at least.

Axis legend: ``m`` columns along the eye, ``k`` samples across it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.luminance import luminance
from joyvasa_lib.rig.head_rig import Floats

_BRIGHT, _DARK = (0.6, 0.9), (0.0, 0.2)
"""Shares of the strip's samples by luminance: its skin without what darkens it, below highlights;
and what is darkest of it."""
_ABOVE = (0.4, 0.8)
"""Shares of the samples between fold and brow that are skin, without the fold's shadow."""
_BELOW = (0.2, 0.8)
"""Shares of the samples below the eye that are skin, without creases and highlights."""
_EVEN = 0.12
"""Standard deviation of the blur of colours along the eye, in lengths of it."""
_IF_EVEN, _IF_UNEVEN = 0.3, 0.8
"""Share of the skin above in the colour of an eyelid that is darker: of a strip of one colour, and
of one that is black in places."""
_IF_LIGHTER = 0.35
"""The same for an eyelid that is lighter: no lashes darken it."""
_MADE_UP = (0.2, 0.4)
"""Difference of hue of strip and skin above, both divided by their luminance, from which on the
strip is made up, and from which on that alone counts. Shadows on faces have up to 0.18."""
_BLEND = 0.15
"""Difference of luminance, relative to the skin above, over which one becomes the other."""
_LEAST = 0.425
"""Least luminance of a closed eyelid against the skin below the eye."""


def strip_colour(strip: Floats) -> Floats:
    """[m, 3] colour of the skin that a strip of samples [m, k, 3] of an eyelid shows."""
    return even(between(strip, *_BRIGHT), _EVEN)


def eyelid_colour(strip: Floats, above: Floats, below: Floats) -> Floats:
    """[m, 3] colour of the closed eyelid's skin, [0, 255].

    Args:
        strip: [m, k, 3] samples between lashes and fold.
        above: [m, k, 3] samples between fold and brow.
        below: [m, k, 3] samples of the skin below the eye.
    """
    seen, skin = strip_colour(strip), even(between(above, *_ABOVE), _EVEN)
    light = np.maximum(luminance(seen), np.float32(1.0))
    darkest = luminance(even(between(strip, *_DARK), _EVEN)) / light
    hidden = _IF_UNEVEN + (_IF_EVEN - _IF_UNEVEN) * np.clip(darkest, 0.0, 1.0)
    light_above = np.maximum(luminance(skin), np.float32(1.0))
    hue = np.linalg.norm(seen / light[:, None] - skin / light_above[:, None], axis=1)
    hidden *= np.interp(hue, _MADE_UP, (1.0, 0.0))
    lighter = light / light_above - 1.0
    share = np.interp(lighter, (-_BLEND, _BLEND), (0.0, 1.0))
    share = (hidden + share * (_IF_LIGHTER - hidden))[:, None]
    found = seen + share * (skin - seen)
    cheek = even(between(below, *_BELOW), _EVEN)
    bright, own = (np.maximum(luminance(one), np.float32(1.0)) for one in (cheek, found))
    lift = np.clip((_LEAST * bright - own) / np.maximum(bright - own, 1.0), 0.0, 1.0)
    return np.asarray(found + lift[:, None] * (cheek - found), np.float32)


def between(colours: Floats, first: float, last: float) -> Floats:
    """[m, 3] mean of the samples [m, k, 3] between two shares of their order by luminance."""
    order = np.argsort(luminance(colours), axis=1)
    rows = slice(round(first * colours.shape[1]), round(last * colours.shape[1]))
    return np.take_along_axis(colours, order[..., None], 1)[:, rows].mean(1)


def even(values: NDArray[np.floating], spread: float) -> Floats:
    """[m, d] values blurred along the eye by a standard deviation in its lengths."""
    blurred = cv2.GaussianBlur(
        np.asarray(values, np.float32)[None],
        (0, 0),
        spread * len(values),
        borderType=cv2.BORDER_REPLICATE,
    )
    return np.asarray(blurred.reshape(values.shape), np.float32)
