"""The background behind a person, filled once for each portrait.

Axis legend: ``s`` side of the crop.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.portrait.compact.person.patch_fill import patch_fill
from joyvasa_lib.rig.head_rig import Floats

Bytes = NDArray[np.uint8]

_RIM = 0.007
"""Sides of the crop around the matte in which colours may still be the hair's."""
_SOME = 0.02
"""Share of a pixel from which on it shows the person."""
_UNLIKE, _ALIKE, _SAME = 0.6, 0.9, 0.96
"""Cosine between what a pixel adds to the background and the person's colour, from which on it may
be a fringe of theirs, from which on it is, and from which on all of it is, whatever its shade."""
_SHADE = 60.0
"""Grey levels by which strands are lighter or darker than the person's mean colour around them."""
_PLAIN, _RESTLESS = 5.0, 14.0
"""Mean grey levels of the background's detail up to which it is guessed right behind the person's
edge, and from which on it is not."""
_DETAILS = 0.02
"""Half a side of the window of what counts as detail, sides of the crop."""
_AMISS = 40.0
"""Grey levels by which a guess may be amiss; less where little of the background is seen in a
pixel, whose noise would tell of more."""
_WHOLE = 0.98
"""Share of a pixel from which on nothing of the background is seen in it."""
_FRINGE, _THING = 40.0, 90.0
"""Grey levels between a pixel beside the person and the fill up to which it may be a fringe of
hair, and from which it is something else, which stays."""
_SEEN = 0.14
"""Sides of the crop behind the person's edge that a moving head can uncover."""
_STRAND = 0.045
"""Sides of the crop: the window of the median that knows no strands of hair; these are less than
half as wide."""
_ROOT, _TIP = 0.015, 0.09
"""Sides of the crop from the person within which a strand begins and ends: what goes on is a line
of the background, and what lies apart is a thing of its own."""
_LONG, _STRAIGHT = 0.13, 0.15
"""Sides of the crop from which on what is thin is long, and the share of its length that such a
thing covers the other way at least: frames of doors and rails are level or upright, hair bends."""
_CALM = 0.2
"""Sides of the crop beside the person up to which the background shows how restless it is."""
_DETAIL, _ABOVE_CALM = 9.0, 2.5
"""Least grey levels that tell a strand from a plain background, and least multiple of what the
background's own detail reaches."""
_MOST_DETAIL = 95.0
"""Percentile of that detail that it is taken to reach."""
_NEAR = 0.07
"""Half a side, in sides of the crop, of the window in which the person's colour is known."""


