"""Eyes and mouths that close: with the portrait's own eyelids, lashes and lips."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import places
from joyvasa_lib.evaluation.expression import measure_face
from joyvasa_lib.face.crop import FaceCrop, crop_face
from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.reading import read_face
from joyvasa_lib.media.image import load_image
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.portrait.compact.encode.palette import pale
from joyvasa_lib.portrait.compact.lips.closed_mouth import (
    LipContours,
    seen_contours,
    without_mouth,
)
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.portrait.compact.portrait import CompactPortrait
from joyvasa_lib.rig.calibration import BLINK, lip_seal, rest_of_blink, rest_of_seal
from joyvasa_lib.rig.eyelids import lid_edges
from joyvasa_lib.rig.lips import lip_rims
from joyvasa_lib.rig.regions import EYES
from joyvasa_lib.rig.spreading import height_of

Pixels = NDArray[np.uint8]
SIZE = 384


@pytest.fixture(scope="module")
def crop(detector: MediaPipeFaceDetector) -> FaceCrop:
    image = load_image(places.DEMO / "astronaut.jpg")  # she smiles and shows her teeth
    return crop_face(image, read_face(image, detector.detect(image)[0], detector).face, size=SIZE)


def drawn(model: CompactPortraitModel, portrait: CompactPortrait, **activations: float) -> Pixels:
    values = np.zeros((1, len(BLENDSHAPES)), np.float32)
    for name, value in activations.items():
        values[0, BLENDSHAPES.index(name)] = value
    return np.asarray(next(iter(model.render(portrait, Motion.from_blendshapes(values))))[0])


@pytest.fixture(scope="module")
def shut(model: CompactPortraitModel, portrait: CompactPortrait) -> Pixels:
    return drawn(model, portrait, eyeBlinkLeft=1.0, eyeBlinkRight=1.0)


def read(detector: MediaPipeFaceDetector, image: Pixels) -> NDArray[np.float32]:
    return detector.look_closely(image, detector.detect(image)[0])[0].landmarks


def column(image: Pixels, x: float, top: float, bottom: float) -> NDArray[np.float32]:
    """Luminance along a vertical line, four samples a pixel."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    y = np.arange(top, bottom, 0.25, dtype=np.float32)[:, None]
    return np.asarray(cv2.remap(grey, np.full_like(y, x), y, cv2.INTER_LINEAR))[:, 0]


@pytest.mark.slow
def test_shut_eyes_are_read_as_shut(
    detector: MediaPipeFaceDetector, crop: FaceCrop, shut: Pixels
) -> None:
    before, after = (
        blendshape_scores(landmarks)[BLINK] for landmarks in (crop.landmarks, read(detector, shut))
    )
    assert before.max() < 0.2
    assert after.min() > 0.45


@pytest.mark.slow
@pytest.mark.parametrize("eye", EYES, ids=["left", "right"])
def test_the_lashes_go_down_with_the_eyelid(crop: FaceCrop, shut: Pixels, eye: object) -> None:
    upper, lower = (crop.landmarks[list(ids), :2] for ids in (eye.upper_lid, eye.lower_lid))  # type: ignore[attr-defined]
    width = float(np.hypot(*(upper[0] - upper[-1])))
    kept = []
    for x in np.linspace(upper[:, 0].min(), upper[:, 0].max(), 9)[2:-2]:
        line = {}
        for name, image, edge, below in (
            ("open", crop.image, upper, 0.02),  # farther down is the iris
            ("shut", shut, lower, 0.08),
        ):
            y = height_of(edge.astype(np.float64), np.array(x))
            lashes = column(image, x, float(y) - 0.12 * width, float(y) + below * width)
            skin = column(image, x, float(y) - 0.30 * width, float(y) - 0.16 * width)
            line[name] = float(np.median(skin) - lashes.min())
        kept.append(line["shut"] / max(line["open"], 1.0))
    assert np.median(kept) > 0.5


