"""Expressions are read from videos: what is shown when, in few keyframes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import places
from joyvasa_lib import Emotion, EmotionTimeline, EncodedPortrait, JoyVASAPipeline, Motion
from joyvasa_lib.emotion.reading.video import needed_keyframes
from joyvasa_lib.errors import MediaError, NoFaceError
from joyvasa_lib.media.video import VideoWriter

Pixels = NDArray[np.uint8]
FPS = 25


def written(path: Path, frames: list[Pixels]) -> Path:
    with VideoWriter(path, (frames[0].shape[1], frames[0].shape[0]), FPS) as writer:
        writer.write(np.stack(frames))
    return path


@pytest.fixture(scope="module")
def surprised(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A second at rest, half a second in which surprise rises, a second of it."""
    shown = [encoded.at_rest]
    for level in np.linspace(0.1, 0.9, 12):
        emotion = Emotion.surprise(float(level))
        shown.append(pipe.edit(encoded, emotion, paste_back=False))
    frames = [shown[0]] * FPS + shown[1:] + [shown[-1]] * FPS
    return written(tmp_path_factory.mktemp("video") / "surprised.mp4", frames)


@pytest.mark.slow
def test_surprise_that_rises_gives_a_timeline_that_rises(surprised: Path) -> None:
    timeline = EmotionTimeline.from_video(surprised)
    levels = [timeline.at(time)["AU1"] for time in (0.3, 0.7, 1.25, 1.7, 2.2)]
    assert max(levels[:2]) < 0.15
    assert 0.15 < levels[2] < levels[3]
    assert min(levels[3:]) > 0.5
    assert timeline.at(2.2).nearest[0] == "surprise"
    assert 2 < len(timeline) < 10  # straight lines, not every reading
    assert np.diff([one.time for one in timeline.keyframes]).min() >= 0.1


@pytest.mark.slow
def test_rest_can_be_said_by_an_image(surprised: Path, encoded: EncodedPortrait) -> None:
    timeline = EmotionTimeline.from_video(surprised, neutral=encoded.at_rest)
    assert timeline.at(0.5).intensity < 0.2
    assert timeline.at(2.2).nearest[0] == "surprise"


@pytest.mark.slow
def test_what_was_read_goes_onto_another_motion(
    surprised: Path, pipe: JoyVASAPipeline, tmp_path: Path
) -> None:
    timeline = EmotionTimeline.from_video(surprised)
    timeline.save(tmp_path / "read.yaml")
    assert EmotionTimeline.load(tmp_path / "read.yaml") == timeline
    still = Motion.neutral(60, space=pipe.portrait_model.space)
    activations = still.edit(timeline, protect_speech=False).blendshapes
    raised = activations[:, still.space.blendshape_names.index("browInnerUp")]
    assert raised[:20].max() < 0.2 < 0.4 < raised[45:].min()


@pytest.mark.slow
def test_a_still_face_is_one_neutral_keyframe(tmp_path: Path, encoded: EncodedPortrait) -> None:
    timeline = EmotionTimeline.from_video(written(tmp_path / "still.mp4", [encoded.at_rest] * 20))
    assert len(timeline) == 1
    assert timeline.is_neutral


def test_a_video_without_a_face_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "empty.mp4", [np.full((128, 128, 3), 90, np.uint8)] * 10)
    with pytest.raises(NoFaceError, match=r"empty\.mp4"):
        EmotionTimeline.from_video(path)
    with pytest.raises(MediaError, match=r"gone\.mp4"):
        EmotionTimeline.from_video(tmp_path / "gone.mp4")
    with pytest.raises(MediaError, match="no moving image"):
        EmotionTimeline.from_video(places.DEMO / "hello.flac")


def test_straight_lines_need_their_ends_alone() -> None:
    times = np.arange(11) / 5.0
    values = np.stack([np.interp(times, [0, 1, 2], [0, 1, 1]), np.zeros(11)], 1)
    assert needed_keyframes(times, values, 0.01) == [0, 5, 10]


def test_what_does_not_change_is_one_keyframe() -> None:
    assert needed_keyframes(np.arange(9.0), np.full((9, 3), 0.4), 0.05) == [0]
    assert needed_keyframes(np.zeros(1), np.full((1, 3), 0.4), 0.05) == [0]


def test_no_reading_is_farther_from_the_lines_than_allowed() -> None:
    random = np.random.default_rng(3)
    times = np.arange(80) / 6.0
    values = np.cumsum(random.normal(0, 0.05, (80, 4)), 0)
    kept = needed_keyframes(times, values, 0.1)
    lines = np.stack([np.interp(times, times[kept], curve[kept]) for curve in values.T], 1)
    assert np.abs(lines - values).max() <= 0.1 + 1e-9
    assert 2 < len(kept) < 60
