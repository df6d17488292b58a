"""How closely a face of a still image is read, and when a person is warned."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

import places
from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.cli import app
from joyvasa_lib.errors import NoFaceError, OptionError
from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.lip_contrast import lip_contrast
from joyvasa_lib.face.landmarks.manual import ManualFaceDetector
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.reading import FaceReading, read_face
from joyvasa_lib.motion import BLENDSHAPES
from joyvasa_lib.rig.regions import LIPS, OUTER_EYE_CORNERS

Pixels = NDArray[np.uint8]
DETECTOR = MediaPipeFaceDetector()


@pytest.fixture(scope="module")
def face(astronaut: Pixels) -> Face:
    return DETECTOR.detect(astronaut)[0]


@pytest.fixture(scope="module")
def masked(astronaut: Pixels, face: Face) -> Pixels:
    """The astronaut behind a dark cloth from the nose to below the chin."""
    image = astronaut.copy()
    points = face.landmarks[:, :2]
    left, right = points[234].astype(int), points[454].astype(int)
    top, bottom = int(points[1, 1]), int(points[152, 1]) + 12
    image[top:bottom, left[0] - 4 : right[0] + 4] = (40, 40, 44)
    cv2.GaussianBlur(image, (0, 0), 0.6, dst=image)
    return image


def test_looks_from_several_squares_agree_on_a_clear_face(astronaut: Pixels, face: Face) -> None:
    reading = read_face(astronaut, face, DETECTOR)
    assert reading.face.spread is not None
    assert reading.face.spread.shape == (478,)
    assert 0.0 < reading.disagreement(LIPS) < 0.01
    assert reading.presence is not None and reading.presence > 14.0
    assert reading.warnings == ()


def test_disagreement_is_measured_in_distances_of_the_eyes(face: Face) -> None:
    left, right = face.landmarks[list(OUTER_EYE_CORNERS), :2]
    tenth = 0.1 * np.full(478, np.hypot(*(right - left)), np.float32)
    reading = FaceReading(Face(face.box, face.landmarks, 1.0, face.scheme, tenth))
    assert reading.disagreement(LIPS) == pytest.approx(0.1, rel=1e-5)
    assert len(reading.warnings) == 2  # lips and eyelids
    assert FaceReading(face).disagreement(LIPS) == 0.0


def test_scores_tell_a_smile_and_do_not_see_size_or_place(face: Face) -> None:
    scores = blendshape_scores(face.landmarks)
    assert scores.shape == (52,)
    assert scores[BLENDSHAPES.index("mouthSmileLeft")] > 0.5
    assert scores[BLENDSHAPES.index("eyeBlinkLeft")] < 0.3
    assert scores[BLENDSHAPES.index("tongueOut")] == 0.0
    larger = blendshape_scores(2.5 * face.landmarks + 40.0)
    np.testing.assert_allclose(larger, scores, atol=0.01)
    both = blendshape_scores(np.stack([face.landmarks, larger_smile(face)]))
    np.testing.assert_allclose(both[0], scores, atol=1e-6)
    assert both[1, BLENDSHAPES.index("jawOpen")] > scores[BLENDSHAPES.index("jawOpen")] + 0.1
    with pytest.raises(OptionError, match="478 landmarks, not an array of shape"):
        blendshape_scores(face.landmarks[:468])


def larger_smile(face: Face) -> NDArray[np.float32]:
    """The face with its lower lip and chin lower by a fifth of the eyes' distance."""
    points = face.landmarks.copy()
    left, right = points[list(OUTER_EYE_CORNERS), :2]
    below = points[:, 1] > points[14, 1] - 0.1
    points[below, 1] += 0.2 * float(np.hypot(*(right - left)))
    return points


