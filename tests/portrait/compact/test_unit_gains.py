"""How far brows and lids move on one person's face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib import EncodedPortrait
from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.motion import BLENDSHAPES
from joyvasa_lib.motion.driving.pose import Pose
from joyvasa_lib.portrait.compact.driven_head import HeadDriver
from joyvasa_lib.portrait.compact.encode import unit_gains as module
from joyvasa_lib.portrait.compact.encode.glasses import wears_glasses
from joyvasa_lib.portrait.compact.encode.unit_gains import unit_gains
from joyvasa_lib.portrait.compact.portrait import CompactPortrait
from joyvasa_lib.rig.head_rig import bundled_rig

BROWS = [BLENDSHAPES.index("browDownLeft"), BLENDSHAPES.index("browDownRight")]
PRESSES = [BLENDSHAPES.index("mouthPressLeft"), BLENDSHAPES.index("mouthPressRight")]


def portrait_of(encoded: EncodedPortrait) -> CompactPortrait:
    assert isinstance(encoded.portrait, CompactPortrait)
    return encoded.portrait


def test_full_activation_is_read_as_an_extreme_expression(encoded: EncodedPortrait) -> None:
    rig, own = bundled_rig(), portrait_of(encoded)
    marks = encoded.crop.landmarks
    gain = unit_gains(rig, own.fit, marks)[BROWS[0]]
    moved = rig.blendshapes[BROWS].sum(0)[rig.landmark_vertex] * rig.landmark_weight[:, None]
    acted = marks.copy()
    acted[:468] += gain * own.fit.scale * (moved @ own.fit.rotation)
    change = (blendshape_scores(acted) - blendshape_scores(marks))[BROWS].mean()
    assert change > 0.6


def test_a_face_on_which_the_same_millimetres_read_as_more_moves_less(
    encoded: EncodedPortrait,
) -> None:
    rig, own = bundled_rig(), portrait_of(encoded)
    marks = encoded.crop.landmarks
    lowered = marks.copy()  # this brow is low already, and reads as lowered
    moved = rig.blendshapes[BROWS].sum(0)[rig.landmark_vertex] * rig.landmark_weight[:, None]
    lowered[:468] += 0.7 * own.fit.scale * (moved @ own.fit.rotation)
    assert unit_gains(rig, own.fit, lowered)[BROWS[0]] < unit_gains(rig, own.fit, marks)[BROWS[0]]


def test_both_sides_have_one_gain_and_speech_but_for_presses_has_none(
    encoded: EncodedPortrait,
) -> None:
    gains = unit_gains(bundled_rig(), portrait_of(encoded).fit, encoded.crop.landmarks)
    for left, right in (("browDownLeft", "browDownRight"), ("eyeWideLeft", "eyeWideRight")):
        assert gains[BLENDSHAPES.index(left)] == gains[BLENDSHAPES.index(right)]
    mouth = [
        index
        for index, name in enumerate(BLENDSHAPES)
        if name.startswith(("mouth", "jaw")) and index not in PRESSES
    ]
    assert (gains[mouth] == 1.0).all()
    assert gains[PRESSES[0]] == gains[PRESSES[1]]
    assert np.isfinite(gains).all()


@pytest.mark.parametrize("count", [None, 468])
def test_without_irises_every_face_gets_the_same(
    encoded: EncodedPortrait, count: int | None
) -> None:
    marks = None if count is None else encoded.crop.landmarks[:count]
    gains = unit_gains(bundled_rig(), portrait_of(encoded).fit, marks)
    assert gains[BROWS[0]] == pytest.approx(1.67)


def test_lips_that_look_pressed_at_rest_press_less(
    encoded: EncodedPortrait, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, own, marks = bundled_rig(), portrait_of(encoded), encoded.crop.landmarks
    found = []
    for score in (0.0, 0.1, 0.2, 0.4):
        scores = blendshape_scores(marks)
        scores[PRESSES] = score
        monkeypatch.setattr(module, "blendshape_scores", lambda _, scores=scores: scores)
        found.append(unit_gains(rig, own.fit, marks)[PRESSES[0]])
    assert found[0] > 1.0 > found[2]
    assert found == sorted(found, reverse=True)
    assert found[3] > 0.3


def test_pressed_lips_roll_in(encoded: EncodedPortrait) -> None:
    """The red of both lips grows narrower, as where they roll by themselves."""
    driver, portrait = HeadDriver(bundled_rig()), portrait_of(encoded)
    motion = np.zeros((3, len(BLENDSHAPES)), np.float32)
    motion[1, PRESSES] = 0.4
    motion[2, PRESSES] = -0.4  # a portrait's own pressed lips are let go
    blendshapes = portrait.fit.blendshapes + motion
    pose = Pose(np.zeros((3, 3)), np.zeros((3, 3)), np.full((3, 1), portrait.fit.scale))
    marks = driver.vertices(portrait, blendshapes, pose)[:, bundled_rig().landmark_vertex, 1]
    red = marks[:, [13, 17]] - marks[:, [0, 14]]  # of the upper and the lower lip
    assert (red[1] < 0.93 * red[0]).all()
    assert (red[2] > 0.99 * red[0]).all()


def with_glasses(encoded: EncodedPortrait, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The crop with two rims and a bridge drawn over it."""
    image, marks = encoded.crop.image.copy(), encoded.crop.landmarks[:, :2]
    width = float(np.hypot(*(marks[33] - marks[133])))
    for corners in ((33, 133), (362, 263)):
        middle = np.rint(marks[list(corners)].mean(0)).astype(int).tolist()
        cv2.circle(image, middle, round(0.9 * width), colour, max(2, round(0.12 * width)))
    ends = [np.rint(marks[n]).astype(int).tolist() for n in (193, 417)]
    cv2.line(image, ends[0], ends[1], colour, max(2, round(0.15 * width)))
    return image


@pytest.mark.parametrize("colour", [(30, 20, 15), (150, 30, 40), (240, 240, 250)])
def test_glasses_are_noticed_by_the_bar_across_the_nose(
    encoded: EncodedPortrait, colour: tuple[int, int, int]
) -> None:
    marks = encoded.crop.landmarks
    assert wears_glasses(with_glasses(encoded, colour), marks)
    assert not wears_glasses(encoded.crop.image, marks)


def test_skin_below_glasses_moves_little(encoded: EncodedPortrait) -> None:
    own = (bundled_rig(), portrait_of(encoded).fit, encoded.crop.landmarks)
    bare, glasses = unit_gains(*own), unit_gains(*own, glasses=True)
    assert (glasses <= bare).all()
    assert glasses[BROWS[0]] < 0.4 * bare[BROWS[0]]
    assert glasses[BLENDSHAPES.index("mouthSmileLeft")] == 1.0
