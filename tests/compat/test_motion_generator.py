"""Stage two as JoyVASA's published code runs it, against its numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from joyvasa_lib.compat.joyvasa.motion_generator import JoyVASAMotionGenerator
from joyvasa_lib.compat.joyvasa.windows import POSE_WEIGHT, JoyVASAStream, frame_count
from joyvasa_lib.errors import MediaError, OptionError
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.operations.smoothing import smooth_motion
from joyvasa_lib.speech.diffusion.schedulers import cosine_betas
from joyvasa_lib.speech.options import make_options
from official_motion import (
    StoredNoise,
    gap,
    official_generator,
    parity,
    small_generator,
    template,
)
from watched_windows import drawn_noise, heard_features, in_pieces

pytestmark = pytest.mark.slow

SpeechLike = Callable[..., NDArray[np.float32]]
WINDOWS = parity("windowed_generation")


@pytest.fixture(scope="module")
def small() -> JoyVASAMotionGenerator:
    return JoyVASAMotionGenerator.of(small_generator())


@pytest.fixture(scope="module")
def eight_steps() -> JoyVASAMotionGenerator:
    """The released size with the noise levels of the stored windows."""
    model = official_generator()
    parts = model.audio_encoder, model.denoiser, model.normalizer
    return JoyVASAMotionGenerator(*parts, cosine_betas(8))


def generate_stored(
    model: JoyVASAMotionGenerator,
    monkeypatch: pytest.MonkeyPatch,
    piece: int = 10**6,
    **options: object,
) -> Motion:
    """Motion of the stored sound with the stored noise."""
    monkeypatch.setattr(
        "joyvasa_lib.speech.diffusion.sampling.randn_tensor", StoredNoise(WINDOWS["x_T"][None])
    )
    monkeypatch.setattr(
        "diffusers.schedulers.scheduling_ddpm.randn_tensor", StoredNoise(WINDOWS["z"])
    )
    sound = WINDOWS["audio"]
    chunks = [sound[start : start + piece] for start in range(0, len(sound), piece)]
    settings = {"scheduler": "ddpm", "num_inference_steps": 8}
    return Motion.concatenate(list(model.stream(chunks, **settings, **options)))


def check_motion(found: Motion, case: str) -> None:
    parts = {
        "exp": found.expression,
        "scale": found.scale,
        "t": found.translation,
        "pitch": found.rotation[:, :1],
        "yaw": found.rotation[:, 1:2],
        "roll": found.rotation[:, 2:],
        "R": rotation_matrix(found.rotation),
    }
    stored = [name for name in parts if f"{case}/{name}" in WINDOWS.files]
    assert len(stored) >= 6
    ranges = template()
    for name in stored:
        spread = 2.0 if name == "R" else np.max(ranges[f"max_{name}"] - ranges[f"min_{name}"])
        assert gap(parts[name], WINDOWS[f"{case}/{name}"]) <= 1e-5 * spread, name


def test_windows_equal_the_reference_with_either_padding(
    eight_steps: JoyVASAMotionGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = generate_stored(eight_steps, monkeypatch, smooth_pose=False)
    assert (found.reference, found.space.name, len(found)) == ("absolute", "liveportrait-21", 185)
    check_motion(found, "zero")
    check_motion(found, "replicate")


def test_smoothed_windows_equal_the_reference_and_may_come_in_pieces(
    eight_steps: JoyVASAMotionGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_motion(generate_stored(eight_steps, monkeypatch, piece=3001), "zero_smooth")


class CountedWindows(JoyVASAStream):
    """Counts windows and draws none."""

    def _window(self, waveform: np.ndarray, real_frames: int) -> Motion:
        assert len(waveform) == 64000
        self._started = True
        return Motion.neutral(real_frames)


def test_lengths_equal_the_reference(small: JoyVASAMotionGenerator) -> None:
    for samples, windows, frames, last in WINDOWS["lengths"]:
        assert frame_count(int(samples)) == frames
        assert small.frame_count(int(samples)) == frames
        options = make_options()
        stream = CountedWindows(small.audio_encoder, small.diffusion, small.normalizer, options)
        motions = [*stream.push(np.zeros(samples, np.float32)), *stream.finish()]
        assert [len(motions), sum(map(len, motions)), len(motions[-1])] == [windows, frames, last]


def test_speech_is_heard_two_frames_late(
    small: JoyVASAMotionGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    calm = rng.normal(0.0, 0.01, 64000 - 1920).astype(np.float32)
    for at in (20, 41, 60):
        clicked = calm.copy()
        clicked[at * 640 + 200 : at * 640 + 440] += rng.normal(0.0, 0.03, 240).astype(np.float32)
        features = [heard_features(small, monkeypatch, x) for x in (calm, clicked)]
        assert len(features[0]) == 97 + 3
        change = np.abs(features[1] - features[0]).mean(axis=1)
        assert int(change.argmax()) == at + 2


def test_every_window_starts_from_the_same_noise(
    small: JoyVASAMotionGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = drawn_noise(small, monkeypatch)
    assert len(same) == 3
    assert all(torch.equal(same[0], other) for other in same[1:])


def test_memory_does_not_grow_with_the_speech(small: JoyVASAMotionGenerator) -> None:
    options = make_options(num_inference_steps=1)
    stream = JoyVASAStream(small.audio_encoder, small.diffusion, small.normalizer, options)
    for _ in range(6):
        for _motion in stream.push(np.full(40000, 0.01, np.float32)):
            pass
    assert len(stream._waveform) < 64000


def test_windows_may_come_in_pieces_and_repeat_with_their_seed(
    small: JoyVASAMotionGenerator, speech_like: SpeechLike
) -> None:
    sound = speech_like(9.1)
    options = {"scheduler": "ddpm", "num_inference_steps": 2, "seed": 5}
    whole = small.generate(sound, **options)
    assert len(whole) == (len(sound) + 1920) // 640
    assert whole == in_pieces(small, sound, **options)
    assert whole != small.generate(sound, **{**options, "seed": 6})


def test_smoothing_is_the_published_moving_average_across_windows(
    small: JoyVASAMotionGenerator, speech_like: SpeechLike
) -> None:
    sound = speech_like(9.1)
    smooth, raw = (
        small.generate(sound, num_inference_steps=2, smooth_pose=on) for on in (True, False)
    )
    expected = smooth_motion(raw, "ema", parts=("pose",), alpha=POSE_WEIGHT)
    assert smooth.allclose(expected, rtol=1e-5, atol=1e-4)


def test_the_head_is_left_as_drawn(small: JoyVASAMotionGenerator) -> None:
    with pytest.raises(OptionError, match=r"head_motion must be 1.*with_gains"):
        small.check(head_motion=0.5)
    with pytest.raises(OptionError, match=r"head_motion must be 1.*with_gains"):
        small.frame_count(16000, head_motion=0.5)
    for option in ({"head_limit": 5.0}, {"head_pose": (0.0, 5.0, 0.0)}):
        with pytest.raises(OptionError, match=f"leave out {next(iter(option))}, not"):
            small.check(**option)


def test_silence_of_no_length_is_refused(small: JoyVASAMotionGenerator) -> None:
    with pytest.raises(MediaError, match="empty"):
        small.generate(np.zeros(0, np.float32))
