"""``joyvasa drive``: a portrait does what the person of a video, or a saved motion, does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import places
from command_line import Joyvasa, Refused
from joyvasa_lib import Motion
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.media.video import VideoWriter, probe

pytestmark = pytest.mark.slow

ASTRONAUT, HELLO = places.DEMO / "astronaut.jpg", places.DEMO / "hello.flac"


@pytest.fixture(scope="module")
def video(astronaut: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames of the astronaut, who holds still, with speech."""
    path = tmp_path_factory.mktemp("videos") / "short.mp4"
    with VideoWriter(path, (512, 512), 25.0, load_speech(HELLO)) as writer:
        for _ in range(6):
            writer.write(astronaut)
    return path


def test_the_command_writes_the_video_and_its_motion(
    joyvasa: Joyvasa, video: Path, tmp_path: Path
) -> None:
    output, kept = tmp_path / "out.mp4", tmp_path / "motion.safetensors"
    told = json.loads(
        joyvasa("drive", ASTRONAUT, video, "-o", output, "--motion-out", kept, "--crop", "--json")
    )
    assert told["frames"] == 6
    assert 0.7 < told["face_score"] <= 1.0
    assert told["size"] == list(probe(output).size or ())
    assert probe(output).has_audio
    assert len(Motion.load(kept)) == 6
    assert joyvasa("drive", ASTRONAUT, kept, "-o", output, "--audio", HELLO, "--quiet") == ""


def test_the_command_refuses_before_it_works(refused: Refused, tmp_path: Path, video: Path) -> None:
    output = tmp_path / "out.mp4"
    for arguments, message in (
        ((ASTRONAUT, tmp_path / "absent.mp4", "-o", output), "absent.mp4"),
        ((ASTRONAUT, video, "-o", tmp_path / "out.avi"), "out.avi"),
        ((ASTRONAUT, video, "-o", output, "--fps", 500), "--fps must be a number from 1 to 120"),
        ((ASTRONAUT, video, "-o", output, "--box", "1,2", "--square"), "only one of --box"),
        ((ASTRONAUT, HELLO, "-o", output), "no moving image"),
    ):
        assert message in refused("drive", *arguments)
    assert not output.exists()
