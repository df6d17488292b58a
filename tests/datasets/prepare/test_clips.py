"""From chosen frames to clips, with a motion extractor and a face follower that are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.datasets.prepare import segment_work, videos
from joyvasa_lib.datasets.prepare.checks.candidates import Candidate
from joyvasa_lib.datasets.prepare.checks.voice import lip_loudness
from joyvasa_lib.datasets.prepare.clips import calmest, channels_of, make_clips
from joyvasa_lib.datasets.prepare.face_runs import Run
from joyvasa_lib.datasets.prepare.recipe import PrepareRecipe
from joyvasa_lib.datasets.prepare.segment_work import STAGING, SegmentJob, prepare_segment
from joyvasa_lib.datasets.prepare.videos import (
    Segment,
    VideoFile,
    find_files,
    inspect_files,
    segments_of,
)
from joyvasa_lib.datasets.prepared.clips import Clip, read_clip, read_header
from joyvasa_lib.datasets.prepared.shards import decode_image, read_about
from joyvasa_lib.evaluation.track import FaceTrack, mean_face
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.media.audio import SAMPLE_RATE, Speech, load_speech
from joyvasa_lib.media.video import VideoWriter
from joyvasa_lib.motion import Motion, get_space
from joyvasa_lib.portrait.model import Portrait, PortraitModel

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 160, 128


def make_run(frames: int, fps: float, aperture: NDArray[np.float64] | None = None) -> Run:
    """A face that stands still in the middle of the image."""
    points = (mean_face() * 26.0 + np.array([80.0, 64.0, 0.0])).astype(np.float32)
    lips = np.full(frames, 0.05) if aperture is None else aperture
    track = FaceTrack(fps, lips, np.zeros(frames), np.zeros((frames, 3)))
    return Run(0, None, None, track, np.repeat(points[None], frames, 0), np.full(frames, 0.3))


class Keypoints(PortraitModel):
    """Reads from each crop how bright it is: that is the first keypoint's x and the yaw."""

    space = get_space("liveportrait-21")  # type: ignore[assignment]

    def __init__(self) -> None:
        self.brightness: list[float] = []

    def encode(self, crop: FaceCrop) -> Portrait:
        raise NotImplementedError

    def _render(self, *_: object) -> Iterator[NDArray[np.uint8]]:
        raise NotImplementedError

    def extract_motion(self, crops: Iterator[FaceCrop], fps: float) -> Motion:
        self.brightness = [float(crop.image.mean()) for crop in crops]
        values = np.array(self.brightness, np.float32)
        expression = np.zeros((len(values), 21, 3), np.float32)
        expression[:, 0, 0] = values / 1000.0
        rotation = np.zeros((len(values), 3), np.float32)
        rotation[:, 1] = values / 10.0
        return Motion.build(
            expression, space=self.space, rotation=rotation, fps=fps, reference="absolute"
        )


def clips_of(
    fps: float, frames: int, recipe: PrepareRecipe, model: PortraitModel, calm: int = 0
) -> list[Clip]:
    aperture = np.full(frames, 0.05)
    aperture[calm] = 0.0
    candidate = Candidate(make_run(frames, fps, aperture), 0, frames, 1.0)
    segment = Segment(
        VideoFile("ann/a.mp4", "f" * 16, "ann", frames / fps, fps), 3, 360.0, 9.0, True
    )
    images = (np.full((HEIGHT, WIDTH, 3), 20 + 2 * i, np.uint8) for i in range(frames))
    sound = np.arange(round(frames / fps * SAMPLE_RATE)).astype(np.int16)
    return list(make_clips(images, [candidate], sound, model, recipe, segment, None))


def test_keypoint_motion_is_stored_as_extracted_and_the_calmest_crop_comes_first() -> None:
    model = Keypoints()
    recipe = PrepareRecipe(face_hz=0.0, head_hz=0.0)
    (clip,) = clips_of(25.0, 50, recipe, model, calm=17)
    assert model.brightness[0] == pytest.approx(20 + 2 * 17, abs=1)
    assert len(model.brightness) == 51
    assert clip.values.shape == (50, 70) == (50, channels_of(model.space))
    shown = 20 + 2 * np.arange(50)
    assert clip.values[:, 0] == pytest.approx(shown / 1000.0, abs=0.0011)
    assert clip.values[:, 63] == pytest.approx(np.ones(50))
    assert clip.values[:, 68] == pytest.approx(shown / 10.0, abs=0.11)  # absolute, not centred
    assert (clip.info.start, clip.info.person) == (360.0, "ann")
    assert clip.images is None


def test_other_frame_rates_come_out_at_25_on_the_same_clock() -> None:
    for fps in (30.0, 24.0, 29.97):
        frames = round(2 * fps)
        recipe = PrepareRecipe(crop=96, face_hz=0.0, head_hz=0.0)
        (clip,) = clips_of(fps, frames, recipe, Keypoints())
        assert clip.info.frames == round(frames / fps * 25)
        assert len(clip.waveform) == 640 * clip.info.frames
        meant = 20 + 2 * np.arange(clip.info.frames) * fps / 25  # of a ramp, at i / 25 seconds
        inner = meant < 20 + 2 * (frames - 1)
        assert clip.values[inner, 0] == pytest.approx(meant[inner] / 1000.0, abs=0.0015)
        assert clip.images is not None
        ends = clip.images.ends
        starts = np.concatenate([[0], ends[:-1]])
        data = clip.images.data
        light = [decode_image(data[a:b]).mean() for a, b in zip(starts, ends, strict=True)]
        assert np.array(light)[inner] == pytest.approx(meant[inner], abs=2.0)  # one frame is 2


