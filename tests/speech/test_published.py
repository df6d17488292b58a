"""JoyVASA's published motion generator: dimensions from shapes, strict keys, both spellings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from joyvasa_lib.errors import CheckpointError, MotionError
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import LIVEPORTRAIT_21
from joyvasa_lib.speech.diffusion.schedulers import cosine_betas, noise_betas
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.speech.published import motion_generator_from_joyvasa, normalizer_from_template
from official_motion import (
    ARGS,
    SMALL_ARGS,
    SMALL_ENCODER,
    manifest,
    official_generator,
    small,
    template,
    weights,
)

pytestmark = pytest.mark.slow


def build(tensors: dict[str, Any], **args: Any) -> MotionGenerator:
    return motion_generator_from_joyvasa(tensors, {**SMALL_ARGS, **args}, template(), SMALL_ENCODER)


# The released size


def test_the_released_manifest_gives_the_released_dimensions() -> None:
    config = official_generator().denoiser.config
    expected = {
        "motion_dim": 73, "audio_dim": 768, "feature_dim": 256, "n_motions": 100,
        "n_prev_motions": 10, "n_layers": 8, "n_heads": 8, "hidden_dim": 1024,
        "n_diff_steps": 50, "align_width": 1, "use_indicator": False,
    }  # fmt: skip
    assert {name: config[name] for name in expected} == expected
    np.testing.assert_array_equal(official_generator().betas, cosine_betas(50))
    assert official_generator().prediction_type == "sample"


def test_every_published_number_is_where_it_belongs() -> None:
    model = official_generator()
    loaded = {
        **{f"audio_encoder.{k}": v for k, v in model.audio_encoder.network.state_dict().items()},
        **model.denoiser.state_dict(),
    }
    published = weights()
    assert loaded.keys() == published.keys()
    assert all(np.array_equal(loaded[key].numpy(), published[key]) for key in published)
    assert all(value.dtype == torch.float32 for value in loaded.values())


def test_saving_and_loading_keeps_every_bit_and_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = official_generator()
    model.save_pretrained(tmp_path)
    again = MotionGenerator.from_pretrained(tmp_path)
    assert capfd.readouterr() == ("", "")
    for part in ("audio_encoder", "denoiser"):
        before, after = (getattr(m, part).state_dict() for m in (model, again))
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)
    for field in ("offset", "scale"):
        before, after = (getattr(m.normalizer, field) for m in (model, again))
        assert before.tobytes() == after.tobytes()
    assert again.normalizer.reference == "absolute"
    assert again.betas.tobytes() == model.betas.tobytes()
    before, after = (
        {key: value for key, value in m.denoiser.config.items() if not key.startswith("_")}
        for m in (model, again)
    )
    assert before == after
    assert again.audio_encoder.hears_samples
    sound = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    options = {"num_inference_steps": 1, "guidance_scale": 1.0}
    assert again.generate(sound, **options) == model.generate(sound, **options)


def test_the_manifest_has_no_key_that_is_neither_loaded_nor_computed() -> None:
    computed = {key for key, _, _ in manifest()} - weights().keys()
    assert computed == {
        "denoising_net.TE.pe", "denoising_net.PE.pe", "denoising_net.alignment_mask",
        "diffusion_sched.betas", "diffusion_sched.alphas", "diffusion_sched.alpha_bars",
        "diffusion_sched.sigmas_flex", "diffusion_sched.sigmas_inflex",
    }  # fmt: skip


# Strictness


def test_everything_that_does_not_fit_is_named_at_once() -> None:
    tensors = small()
    gone = ["null_audio_feat", "audio_encoder.encoder.layers.0.layer_norm.weight"]
    for key in gone:
        del tensors[key]
    tensors["denoising_net.extra.weight"] = torch.zeros(2)
    tensors["diffusion_sched.gammas"] = torch.zeros(2)
    tensors["denoising_net.motion_dec.0.bias"] = torch.zeros(7)
    with pytest.raises(CheckpointError) as error:
        build(tensors)
    message = str(error.value)
    assert all(key in message.partition("unexpected")[0] for key in gone)
    assert "2 unexpected: denoising_net.extra.weight, diffusion_sched.gammas" in message
    assert "denoising_net.motion_dec.0.bias (7,) instead of (16,)" in message
    assert len(re.findall(r"audio_encoder\.|denoising_net\.", message)) == 3


def test_a_state_dict_of_something_else_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"missing: .*start_audio_feat.*1 unexpected: conv"):
        build({"conv": torch.zeros(3)})


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ({"motion_feat_dim": 70}, "motion_feat_dim is 70 in args, but start_motion_feat says 73"),
        ({"n_prev_motions": 25}, "n_prev_motions is 25 in args, but start_audio_feat says 5"),
        ({"feature_dim": 512}, "feature_dim is 512 .*feature_proj.weight says 32"),
        ({"n_motions": 100}, "n_motions is 100 .*alignment_mask says 20"),
        ({"n_diff_steps": 500}, "n_diff_steps is 500 .*diffusion_sched.betas says 50"),
        ({"fps": 30}, "fps is 30"),
        ({"feature_dim": "wide"}, "feature_dim is 'wide' in args, which is no number"),
        ({"n_diff_steps": 10**9}, "n_diff_steps is 1000000000 in args, which is no number"),
        ({"audio_model": "whisper"}, "'whisper'.*hubert_zh_ori"),
    ],
)
def test_args_that_contradict_the_tensors_are_refused_by_name(
    args: dict[str, Any], named: str
) -> None:
    with pytest.raises(CheckpointError, match=named):
        build(small(), **args)


def test_args_without_bearing_are_not_looked_at() -> None:
    model = build(small(), n_layers=6, use_indicator=True, n_heads=4, audio_model=None, fps=None)
    assert model.denoiser.config.n_layers == 2
    assert not model.denoiser.config.use_indicator


def test_missing_args_are_taken_from_the_shapes() -> None:
    model = motion_generator_from_joyvasa(small(), {}, template(), SMALL_ENCODER)
    assert (model.denoiser.config.n_motions, len(model.betas)) == (20, 50)


def test_steps_that_nothing_tells_are_asked_for() -> None:
    tensors = {key: v for key, v in small().items() if not key.startswith("diffusion_sched.")}
    assert len(build(tensors, n_diff_steps=500).betas) == 500
    with pytest.raises(CheckpointError, match="n_diff_steps"):
        build(tensors, n_diff_steps=None)


def test_numbers_that_are_not_finite_are_named() -> None:
    tensors = small()
    tensors["denoising_net.motion_dec.2.bias"] = torch.full((73,), torch.nan)
    with pytest.raises(CheckpointError, match=r"not finite, in denoising_net\.motion_dec\.2\.bias"):
        build(tensors)


def test_what_is_no_tensor_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"no tensors.*null_audio_feat"):
        build({**small(), "null_audio_feat": "nothing"})
    with pytest.raises(CheckpointError, match=r"no tensors.*null_audio_feat"):
        build({**small(), "null_audio_feat": np.array([None])})


def test_a_gap_in_the_layers_is_named() -> None:
    tensors = {
        key.replace("layers.1.", "layers.7.") if key.startswith("denoising_net") else key: value
        for key, value in small().items()
    }
    with pytest.raises(
        CheckpointError, match=r"18 missing: .*layers\.1\..*18 unexpected: .*s\.7\."
    ):
        build(tensors)


# Spellings and variants


@pytest.mark.parametrize("prefix", ["", "module."])
def test_both_spellings_of_weight_norm_are_read(prefix: str) -> None:
    tensors = small()
    older = {
        prefix
        + key.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for key, value in tensors.items()
    }
    assert f"{prefix}audio_encoder.encoder.pos_conv_embed.conv.weight_g" in older
    new, old = (build(t).audio_encoder.network.state_dict() for t in (tensors, older))
    assert all(torch.equal(new[key], old[key]) for key in new)


def test_a_weight_in_both_spellings_is_refused() -> None:
    tensors = small()
    name = "audio_encoder.encoder.pos_conv_embed.conv."
    tensors[name + "weight_g"] = tensors[name + "parametrizations.weight.original0"]
    with pytest.raises(CheckpointError, match=r"1 unexpected: .*conv\.weight_g"):
        build(tensors)


def test_half_precision_and_arrays_are_read_as_float32() -> None:
    halves = {
        key: value.half().numpy() if value.is_floating_point() and "." in key else value
        for key, value in small().items()
    }
    assert next(build(halves).denoiser.denoising_net.parameters()).dtype == torch.float32


def test_the_given_tensors_are_not_shared() -> None:
    tensors = small()
    model = build(tensors)
    tensors["null_audio_feat"].zero_()
    tensors["audio_encoder.encoder.layer_norm.weight"].zero_()
    assert model.denoiser.null_audio_feat.abs().min() > 0
    assert model.audio_encoder.network.encoder.layer_norm.weight.abs().min() > 0


@pytest.mark.parametrize("model", ["wav2vec2", "hubert", "hubert_zh", "hubert_zh_ori"])
def test_the_args_choose_the_speech_network(model: str) -> None:
    network = build(small(), audio_model=model).audio_encoder.network
    assert network.config.model_type == ("wav2vec2" if model == "wav2vec2" else "hubert")


def test_a_configuration_of_the_other_speech_network_is_refused() -> None:
    config = {**SMALL_ENCODER, "model_type": "wav2vec2"}
    with pytest.raises(CheckpointError, match="wav2vec2"):
        motion_generator_from_joyvasa(small(), SMALL_ARGS, template(), config)


def test_an_indicator_channel_is_seen_in_the_weights() -> None:
    assert build(small(use_indicator=True)).denoiser.config.use_indicator


@pytest.mark.parametrize("width", [1, 3])
def test_the_mask_tells_the_alignment_width(width: int) -> None:
    assert build(small(align_width=width)).denoiser.config.align_width == width


def test_learned_positions_are_read_where_there_is_one_for_each_token() -> None:
    tensors = small(learned_positions=True)
    del tensors["denoising_net.PE.pe"]
    model = build(tensors)
    assert torch.equal(model.denoiser.denoising_net.PE, tensors["denoising_net.PE"])
    tensors["denoising_net.PE"] = torch.zeros(1, 26, 32)
    with pytest.raises(CheckpointError, match=r"PE \(1, 26, 32\) instead of \(1, 25, 32\)"):
        build(tensors)


@pytest.mark.parametrize(
    "key", ["denoising_net.TE.pe", "denoising_net.PE.pe", "denoising_net.alignment_mask"]
)
def test_a_computed_table_with_other_numbers_is_refused(key: str) -> None:
    tensors = small()
    tensors[key] = ~tensors[key] if tensors[key].dtype == torch.bool else tensors[key].flip(-1)
    with pytest.raises(CheckpointError, match=re.escape(key)):
        build(tensors)


def test_the_files_own_betas_are_used() -> None:
    tensors = small()
    betas = torch.cat([torch.zeros(1), torch.from_numpy(noise_betas("linear", 50))])
    tensors["diffusion_sched.betas"] = betas
    with pytest.raises(CheckpointError, match="alpha_bars does not follow"):
        build(tensors)
    tensors["diffusion_sched.alpha_bars"] = torch.cumprod(1 - betas, 0)
    np.testing.assert_array_equal(build(tensors).betas, betas[1:])
    tensors["diffusion_sched.betas"] = betas + 1
    with pytest.raises(CheckpointError, match="between 0 and 1"):
        build(tensors)


# The template


def test_the_template_is_an_affine_map() -> None:
    stored = template()
    normalizer = normalizer_from_template(stored, 73)
    values = normalizer.denormalize(np.full((1, 73), 0.5, np.float32))[0]
    np.testing.assert_allclose(values[:63], stored["mean_exp"] + 0.5 * stored["std_exp"], 1e-6)
    pose = [(stored[f"min_{n}"] + stored[f"max_{n}"]) / 2 for n in ("scale", "t", "pitch", "yaw")]
    np.testing.assert_allclose(values[63:69], np.concatenate(pose), rtol=1e-5)
    assert (values[70:] == 0.5).all()
    motion = normalizer.to_motion(values[None])
    assert (motion.reference, motion.space) == ("absolute", LIVEPORTRAIT_21)
    np.testing.assert_array_equal(motion.vector[0], values[:70])


def test_a_motion_survives_the_way_through_the_template() -> None:
    normalizer = normalizer_from_template(template(), 70)
    rng = np.random.default_rng(0)
    motion = normalizer.to_motion(
        normalizer.denormalize(rng.uniform(size=(5, 70)).astype(np.float32))
    )
    again = normalizer.denormalize(normalizer.to_model(motion))
    np.testing.assert_allclose(again, motion.vector, atol=1e-4)
    relative = Motion.from_vector(motion.vector, space=LIVEPORTRAIT_21)
    with pytest.raises(MotionError, match="absolute"):
        normalizer.to_model(relative)


def test_a_constant_channel_of_the_template_does_not_divide_by_zero() -> None:
    stored = {**template(), "max_roll": template()["min_roll"]}
    normalizer = normalizer_from_template(stored, 70)
    motion = normalizer.to_motion(normalizer.denormalize(np.zeros((1, 70), np.float32)))
    assert np.isfinite(normalizer.to_model(motion)).all()


def test_an_unusable_template_is_explained() -> None:
    stored = template()
    short = {key: value for key, value in stored.items() if "pitch" not in key}
    with pytest.raises(CheckpointError, match=r"no min_pitch, max_pitch"):
        normalizer_from_template(short, 73)
    with pytest.raises(CheckpointError, match=r"mean_exp .*63.*62"):
        normalizer_from_template({**stored, "mean_exp": stored["mean_exp"][:62]}, 73)
    with pytest.raises(CheckpointError, match=r"std_exp .*finite"):
        normalizer_from_template({**stored, "std_exp": np.full(63, np.nan)}, 73)
    with pytest.raises(CheckpointError, match=r"spread of scale is negative"):
        normalizer_from_template({**stored, "max_scale": stored["min_scale"] - 1}, 73)
    with pytest.raises(CheckpointError, match="60 motion channels"):
        normalizer_from_template(stored, 60)


def test_the_released_args_are_accepted_as_recorded() -> None:
    assert ARGS["n_layers"] == 6
    assert official_generator().denoiser.config.n_layers == 8
