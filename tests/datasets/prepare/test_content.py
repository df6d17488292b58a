"""From folders of talking videos to a training set: its content, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.datasets.prepare.outcomes import Outcome, Reason
from joyvasa_lib.datasets.prepare.prepare import Prepared, prepare_videos
from joyvasa_lib.datasets.prepared.dataset import PreparedSet
from joyvasa_lib.datasets.prepared.index import INDEX
from joyvasa_lib.errors import MediaError
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.media.video import VideoWriter
from joyvasa_lib.motion import BLENDSHAPES
from prepare_runs import FRAMES, RECIPE, SIDE, Talk

pytestmark = pytest.mark.slow


def curve(values: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    return values[:, BLENDSHAPES.index(name)]


def agreement(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    size = min(len(a), len(b))
    return float(np.corrcoef(a[:size], b[:size])[0, 1])


# What is in a set


def test_every_video_becomes_a_clip_and_one_person_is_held_out(
    made: tuple[Path, Prepared],
) -> None:
    folder, prepared = made
    found = PreparedSet(folder)
    clips = [*found.clips("train"), *found.clips("valid")]
    assert sorted(clip.video for clip in clips) == ["ann/a.mp4", "ann/b.avi", "bob/c.mkv"]
    assert {clip.person for clip in found.clips("train")} == {"ann"}
    assert {clip.person for clip in found.clips("valid")} == {"bob"}
    assert [clip.frames for clip in clips] == pytest.approx([FRAMES] * 3, abs=1)
    assert found.index.split_by == "person"
    assert prepared.clips == 3
    assert {reason: found.count for reason, found in prepared.tallies.items()} == {Reason.KEPT: 3}


def test_motion_is_the_one_that_was_rendered(made: tuple[Path, Prepared], talk: Talk) -> None:
    found = PreparedSet(made[0])
    for name in ("ann/a.mp4", "ann/b.avi"):  # at 25 and at 30 frames a second
        clip = next(clip for clip in found.clips("train") if clip.video == name)
        values = found.read(clip.name).values
        # The mesh sees half of a jaw's opening, and lips that part before the jaw as a part of it.
        assert agreement(curve(values, "jawOpen"), curve(talk.motion.blendshapes, "jawOpen")) > 0.85
        blink = agreement(
            curve(values, "eyeBlinkLeft"), curve(talk.motion.blendshapes, "eyeBlinkLeft")
        )
        assert blink > 0.85
        yaw = values[:, 57]
        assert agreement(yaw, talk.motion.rotation[:, 1]) > 0.9
        assert np.ptp(yaw) == pytest.approx(np.ptp(talk.motion.rotation[:, 1]), rel=0.5)
        assert np.median(values[:, 52:], axis=0) == pytest.approx([1, 0, 0, 0, 0, 0, 0], abs=0.4)


def test_the_sound_is_the_videos_own_and_in_step(made: tuple[Path, Prepared], talk: Talk) -> None:
    found = PreparedSet(made[0])
    for split in ("train", "valid"):
        for clip in found.clips(split):
            waveform = found.read(clip.name).waveform
            assert waveform.dtype == np.int16
            assert len(waveform) == 640 * clip.frames
            size = min(len(waveform), len(talk.waveform))
            spectrum = np.fft.rfft(waveform[:size]) * np.conj(np.fft.rfft(talk.waveform[:size]))
            lag = int(np.fft.irfft(spectrum, size).argmax())
            assert min(lag, size - lag) <= 0.003 * SAMPLE_RATE
            assert agreement(waveform, talk.waveform) > 0.9


def test_crops_stand_still_and_landmarks_lie_on_them(made: tuple[Path, Prepared]) -> None:
    found = PreparedSet(made[0])
    clip = found.clips("train")[0]
    images = np.stack([found.image(clip.name, i) for i in range(clip.frames)]).astype(float)
    assert images.shape == (clip.frames, 128, 128, 3)
    corner = images[:, :12, :12]
    assert np.abs(corner - corner.mean(axis=0)).mean() < 3.0
    landmarks = found.landmarks(clip.name)
    assert landmarks.shape == (clip.frames, 478, 3)
    face = MediaPipeFaceDetector().detect(images[0].astype(np.uint8))[0]
    distance = np.linalg.norm(landmarks[0, :, :2] - face.landmarks[:, :2], axis=1)
    assert np.median(distance) < 2.0


def test_statistics_are_those_of_the_training_clips(made: tuple[Path, Prepared]) -> None:
    from joyvasa_lib.speech.diffusion.normalizer import SMALLEST_SCALE, MotionNormalizer

    found = PreparedSet(made[0])
    values = np.concatenate([found.read(clip.name).values for clip in found.clips("train")])
    assert found.index.statistics.frames == len(values)
    assert found.index.statistics.mean == pytest.approx(values.mean(0), abs=1e-5)
    normalizer = MotionNormalizer.from_pretrained(made[0])
    assert normalizer.scale == pytest.approx(np.maximum(values.std(0), SMALLEST_SCALE), abs=1e-4)
    assert normalizer.normalize(values).mean(axis=0) == pytest.approx(np.zeros(59), abs=1e-3)


def test_the_card_and_the_report_tell_what_there_is(made: tuple[Path, Prepared]) -> None:
    folder, prepared = made
    card = (folder / "README.md").read_text("utf-8")
    assert "| train | 2 |" in card and "| valid | 1 |" in card
    assert "held out by person" in card
    lines = [json.loads(line) for line in (folder / "report.jsonl").read_text().splitlines()]
    assert [line["reason"] for line in lines] == ["kept"] * 3
    assert [Outcome.from_dict(line) for line in lines] == [
        Outcome.from_dict(outcome.to_dict()) for outcome in prepared.outcomes
    ]


# Bad data


def test_bad_videos_are_left_out_with_their_reasons(talk: Talk, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    short = talk.frames[:25]
    talk.save(videos / "good.mp4", short)
    talk.save(videos / "nobody.mp4", np.full_like(short, 90))
    talk.save(videos / "one frame.mkv", short[:1])
    noise = talk.save(videos / "noise.mp4", short[::-1])
    data = bytearray(noise.read_bytes())
    start = data.index(b"mdat") + 4
    data[start:] = np.random.default_rng(0).integers(0, 256, len(data) - start, np.uint8).tobytes()
    noise.write_bytes(data)
    with VideoWriter(videos / "mute.mp4", (SIDE, SIDE), 25) as writer:
        writer.write(short)
    silent = Talk(short, talk.motion, np.zeros(SAMPLE_RATE, np.float32))
    silent.save(videos / "silent.mp4")
    (videos / "text.mov").write_text("not a video")
    prepared = prepare_videos(videos, tmp_path / "set", RECIPE)
    reasons = {outcome.video: outcome.reason for outcome in prepared.outcomes}
    assert reasons.pop("noise.mp4") in (Reason.DAMAGED, Reason.UNREADABLE)
    assert reasons == {
        "good.mp4": Reason.KEPT,
        "nobody.mp4": Reason.NO_FACE,
        "one frame.mkv": Reason.TOO_SHORT,
        "mute.mp4": Reason.NO_SOUND,
        "silent.mp4": Reason.NO_SPEECH,
        "text.mov": Reason.UNREADABLE,
    }
    assert all(outcome.detail for outcome in prepared.outcomes if outcome.reason in (
        Reason.UNREADABLE, Reason.DAMAGED, Reason.TOO_SHORT, Reason.NO_SPEECH))  # fmt: skip
    assert prepared.notes == ("There is only one clip, so none is held out.",)


def test_nothing_usable_is_an_error_that_says_why(talk: Talk, tmp_path: Path) -> None:
    talk.save(tmp_path / "videos" / "a.mp4", np.full_like(talk.frames[:25], 90))
    with pytest.raises(MediaError, match="1 no face"):
        prepare_videos(tmp_path / "videos", tmp_path / "set", RECIPE)
    assert not (tmp_path / "set" / INDEX).exists()
    with pytest.raises(MediaError, match="1 no face"):  # known already, still an error
        prepare_videos(tmp_path / "videos", tmp_path / "set", RECIPE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="no video"):
        prepare_videos(tmp_path / "empty", tmp_path / "set 2", RECIPE)
