"""``joyvasa evaluate``: one video, a motion, a folder; and what it says to bad input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import places
from command_line import Run, refusal
from joyvasa_lib.media.audio import load_speech, write_wav
from joyvasa_lib.media.video import VideoWriter
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.space import get_space

pytestmark = pytest.mark.slow

HELLO = places.DEMO / "hello.flac"


@pytest.fixture
def evaluate(run: Run) -> Run:
    return lambda *arguments: run("evaluate", *arguments)


@pytest.fixture(scope="module")
def videos(astronaut: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``still.mp4``: the portrait for 0.8 s with speech and segments; ``grey.mp4``: no face."""
    folder = tmp_path_factory.mktemp("videos")
    recording = write_wav(folder / "words.wav", load_speech(HELLO).waveform[8000:20800])
    with VideoWriter(folder / "still.mp4", (512, 512), 25.0, load_speech(recording)) as writer:
        for _ in range(20):
            writer.write(astronaut)
    with VideoWriter(folder / "grey.mp4", (128, 128), 25.0) as writer:
        for _ in range(3):
            writer.write(np.full((128, 128, 3), 128, np.uint8))
    (folder / "still.csv").write_text("phone,start,end\nAA1,0.0,0.4\nM,0.4,0.5\nIY1,0.5,0.8\n")
    return folder


@pytest.fixture
def motion(tmp_path: Path) -> Path:
    """20 s of a motion that blinks four times and turns its head by 6 degrees."""
    space = get_space()
    blendshapes = np.zeros((500, len(space.blendshape_names)), np.float32)
    for start in (50, 170, 300, 410):
        for column in space.blendshape_indices(("eyeBlinkLeft", "eyeBlinkRight")):
            blendshapes[start : start + 7, column] = [0.2, 0.6, 1.0, 1.0, 1.0, 0.6, 0.2]
    rotation = np.zeros((500, 3), np.float32)
    rotation[:, 1] = 3.0 * np.sin(np.arange(500) / 25.0 * 2.0)
    path = tmp_path / "talk.safetensors"
    Motion.from_blendshapes(blendshapes, rotation=rotation).save(path)
    return path


