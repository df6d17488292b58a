"""A window that grows with its speech: the same arithmetic as that of the whole, piece by piece."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.growing import GrowingWindow
from joyvasa_lib.speech.diffusion.motion_diffusion import MotionDiffusion
from joyvasa_lib.speech.diffusion.schedulers import cosine_betas
from joyvasa_lib.speech.options import GenerationOptions

FRAMES = 12
SHAPES: tuple[dict[str, Any], ...] = (
    {},
    {"blurs": (0.5, 1.0)},
    {"use_indicator": True, "align_width": 3},
    {"align_width": 0},
)


def diffusion(**options: Any) -> MotionDiffusion:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "motion_dim": 7, "audio_dim": 5, "feature_dim": 16, "n_motions": FRAMES,
        "n_prev_motions": 3, "n_layers": 2, "n_heads": 4, "hidden_dim": 24,
    }  # fmt: skip
    return MotionDiffusion(MotionDenoiser(**{**sizes, **options}).eval(), cosine_betas(50))


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Speech, previous motion, previous speech and noise of a window."""
    torch.manual_seed(1)
    return (
        torch.randn(1, FRAMES, 16),
        torch.randn(1, 3, 7),
        torch.randn(1, 3, 16),
        torch.randn(1, FRAMES, 7),
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_a_window_that_is_heard_at_once_is_that_of_the_whole(
    shape: dict[str, Any], scale: float
) -> None:
    audio, motion, heard, noise = inputs()
    drawn = diffusion(**shape)
    options = GenerationOptions(num_inference_steps=4, guidance_scale=scale)
    generator = torch.Generator().manual_seed(0)
    whole = drawn.sample(audio, motion, heard, options, generator, noise)
    window = GrowingWindow(drawn, options, motion, heard, noise, generator)
    torch.testing.assert_close(window.draw(audio, FRAMES, FRAMES, None), whole)
    assert window.left == 0


@pytest.mark.parametrize("shape", SHAPES)
@torch.inference_mode()
def test_the_newest_frames_follow_what_was_settled(shape: dict[str, Any]) -> None:
    audio, motion, heard, noise = inputs()
    drawn = diffusion(**shape)
    options = GenerationOptions(num_inference_steps=1, guidance_scale=1.0)
    window = GrowingWindow(drawn, options, motion, heard, noise, torch.Generator())
    window.draw(audio[:, :5], 5, 5, None)
    rest = window.draw(audio[:, 5:], 7, 7, None)
    other = GrowingWindow(drawn, options, motion, heard, noise, torch.Generator())
    other.draw(audio[:, :5] + 1.0, 5, 5, None)
    assert rest.shape == (1, 7, 7)
    assert (rest - other.draw(audio[:, 5:], 7, 7, None)).abs().max() > 1e-3


@torch.inference_mode()
def test_with_one_layer_and_step_growing_loses_nothing() -> None:
    """There, keys and values of the past depend on the past and on noise alone."""
    audio, motion, heard, noise = inputs()
    drawn = diffusion(n_layers=1, blurs=(0.5,))
    options = GenerationOptions(num_inference_steps=1, guidance_scale=2.0)
    whole = drawn.sample(audio, motion, heard, options, torch.Generator(), noise)
    window = GrowingWindow(drawn, options, motion, heard, noise, torch.Generator())
    window.draw(audio[:, :7], FRAMES, 5, None)
    later = [window.draw(audio[:, 5:9], 7, 2, None), window.draw(audio[:, 7:], 5, 5, None)]
    torch.testing.assert_close(later[1], whole[:, 7:])
    assert window.left == 0


def test_frames_without_speech_are_drawn_as_by_the_null_feature() -> None:
    audio, motion, heard, noise = inputs()
    drawn = diffusion()
    options = GenerationOptions(num_inference_steps=2)
    generator = torch.Generator()
    null = drawn.denoiser.null_audio_feat.detach().expand(1, 4, -1)
    speech = torch.cat([audio[:, :8], null], dim=1)
    whole = drawn.sample(speech, motion, heard, options, generator, noise)
    window = GrowingWindow(drawn, options, motion, heard, noise, generator)
    torch.testing.assert_close(window.draw(audio[:, :8], FRAMES, 3, None), whole)
    assert window.left == FRAMES - 3
