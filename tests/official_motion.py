"""The official motion generator with the parity material's pseudo-weights, built once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fixtures import fill
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.joyvasa_keys import motion_generator_from_joyvasa
from joyvasa_lib.speech.motion_generator import MotionGenerator

FIXTURES = Path(__file__).parent / "fixtures"
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
