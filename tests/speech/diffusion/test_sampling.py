"""The noise that windows begin with: lips get less of it, where there are lips."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from joyvasa_lib.motion.blendshapes import BLENDSHAPES, REGIONS
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.motion_diffusion import MotionDiffusion
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.diffusion.sampling import draw_noise, noise_spread
from joyvasa_lib.speech.diffusion.schedulers import cosine_betas

MOUTH = [BLENDSHAPES.index(name) for name in REGIONS["mouth"]]
REST = [index for index in range(59) if index not in MOUTH]


def normalizer(channels: int, layout: str) -> MotionNormalizer:
    return MotionNormalizer(np.zeros(channels, np.float32), np.ones(channels, np.float32), layout)


@pytest.fixture(scope="module")
def denoiser() -> MotionDenoiser:
    return MotionDenoiser(
        audio_dim=16, feature_dim=16, n_layers=1, n_heads=2, hidden_dim=16, n_diff_steps=50
    )


def test_lips_get_less_noise_and_the_rest_the_same(denoiser: MotionDenoiser) -> None:
    spread = noise_spread(normalizer(59, "units"))
    whole, less = (
        draw_noise(denoiser, 400, torch.Generator().manual_seed(3), torch.device("cpu"), one)
        for one in (None, spread)
    )
    assert whole.shape == (1, 400, 59)
    torch.testing.assert_close(less[..., MOUTH], 0.6 * whole[..., MOUTH])
    assert torch.equal(less[..., REST], whole[..., REST])
    assert whole[..., MOUTH].std() == pytest.approx(1.0, abs=0.03)


def test_published_models_begin_with_plain_noise() -> None:
    assert noise_spread(normalizer(70, "expression")) is None


def test_windows_of_a_diffusion_begin_with_it(denoiser: MotionDenoiser) -> None:
    quiet, plain = (
        MotionDiffusion(denoiser, cosine_betas(50), normalizer=one).initial_noise(
            30, torch.Generator().manual_seed(1)
        )
        for one in (normalizer(59, "units"), None)
    )
    torch.testing.assert_close(quiet[..., MOUTH], 0.6 * plain[..., MOUTH])
    assert torch.equal(quiet[..., REST], plain[..., REST])
