"""Eyes without lids: what is hidden of an iris continues what is seen."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.motion import BLENDSHAPES
from joyvasa_lib.motion.driving.pose import Pose
from joyvasa_lib.portrait.compact.driven_head import source_pose
from joyvasa_lib.portrait.compact.encode.eyes.eyeballs import IRIS_RADIUS, complete_eyes
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.portrait.compact.portrait import CompactPortrait
from joyvasa_lib.rig.eyelids import lid_edges
from joyvasa_lib.rig.head_rig import Floats, bundled_rig

SIDE, SCALE = 512, 110.0
SKIN, WHITE = (205, 160, 140), (225, 222, 215)
BLINKS = [BLENDSHAPES.index("eyeBlinkLeft"), BLENDSHAPES.index("eyeBlinkRight")]


def head(blink: float = 0.0) -> Floats:
    """The mean head from the front, pixels."""
    rig = bundled_rig()
    shape = rig.mean + blink * rig.blendshapes[BLINKS].sum(0)
    return np.asarray(SCALE * shape + [SIDE / 2, SIDE / 2, 0.0], np.float32)


def bare_eyes(radius: float = IRIS_RADIUS * SCALE) -> NDArray[np.uint8]:
    """An image of both eyeballs without any lid: irises whose colour depends on the distance."""
    rig, image = bundled_rig(), np.full((SIDE, SIDE, 3), WHITE, np.uint8)
    rows, columns = np.indices((SIDE, SIDE))
    for vertex in rig.iris_vertex:
        x, y = head()[vertex, :2]
        apart = np.hypot(columns - x, rows - y) / radius
        iris = np.stack([40 + 60 * apart, 70 + 70 * apart, 60 + 20 * apart], -1)
        iris[apart < 0.4] = 15
        image[apart < 1.0] = iris[apart < 1.0].astype(np.uint8)
    return image


def covered(image: NDArray[np.uint8], vertices: Floats) -> NDArray[np.uint8]:
    """The same image with lids: skin wherever the eyes are not open."""
    inside = np.zeros((SIDE, SIDE), np.uint8)
    for upper, lower in lid_edges(bundled_rig()):
        ring = vertices[np.concatenate([upper, lower[::-1]]), :2]
        cv2.fillPoly(inside, [np.rint(ring).astype(np.int32)], 1)
    return np.where(inside[..., None] > 0, image, np.array(SKIN, np.uint8))


@pytest.mark.parametrize("blink", [0.0, 0.25])
def test_the_hidden_part_of_an_iris_is_as_it_would_be(blink: float) -> None:
    truth, vertices = bare_eyes(), head(blink)
    eyes = complete_eyes(bundled_rig(), covered(truth, vertices), vertices, None, SCALE)
    assert eyes.known.tolist() == [1.0, 1.0]
    rows, columns = np.indices((SIDE, SIDE))
    for vertex in bundled_rig().iris_vertex:
        x, y = vertices[vertex, :2]
        apart = np.hypot(columns - x, rows - y) / (IRIS_RADIUS * SCALE)
        hidden = (apart < 0.85) & (eyes.shown < 10) & (rows < y)
        assert hidden.sum() > 30
        wrong = np.abs(eyes.image[hidden].astype(float) - truth[hidden])
        assert wrong.mean() < 12.0
        skin = np.abs(np.array(SKIN, float) - truth[hidden]).mean()
        assert wrong.mean() < 0.2 * skin  # the lid's own colour would be that wrong


def test_irises_of_drawn_faces_may_be_larger_than_people_s() -> None:
    truth, vertices = bare_eyes(1.3 * IRIS_RADIUS * SCALE), head()
    eyes = complete_eyes(bundled_rig(), covered(truth, vertices), vertices, None, SCALE)
    x, y = vertices[bundled_rig().iris_vertex[0], :2]
    above = eyes.image[round(float(y - 1.15 * IRIS_RADIUS * SCALE)), round(float(x))]
    assert above.astype(float).mean() < np.mean(WHITE) - 40


def test_what_the_image_shows_of_an_eye_stays() -> None:
    vertices = head()
    image = covered(bare_eyes(), vertices)
    eyes = complete_eyes(bundled_rig(), image, vertices, None, SCALE)
    seen = eyes.shown == 255
    np.testing.assert_array_equal(eyes.image[seen], image[seen])
    assert (eyes.shown < 128).sum() > 1000


def test_eyes_that_are_shut_are_not_completed() -> None:
    vertices = head(1.0)
    image = np.full((SIDE, SIDE, 3), SKIN, np.uint8)
    eyes = complete_eyes(bundled_rig(), image, vertices, None, SCALE)
    assert eyes.known.tolist() == [0.0, 0.0]
    np.testing.assert_array_equal(eyes.image, image)


def eyes_of(vertices: Floats, side: int) -> NDArray[np.bool_]:
    """[side, side] what lies between the edges of the eyelids."""
    inside = np.zeros((side, side), np.uint8)
    for upper, lower in lid_edges(bundled_rig()):
        ring = np.rint(256 * vertices[np.concatenate([upper, lower[-2:0:-1]]), :2])
        cv2.fillPoly(inside, [ring.astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=8)
    return inside > 127


def test_a_lid_that_rises_does_not_show_the_eye_a_second_time(
    model: CompactPortraitModel, portrait: CompactPortrait
) -> None:
    """Eyes are painted green on the image, and blue without their lids."""
    fit, appearance = portrait.fit, portrait.appearance
    skin, bare = appearance.skin.copy(), appearance.eyes.image.copy()
    skin[appearance.eye_matte > 64] = (0, 255, 0)
    bare[appearance.eyes.shown < 255] = (0, 0, 255)
    eyes = replace(appearance.eyes, image=bare)
    painted = replace(appearance, skin=skin, eyes=eyes, layers=None, grain=None)
    acted = fit.blendshapes[None].copy()
    acted[0, [BLENDSHAPES.index(f"eyeWide{side}") for side in ("Left", "Right")]] += 1.0
    still = source_pose(fit)
    pose = Pose(*(getattr(still, name)[None] for name in ("rotation", "translation", "scale")))
    vertices = model.driver.vertices(portrait, acted, pose)
    (frame,) = model.composite(replace(portrait, appearance=painted), acted, pose, vertices)
    red, green, blue = np.moveaxis(frame.astype(int), -1, 0)
    side = len(frame)
    uncovered = eyes_of(vertices[0], side) & ~eyes_of(appearance.vertices, side)
    assert uncovered.sum() > 60
    assert (blue - np.maximum(red, green) > 128)[uncovered].mean() > 0.45
    assert (green - np.maximum(red, blue) > 128)[uncovered].mean() < 0.33