def test_a_still_portrait_is_still_in_every_number(evaluate: Run, videos: Path) -> None:
    outcome = evaluate(videos / "still.mp4", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert outcome.err == ""
    assert found["name"] == "still.mp4"
    assert found["length"]["frames"] == 20
    assert abs(found["length"]["difference_ms"]) <= 40.0
    assert found["length"]["lost_frames"] == 0.0
    assert found["blinks"]["per_minute"] == 0.0
    assert found["head"]["yaw_range"] < 1.0
    assert found["picture"]["identity_similarity"] > 0.9  # the codec takes the rest
    assert found["picture"]["background_change"] < 1.0


def test_segments_beside_the_video_are_found_and_others_may_be_given(
    evaluate: Run, videos: Path, tmp_path: Path
) -> None:
    found = json.loads(evaluate(videos / "still.mp4", "--json").out)
    assert found["mouth"]["closure_hit"] is not None
    vowels = tmp_path / "vowels.csv"
    vowels.write_text("phone,start,end\nAA1,0.0,0.4\nIY1,0.4,0.8\n")
    found = json.loads(evaluate(videos / "still.mp4", "--segments", vowels, "--json").out)
    assert found["mouth"]["closure_hit"] is None
    assert found["mouth"]["open_vowel_contrast"] is not None


def test_a_motion_file_is_measured_without_rendering(evaluate: Run, motion: Path) -> None:
    found = json.loads(evaluate(motion, "--json").out)
    assert found["blinks"]["per_minute"] == pytest.approx(12.0)
    assert found["blinks"]["duration_ms"] == pytest.approx(240.0, abs=10.0)
    assert found["head"]["yaw_range"] == pytest.approx(6.0, rel=0.01)
    assert found["picture"] is None


def test_without_json_it_prints_a_table_with_what_people_do(evaluate: Run, motion: Path) -> None:
    outcome = evaluate(motion, "--quiet")
    assert outcome.code == 0
    line = next(line for line in outcome.out.splitlines() if "blinks a minute" in line)
    assert "12" in line and "10–30" in line
    assert "6.0 °" in outcome.out


def test_a_folder_gives_a_line_for_each_video_and_names_those_it_cannot_measure(
    evaluate: Run, videos: Path
) -> None:
    outcome = evaluate(videos, "--json")
    assert outcome.code == 0, outcome.err
    assert [one["name"] for one in json.loads(outcome.out)] == ["still.mp4"]
    assert "grey.mp4 left out: No face" in outcome.err
    table = evaluate(videos, "--quiet").out
    assert "still.mp4" in table and "grey.mp4" not in table


def test_a_folder_in_which_nothing_can_be_measured_is_an_error(
    evaluate: Run, videos: Path, tmp_path: Path
) -> None:
    shutil.copy(videos / "grey.mp4", tmp_path)
    outcome = evaluate(tmp_path, "--quiet")
    assert outcome.code == 2
    assert "None of the 1 videos" in outcome.err


def test_behaviour_of_a_video_is_laid_beside_people(
    evaluate: Run, astronaut: NDArray[np.uint8], motion: Path, tmp_path: Path
) -> None:
    speech = load_speech(HELLO)
    with VideoWriter(tmp_path / "calm.mp4", (512, 512), 25.0, speech) as writer:
        for _ in range(50):
            writer.write(astronaut)
    outcome = evaluate(tmp_path / "calm.mp4", "--behaviour", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert len(found["rows"]) == 23
    for key in ("aperture_sd", "jaw_open_sd", "yaw_sd", "gaze_sd"):  # a still face does nothing
        assert found["rows"][key]["place"] == "below", key
    assert found["inside"] + len(found["outside"]) + len(found["not_measured"]) == 23
    table = evaluate(tmp_path / "calm.mp4", motion, "--behaviour", "--quiet").out
    assert "calm.mp4" in table and "talk.safetensors" in table and "speakers, median" in table


def test_behaviour_of_a_motion_names_what_is_not_compared(evaluate: Run, motion: Path) -> None:
    outcome = evaluate(motion, "--behaviour", "--quiet")
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert any("jawOpen" in line and "not compared" in line for line in lines)
    assert any("head yaw" in line and "2.1" in line for line in lines)
    assert any("loudness" in line and "not measured" in line for line in lines)
    assert "Inside the range of people: " in lines[-1]


def test_bad_input_gives_one_sentence_and_code_two(
    evaluate: Run, videos: Path, motion: Path, tmp_path: Path
) -> None:
    empty, letter = tmp_path / "empty", tmp_path / "letter.mp4"
    empty.mkdir()
    letter.write_text("Dear reader, this is no video.\n")
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("phone,start,end\nAA,0.5,0.1\n")
    still = videos / "still.mp4"
    cases: list[tuple[tuple[object, ...], str]] = [
        ((tmp_path / "absent.mp4",), "absent.mp4"),
        ((letter,), "letter.mp4"),
        ((empty,), "holds no videos"),
        ((videos / "grey.mp4",), "No face"),
        ((still, "--segments", wrong), "wrong.csv"),
        ((still, "--segments", tmp_path / "absent.csv"), "absent.csv"),
        ((still, "--audio", letter), "letter.mp4"),
        ((still, "--portrait", letter), "letter.mp4"),
        ((videos, "--audio", HELLO), "--audio"),
        ((motion, "--portrait", HELLO), "--portrait"),
        ((still, "--behaviour"), "at least 2 s"),
        ((still, "--behaviour", "--segments", wrong), "--segments"),
        ((still, "--face", "1"), "--behaviour"),
        ((still, still, "--audio", HELLO), "--audio"),
    ]
    for arguments, expected in cases:
        assert expected in refusal(evaluate(*arguments, "--quiet")), arguments
