"""The denoiser: official arithmetic, and the constant cross attention that saves most of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from joyvasa_lib.errors import OptionError
from joyvasa_lib.speech.diffusion.denoiser import Attention, MotionDenoiser
from joyvasa_lib.speech.diffusion.tables import alignment_mask, sinusoidal_table


def tiny(**options: object) -> MotionDenoiser:
    torch.manual_seed(0)
    settings = {
        "motion_dim": 7, "audio_dim": 5, "feature_dim": 16, "n_motions": 12,
        "n_prev_motions": 3, "n_layers": 2, "n_heads": 4, "hidden_dim": 24,
    }  # fmt: skip
    return MotionDenoiser(**{**settings, **options}).eval()


def inputs(frames: int = 12) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(1)
    return (
        torch.randn(2, frames, 7),
        torch.tensor([1, 40]),
        torch.randn(2, frames, 16),
        torch.randn(2, 3, 7),
        torch.randn(2, 3, 16),
    )


def test_attention_equals_torch_multi_head_attention() -> None:
    torch.manual_seed(0)
    ours = Attention(16, 4, 0.0).eval()
    reference = nn.MultiheadAttention(16, 4, batch_first=True).eval()
    reference.load_state_dict(ours.state_dict())
    tokens, memory = torch.randn(2, 9, 16), torch.randn(2, 9, 16)
    mask = alignment_mask(9, 3)
    expected, _ = reference(tokens, memory, memory, attn_mask=mask)
    torch.testing.assert_close(ours(tokens, memory, mask), expected, atol=1e-6, rtol=1e-5)


def test_cross_attention_to_the_own_frame_is_a_constant_of_the_window() -> None:
    torch.manual_seed(0)
    ours = Attention(16, 4, 0.0).eval()
    reference = nn.MultiheadAttention(16, 4, batch_first=True).eval()
    reference.load_state_dict(ours.state_dict())
    memory = torch.randn(2, 9, 16)
    for seed in range(2):
        tokens = torch.randn(2, 9, 16, generator=torch.Generator().manual_seed(seed))
        expected, _ = reference(tokens, memory, memory, attn_mask=alignment_mask(9, 1))
        torch.testing.assert_close(ours.single_key(memory), expected, atol=1e-6, rtol=1e-5)


def test_the_whole_net_agrees_with_and_without_the_shortcut() -> None:
    model = tiny()
    noisy, step, audio, prev_motion, prev_audio = inputs()
    fast = model(noisy, step, audio, prev_motion, prev_audio)
    memory = torch.cat([prev_audio, audio], dim=1)
    slow = model.denoising_net(torch.cat([prev_motion, noisy], dim=1), step, memory, None)
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-4)


def test_layer_equals_torch_decoder_layer() -> None:
    model = tiny(align_width=3)
    layer = model.layers[0]
    reference = nn.TransformerDecoderLayer(
        16, 4, 24, 0.0, activation="gelu", batch_first=True, norm_first=False
    ).eval()
    reference.load_state_dict(layer.state_dict())
    tokens, memory = torch.randn(2, 9, 16), torch.randn(2, 9, 16)
    mask = alignment_mask(9, 3)
    expected = reference(tokens, memory, memory_mask=mask)
    torch.testing.assert_close(layer.attend(tokens, memory, mask), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("width", "opened"), [(1, [4]), (3, [2, 3, 4, 5, 6])])
def test_alignment_mask_opens_the_frames_around_the_own(width: int, opened: list[int]) -> None:
    mask = alignment_mask(9, width)
    assert mask is not None
    assert torch.nonzero(~mask[4]).flatten().tolist() == opened


def test_no_alignment_width_means_no_mask_and_no_constant() -> None:
    assert alignment_mask(9, 0) is None
    assert tiny(align_width=0).cross_terms(torch.zeros(1, 15, 16)) is None


def test_sinusoidal_table_has_sines_at_even_and_cosines_at_odd_columns() -> None:
    table = sinusoidal_table(50, 16)
    rate = 10000.0 ** (-4 / 16)
    np.testing.assert_allclose(table[7, 4], np.sin(7 * rate), atol=1e-6)
    np.testing.assert_allclose(table[7, 5], np.cos(7 * rate), atol=1e-6)


def test_all_frames_are_predicted_and_the_step_matters() -> None:
    model = tiny()
    noisy, step, audio, prev_motion, prev_audio = inputs()
    first = model(noisy, step, audio, prev_motion, prev_audio)
    assert first.shape == (2, 15, 7)
    assert not torch.allclose(first, model(noisy, step + 5, audio, prev_motion, prev_audio))


def test_the_indicator_reaches_the_network_when_it_was_built_with_one() -> None:
    model = tiny(use_indicator=True)
    full = model(*inputs(), indicator=torch.ones(2, 12))
    half = model(*inputs(), indicator=torch.cat([torch.ones(2, 6), torch.zeros(2, 6)], 1))
    torch.testing.assert_close(full, model(*inputs()))
    assert not torch.allclose(full, half)


def test_parameters_carry_the_official_names() -> None:
    keys = set(tiny().state_dict())
    assert {
        "start_audio_feat",
        "start_motion_feat",
        "null_audio_feat",
        "audio_feature_map.weight",
        "denoising_net.diff_step_map.2.bias",
        "denoising_net.feature_proj.weight",
        "denoising_net.transformer.layers.1.multihead_attn.in_proj_weight",
        "denoising_net.transformer.layers.0.self_attn.out_proj.bias",
        "denoising_net.motion_dec.2.weight",
    } <= keys
    assert not any("pe" in key.split(".") or "TE" in key for key in keys)


def test_blurred_motion_is_seen_beside_the_noisy_one(tmp_path: Path) -> None:
    plain, blurred = tiny(), tiny(blurs=(1.0, 3.0))
    with torch.no_grad():
        for name, value in plain.state_dict().items():
            own = blurred.state_dict()[name]
            if name == "denoising_net.feature_proj.weight":
                own.zero_()
                own[:, : value.shape[1]] = value
            else:
                own.copy_(value)
    given = inputs()
    torch.testing.assert_close(blurred(*given), plain(*given))  # the copies stand behind
    with torch.no_grad():
        blurred.denoising_net.feature_proj.weight.normal_()
    blurred.save_pretrained(tmp_path)
    again = MotionDenoiser.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(again(*given), blurred(*given))
    assert not torch.allclose(blurred(*given), plain(*given))


def test_a_blur_keeps_what_is_slow_and_takes_away_noise() -> None:
    denoiser, frames = tiny(blurs=(2.0, 6.0)), torch.arange(200.0)
    slow = torch.stack([torch.cos(0.05 * frames + phase) for phase in range(7)], dim=1)[None]
    noise = torch.randn(1, 200, 7, generator=torch.Generator().manual_seed(0))
    for motion, kept in ((slow, 1.0), (noise, 0.0)):
        seen = denoiser.with_blurred(motion).reshape(1, 200, 3, 7)
        assert torch.equal(seen[:, :, 0], motion)
        spread = seen[0, 20:-20].std(dim=(0, 2)) / motion[0, 20:-20].std()
        assert abs(spread[1] - kept) < (0.02 if kept else 0.45)
        assert abs(spread[2] - kept) < (0.07 if kept else 0.3)


@pytest.mark.parametrize("blurs", [(0.0,), (2.0, -1.0), (float("nan"),), (1e9,)])
def test_an_impossible_blur_is_refused_before_anything_is_built(blurs: tuple[float, ...]) -> None:
    with pytest.raises(OptionError, match="at most 50 frames"):
        tiny(blurs=blurs)
