"""What a reader of faces sees in an edited portrait: blendshape scores, by MediaPipe's network."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib import Emotion, EncodedPortrait, JoyVASAPipeline
from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.motion import BLENDSHAPES


@pytest.fixture(scope="module")
def detector() -> MediaPipeFaceDetector:
    return MediaPipeFaceDetector()


def scores(detector: MediaPipeFaceDetector, frame: NDArray[np.uint8]) -> dict[str, float]:
    """Scores by name, both sides' mean; of a side where the name has one."""
    face = detector.look_closely(frame, detector.detect(frame)[0])[0]
    found = dict(zip(BLENDSHAPES, blendshape_scores(face.landmarks).tolist(), strict=True))
    pairs = {name.removesuffix("Left") for name in BLENDSHAPES if name.endswith("Left")}
    return found | {
        name: (found[f"{name}Left"] + found[f"{name}Right"]) / 2
        for name in pairs
        if f"{name}Right" in found
    }


@pytest.mark.parametrize(
    ("name", "changes"),
    [  # the bundled portrait smiles broadly, so that mouths that open or turn down lose a smile
        ("happiness", {"eyeSquint": 0.12}),
        ("sadness", {"browInnerUp": 0.2, "mouthSmile": -0.5}),
        ("surprise", {"browInnerUp": 0.3, "browOuterUp": 0.25, "jawOpen": 0.3}),
        ("fear", {"browInnerUp": 0.25, "mouthSmile": -0.4}),
        ("anger", {"browDown": 0.12, "eyeSquint": 0.15, "mouthSmile": -0.5}),
    ],
)
def test_a_severe_emotion_is_read_from_the_face_and_a_slight_one_less(
    pipe: JoyVASAPipeline,
    encoded: EncodedPortrait,
    detector: MediaPipeFaceDetector,
    name: str,
    changes: dict[str, float],
) -> None:
    slight, severe = (
        scores(detector, pipe.edit(encoded, Emotion.named(name, level), paste_back=False))
        for level in (0.3, 0.8)
    )
    own = scores(detector, encoded.crop.image)
    for score, least in changes.items():
        change = severe[score] - own[score]
        assert change / least >= 1.0, (score, change)
        if least > 0:
            assert slight[score] - own[score] < 0.8 * change


def test_disgust_raises_the_upper_lip_and_wrinkles_the_nose(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, detector: MediaPipeFaceDetector
) -> None:
    neutral = pipe.edit(encoded, Emotion.units(AU12=-1.0), paste_back=False)
    disgusted = pipe.edit(encoded, Emotion.disgust(0.8), paste_back=False)
    raised = scores(detector, disgusted)["mouthUpperUp"] - scores(detector, neutral)["mouthUpperUp"]
    assert raised > 0.05
    marks = encoded.crop.landmarks
    (left, top), (right, bottom) = (
        marks[[122, 351, 6, 195], :2].min(0),
        marks[[122, 351, 6, 195], :2].max(0),
    )
    box = (slice(int(top), int(bottom) + 1), slice(int(left), int(right) + 1))
    apart = np.abs(disgusted[box].astype(float) - encoded.crop.image[box]).mean()
    assert apart > 3.0
