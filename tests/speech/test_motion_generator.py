"""The motion generator: lengths, seeds, guidance, seams, streams and bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import places
from joyvasa_lib.errors import CheckpointError, MediaError, OptionError
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.diffusion.schedulers import cosine_betas, make_scheduler, noisy_timesteps
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.speech.encoders.compact_wav2vec2 import CompactWav2Vec2Config, CompactWav2Vec2Model
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.speech.options import GenerationKwargs, GenerationOptions, make_options

pytestmark = pytest.mark.slow

SpeechLike = Callable[..., NDArray[np.float32]]
PARITY = places.PARITY


@pytest.fixture(scope="module")
def model() -> MotionGenerator:
    torch.manual_seed(0)
    config = CompactWav2Vec2Config(
        mel_bands=40, conv_dim=(16,) * 7, hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=24, num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    denoiser = MotionDenoiser(
        audio_dim=16, feature_dim=16, n_layers=1, n_heads=2, hidden_dim=16, n_diff_steps=50
    )
    offset = np.zeros(59, np.float32)
    offset[:52], offset[52] = 0.3, 1.0
    normalizer = MotionNormalizer(offset, np.full(59, 0.1, np.float32))
    encoder = AudioEncoder(CompactWav2Vec2Model(config))
    return MotionGenerator(encoder, denoiser, normalizer, cosine_betas(50))


def same(a: Motion, b: Motion) -> bool:
    return a.vector.tobytes() == b.vector.tobytes()


@pytest.mark.parametrize("samples", [400, 640, 8000, 64000, 64320, 67000, 130001])
def test_frames_are_the_rounded_duration_at_25_fps(model: MotionGenerator, samples: int) -> None:
    motion = model.generate(np.full(samples, 0.01, np.float32), num_inference_steps=2)
    assert len(motion) == round(samples / 16000 * 25)
    assert motion.fps == 25.0
    assert motion.space == model.space


def test_the_same_seed_gives_the_same_bytes(
    model: MotionGenerator, speech_like: SpeechLike
) -> None:
    waveform = speech_like(5.0)
    for scheduler in ("ddim", "ddpm", "dpmsolver++"):
        options = {"seed": 3, "scheduler": scheduler, "num_inference_steps": 4}
        assert same(model.generate(waveform, **options), model.generate(waveform, **options))


def test_different_seeds_differ(model: MotionGenerator, speech_like: SpeechLike) -> None:
    waveform = speech_like(2.0)
    assert not same(model.generate(waveform, seed=0), model.generate(waveform, seed=1))


def test_the_state_of_the_global_generator_does_not_matter(
    model: MotionGenerator, speech_like: SpeechLike
) -> None:
    waveform = speech_like(2.0)
    first = model.generate(waveform, scheduler="ddpm", num_inference_steps=3)
    torch.manual_seed(99)
    assert same(first, model.generate(waveform, scheduler="ddpm", num_inference_steps=3))


@pytest.mark.parametrize("window_frames", [100, 25])
def test_a_stream_equals_the_whole(
    model: MotionGenerator, speech_like: SpeechLike, window_frames: int
) -> None:
    waveform = speech_like(9.1)
    options = {"num_inference_steps": 2, "window_frames": window_frames}
    whole = model.generate(waveform, **options)
    pieces = [waveform[start : start + 1234] for start in range(0, len(waveform), 1234)]
    parts = list(model.stream(pieces, **options))
    assert len(parts) > 1
    assert same(whole, Motion.concatenate(parts))


def test_a_stream_answers_before_the_speech_has_ended(
    model: MotionGenerator, speech_like: SpeechLike
) -> None:
    waveform = speech_like(6.0)
    heard = 0

    def microphone():
        nonlocal heard
        for start in range(0, len(waveform), 1600):
            heard = start + 1600
            yield waveform[start : start + 1600]

    next(model.stream(microphone(), num_inference_steps=1, window_frames=25))
    assert heard <= 2.2 * 16000


def test_memory_of_a_stream_is_bounded(model: MotionGenerator) -> None:
    from joyvasa_lib.speech.streaming import MotionStream

    options = make_options(num_inference_steps=1)
    stream = MotionStream(model.audio_encoder, model.diffusion, model.normalizer, options)
    for _ in range(12):
        for _motion in stream.push(np.full(32000, 0.01, np.float32)):
            pass
    assert len(stream._features._waveform) <= 10 * 16000
    assert stream._waiting.shape[1] <= 200


def test_windows_meet_without_a_jump(model: MotionGenerator, speech_like: SpeechLike) -> None:
    values = model.generate(speech_like(20.0), num_inference_steps=10).vector
    speed = np.abs(np.diff(values, axis=0)).mean(axis=1)
    seams = [96 * k - 1 + j for k in (1, 2, 3, 4) for j in range(6)]
    elsewhere = np.delete(speed, seams)
    assert speed[seams].max() < 2.5 * np.quantile(elsewhere, 0.99)


def test_guidance_one_is_the_conditional_prediction(
    model: MotionGenerator, speech_like: SpeechLike
) -> None:
    waveform = speech_like(2.0)
    plain = model.generate(waveform, guidance_scale=1.0)
    nearly = model.generate(waveform, guidance_scale=1.0 + 1e-6)
    np.testing.assert_allclose(plain.vector, nearly.vector, atol=1e-4)


def test_guidance_zero_ignores_the_speech(model: MotionGenerator, speech_like: SpeechLike) -> None:
    a = model.generate(speech_like(2.0, seed=0), guidance_scale=0.0)
    b = model.generate(speech_like(2.0, seed=1), guidance_scale=0.0)
    np.testing.assert_allclose(a.vector, b.vector, atol=1e-5)


def test_the_speech_matters(model: MotionGenerator, speech_like: SpeechLike) -> None:
    a = model.generate(speech_like(2.0, seed=0))
    b = model.generate(speech_like(2.0, seed=1))
    assert not np.allclose(a.vector, b.vector, atol=1e-3)


def test_head_motion_zero_keeps_the_head_still_and_the_face_alive(
    model: MotionGenerator, speech_like: SpeechLike
) -> None:
    motion = model.generate(speech_like(2.0), head_motion=0.0)
    assert np.all(motion.rotation == 0.0)
    assert np.all(motion.translation == 0.0)
    assert np.all(motion.scale == 1.0)
    assert motion.blendshapes.std() > 0.0


def test_rotation_and_blendshapes_stay_within_what_an_image_can_show(
    model: MotionGenerator, speech_like: SpeechLike
) -> None:
    wild = MotionGenerator(
        model.audio_encoder,
        model.denoiser,
        MotionNormalizer(model.normalizer.offset, np.full(59, 40.0, np.float32)),
        model.betas,
    )
    motion = wild.generate(speech_like(2.0))
    assert np.abs(motion.rotation[:, 1]).max() <= 12.0
    assert np.abs(motion.rotation[:, 0]).max() <= 8.0
    assert motion.blendshapes.max() <= 1.1 + 1e-3


def test_saving_and_loading_changes_nothing(
    model: MotionGenerator, speech_like: SpeechLike, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path)
    again = MotionGenerator.from_pretrained(tmp_path)
    waveform = speech_like(1.0)
    assert same(model.generate(waveform), again.generate(waveform))


def test_half_precision_files_load_as_float32(model: MotionGenerator, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path, torch.float16)
    again = MotionGenerator.from_pretrained(tmp_path)
    assert next(again.denoiser.parameters()).dtype == torch.float32
    assert next(again.audio_encoder.parameters()).dtype == torch.float32


def test_diffusers_itself_reads_the_denoiser(model: MotionGenerator, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    again = MotionDenoiser.from_pretrained(tmp_path / "denoiser", low_cpu_mem_usage=False)
    assert torch.equal(again.null_audio_feat, model.denoiser.null_audio_feat)


def test_a_missing_part_is_named(model: MotionGenerator, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    (tmp_path / "normalizer" / "normalizer.json").unlink()
    with pytest.raises(CheckpointError, match="normalizer"):
        MotionGenerator.from_pretrained(tmp_path)


@pytest.mark.parametrize("key", ["offset", "scale"])
@pytest.mark.parametrize("value", [1.0, [], [[1.0, 2.0]], [1.0, [2.0]], None, "1"])
def test_a_normalizer_of_another_shape_is_refused(
    model: MotionGenerator, tmp_path: Path, key: str, value: object
) -> None:
    file = tmp_path / "normalizer.json"
    model.normalizer.save_pretrained(tmp_path)
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises(CheckpointError, match="normalizer"):
        MotionNormalizer.from_pretrained(tmp_path)


def test_a_scheduler_of_diffusers_can_be_given(
    model: MotionGenerator, speech_like: SpeechLike
) -> None:
    waveform = speech_like(1.0)
    given = make_scheduler("ddim", model.betas)
    assert same(
        model.generate(waveform, scheduler=given), model.generate(waveform, scheduler="ddim")
    )


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"scheduler": "euler-something"}, "'ddim', 'ddpm', 'dpmsolver"),
        ({"num_inference_steps": 0}, "num_inference_steps"),
        ({"num_inference_steps": 51}, "at most 50"),
        ({"guidance_scale": -1.0}, "guidance_scale"),
        ({"guidance_scale": float("nan")}, "guidance_scale"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"num_inference_steps": 2.5}, "num_inference_steps must be a whole number"),
        ({"window_frames": 30.5}, "window_frames must be a whole number"),
        ({"window_frames": 101}, "window_frames.*from 12 to 100"),
        ({"smooth_pose": "no"}, "smooth_pose"),
        ({"options": {"seed": 1}}, "must be GenerationOptions"),
        ({"head_motion": "much"}, "much"),
        ({"temperature": 1.0}, "temperature"),
        ({"blinks": "often"}, "blinks.*'placed', 'model'"),
        ({"gaze": "aside"}, "gaze.*'placed', 'model'"),
        ({"scheduler": 3}, "not a diffusers scheduler"),
    ],
)
def test_a_bad_option_is_named(
    model: MotionGenerator, options: dict[str, object], named: str
) -> None:
    with pytest.raises(OptionError, match=named):
        model.generate(np.zeros(16000, np.float32), **options)


def test_a_stream_checks_its_options_before_it_reads_speech(model: MotionGenerator) -> None:
    def never():
        raise AssertionError("speech was read")
        yield

    with pytest.raises(OptionError, match="at most 50"):
        model.stream(never(), num_inference_steps=51)


def test_keyword_arguments_are_the_fields_of_the_options_and_change_given_ones() -> None:
    assert list(GenerationKwargs.__annotations__) == [f.name for f in fields(GenerationOptions)]
    given = GenerationOptions(seed=np.int64(4), head_motion=2)
    assert make_options(given) is given
    assert make_options(given, seed=5) == GenerationOptions(seed=5, head_motion=2.0)
    assert type(given.seed) is int


def test_options_and_keyword_arguments_mean_the_same(
    model: MotionGenerator, speech_like: SpeechLike
) -> None:
    waveform = speech_like(1.0)
    given = GenerationOptions(seed=3, num_inference_steps=2)
    assert same(
        model.generate(waveform, given), model.generate(waveform, seed=3, num_inference_steps=2)
    )


@pytest.mark.parametrize(
    ("waveform", "named"),
    [
        (np.zeros(0, np.float32), "empty"),
        (np.zeros(200, np.float32), "shorter"),
        (np.full(16000, np.nan, np.float32), "finite"),
        (np.zeros((2, 16000), np.float32), "one row"),
    ],
)
def test_bad_speech_is_explained(
    model: MotionGenerator, waveform: NDArray[np.float32], named: str
) -> None:
    with pytest.raises(MediaError, match=named):
        model.generate(waveform)


@pytest.mark.parametrize("steps", [1, 2, 6, 10, 49, 50])
def test_steps_are_dense_where_there_is_most_noise(steps: int) -> None:
    taken = noisy_timesteps(steps, 50)
    apart = -np.diff([*taken, -1])
    assert (len(taken), taken[0]) == (steps, 49)
    assert (apart > 0).all() and apart.sum() == 50
    if 2 < steps < 50:
        assert (apart[: steps // 2] <= apart[-1]).all()
    if steps == 10:
        assert taken[4] > 40  # half of the steps in a fifth of the timesteps


def test_ddpm_steps_follow_the_posterior_of_the_specification() -> None:
    steps = 8
    table = {
        name: np.load(PARITY / "diffusion_schedules.npz")[f"cosine/{steps}/{name}"]
        for name in ("betas", "alphas", "alpha_bars", "sigmas_inflex")
    }
    scheduler = make_scheduler("ddpm", cosine_betas(steps))
    scheduler.set_timesteps(steps)
    sample = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0))
    for time in scheduler.timesteps:
        clean = torch.tanh(sample)
        t = int(time) + 1
        noise = torch.randn(sample.shape, generator=torch.Generator().manual_seed(t))
        rest = 1.0 - table["alpha_bars"][t]
        c0 = (1.0 - table["alpha_bars"][t - 1]) * np.sqrt(table["alphas"][t]) / rest
        c1 = (1.0 - table["alphas"][t]) * np.sqrt(table["alpha_bars"][t - 1]) / rest
        expected = c0 * sample + c1 * clean + table["sigmas_inflex"][t] * noise * (t > 1)
        sample = scheduler.step(
            clean, time, sample, generator=torch.Generator().manual_seed(t)
        ).prev_sample
        torch.testing.assert_close(sample, expected.float(), atol=1e-4, rtol=1e-4)


def test_the_normalizer_undoes_itself() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 59)).astype(np.float32)
    normalizer = MotionNormalizer.fit(values)
    channels = normalizer.normalize(values)
    np.testing.assert_allclose(channels.std(axis=0), 1.0, atol=1e-3)
    np.testing.assert_allclose(normalizer.denormalize(channels), values, atol=1e-5)


def test_a_motion_is_recovered_from_its_channels() -> None:
    rng = np.random.default_rng(0)
    normalizer = MotionNormalizer.fit(rng.uniform(size=(40, 59)).astype(np.float32))
    motion = normalizer.to_motion(rng.uniform(0, 1, size=(5, 59)).astype(np.float32))
    again = normalizer.to_motion(normalizer.denormalize(normalizer.to_model(motion)))
    np.testing.assert_allclose(again.vector, motion.vector, atol=2e-3)
    assert motion.blendshapes.shape == (5, len(BLENDSHAPES))


def test_the_models_own_blinks_can_be_kept(model: MotionGenerator, speech_like: SpeechLike) -> None:
    placed = model.generate(speech_like(4.0)).blendshapes
    own = model.generate(speech_like(4.0), blinks="model").blendshapes
    lids = [BLENDSHAPES.index("eyeBlinkLeft"), BLENDSHAPES.index("eyeBlinkRight")]
    others = np.delete(np.arange(52), lids)
    np.testing.assert_allclose(placed[:, others], own[:, others], atol=2e-2)
    assert np.abs(placed[:, lids] - own[:, lids]).max() > 0.3


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "3",
        '{"trained_betas": 1}',
        '{"trained_betas": [0.1, [0.2]], "prediction_type": "sample"}',
        '{"trained_betas": {"a": 1}, "prediction_type": "sample"}',
        '{"trained_betas": ["x"], "prediction_type": "sample"}',
    ],
)
def test_a_scheduler_file_without_usable_numbers_is_refused(
    model: MotionGenerator, tmp_path: Path, content: str
) -> None:
    model.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "scheduler" / "scheduler_config.json").write_text(content)
    with pytest.raises(CheckpointError, match="No usable scheduler"):
        MotionGenerator.from_pretrained(tmp_path / "model")