def test_long_lashes_are_no_streaks_on_the_closed_eyelid(
    model: CompactPortraitModel, crop: FaceCrop
) -> None:
    """What stands up from the open eye is not stretched along the eyelid that unfolds."""
    image, lid = crop.image.copy(), np.zeros(crop.image.shape[:2], np.uint8)
    for eye in EYES:
        upper = crop.landmarks[[*eye.upper_lid], :2]
        tall = 0.13 * float(np.hypot(*(upper[0] - upper[-1])))
        for x in np.linspace(upper[:, 0].min(), upper[:, 0].max(), 12)[2:-2]:
            foot = float(height_of(upper.astype(np.float64), np.array(x)))
            ends = [(round(float(x)), round(foot - far)) for far in (0.0, tall)]
            cv2.line(image, *ends, (40, 25, 20), 1, cv2.LINE_AA)
        middle = 0.5 * (crop.landmarks[eye.upper_middle[0]] + crop.landmarks[eye.crease[4]])[:2]
        width = float(np.hypot(*(upper[0] - upper[-1])))
        axes = (round(0.3 * width), round(0.12 * width))
        cv2.ellipse(lid, (round(middle[0]), round(middle[1])), axes, 0, 0, 360, 1, -1)

    def streaks(frame: Pixels) -> float:
        """How far columns beside each other differ where the eyelid is."""
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(float)
        return float(np.abs(np.diff(grey, axis=1))[lid[:, 1:] > 0].mean())

    portrait = model.encode(replace(crop, image=image))
    closed = drawn(model, portrait, eyeBlinkLeft=1.0, eyeBlinkRight=1.0)
    assert streaks(image) > 3.0 * streaks(crop.image)
    assert streaks(closed) < 0.3 * streaks(image)


@pytest.mark.slow
def test_eyes_that_are_shut_in_the_image_stay_as_they_are(
    detector: MediaPipeFaceDetector, model: CompactPortraitModel, crop: FaceCrop, shut: Pixels
) -> None:
    """With their lashes and make-up: a blink paints nothing on them."""
    face = replace(crop.face, landmarks=read(detector, shut))
    asleep = crop_face(shut, face, size=SIZE)
    still, blinking = (
        drawn(model, model.encode(asleep), eyeBlinkLeft=lid, eyeBlinkRight=lid)
        for lid in (0.0, 1.0)
    )
    eyes = np.zeros((SIZE, SIZE), np.uint8)
    for eye in EYES:
        hull = cv2.convexHull(np.rint(asleep.landmarks[[*eye.lids], :2]).astype(np.int32))
        cv2.fillConvexPoly(eyes, hull, 1)
    eyes = cv2.dilate(eyes, np.ones((25, 25), np.uint8))

    def change(one: Pixels, other: Pixels) -> float:
        return float(cv2.absdiff(one, other)[eyes > 0].mean())

    assert change(blinking, still) < 0.1
    assert change(still, asleep.image) < 2.5  # its mouth closes
    assert change(shut, crop.image) > 8.0  # open ones change


@pytest.mark.slow
def test_lips_that_smiled_close_and_open_again(
    detector: MediaPipeFaceDetector, model: CompactPortraitModel, portrait: CompactPortrait
) -> None:
    closed, a_little, wide = (
        measure_face(read(detector, drawn(model, portrait, jawOpen=jaw))).aperture
        for jaw in (0.0, 0.3, 0.6)
    )
    assert closed < 0.02
    assert closed + 0.05 < a_little < wide - 0.05


