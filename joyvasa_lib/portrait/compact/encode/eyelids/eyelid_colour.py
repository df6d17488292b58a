"""The colour of the skin of a closed upper eyelid, from what an open eye shows of it and around it.

An open eye shows a strip of its eyelid between lashes and fold. It carries make-up, but lashes,
liner and the shadow of the fold lie over it, and they darken all of a narrow strip. The skin
between fold and brow has none of them. Where it is lighter, the eyelid's colour lies between the
two, and nearer the skin above where the strip is uneven, as lashes are and make-up is not. A strip
of another hue than the skin above is made up, and has the eyelid's colour: shadow has no such hue.

As a whole a closed eyelid is a little lighter than the lighter half of what lies between eye and
brow, as it comes out of the shadow of fold and brow.

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
_EVEN, _EVEN_LIGHT = 0.12, 0.06
"""Standard deviation of the blur of colours along the eye, in lengths of it, and of the light."""
_IF_EVEN, _IF_UNEVEN = 0.3, 0.8
"""Share of the skin above in the colour of an eyelid that is darker: of a strip of one colour, and
of one that is black in places."""
_MADE_UP = (0.2, 0.4)
"""Difference of hue of strip and skin above, both divided by their luminance, from which on the
strip is made up, and from which on that alone counts. Shadows on faces have up to 0.18."""
_BLEND = 0.15
"""Difference of luminance, relative to the skin above, over which the strip becomes the lighter."""
_LEAST = 0.4
"""Least luminance of a closed eyelid against the skin below the eye."""
_MOST = 3.0
"""Levels by which an eyelid is made lighter for it at most."""
_SHADED, _IN_THE_LIGHT = (0.75, 0.9), 1.05
"""Luminance of what lies between eye and brow, against the skin below the eye, up to which it lies
in the shadow of fold and brow, and from which on it does not; and the factor on its light once it
is unfolded out of that: by eight films of people who blink."""
_AS_LIGHT = (0.98, 1.03)
"""Luminance of the strip that the open eye shows, against the same, from which on and with which
nothing is in such a shadow."""


def strip_colour(strip: Floats) -> Floats:
    """[m, 3] colour of the skin that a strip of samples [m, k, 3] of an eyelid shows."""
    return even(between(strip, *_BRIGHT), _EVEN)


def eyelid_colour(strip: Floats, above: Floats) -> Floats:
    """[m, 3] colour of the closed eyelid's skin, [0, 255].

    Args:
        strip: [m, k, 3] samples between lashes and fold.
        above: [m, k, 3] samples between fold and brow.
    """
    seen, skin = strip_colour(strip), skin_above(above)
    light = np.maximum(luminance(seen), np.float32(1.0))
    darkest = luminance(even(between(strip, *_DARK), _EVEN)) / light
    hidden = _IF_UNEVEN + (_IF_EVEN - _IF_UNEVEN) * np.clip(darkest, 0.0, 1.0)
    light_above = np.maximum(luminance(skin), np.float32(1.0))
    hidden *= 1.0 - made_up(seen, skin)
    hidden *= np.interp(light / light_above - 1.0, (-_BLEND, _BLEND), (1.0, 0.0))
    return np.asarray(seen + hidden[:, None] * (skin - seen), np.float32)


def made_up(seen: Floats, skin: Floats) -> Floats:
    """Share [m] in [0, 1] to which colours [m, 3] of an eyelid are make-up, beside skin [m, 3]."""
    light, light_above = (np.maximum(luminance(one), np.float32(1.0)) for one in (seen, skin))
    hue = np.linalg.norm(seen / light[:, None] - skin / light_above[:, None], axis=1)
    return np.interp(hue, _MADE_UP, (0.0, 1.0)).astype(np.float32)


def skin_above(above: Floats) -> Floats:
    """[m, 3] colour of the skin that samples [m, k, 3] between fold and brow show."""
    return even(between(above, *_ABOVE), _EVEN)


def lighter_halves(around: Floats, cheek: Floats, seen: Floats) -> tuple[Floats, Floats]:
    """Colours of a closed eyelid's lighter half, [0, 255]: [3] of all of it, [m, 3] by columns.

    Args:
        around: [m, k, 3] samples between the eye and its brow.
        cheek: [m, k, 3] samples of the skin below the eye.
        seen: [m, 3] what the open eye shows of its eyelid.
    """
    found = lighter_half(around.reshape(-1, 3))
    bright = between(cheek, *_BELOW).mean(0)
    lit, own = (max(float(luminance(one)), 1.0) for one in (bright, found))
    shaded = np.interp(own / lit, _SHADED, (1.0, 0.0))
    shaded *= np.interp(float(luminance(seen).mean()) / own, _AS_LIGHT, (1.0, 0.0))
    gain = 1.0 + (_IN_THE_LIGHT - 1.0) * shaded
    missing = np.clip(_LEAST * lit - own, 0.0, _MOST)
    whole = gain * (found + missing / max(lit - own, 1.0) * (bright - found))
    columns = even(np.stack([lighter_half(column) for column in around]), _EVEN_LIGHT)
    return np.asarray(whole, np.float32), np.asarray(gain * columns, np.float32)


def lighter_half(colours: Floats) -> Floats:
    """[3] median of the lighter half of colours [n, 3]."""
    light = luminance(colours)
    return np.asarray(np.median(colours[light >= np.median(light)], axis=0), np.float32)


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
