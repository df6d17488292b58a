"""Portraits whose mouth is open or shows teeth: there is one mouth, in its place, and it closes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.evaluation.expression import measure_face
from joyvasa_lib.face.crop import FaceCrop, crop_face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.reading import FaceReading, read_face
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.portrait.compact.encode.appearance import with_lip_edges
from joyvasa_lib.portrait.compact.encode.source_teeth import place_teeth, without_narrow_band
from joyvasa_lib.portrait.compact.layers import LOWER, MIXED, MOUTH, SKIN, UPPER
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.portrait.compact.portrait import CompactPortrait
from joyvasa_lib.rig.regions import INNER_LIP_MIDDLES, INNER_LIPS, MOUTH_AND_CHIN, TEETH

Pixels = NDArray[np.uint8]


def drawn(model: CompactPortraitModel, portrait: CompactPortrait, jaw: float) -> Pixels:
    values = np.zeros((1, len(BLENDSHAPES)), np.float32)
    values[0, BLENDSHAPES.index("jawOpen")] = jaw
    return np.asarray(next(iter(model.render(portrait, Motion.from_blendshapes(values))))[0])


@pytest.fixture(scope="module")
def shouting(
    model: CompactPortraitModel, portrait: CompactPortrait, detector: MediaPipeFaceDetector
) -> FaceReading:
    image = drawn(model, portrait, 1.0)
    return read_face(image, detector.detect(image)[0], detector)


@pytest.fixture(scope="module")
def open_crop(
    model: CompactPortraitModel, portrait: CompactPortrait, shouting: FaceReading
) -> FaceCrop:
    return crop_face(drawn(model, portrait, 1.0), shouting.face, size=256)


def inside(landmarks: NDArray[np.floating], region: tuple[int, ...], side: int) -> Pixels:
    hull = cv2.convexHull(np.rint(landmarks[list(region), :2]).astype(np.int32))
    return np.asarray(cv2.fillConvexPoly(np.zeros((side, side), np.uint8), hull, 1))


@pytest.mark.slow
def test_a_mouth_that_is_wide_open_is_told_and_a_speaking_one_is_not(
    model: CompactPortraitModel,
    portrait: CompactPortrait,
    detector: MediaPipeFaceDetector,
    shouting: FaceReading,
) -> None:
    (warning,) = shouting.warnings
    assert warning.startswith("The mouth is wide open")
    speaking = drawn(model, portrait, 0.3)
    assert read_face(speaking, detector.detect(speaking)[0], detector).warnings == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("jaw", "least", "most"), [(0.0, 0.0, 0.03), (0.3, 0.04, 0.12), (0.6, 0.1, 0.25)]
)
def test_a_mouth_that_was_wide_open_is_one_mouth_in_its_place(
    model: CompactPortraitModel,
    open_crop: FaceCrop,
    detector: MediaPipeFaceDetector,
    jaw: float,
    least: float,
    most: float,
) -> None:
    """Nothing as dark as the inside of a mouth is outside of the lips that are seen."""
    frame = drawn(model, model.encode(open_crop), jaw)
    seen, _ = detector.look_closely(frame, detector.detect(frame)[0])
    side = len(frame)
    light = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    around = inside(seen.landmarks, MOUTH_AND_CHIN, side)
    around = cv2.erode(around, np.ones((9, 9), np.uint8))  # without the shadow under the chin
    mouth = cv2.dilate(inside(seen.landmarks, INNER_LIPS, side), np.ones((9, 9), np.uint8))
    dark = light < 0.55 * np.median(light[around > 0])
    assert (dark & (around > 0) & (mouth == 0)).sum() < 0.002 * around.sum()
    opened = inside(open_crop.landmarks, INNER_LIPS, side) > 0
    if jaw == 0.0:
        assert (dark & opened).sum() < 0.03 * opened.sum()
    assert least <= measure_face(seen.landmarks).aperture < most


def test_a_face_that_an_open_mouth_lengthened_has_no_longer_teeth(
    model: CompactPortraitModel, portrait: CompactPortrait
) -> None:
    rig, fit = model.rig, portrait.fit
    shape = rig.mean.copy()
    for part, middle in zip(TEETH, INNER_LIP_MIDDLES, strict=True):
        row, lip = rig.part_vertices(part), shape[rig.landmark_vertex[middle], 1]
        shape[row, 1] = lip + 1.8 * (shape[row, 1] - lip + 0.1)
    long = type(fit)(**{**vars(fit), "shape": shape})
    nothing = np.zeros((64, 64), bool)
    placed, _ = place_teeth(rig, long, np.zeros((64, 64, 3), np.uint8), nothing, np.ones(3))
    usual, _ = place_teeth(
        rig,
        type(fit)(**{**vars(fit), "shape": rig.mean}),
        np.zeros((64, 64, 3), np.uint8),
        nothing,
        np.ones(3),
    )
    for part in TEETH:
        row = rig.part_vertices(part)
        assert np.ptp(placed.shape[row, 1]) <= 1.351 * np.ptp(rig.mean[row, 1])
        assert placed.shape[row, 1].max() < usual.shape[row, 1].max() + 0.25


def test_no_outline_of_teeth_stays_behind_in_an_opening_mouth() -> None:
    """Dark gaps and edges between pale teeth are what teeth may be, not the inside of the mouth."""
    layer = np.full((80, 120), SKIN, np.uint8)
    cv2.ellipse(layer, (60, 40), (50, 22), 0, 0, 360, MOUTH, -1)
    layer[20:40, 20:100][layer[20:40, 20:100] == MOUTH] = UPPER
    white = np.zeros(layer.shape, bool)
    for left in range(24, 96, 8):  # teeth of seven pixels, with a gap of one
        white[42:54, left : left + 7] = True
    white &= layer == MOUTH
    found = with_lip_edges(layer, white | (layer == UPPER), 100.0)
    teeth = np.zeros(layer.shape, bool)
    teeth[43:53, 36:84] = True
    assert (found[teeth] == MIXED).all()
    assert (found[30, 30:90] == UPPER).all() and (found[58, 50:70] == MOUTH).all()
    dark = with_lip_edges(layer, np.zeros_like(white), 100.0)
    assert (dark[teeth] == MOUTH).all() and not (dark == LOWER).any()


@pytest.mark.parametrize(("share", "kept"), [(0.0, True), (0.2, False), (0.45, True)])
def test_a_narrow_band_of_teeth_is_no_second_row(
    model: CompactPortraitModel, share: float, kept: bool
) -> None:
    """Parted lips show a band of teeth; a smile's row is used, and so is a mouth without any."""
    rig = model.rig
    vertices = np.asarray(100.0 * rig.mean + [200.0, 200.0, 0.0], np.float32)
    row = vertices[rig.part_vertices("teeth_upper")]
    layer = np.full((400, 400), SKIN, np.uint8)
    left, right = np.rint([row[:, 0].min(), row[:, 0].max()]).astype(int)
    bottom, tall = round(float(row[:, 1].max())), share * float(np.ptp(row[:, 1]))
    layer[bottom - round(tall) : bottom, left:right] = UPPER
    layer[bottom : bottom + 4, left:right] = MOUTH
    found = without_narrow_band(rig, vertices, layer)
    if kept:
        np.testing.assert_array_equal(found, layer)
    else:
        assert (found[layer != SKIN] == MIXED).all()
        assert (found[layer == SKIN] == SKIN).all()
