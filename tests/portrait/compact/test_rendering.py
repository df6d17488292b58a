"""The compact preset's images: what moves, what stays, and in which colours it paints."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import places
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.portrait.compact.encode.flow_extension import GRID, invert_displacement
from joyvasa_lib.portrait.compact.encode.harmonic_fill import harmonic_fill
from joyvasa_lib.portrait.compact.encode.palette import hue
from joyvasa_lib.portrait.compact.luminance import luminance
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.portrait.compact.portrait import CompactPortrait
from joyvasa_lib.rig.regions import OUTER_LIPS

pytestmark = pytest.mark.slow

Pixels = NDArray[np.uint8]
PORTRAIT = places.DEMO / "astronaut.jpg"


def acted(frames: int = 1, yaw: float = 0.0, **blendshapes: float) -> Motion:
    """From rest to blendshapes and yaw; ``frames`` of 1 is the end alone."""
    values = np.zeros((1, len(BLENDSHAPES)), np.float32)
    for name, value in blendshapes.items():
        values[0, BLENDSHAPES.index(name)] = value
    share = np.linspace(1.0 / frames, 1.0, frames, dtype=np.float32)[:, None]
    return Motion.from_blendshapes(share * values, rotation=share * np.array([[0.0, yaw, 0.0]]))


def drawn(model: CompactPortraitModel, portrait: CompactPortrait, motion: Motion) -> Pixels:
    return np.concatenate(list(model.render(portrait, motion)))


def test_frames_do_not_depend_on_the_batch_they_are_drawn_in(
    model: CompactPortraitModel, portrait: CompactPortrait
) -> None:
    motion = acted(5, yaw=6.0, jawOpen=0.5, eyeBlinkLeft=0.6)
    one, all_ = (
        np.concatenate(list(model.render(portrait, motion, batch_size=size))) for size in (1, 5)
    )
    difference = np.abs(one.astype(int) - all_)
    assert difference.max() <= 1  # products of several frames may round otherwise
    assert (difference > 0).mean() < 1e-5


def test_a_turning_head_leaves_the_border_of_the_image_alone(
    model: CompactPortraitModel, portrait: CompactPortrait, crop: FaceCrop
) -> None:
    (frame,) = drawn(model, portrait, acted(yaw=10.0, jawOpen=0.4))
    border = np.ones(frame.shape[:2], bool)
    border[2:-2, 2:-2] = False
    assert np.abs(frame[border].astype(int) - crop.image[border]).max() <= 3
    nose = tuple(crop.landmarks[1, :2].round().astype(int))
    around = frame[nose[1] - 12 : nose[1] + 12, nose[0] - 12 : nose[0] + 12].astype(int)
    before = crop.image[nose[1] - 12 : nose[1] + 12, nose[0] - 12 : nose[0] + 12]
    assert np.abs(around - before).mean() > 4


def test_the_head_turns_the_way_its_yaw_says(
    model: CompactPortraitModel, portrait: CompactPortrait
) -> None:
    detector = MediaPipeFaceDetector()
    aside = []
    for yaw in (-8.0, 8.0):
        (frame,) = drawn(model, portrait, acted(yaw=yaw))
        points = detector.detect(frame)[0].landmarks
        aside.append((points[1, 0] - points[[33, 263], 0].mean()) / np.ptp(points[[33, 263], 0]))
    assert aside[0] - aside[1] > 0.12  # positive yaw: towards the image's left


def test_a_mouth_opens_as_far_as_the_jaw_is_asked_to(
    model: CompactPortraitModel, portrait: CompactPortrait
) -> None:
    detector = MediaPipeFaceDetector()
    openings = []
    for jaw in (0.0, 0.3, 0.6):
        (frame,) = drawn(model, portrait, acted(jawOpen=jaw))
        points = detector.detect(frame)[0].landmarks
        openings.append(float(points[14, 1] - points[13, 1]))
    assert openings[0] < 3.0  # the smiling source closes its lips
    assert openings[1] > openings[0] + 2.0
    assert openings[2] > openings[1] + 2.0


def test_eyelids_close_over_the_eyes_and_nothing_but_the_eyes(
    model: CompactPortraitModel, portrait: CompactPortrait, crop: FaceCrop
) -> None:
    (rest,), (shut,) = (
        drawn(model, portrait, acted(eyeBlinkLeft=b, eyeBlinkRight=b)).astype(int)
        for b in (0.0, 1.0)
    )
    changed = np.abs(shut - rest).max(-1) > 6
    eyes = np.zeros(changed.shape, bool)
    width = float(np.hypot(*(crop.landmarks[263, :2] - crop.landmarks[362, :2])))
    for corners in ((33, 133), (362, 263)):
        x, y = crop.landmarks[list(corners), :2].mean(0)
        row, column = np.mgrid[: eyes.shape[0], : eyes.shape[1]]
        eyes |= np.hypot((column - x) / 1.3, row - y) < width
    assert changed[eyes].mean() > 0.1
    assert changed[~eyes].mean() < 0.002


def test_paint_is_in_the_light_of_the_image(model: CompactPortraitModel, crop: FaceCrop) -> None:
    grey = np.repeat(cv2.cvtColor(crop.image, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    warm = np.clip(crop.image * np.array([1.0, 0.75, 0.5]), 0, 255).astype(np.uint8)
    plain, toned = (
        model.encode(replace(crop, image=image)).paint.palette for image in (grey, warm)
    )
    for colour in (plain.white, plain.red, plain.skin):
        np.testing.assert_allclose(hue(colour), 1.0, atol=0.03)
    usual = model.encode(crop).paint.palette
    assert hue(toned.white)[2] < hue(usual.white)[2] - 0.1
    assert luminance(usual.white) > luminance(usual.red)
    assert hue(usual.red)[0] > hue(usual.skin)[0]


def test_a_mouth_in_overexposed_skin_is_red_like_its_lips_and_a_grey_one_is_grey(
    model: CompactPortraitModel, crop: FaceCrop
) -> None:
    """Skin that is white has no colour that tells a coloured image from a grey one."""
    lips = np.zeros(crop.image.shape[:2], np.uint8)
    hull = cv2.convexHull(np.rint(crop.landmarks[list(OUTER_LIPS), :2]).astype(np.int32))
    cv2.fillConvexPoly(lips, hull, 1)
    bright = np.clip(crop.image.astype(int) * 2 + 60, 0, 255).astype(np.uint8)
    bright[lips > 0] = (230, 120, 120)
    grey = np.repeat(bright.mean(-1, keepdims=True).astype(np.uint8), 3, -1)
    for image, least, most in ((bright, 1.2, 2.0), (grey, 0.98, 1.02)):
        palette = model.encode(replace(crop, image=image)).paint.palette
        assert palette.skin.min() > 235
        assert least < palette.red[0] / palette.red[1] < most


def test_a_displacement_is_undone_by_its_inverse() -> None:
    row, column = np.mgrid[:GRID, :GRID].astype(np.float32)
    bump = np.exp(-((row - 30) ** 2 + (column - 34) ** 2) / 200.0)
    field = np.stack([2.5 * bump, -1.5 * bump], -1).astype(np.float32)
    found = invert_displacement(field)
    there = cv2.remap(field, np.stack([column, row], -1) + found, None, cv2.INTER_LINEAR)
    np.testing.assert_allclose(found, -there, atol=0.03)


def test_a_harmonic_fill_keeps_known_colours_and_is_smooth_between_them() -> None:
    row, column = np.mgrid[:60, :80].astype(np.float32)
    ramp = np.stack([column, 2 * row, 100 + 0 * row], -1)
    weight = np.ones((60, 80), np.float32)
    weight[20:40, 25:55] = 0.0
    spoilt = ramp.copy()
    spoilt[20:40, 25:55] = 255.0
    found = harmonic_fill(spoilt, weight, 1.0)
    np.testing.assert_allclose(found[20:40, 25:55], ramp[20:40, 25:55], atol=6.0)
    np.testing.assert_allclose(found[5:15, 5:75], ramp[5:15, 5:75], atol=4.0)
    nothing = harmonic_fill(ramp, np.zeros((60, 80), np.float32), 1.0)
    np.testing.assert_allclose(nothing, np.broadcast_to(ramp.mean((0, 1)), ramp.shape), rtol=1e-5)