def test_a_covered_mouth_is_said_before_anything_is_made(
    pipe: JoyVASAPipeline,
    masked: Pixels,
    words: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, logger="joyvasa_lib"):
        encoded = pipe.encode(masked)
    assert len(encoded.warnings) >= 1
    assert "give an image with a visible mouth" in encoded.warnings[0]
    assert [record.getMessage() for record in caplog.records] == list(encoded.warnings)
    assert pipe(encoded, str(words)).warnings == encoded.warnings

    image, output = tmp_path / "masked.png", tmp_path / "out.mp4"
    cv2.imwrite(str(image), masked[..., ::-1])
    result = CliRunner().invoke(app, ["animate", str(image), str(words), "-o", str(output),
                                      "--strict"])  # fmt: skip
    assert isinstance(result.exception, NoFaceError)
    assert str(result.exception) == " ".join(encoded.warnings)
    assert not output.exists()
    result = CliRunner().invoke(app, ["animate", str(image), str(words), "-o", str(output),
                                      "--json"])  # fmt: skip
    assert result.exit_code == 0, result.exception
    assert json.loads(result.stdout.splitlines()[-1])["warnings"] == list(encoded.warnings)


CLOTHS = {"surgical": (150, 190, 215), "white scarf": (235, 235, 232), "hand": (214, 178, 160),
          "microphone": (35, 35, 38)}  # fmt: skip


@pytest.mark.parametrize("name", CLOTHS)
def test_whatever_covers_the_mouth_is_noticed(astronaut: Pixels, face: Face, name: str) -> None:
    points = np.rint(face.landmarks[:, :2]).astype(np.int32)
    covered = np.zeros(astronaut.shape[:2], np.uint8)
    if name == "surgical":  # from the bridge of the nose over the cheeks to below the chin
        edge = [168, 118, 234, 132, 172, 136, 150, 149, 176, 148, 152]
        edge += [377, 400, 378, 379, 365, 397, 361, 454, 347]
        cv2.fillPoly(covered, [cv2.convexHull(points[edge])], 1)
    elif name == "white scarf":
        covered[points[2, 1] :] = 1
    else:
        middle, reach = points[[*LIPS]].mean(0), 0.5 * np.hypot(*(points[263] - points[33]))
        cv2.circle(covered, tuple(middle.astype(int)), int(reach), 1, -1)
    share = cv2.GaussianBlur(covered.astype(np.float32), (0, 0), 0.8)[..., None]
    cloth = CLOTHS[name] + np.random.default_rng(0).normal(0.0, 3.0, (*covered.shape, 1))
    image = np.clip(astronaut + share * (cloth - astronaut), 0, 255).astype(np.uint8)
    (first, *_) = read_face(image, DETECTOR.detect(image)[0], DETECTOR).warnings
    assert first.startswith("No lips are seen")


def test_lips_are_seen_in_the_dark_in_fog_and_out_of_focus(astronaut: Pixels, face: Face) -> None:
    clear = lip_contrast(astronaut, face.landmarks)
    fog = (255 - 0.25 * (255.0 - astronaut)).astype(np.uint8)
    for image in (astronaut // 8, fog, cv2.GaussianBlur(astronaut, (0, 0), 2.5)):
        assert 0.6 * clear < lip_contrast(image, face.landmarks) < 1.6 * clear
    grey = np.full_like(astronaut, 90)
    assert lip_contrast(grey, face.landmarks) == 1.0


def test_a_clear_face_and_one_given_by_hand_give_no_warning(
    pipe: JoyVASAPipeline, face: Face, astronaut: Pixels
) -> None:
    assert pipe.encode(places.DEMO / "astronaut.jpg").warnings == ()
    by_hand = ManualFaceDetector(landmarks=face.landmarks[:468])
    assert pipe.encode(astronaut, detector=by_hand).warnings == ()


@pytest.mark.parametrize(
    ("name", "told"), [("faults/p_mask.png", True), ("portraits/s5.jpg", False),
                       ("portraits/photo_beard_three_quarter.jpg", False)],
)  # fmt: skip
def test_real_faces_are_told_apart(
    pipe: JoyVASAPipeline, real_inputs: Path, name: str, told: bool
) -> None:
    if not (real_inputs / name).exists():
        pytest.skip(f"JOYVASA_REAL_INPUTS has no {name}")
    assert bool(pipe.encode(real_inputs / name).warnings) == told
