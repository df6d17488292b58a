"""``joyvasa idle``: a video of a portrait that does not speak."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import places
from command_line import Joyvasa, Refused
from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.media.video import probe
from joyvasa_lib.motion import BLENDSHAPES

pytestmark = pytest.mark.slow

ASTRONAUT, HELLO = places.DEMO / "astronaut.jpg", places.DEMO / "hello.flac"


def test_the_command_writes_a_video_without_sound_and_its_motion(
    joyvasa: Joyvasa, pipe: JoyVASAPipeline, tmp_path: Path
) -> None:
    output, kept = tmp_path / "idle.mp4", tmp_path / "idle.safetensors"
    common = ("idle", ASTRONAUT, "-o", output, "--motion-out", kept, "--crop", "--json")
    said = json.loads(joyvasa(*common, "--seconds", 0.6, "--seed", 4, "--liveliness", 1.5))
    assert (said["frames"], said["fps"]) == (15, 25.0)
    assert not probe(output).has_audio
    assert Motion.load(kept) == pipe.idle(0.6, seed=4, liveliness=1.5)
    joyvasa(*common, "--listening-to", HELLO, "--seconds", 0.4, "--gaze", "viewer", "--fps", 30)
    assert Motion.load(kept) == pipe.idle(0.4, listening_to=HELLO, gaze="viewer", fps=30.0)
    joyvasa(*common, "--seconds", 0.2, "--emotion", "happiness", "--liveliness", 0)
    smile = Motion.load(kept).blendshapes[:, BLENDSHAPES.index("mouthSmileLeft")]
    assert smile.min() > 0.2
    np.testing.assert_allclose(smile, smile[0], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seconds", 0), "seconds must be a number above 0, not 0.0"),
        (("--liveliness", 3), "liveliness must be a number from 0 to 2, not 3.0"),
        (("--gaze", "model"), "gaze must be one of 'placed', 'viewer', not 'model'"),
        (("--fps", 500), "--fps must be a number from 1 to 120"),
        (("--listening-to", "absent.wav"), "absent.wav"),
        (("--emotion", "joy"), "'joy'"),
    ],
)
def test_the_command_refuses_before_it_works(
    refused: Refused, tmp_path: Path, options: tuple[object, ...], message: str
) -> None:
    output = tmp_path / "idle.mp4"
    assert message in refused("idle", ASTRONAUT, "-o", output, *options)
    assert not output.exists()