def test_smoothing_keeps_slow_motion_and_takes_shivering_away() -> None:
    class Shivering(Keypoints):
        def extract_motion(self, crops: Iterator[FaceCrop], fps: float) -> Motion:
            motion = super().extract_motion(crops, fps)
            rotation, number = motion.rotation.copy(), np.arange(len(motion))
            rotation[:, 0] = 3.0 * np.sin(number / 12) + (-1.0) ** number
            return replace(motion, rotation=rotation)

    (clip,) = clips_of(25.0, 80, PrepareRecipe(), Shivering())
    slow = 3.0 * np.sin(np.arange(1, 81) / 12)
    assert np.abs(clip.values[5:-5, 67] - slow[5:-5]).max() < 0.15


def test_the_calmest_frame_has_closed_lips_open_eyes_and_looks_ahead() -> None:
    rng = np.random.default_rng(0)
    track = FaceTrack(
        25.0, rng.uniform(0.05, 0.3, 60), rng.uniform(0, 1, 60), rng.uniform(-20, 20, (60, 3))
    )
    track.aperture[41], track.eyelids[41], track.rotation[41] = 0.0, 0.0, 0.0
    run = Run(0, None, None, track, make_run(60, 25.0).landmarks, np.zeros(60))
    assert calmest(Candidate(run, 0, 60, 1.0)) == 41
    assert calmest(Candidate(run, 30, 60, 1.0)) == 11


# Whole segments, with real files and real sound


@dataclass
class Setting:
    """A folder with one video, each of whose frames is one step brighter."""

    folder: Path
    waveform: NDArray[np.float32]
    video: VideoFile

    def job(self, output: Path, segment: Segment, recipe: PrepareRecipe) -> SegmentJob:
        (output / STAGING).mkdir(parents=True, exist_ok=True)
        return SegmentJob(self.folder, output, segment, recipe)


@pytest.fixture(scope="module")
def setting(
    tmp_path_factory: pytest.TempPathFactory, speech_like: Callable[..., NDArray[np.float32]]
) -> Setting:
    """Forty seconds of syllables in an irregular rhythm."""
    rng = np.random.default_rng(5)
    syllables, waveform = speech_like(60.0), np.zeros(40 * SAMPLE_RATE, np.float32)
    at = 0
    while at < len(waveform) - SAMPLE_RATE:
        size = int(rng.uniform(0.1, 0.6) * SAMPLE_RATE)
        start = int(rng.integers(0, len(syllables) - size))
        waveform[at : at + size] = syllables[start : start + size]
        at += size + int(rng.uniform(0.0, 0.4) * SAMPLE_RATE)
    folder = tmp_path_factory.mktemp("videos")
    with VideoWriter(folder / "a.mp4", (WIDTH, HEIGHT), 25, Speech(waveform)) as writer:
        for number in range(1000):
            writer.write(np.full((HEIGHT, WIDTH, 3), 30 + number % 200, np.uint8))
    ((video, _),) = inspect_files(folder, find_files(folder, pytest.fail))
    assert video is not None
    return Setting(folder, waveform, video)


RECIPE = PrepareRecipe(crop=64, min_face=30.0, face_hz=0.0, head_hz=0.0)


def test_segments_of_a_long_video_hold_their_own_frames_and_sound(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(videos, "SEGMENT_SECONDS", 10.0)
    monkeypatch.setattr(segment_work, "load_encoder", lambda name: Keypoints())

    def told(frames: Iterator[NDArray[np.uint8]], fps: float) -> tuple[list[Run], int]:
        count = sum(1 for _ in frames)
        return [make_run(count, fps)], count

    monkeypatch.setattr(segment_work, "find_runs", told)
    segments = segments_of(setting.video)
    assert len(segments) == 4
    original = load_speech(setting.folder / "a.mp4").waveform
    for segment in segments[1:3]:
        job = setting.job(tmp_path, segment, RECIPE)
        assert prepare_segment(job).clips == 1
        (info,) = read_header(job.result).clips
        clip = read_clip(job.result, info, images=True)
        assert (info.start, info.frames) == (segment.start, 250)
        first = round(info.start * SAMPLE_RATE)
        part = original[first : first + len(clip.waveform)]
        assert np.abs(clip.waveform / 32768 - part).max() < 0.01
        assert clip.images is not None
        light = decode_image(clip.images.data[: clip.images.ends[0]]).mean()
        assert light == pytest.approx(30 + round(info.start * 25) % 200, abs=2)


@pytest.mark.parametrize(("late_ms", "kept"), [(0, True), (-80, True), (400, False)])
def test_lips_that_come_late_make_a_recording_out_of_step(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late_ms: int, kept: bool
) -> None:
    monkeypatch.setattr(segment_work, "load_encoder", lambda name: Keypoints())

    def told(frames: Iterator[NDArray[np.uint8]], fps: float) -> tuple[list[Run], int]:
        count = sum(1 for _ in frames)
        loudness = lip_loudness(setting.waveform, count, fps)
        lips = 0.05 + 0.001 * np.roll(loudness - loudness.mean(), round(late_ms * fps / 1000))
        noise = np.random.default_rng(0).normal(0, lips.std(), count)
        return [make_run(count, fps, lips + noise)], count

    monkeypatch.setattr(segment_work, "find_runs", told)
    (segment,) = segments_of(setting.video)
    job = setting.job(tmp_path, segment, RECIPE)
    prepare_segment(job)
    outcomes = read_about(job.result)["verdicts"]
    if kept:
        assert {outcome["reason"] for outcome in outcomes} == {"kept"}
        (info, *_) = read_header(job.result).clips
        assert info.lag_ms == pytest.approx(late_ms, abs=30)
    else:
        assert {outcome["reason"] for outcome in outcomes} == {"out of step"}
        assert f"lips +{late_ms}"[:6] in outcomes[0]["detail"]
