"""The official kind of generator: in time, seamless, streamed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, UniPCMultistepScheduler
from numpy.typing import NDArray

from joyvasa_lib.errors import CheckpointError, OptionError
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.sampling import GuidedDenoiser, limit_peak
from joyvasa_lib.speech.diffusion.schedulers import make_scheduler
from joyvasa_lib.speech.diffusion.tables import sinusoidal_table
from joyvasa_lib.speech.motion_generator import MotionGenerator
from official_motion import official_generator, small_generator
from watched_windows import drawn_noise, heard_features, in_pieces

pytestmark = pytest.mark.slow

SpeechLike = Callable[..., NDArray[np.float32]]


@pytest.fixture(scope="module")
def model() -> MotionGenerator:
    return small_generator()


# By default


def test_at_the_released_size_speech_becomes_motion_of_its_length(speech_like: SpeechLike) -> None:
    model = official_generator()
    sound = speech_like(5.03)
    options = {"num_inference_steps": 2, "window_frames": 50}
    motion = model.generate(sound, **options)
    assert len(motion) == round(5.03 * 25) == model.frame_count(len(sound))
    assert (motion.space.name, motion.reference, motion.fps) == ("liveportrait-21", "absolute", 25)
    assert motion == in_pieces(model, sound, **options)


@pytest.mark.parametrize("samples", [400, 640, 64000, 64320, 130001])
def test_frames_are_the_rounded_duration(model: MotionGenerator, samples: int) -> None:
    motion = model.generate(np.full(samples, 0.01, np.float32), num_inference_steps=1)
    assert len(motion) == round(samples / 640) == model.frame_count(samples)


def test_speech_is_heard_in_its_own_frame(
    model: MotionGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    calm = rng.normal(0.0, 0.01, 64000 - 1920).astype(np.float32)
    for at in (20, 41, 60):
        clicked = calm.copy()
        clicked[at * 640 + 200 : at * 640 + 440] += rng.normal(0.0, 0.03, 240).astype(np.float32)
        features = [heard_features(model, monkeypatch, x) for x in (calm, clicked)]
        assert len(features[0]) == 97
        change = np.abs(features[1] - features[0]).mean(axis=1)
        assert int(change.argmax()) == at


def test_windows_start_from_fresh_noise(
    model: MotionGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = drawn_noise(model, monkeypatch)
    assert len(fresh) == 3
    assert not any(torch.equal(fresh[0][:, :20], other[:, :20]) for other in fresh[1:])


def test_windows_meet_without_a_jump(model: MotionGenerator, speech_like: SpeechLike) -> None:
    values = model.generate(speech_like(13.0), num_inference_steps=4).vector
    speed = np.abs(np.diff(values / values.std(axis=0), axis=0)).mean(axis=1)
    seams = [96 * k - 1 + j for k in (1, 2, 3) for j in range(6)]
    elsewhere = np.delete(speed, seams)
    assert speed[seams].max() < 1.5 * np.quantile(elsewhere, 0.99)


def test_head_motion_scales_the_change_from_the_first_frame(
    model: MotionGenerator, speech_like: SpeechLike
) -> None:
    sound = speech_like(2.0)
    full, half, still = (model.generate(sound, head_motion=gain) for gain in (1.0, 0.5, 0.0))
    pose = full.vector[:, 63:]
    np.testing.assert_allclose(half.vector[:, 63:], (pose + pose[:1]) / 2, rtol=1e-4, atol=1e-4)
    assert np.abs(still.vector[:, 63:] - pose[:1]).max() == 0.0
    np.testing.assert_array_equal(still.expression, full.expression)


def test_smoothing_the_pose_is_an_option_and_leaves_the_face_alone(
    model: MotionGenerator, speech_like: SpeechLike
) -> None:
    sound = speech_like(2.0)
    smooth, raw = (model.generate(sound, smooth_pose=on) for on in (True, False))
    np.testing.assert_array_equal(smooth.expression, raw.expression)
    jitter = [np.abs(np.diff(m.rotation, n=2, axis=0)).mean() for m in (smooth, raw)]
    assert jitter[0] < 0.3 * jitter[1]


def test_dynamic_threshold_limits_what_is_drawn(
    model: MotionGenerator, speech_like: SpeechLike
) -> None:
    sound, limit = speech_like(1.0), 0.05
    motion = model.generate(
        sound, guidance_scale=1.0, smooth_pose=False, dynamic_threshold=(1.0, limit, limit)
    )
    dropped = np.zeros((len(motion), 3), np.float32)
    channels = model.normalizer.normalize(np.concatenate([motion.vector, dropped], axis=1))
    assert np.abs(channels).max() <= limit + 1e-3
    free = model.generate(sound, guidance_scale=1.0, smooth_pose=False)
    assert np.abs(free.vector - motion.vector).max() > limit


def test_the_peak_is_a_quantile_between_its_limits() -> None:
    values = torch.linspace(-1.0, 1.0, 201).reshape(1, 3, 67)
    assert float(limit_peak(values, (0.5, 0.1, 9.0)).abs().max()) == pytest.approx(0.5, abs=1e-6)
    assert float(limit_peak(values, (0.5, 0.7, 9.0)).abs().max()) == pytest.approx(0.7)
    assert float(limit_peak(values, (0.5, 0.1, 0.2)).abs().max()) == pytest.approx(0.2)


def test_padding_is_told_to_networks_that_ask() -> None:
    for use_indicator in (True, False):
        net = small_generator(use_indicator=use_indicator).denoiser
        audio = torch.zeros(1, 6, 32)
        denoise = GuidedDenoiser(
            net, audio, net.start_motion_feat, net.start_audio_feat, 2.0, real_frames=4
        )
        if use_indicator:
            assert denoise.indicator is not None
            assert denoise.indicator.tolist() == [[1, 1, 1, 1, 0, 0]] * 2
        else:
            assert denoise.indicator is None


def test_learned_positions_are_added_like_the_sinusoidal_ones() -> None:
    torch.manual_seed(0)
    settings = {"motion_dim": 7, "audio_dim": 5, "feature_dim": 16, "n_motions": 9, "n_layers": 1,
                "n_prev_motions": 3, "hidden_dim": 16}  # fmt: skip
    fixed, learned = (MotionDenoiser(**settings, learned_positions=x).eval() for x in (False, True))
    learned.load_state_dict({**learned.state_dict(), **fixed.state_dict()})
    inputs = (torch.randn(1, 9, 7), torch.tensor([3]), torch.randn(1, 9, 16),
              torch.randn(1, 3, 7), torch.randn(1, 3, 16))  # fmt: skip
    with torch.no_grad():
        assert not torch.allclose(fixed(*inputs), learned(*inputs), atol=1e-3)
        learned.denoising_net.PE.copy_(sinusoidal_table(12, 16)[None])
        torch.testing.assert_close(fixed(*inputs), learned(*inputs))
        none = MotionDenoiser(**settings, use_positions=False).eval()
        none.load_state_dict(fixed.state_dict())
        learned.denoising_net.PE.zero_()
        torch.testing.assert_close(none(*inputs), learned(*inputs))


def test_a_network_that_predicts_noise_is_remembered_as_one(
    model: MotionGenerator, tmp_path: Path
) -> None:
    noisy = MotionGenerator(
        model.audio_encoder, model.denoiser, model.normalizer, model.betas, "epsilon"
    )
    noisy.save_pretrained(tmp_path)
    again = MotionGenerator.from_pretrained(tmp_path)
    assert again.prediction_type == "epsilon"
    sound = np.full(8000, 0.01, np.float32)
    options = {"num_inference_steps": 3}
    assert again.generate(sound, **options) == noisy.generate(sound, **options)
    assert again.generate(sound, **options) != model.generate(sound, **options)
    path = tmp_path / "scheduler" / "scheduler_config.json"
    path.write_text(path.read_text().replace('"epsilon"', '"flow"'))
    with pytest.raises(CheckpointError, match="'flow'.*sample, epsilon"):
        MotionGenerator.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "scheduler",
    [DDIMScheduler(prediction_type="sample"), DDIMScheduler(50), UniPCMultistepScheduler()],
)
def test_a_scheduler_made_for_another_model_is_refused(
    model: MotionGenerator, scheduler: object
) -> None:
    with pytest.raises(OptionError, match=r"'sample' and 50; make it with .*from_config"):
        model.check(scheduler=scheduler)


def test_a_scheduler_made_for_this_model_is_taken(model: MotionGenerator) -> None:
    config = make_scheduler("ddim", model.betas).config
    sound = np.full(8000, 0.01, np.float32)
    mine = UniPCMultistepScheduler.from_config(config, timestep_spacing="trailing")
    motion = model.generate(sound, scheduler=mine, num_inference_steps=4)
    assert motion == model.generate(sound, scheduler=mine, num_inference_steps=4)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"compat": "joyvasa"}, "no option 'compat'"),
        ({"dynamic_threshold": (0.9, 1.0)}, "three numbers.*ratio in"),
        ({"dynamic_threshold": (0.9, 1.0, 0.5)}, "lowest and highest"),
        ({"dynamic_threshold": 0.9}, "three numbers"),
    ],
)
def test_a_bad_option_is_named(
    model: MotionGenerator, options: dict[str, object], named: str
) -> None:
    with pytest.raises(OptionError, match=named):
        model.check(**options)
    with pytest.raises(OptionError, match=named):
        model.frame_count(16000, **options)
