"""Behaviour of whole recordings: a video and motions whose numbers are known beforehand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.errors import MediaError, MotionError, NoFaceError, OptionError
from joyvasa_lib.evaluation import behaviour_of_motion, behaviour_of_video
from joyvasa_lib.evaluation.behaviour.measure import MeasuredRow
from joyvasa_lib.evaluation.behaviour.rows import ROWS
from joyvasa_lib.evaluation.behaviour.table import behaviour_table, behaviours_table, shown
from joyvasa_lib.media.audio import Speech
from joyvasa_lib.media.video import VideoWriter
from joyvasa_lib.motion import BLENDSHAPES, Motion, MotionSpace

Image = NDArray[np.uint8]

FPS, N = 25.0, 60


def tone(seconds: float) -> NDArray[np.float32]:
    """A tone whose loudness comes and goes."""
    times = np.arange(round(seconds * 16000)) / 16000
    return np.float32((0.2 + 0.1 * np.sin(9.0 * times)) * np.sin(1300.0 * times))


def write(path: Path, frames: list[Image], speech: Speech | None = None, fps: float = FPS) -> Path:
    with VideoWriter(path, frames[0].shape[1::-1], fps, speech) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def rolling(image: Image, frame: int) -> Image:
    """The image turned about the nose: a roll of 4 degrees to either side, 5/6 Hz."""
    turn = cv2.getRotationMatrix2D((225.0, 120.0), 4.0 * math.sin(2 * math.pi * frame / 30), 1.0)
    return np.asarray(cv2.warpAffine(image, turn, (512, 512), borderMode=cv2.BORDER_REFLECT))


@pytest.fixture(scope="module")
def silent_video(astronaut: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [rolling(astronaut, number) for number in range(N)]
    return write(tmp_path_factory.mktemp("rolling") / "rolling.mp4", frames)


@pytest.mark.slow
def test_a_rolling_head_rolls_and_does_nothing_else(silent_video: Path) -> None:
    done: list[int] = []
    found = behaviour_of_video(silent_video, progress=done.append)
    assert done == list(range(1, N + 1))
    assert (found.frames, found.fps, found.lost_frames) == (N, FPS, 0.0)
    assert found["roll_sd"] == pytest.approx(4.0 / math.sqrt(2.0), rel=0.05)
    # Mean speed of 4 sin(2 pi t / 1.2 s), a third of it for three angles; landmarks shake besides.
    speed = 4.0 * 2.0 * math.pi / 1.2 * 2.0 / math.pi / 3
    assert found["head_speed"] == pytest.approx(speed + 1.2, abs=1.4)
    for key, most in (
        ("yaw_sd", 0.8),
        ("pitch_sd", 0.8),
        ("aperture_sd", 0.01),
        ("width_sd", 0.01),
    ):
        value = found[key]
        assert value is not None and value < most, key
    assert found["aperture_loudness_correlation"] is None
    assert found.to_dict()["not_measured"] == ["aperture_loudness_correlation"]
    assert any("no sound" in told for told in found.warnings)
    assert {one.row.key for one in found.outside} >= {"jaw_open_sd", "aperture_sd"}
    assert "roll_sd" in {one.row.key for one in found.inside}
    assert found.theval is not None and found.theval.lip_sync is None


@pytest.mark.slow
def test_sound_given_beside_a_video_is_measured(silent_video: Path) -> None:
    found = behaviour_of_video(silent_video, Speech(tone(N / FPS)))
    assert found["aperture_loudness_correlation"] is not None
    assert found.theval is not None and found.theval.lip_sync is not None
    assert found.warnings == ()


@pytest.mark.slow
def test_what_cannot_be_measured_is_refused_with_a_reason(
    astronaut: Image, silent_video: Path, tmp_path: Path
) -> None:
    short = write(tmp_path / "short.mp4", [astronaut] * 40)
    with pytest.raises(MediaError, match=r"short\.mp4 lasts 1\.60 s.*at least 2 s"):
        behaviour_of_video(short)
    grey = np.full((512, 512, 3), 128, np.uint8)
    with pytest.raises(NoFaceError, match="No face was found in any of 10 frames"):
        behaviour_of_video(write(tmp_path / "grey.mp4", [grey] * 10))
    rare = write(tmp_path / "rare.mp4", [astronaut] * 25 + [grey] * 35)
    with pytest.raises(NoFaceError, match=r"seen in 25 of 60 frames of rare\.mp4"):
        behaviour_of_video(rare)
    with pytest.raises(NoFaceError, match="Face 3 was asked for"):
        behaviour_of_video(silent_video, face=3)
    with pytest.raises(OptionError, match="face must be"):
        behaviour_of_video(silent_video, face="smallest")


@pytest.mark.slow
def test_of_two_people_one_is_followed_and_the_other_told(astronaut: Image, tmp_path: Path) -> None:
    """The larger rolls its head, the smaller keeps still."""
    frames = []
    for number in range(N):
        small = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
        frame = np.zeros((512, 768, 3), np.uint8)
        frame[:, :512], frame[:256, 512:] = rolling(astronaut, number), small
        frames.append(frame)
    path = write(tmp_path / "two.mp4", frames)
    large, small = behaviour_of_video(path), behaviour_of_video(path, face=1)
    assert any("shows 2" in told for told in large.warnings)
    assert large["roll_sd"] == pytest.approx(4.0 / math.sqrt(2.0), rel=0.05)
    assert small["roll_sd"] is not None and small["roll_sd"] < 0.5


def acted(n_frames: int = 250) -> Motion:
    """A jaw, a smile and a head that swing."""
    times = np.arange(n_frames) / FPS
    units = np.zeros((n_frames, len(BLENDSHAPES)), np.float32)
    units[:, BLENDSHAPES.index("jawOpen")] = 0.2 + 0.1 * np.sin(2 * np.pi * 2 * times)
    for name in ("mouthSmileLeft", "mouthSmileRight"):
        units[:, BLENDSHAPES.index(name)] = 0.3 + 0.1 * np.sin(2 * np.pi * 0.4 * times)
    rotation = np.zeros((n_frames, 3), np.float32)
    rotation[:, 1] = 5.0 * np.sin(2 * np.pi * 0.5 * times)
    return Motion.from_blendshapes(units, rotation=rotation, fps=FPS)


def test_a_motion_is_measured_in_its_own_units() -> None:
    found = behaviour_of_motion(acted(), name="acted")
    assert found["jaw_open_sd"] == pytest.approx(0.1 / math.sqrt(2.0), rel=0.02)
    assert found["smile_mean"] == pytest.approx(0.3, rel=0.02)
    assert found["yaw_sd"] == pytest.approx(5.0 / math.sqrt(2.0), rel=0.02)
    # The rig's lips part by 0.38 distances of the eye corners per jaw.
    opening = found["aperture_sd"]
    assert opening is not None and opening == pytest.approx(0.038 / math.sqrt(2.0), rel=0.1)
    basis = {one.row.key: one.basis for one in found.rows}
    assert basis["jaw_open_sd"] == basis["smile_mean"] == "activation"
    assert (basis["aperture_sd"], basis["yaw_sd"]) == ("rig", "pose")
    assert sum(one.basis == "activation" for one in found.rows) == 10
    assert found.theval is None


def test_activations_are_not_compared_with_scores() -> None:
    found = behaviour_of_motion(acted())
    compared = {one.row.key for one in (*found.inside, *found.outside)}
    assert "yaw_sd" in compared and "aperture_sd" in compared
    assert not compared & {one.row.key for one in found.rows if one.basis == "activation"}


def test_speech_gives_a_motion_its_row_of_loudness() -> None:
    motion, times = acted(), np.arange(250) / FPS
    opening = 0.2 + 0.1 * np.sin(2 * np.pi * 2 * times)
    samples = np.repeat(opening, 640) * np.sin(np.arange(250 * 640) * 0.5)
    found = behaviour_of_motion(motion, np.float32(samples), sample_rate=16000)
    follows = found["aperture_loudness_correlation"]
    assert follows is not None and follows > 0.95
    assert behaviour_of_motion(motion)["aperture_loudness_correlation"] is None


def test_of_a_space_without_blendshapes_the_heads_rows_are_measured() -> None:
    space = MotionSpace("five-points", 5)
    n, times = 100, np.arange(100) / FPS
    rotation = np.zeros((n, 3), np.float32)
    rotation[:, 2] = 2.0 * np.sin(2 * np.pi * times)
    motion = Motion(
        np.zeros((n, 5, 3), np.float32),
        rotation,
        np.zeros((n, 3), np.float32),
        np.ones((n, 1), np.float32),
        FPS,
        space,
    )
    found = behaviour_of_motion(motion)
    known = {one.row.key for one in found.rows if one.value is not None}
    assert known == {"yaw_sd", "pitch_sd", "roll_sd", "head_speed"}
    assert found["roll_sd"] == pytest.approx(2.0 / math.sqrt(2.0), rel=0.02)


def test_a_motion_shorter_than_two_seconds_is_refused() -> None:
    with pytest.raises(MotionError, match=r"hello lasts 1\.96 s"):
        behaviour_of_motion(acted(49), name="hello")
    assert behaviour_of_motion(acted(50)).frames == 50


def test_slow_frames_and_sound_of_another_length_are_told(caplog: pytest.LogCaptureFixture) -> None:
    slow = replace(acted(60), fps=12.0)
    found = behaviour_of_motion(slow, tone(9.0), sample_rate=16000)
    assert any("12 frames a second" in told for told in found.warnings)
    assert any("9.0 s and the frames 5.0 s" in told for told in found.warnings)
    assert [record.message for record in caplog.records] == list(found.warnings)


@pytest.mark.parametrize(
    ("value", "place", "text"),
    [(0.038, "below", "0.038↓"), (0.039, "inside", "0.039"), (0.07, "above", "0.070↑")],
)
def test_a_row_says_where_it_lies_to_people(value: float, place: str, text: str) -> None:
    one = MeasuredRow(ROWS[0], value)
    assert one.place == place
    assert shown(one) == text
    assert MeasuredRow(ROWS[0], None).place is None
    assert shown(MeasuredRow(ROWS[0], None)) == "–"


def test_tables_and_json_hold_every_row() -> None:
    found = behaviour_of_motion(acted(), name="acted")
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert list(plain["rows"]) == [row.key for row in ROWS]
    assert plain["rows"]["yaw_sd"] == {
        "value": pytest.approx(5.0 / math.sqrt(2.0), rel=0.02),
        "place": "inside",
        "basis": "pose",
        "median": 3.5,
        "low": 0.24,
        "high": 4.6,
    }
    assert plain["inside"] + len(plain["outside"]) == 12  # 13 compared rows, loudness unknown
    assert behaviour_table(found).row_count == 23
    assert behaviours_table([found, found]).row_count == 4
