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
    assert "by hand" in encoded.warnings[0]
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