def test_edges_of_lips_and_eyelids_meet_all_along(
    model: CompactPortraitModel, portrait: CompactPortrait
) -> None:
    rig, fit = model.rig, portrait.fit
    seal = lip_seal(rig, fit)
    sealed = fit.shape + np.tensordot(seal, rig.blendshapes, 1) + rest_of_seal(rig, fit, seal)
    upper, lower = (sealed[rim, :2].astype(np.float64) for rim in lip_rims(rig))
    gap = height_of(lower, upper[:, 0]) - upper[:, 1]
    assert np.abs(gap).max() < 0.05  # rig units: 0.8 millimetres
    shut = fit.blendshapes.copy()
    shut[BLINK] += portrait.blink_gain * (1.0 - shut[BLINK])
    head = fit.shape + np.tensordot(shut, rig.blendshapes, 1)
    head = head + rest_of_blink(rig, fit, portrait.blink_gain).sum(0)
    for upper_lid, lower_lid in lid_edges(rig):
        above, below = (head[edge, :2].astype(np.float64) for edge in (upper_lid, lower_lid))
        over = above[1:-1, 1] - height_of(below, above[1:-1, 0])
        assert over.min() > -0.02 and over.max() < 0.08
        assert over[len(over) // 2] > 0.0


def test_teeth_are_taken_out_of_what_lips_show(crop: FaceCrop, portrait: CompactPortrait) -> None:
    lips = seen_contours(crop.landmarks)
    inside = np.zeros(crop.image.shape[:2], np.uint8)
    ring = np.rint(np.concatenate([lips.upper, lips.lower[::-1]])).astype(np.int32)
    cv2.fillPoly(inside, [ring], 1)
    cheek = np.median(crop.image[crop.landmarks[50, 1].astype(int)][:, None], axis=(0, 1))
    before, after = (
        pale(image, cheek.astype(np.float32))[inside > 0].mean()
        for image in (crop.image, portrait.appearance.skin)
    )
    assert before > 0.2
    assert after < 0.25 * before
    far = cv2.dilate(inside, np.ones((31, 31), np.uint8)) == 0
    assert np.array_equal(portrait.appearance.skin[far], crop.image[far])


def test_closed_lips_are_coloured_from_corner_to_corner(crop: FaceCrop) -> None:
    """As lips are, redder than the skin above them; a smile has stretched them to threads."""
    lips = seen_contours(crop.landmarks)
    filled = without_mouth(crop.image, lips, 60.0).astype(np.float32)

    def redness(points: NDArray[np.floating]) -> NDArray[np.float32]:
        column, row = np.rint(points[2:-2]).astype(int).T
        around = [filled[row + dy, column + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        colour = np.mean(around, axis=0)
        return np.asarray(colour[:, 0] / colour[:, 1], np.float32)

    height = float(np.ptp(crop.landmarks[[0, 17], 1]))
    inside = redness(lips.upper + 0.3 * (lips.lower - lips.upper))
    assert (inside - redness(lips.above - [0, 0.3 * height])).min() > 0.045


def test_closed_lips_show_what_the_image_shows(crop: FaceCrop) -> None:
    lips = seen_contours(crop.landmarks)
    image = without_mouth(crop.image, replace(lips, lower=lips.upper), 60.0)
    assert image is crop.image


def test_a_mouth_beyond_the_image_changes_nothing(crop: FaceCrop) -> None:
    lips = seen_contours(crop.landmarks)
    moved = LipContours(*(np.add(contour, [0.0, 1000.0]) for contour in vars(lips).values()))
    assert without_mouth(crop.image, moved, 60.0) is crop.image


def eyelids_of(
    model: CompactPortraitModel, crop: FaceCrop, light: tuple[float, float, float]
) -> NDArray[np.float64]:
    """[2, 3] colours of the closed eyelids of a face whose visible eyelids have another light."""
    image = crop.image.copy()
    mask = np.zeros(image.shape[:2], np.uint8)
    for eye in EYES:
        ring = crop.landmarks[[*eye.upper_lid, *eye.crease[::-1]], :2]
        cv2.fillPoly(mask, [np.rint(ring).astype(np.int32)], 255)
    share = cv2.GaussianBlur(mask, (0, 0), 1.0)[..., None] / 255.0
    image = (image * (1.0 - share) + image * np.array(light) * share).astype(np.uint8)
    frame = drawn(
        model, model.encode(replace(crop, image=image)), eyeBlinkLeft=1.0, eyeBlinkRight=1.0
    )
    colours = []
    for eye in EYES:
        x, y = 0.5 * (crop.landmarks[eye.upper_middle[0]] + crop.landmarks[eye.lower_middle[0]])[:2]
        place = frame[int(y) - 2 : int(y) + 2, int(x) - 3 : int(x) + 3]
        colours.append(place.reshape(-1, 3).mean(0))
    return np.array(colours)


def test_an_eyelid_keeps_its_colour_when_it_closes(
    model: CompactPortraitModel, crop: FaceCrop
) -> None:
    """Made-up eyelids stay made up: blue above the eyes is blue on the closed eye."""
    for colour in eyelids_of(model, crop, (0.45, 0.55, 1.0)):
        assert colour[2] > 1.1 * colour[0]


@pytest.mark.slow
def test_the_shadow_of_the_fold_does_not_darken_the_closed_eyelid(
    model: CompactPortraitModel, crop: FaceCrop
) -> None:
    lit, shaded = (eyelids_of(model, crop, (light,) * 3).mean(1) for light in (1.0, 0.55))
    assert (shaded > 0.75 * lit).all()
