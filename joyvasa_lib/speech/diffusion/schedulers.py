"""Which diffusers scheduler runs the denoiser, and the betas it runs on.

The schedulers are those of diffusers: a name selects the class; betas and what the network predicts
come from the checkpoint's configuration.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.checks import checked_choice

SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {"timestep_spacing": "trailing", "set_alpha_to_one": True}),
    "ddpm": ("DDPMScheduler", {"timestep_spacing": "trailing", "variance_type": "fixed_small"}),
    "dpmsolver++": (
        "DPMSolverMultistepScheduler",
        {
            "timestep_spacing": "trailing",
            "algorithm_type": "dpmsolver++",
            "solver_order": 2,
            "final_sigmas_type": "zero",
        },
    ),
}
"""Names of the options, the class in diffusers, and its settings beside the betas."""

PREDICTIONS = ("sample", "epsilon")
"""What a network may predict: clean motion, as the released one, or the noise."""

SMALLEST_BETA, LARGEST_BETA = 1e-4, 0.02
_TOWARDS_NOISE = 2.5
"""Power of the steps' distances from pure noise; 1 would be even steps. From 2.0 to 3.0 the head
moves alike."""


def _linear(steps: int) -> Tensor:
    return torch.linspace(SMALLEST_BETA, LARGEST_BETA, steps)


def _quadratic(steps: int) -> Tensor:
    return torch.linspace(SMALLEST_BETA**0.5, LARGEST_BETA**0.5, steps) ** 2


def _sigmoid(steps: int) -> Tensor:
    ramp = torch.sigmoid(torch.linspace(-5, 5, steps))
    return ramp * (LARGEST_BETA - SMALLEST_BETA) + SMALLEST_BETA


def _cosine(steps: int) -> Tensor:
    progress = torch.linspace(0, steps, steps + 1) / steps
    alpha_bar = torch.cos((progress + 0.008) / 1.008 * math.pi * 0.5) ** 2
    alpha_bar = alpha_bar / alpha_bar[0]
    return torch.clip(1 - alpha_bar[1:] / alpha_bar[:-1], 1e-4, 0.999)


NOISE_SCHEDULES: dict[str, Callable[[int], Tensor]] = {
    "cosine": _cosine,
    "linear": _linear,
    "quadratic": _quadratic,
    "sigmoid": _sigmoid,
}
"""Names of the noise schedules; the released motion generator was trained on ``"cosine"``."""


def noise_betas(schedule: str, steps: int) -> NDArray[np.float32]:
    """Returns the noise variances of a schedule, float32 [steps].

    Args:
        schedule: ``"cosine"`` (Nichol & Dhariwal 2021, eq. 17, offset 0.008, clipped to
            [1e-4, 0.999]); ``"linear"`` from 1e-4 to 0.02 (Ho et al. 2020); ``"quadratic"``,
            linear in the square roots; ``"sigmoid"``, between the same ends.
        steps: T.

    Raises:
        OptionError: unknown schedule.
    """
    checked_choice("The noise schedule", schedule, NOISE_SCHEDULES)
    # In single precision throughout, as the published tables are.
    return NOISE_SCHEDULES[schedule](steps).to(torch.float32).numpy()


def cosine_betas(steps: int) -> NDArray[np.float32]:
    """Returns :func:`noise_betas` of the cosine schedule."""
    return noise_betas("cosine", steps)


def noisy_timesteps(steps: int, trained: int) -> list[int]:
    """Returns which of the trained timesteps are taken, from the noisiest on: densely there.

    A frame of slow motion, as that of the head, is lost in less noise than the mean of many frames:
    where the head goes is decided while single frames are noise nearly alone. With even steps it
    moves half as far as with all of them.

    Args:
        steps: how many, 1 to ``trained``.
        trained: T.
    """
    taken: list[int] = []
    for index in range(steps):
        wanted = round(trained * (index / steps) ** _TOWARDS_NOISE)
        least = taken[-1] + 1 if taken else 0
        taken.append(min(max(wanted, least), trained - steps + index))
    return [trained - 1 - offset for offset in taken]


def make_scheduler(name: str, betas: NDArray[np.float32], prediction_type: str = "sample") -> Any:
    """Returns a diffusers scheduler by name.

    With all T steps ``"ddpm"`` is the published sampler: its posterior (Ho et al. 2020, eq. 7) is
    ``x_{t-1} = c0 x_t + c1 x_0 + sigma_t z``. The other two are deterministic and made for 4 to 20
    steps.

    Args:
        name: a key of ``SCHEDULERS``.
        betas: [T].
        prediction_type: what the network predicts, one of ``PREDICTIONS``.

    Raises:
        OptionError: unknown name.
    """
    checked_choice("scheduler", name, SCHEDULERS)
    import diffusers

    kind, options = SCHEDULERS[name]
    common = {
        "num_train_timesteps": len(betas),
        "trained_betas": [float(beta) for beta in betas],
        "prediction_type": prediction_type,
    }
    if kind != "DPMSolverMultistepScheduler":
        common["clip_sample"] = False
    return getattr(diffusers, kind)(**common, **options)
