"""Eyelids that meet whatever else an eye does, and lie in the light that its surroundings show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.motion.driving.pose import Pose
from joyvasa_lib.portrait.compact.driven_head import HeadDriver, source_pose
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.portrait.compact.portrait import CompactPortrait
from joyvasa_lib.rig.calibration import BLINK
from joyvasa_lib.rig.eyelids import lid_edges
from joyvasa_lib.rig.regions import EYES
from joyvasa_lib.rig.spreading import height_of

UNITS = ("eyeWide", "eyeSquint", "cheekSquint", "eyeLookUp", "eyeLookDown", "eyeLookIn")


def acted(portrait: CompactPortrait, unit: str | None, blink: float) -> NDArray[np.float32]:
    """[52] the portrait's own expression with a blink and both sides of a unit."""
    values = portrait.fit.blendshapes.copy()
    values[BLINK] = blink
    if unit is not None:
        values[[BLENDSHAPES.index(unit + side) for side in ("Left", "Right")]] = 1.0
    return values


Line = NDArray[np.float64]


def edges(
    model: CompactPortraitModel, portrait: CompactPortrait, blendshapes: NDArray[np.float32]
) -> list[tuple[Line, Line]]:
    """[n, 2] the edges of both eyes' upper and lower eyelids, from corner to corner, rig units."""
    shown = source_pose(portrait.fit)
    pose = Pose(shown.rotation[None], shown.translation[None], np.reshape(shown.scale, (1, 1)))
    vertices = HeadDriver(model.rig).vertices(portrait, blendshapes[None], pose)[0]
    head = vertices @ portrait.fit.rotation.T / portrait.fit.scale
    upper_and_lower = (
        [head[edge, :2].astype(float) for edge in eye] for eye in lid_edges(model.rig)
    )
    return [(upper, lower) for upper, lower in upper_and_lower]


def overlaps(
    model: CompactPortraitModel, portrait: CompactPortrait, blendshapes: NDArray[np.float32]
) -> list[float]:
    """Rig units by which the middles of both upper eyelids lie below the lower ones' edges."""
    found = []
    for above, below in edges(model, portrait, blendshapes):
        over = above[1:-1, 1] - height_of(below, above[1:-1, 0])
        found.append(float(over[len(over) // 2]))
    return found


def depth(edge: Line) -> float:
    """How far the middle of an edge lies below its corners, in widths of the eye."""
    (left, right), middle = edge[[0, -1]], edge[:, 0].mean()
    below = height_of(edge, np.array([middle])) - height_of(edge[[0, -1]], np.array([middle]))
    return float(below[0] / (right[0] - left[0]))


def test_the_lower_eyelid_rises_to_meet_the_upper_one(
    model: CompactPortraitModel, portrait: CompactPortrait
) -> None:
    """As in blinks of people who talk, whose lashes end on a line that hardly sags."""
    opened, closed = (edges(model, portrait, acted(portrait, None, blink)) for blink in (0.0, 1.0))
    for (_, lower), (line, risen) in zip(opened, closed, strict=True):
        assert depth(risen) < 0.45 * depth(lower)
        assert depth(risen) < depth(line) < 0.105


@pytest.mark.parametrize("unit", UNITS)
def test_a_blink_ends_on_the_lower_eyelid_whatever_the_eye_does(
    model: CompactPortraitModel, portrait: CompactPortrait, unit: str
) -> None:
    """A squint would lay the lashes over the cheek, a look upwards would leave the eye open."""
    alone = overlaps(model, portrait, acted(portrait, None, 1.0))
    both = overlaps(model, portrait, acted(portrait, unit, 1.0))
    np.testing.assert_allclose(both, alone, atol=0.01)


def test_an_open_eye_squints_as_far_as_ever(
    model: CompactPortraitModel, portrait: CompactPortrait
) -> None:
    blink = float(portrait.fit.blendshapes[BLINK].max())
    still, squint = (
        np.mean(overlaps(model, portrait, acted(portrait, unit, blink)))
        for unit in (None, "eyeSquint")
    )
    assert squint > still + 0.05


def test_light_from_one_side_lies_on_the_closed_eyelid(
    model: CompactPortraitModel, crop: FaceCrop
) -> None:
    """Each part of a closed eyelid is as light as what lies above that part of the open eye."""

    def outer_over_inner(image: NDArray[np.uint8]) -> list[float]:
        portrait = model.encode(replace(crop, image=image))
        motion = Motion.from_blendshapes(acted(portrait, None, 1.0)[None])
        frame = np.asarray(next(iter(model.render(portrait, motion)))[0]).astype(float)
        found = []
        for eye in EYES:
            outer, inner = (crop.landmarks[v, :2] for v in (eye.outer_corner, eye.inner_corner))
            lid = crop.landmarks[[*eye.upper_middle, *eye.lower_middle], :2].mean(0)
            light = []
            for corner in (outer, inner):
                x, y = np.rint(lid + 0.4 * (corner - lid)).astype(int)
                light.append(frame[y - 2 : y + 2, x - 2 : x + 2].mean())
            found.append(light[0] / light[1])
        return found

    image = crop.image.astype(float)
    for eye in EYES:  # towards the nose lies shadow
        middle, inner = crop.landmarks[eye.upper_middle[0], 0], crop.landmarks[eye.inner_corner, 0]
        columns = np.arange(image.shape[1])
        shadow = np.clip((columns - middle) / (inner - middle) / 0.3, 0.0, 1.0)
        shadow *= np.abs(columns - inner) < 1.5 * abs(inner - middle)
        image *= 1.0 - 0.6 * shadow[:, None]
    shaded = image.astype(np.uint8)
    for before, after in zip(outer_over_inner(crop.image), outer_over_inner(shaded), strict=True):
        assert after / before == pytest.approx(1.0 / 0.4, rel=0.12)