def fill_background(image: Bytes, matte: Floats) -> Bytes:
    """The image [s, s, 3] without the person.

    Args:
        image: [s, s, 3] uint8 RGB.
        matte: [s, s] share of each pixel that the person covers.
    """
    reach = max(1, round(_RIM * len(image)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    person = matte > _SOME
    hidden = cv2.dilate(person.astype(np.uint8), disc) > 0
    seen = cv2.distanceTransform(hidden.astype(np.uint8), cv2.DIST_L2, 5) < _SEEN * len(image)
    filled = patch_fill(image, ~hidden, hidden & seen)
    colour = _colour_beside(image, person)
    # Beside the person, what is far from the fill is no fringe of hair but a thing of its own.
    apart = np.abs(image - filled).max(-1)
    kept = np.clip((apart - _FRINGE) / (_THING - _FRINGE), 0.0, 1.0) * ~person
    kept *= np.maximum(1.0 - _likeness(image - filled, colour - filled)[1], _goes_on(image, hidden))
    filled += kept[..., None] * (image - filled)
    mixed = np.where(hidden[..., None], filled, image)
    behind = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return _without_strands(_without_person(image, behind, matte, colour), person, colour)


def share_of_person(image: Bytes, background: Bytes, matte: Floats) -> Floats:
    """Share [s, s] of each pixel that the person covers, with the fringes that a matte leaves out.

    A fringe that counted as nothing would lighten or darken whatever it moves in front of.

    Args:
        image: [s, s, 3].
        background: [s, s, 3] of :func:`fill_background`.
        matte: [s, s].
    """
    behind = background.astype(np.float32)
    farthest = np.abs(_colour_beside(image, matte > _SOME) - behind) + _SHADE
    shown = (np.abs(image - behind) / farthest).max(-1)
    return np.asarray(np.clip(shown, matte, 1.0), np.float32)


def _colour_beside(image: Bytes, person: NDArray[np.bool_]) -> Floats:
    """The person's mean colour [s, s, 3] around each pixel of the image near them."""
    window = (2 * round(_NEAR * len(image)) + 1,) * 2
    covered = cv2.blur(person.astype(np.float32), window)
    colour = cv2.blur(image * person[..., None].astype(np.float32), window)
    return np.asarray(colour / np.maximum(covered, np.float32(1e-3))[..., None], np.float32)


def _without_person(image: Bytes, background: Bytes, matte: Floats, colour: Floats) -> Bytes:
    """The background [s, s, 3] such that what it leaves of the image to the person may be theirs.

    Where a restless background was not guessed right, its pieces would move with the person.
    There they keep, beyond the matte, what lies between the background's colour and theirs, a
    fringe, and within its soft edge what is a colour at all.

    Args:
        image: [s, s, 3].
        background: [s, s, 3] as it was guessed.
        matte: [s, s].
        colour: [s, s, 3] the person's, of :func:`_colour_beside`.
    """
    behind, share = background.astype(np.float32), matte[..., None]
    own = (image - (1.0 - share) * behind) / np.maximum(share, _SOME)
    own = np.clip(own, 0.0, 255.0)
    edge = (image - share * own) / np.maximum(1.0 - share, 1e-3)
    amiss = _AMISS * np.minimum(2.0 - 2.0 * share, 1.0)
    edge = np.clip(edge, behind - amiss, behind + amiss)
    found = np.where(share > _SOME, np.where(share < _WHOLE, edge, behind), image)
    mixed = found - _theirs(found - behind, colour - behind)
    restless = _restlessness(image, matte > _SOME)[..., None]
    doubt = np.clip((restless - _PLAIN) / (_RESTLESS - _PLAIN), 0.0, 1.0)
    mixed = behind + doubt * (mixed - behind)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _theirs(beyond: Floats, towards: Floats) -> Floats:
    """What is the person's of what lies beyond the background, each [s, s, 3].

    Args:
        beyond: what a pixel adds to the background.
        towards: what the person's mean colour would add; tips of hair are lighter or darker.
    """
    fringe, whole = (one[..., None] for one in _likeness(beyond, towards))
    along = (beyond * towards).sum(-1, keepdims=True)
    reach = np.square(towards).sum(-1, keepdims=True)
    mixed = np.clip(along / np.maximum(reach, 1.0), 0.0, 1.0) * towards
    return np.asarray(fringe * mixed + whole * (beyond - mixed), np.float32)


def _likeness(beyond: Floats, towards: Floats) -> tuple[Floats, Floats]:
    """How surely [s, s] what lies beyond the background is a fringe of the person's; and is whole.

    Args:
        beyond: [s, s, 3] what a pixel adds to the background.
        towards: [s, s, 3] what the person's mean colour would add.
    """
    sizes = np.square(beyond).sum(-1) * np.square(towards).sum(-1)
    alike = (beyond * towards).sum(-1) / np.sqrt(np.maximum(sizes, 1.0))
    fringe = np.clip((alike - _UNLIKE) / (_ALIKE - _UNLIKE), 0.0, 1.0)
    return fringe, np.clip((alike - _ALIKE) / (_SAME - _ALIKE), 0.0, 1.0)


def _goes_on(image: Bytes, hidden: NDArray[np.bool_]) -> Floats:
    """From 0 to 1 [s, s] how like each pixel is to the nearest one that is not hidden."""
    _, nearest = cv2.distanceTransformWithLabels(
        hidden.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    outer = np.zeros((nearest.max() + 1, 3), np.float32)
    outer[nearest[~hidden]] = image[~hidden]
    apart = np.abs(image - outer[nearest]).max(-1)
    return np.asarray(np.clip(2.0 - 2.0 * apart / _FRINGE, 0.0, 1.0), np.float32)


def _restlessness(image: Bytes, person: NDArray[np.bool_]) -> Floats:
    """Grey levels [s, s] by which the background near each pixel differs from its own mean."""
    side = len(image)
    free = (~person).astype(np.float32)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)

    def mean(values: Floats, reach: float) -> Floats:
        window = (2 * round(reach * side) + 1,) * 2
        return np.asarray(
            cv2.blur(values * free, window) / np.maximum(cv2.blur(free, window), 1e-3), np.float32
        )

    return mean(np.abs(grey - mean(grey, _DETAILS)), _NEAR)


def _without_strands(background: Bytes, person: NDArray[np.bool_], colour: Floats) -> Bytes:
    """A background [s, s, 3] without the strands of hair that stand out from the person.

    They are thin, begin at the person, end near it, have its colour, and are unlike anything in the
    background farther away.

    Args:
        background: [s, s, 3] the image with the person filled.
        person: [s, s] where the person was.
        colour: [s, s, 3] of :func:`_colour_beside`.
    """
    side = len(background)
    away = cv2.distanceTransform((~person).astype(np.uint8), cv2.DIST_L2, 5) / side
    plain = cv2.medianBlur(background, 2 * round(_STRAND * side / 2) + 1).astype(np.float32)
    detail = background - plain
    size = np.abs(detail).max(-1)
    calm = size[(away > _TIP) & (away < _CALM)]
    if not calm.size:
        return background
    least = max(_DETAIL, _ABOVE_CALM * float(np.percentile(calm, _MOST_DETAIL)))
    towards = (detail * (colour - plain)).sum(-1)
    share = np.clip(size / least - 1.0, 0.0, 1.0) * _strands(size > least, away, towards)
    share = cv2.GaussianBlur(cv2.dilate(share, np.ones((3, 3), np.uint8)), (0, 0), 0.7)
    mixed = background + share[..., None] * (plain - background)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _strands(thin: NDArray[np.bool_], away: Floats, towards: Floats) -> Floats:
    """Of what is thin [s, s], 1 on strands of the person's hair.

    Args:
        thin: what stands out from a plain background.
        away: sides of the crop from the person.
        towards: positive where it stands out towards the person's colour.
    """
    joined = cv2.morphologyEx(thin.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    count, label, extent, _ = cv2.connectedComponentsWithStats(joined)
    inside = thin.ravel()
    owner, distance = label.ravel()[inside], away.ravel()[inside]
    first, last = np.full(count, np.inf), np.zeros(count)
    np.minimum.at(first, owner, distance)
    np.maximum.at(last, owner, distance)
    wide, tall = extent[:, 2], extent[:, 3]
    longer, shorter = np.maximum(wide, tall), np.minimum(wide, tall)
    line = (longer > _LONG * len(thin)) & (shorter < _STRAIGHT * longer)
    alike = np.bincount(owner, towards.ravel()[inside], count) > 0
    hair = (first < _ROOT) & (last < _TIP) & alike & ~line
    hair[0] = False
    return np.asarray(hair[label], np.float32)
