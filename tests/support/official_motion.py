"""The official motion generator with the parity material's pseudo-weights, and a small one."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from fixtures import fill
from numpy.typing import NDArray
from torch import Tensor

import places
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.schedulers import cosine_betas
from joyvasa_lib.speech.diffusion.tables import alignment_mask, sinusoidal_table
from joyvasa_lib.speech.encoders.networks import empty_network
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.speech.published import motion_generator_from_joyvasa

FIXTURES = places.FIXTURES
ARGS = {
    "motion_feat_dim": 73, "n_motions": 100, "n_prev_motions": 10, "feature_dim": 256,
    "audio_model": "hubert_zh", "n_diff_steps": 50, "fps": 25, "pad_mode": "zero",
    "use_indicator": True, "n_layers": 6,
}  # fmt: skip
"""As the released file is said to record them; the last two have no bearing on the network."""


def parity(name: str) -> Any:
    """The arrays of a parity file."""
    return np.load(FIXTURES / "parity" / f"{name}.npz")


@cache
def manifest(name: str = "motion_generator") -> Any:
    """Keys, shapes and types of an official state dict."""
    return fill.load_manifest(FIXTURES / "manifests" / f"{name}.json")


@cache
def weights() -> dict[str, NDArray[Any]]:
    """The pseudo-weights of the whole motion generator, without computed tables."""
    return fill.fill_state_dict(manifest())


def template() -> dict[str, NDArray[Any]]:
    """The motion template of the parity material."""
    arrays = parity("windowed_generation")
    return {name[9:]: arrays[name] for name in arrays.files if name.startswith("template/")}


@cache
def official_generator() -> MotionGenerator:
    """The generator of the released size."""
    return motion_generator_from_joyvasa(weights(), ARGS, template())


def gap(found: Any, expected: Any) -> float:
    """Largest absolute difference."""
    if isinstance(found, torch.Tensor):
        found = found.detach().numpy()
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max())


SMALL_ENCODER = {
    "conv_dim": [8] * 7, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 24, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
"""A speech encoder small enough to build for every test."""

SMALL_ARGS = {"n_motions": 20, "n_prev_motions": 5, "feature_dim": 32, "motion_feat_dim": 73,
         "n_diff_steps": 50, "audio_model": "hubert"}  # fmt: skip


def small(**options: Any) -> dict[str, torch.Tensor]:
    """A file's ``model`` of a small network, with all its computed tables."""
    torch.manual_seed(0)
    settings = {
        "motion_dim": 73, "audio_dim": 16, "feature_dim": 32, "n_motions": 20,
        "n_prev_motions": 5, "n_layers": 2, "hidden_dim": 40,
    }  # fmt: skip
    denoiser = MotionDenoiser(**{**settings, **options})
    encoder = empty_network({**SMALL_ENCODER, "model_type": "hubert"})
    betas = torch.cat([torch.zeros(1), torch.from_numpy(cosine_betas(50))])
    tokens = int(denoiser.config.n_prev_motions) + int(denoiser.config.n_motions)
    mask = alignment_mask(tokens, int(denoiser.config.align_width))
    tables = {
        "denoising_net.TE.pe": sinusoidal_table(501, 32)[None],
        "denoising_net.PE.pe": sinusoidal_table(600, 32)[None],
        "denoising_net.alignment_mask": mask,
        "diffusion_sched.betas": betas,
        "diffusion_sched.alphas": 1 - betas,
        "diffusion_sched.alpha_bars": torch.cumprod(1 - betas, 0),
        "diffusion_sched.sigmas_flex": betas.sqrt(),
        "diffusion_sched.sigmas_inflex": betas.sqrt(),
    }
    return {
        **{f"audio_encoder.{key}": value for key, value in encoder.state_dict().items()},
        **denoiser.state_dict(),
        **{key: value for key, value in tables.items() if value is not None},
    }


def small_generator(**options: Any) -> MotionGenerator:
    """A generator of the official kind with four seconds' windows, quick to build and to run."""
    tensors = small(n_motions=100, **options)
    args = {**SMALL_ARGS, "n_motions": 100}
    return motion_generator_from_joyvasa(tensors, args, template(), SMALL_ENCODER)


class StoredNoise:
    """Stands in for diffusers' source of noise: the stored draws, in order."""

    def __init__(self, draws: np.ndarray) -> None:
        self.draws, self.used = draws, 0

    def __call__(self, shape: object, **options: object) -> Tensor:
        self.used += 1
        return torch.from_numpy(self.draws[self.used - 1]).reshape(shape)  # type: ignore[arg-type]
