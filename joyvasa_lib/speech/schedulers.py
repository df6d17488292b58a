"""Which diffusers scheduler runs the denoiser, and the betas it runs on.

No scheduler is written here: a name picks a class of diffusers, the checkpoint's configuration
gives its betas.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import OptionError

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
"""Names a caller may give, the class in diffusers, and what it needs beside the betas."""


def cosine_betas(steps: int) -> NDArray[np.float32]:
    """Returns the noise variances of the cosine schedule, float32 [steps].

    Source: Nichol & Dhariwal 2021, eq. 17, with offset 0.008, clipped to [1e-4, 0.999].
    """
    # In float32 throughout, as the published tables are.
    progress = np.arange(steps + 1, dtype=np.float32) / np.float32(steps)
    angle = (progress + np.float32(0.008)) / np.float32(1.008) * np.float32(np.pi / 2.0)
    alpha_bar = np.cos(angle) ** 2
    alpha_bar /= alpha_bar[0]
    return np.clip(1.0 - alpha_bar[1:] / alpha_bar[:-1], 1e-4, 0.999).astype(np.float32)


def make_scheduler(name: str, betas: NDArray[np.float32]) -> Any:
    """Returns a diffusers scheduler by name, for networks that predict the clean sample.

    Args:
        name: a key of ``SCHEDULERS``.
        betas: [T].

    Raises:
        OptionError: unknown name.
    """
    if name not in SCHEDULERS:
        raise OptionError(f"Unknown scheduler {name!r}; choose one of {', '.join(SCHEDULERS)}.")
    import diffusers

    kind, options = SCHEDULERS[name]
    common = {
        "num_train_timesteps": len(betas),
        "trained_betas": [float(beta) for beta in betas],
        "prediction_type": "sample",
    }
    if kind != "DPMSolverMultistepScheduler":
        common["clip_sample"] = False
    return getattr(diffusers, kind)(**common, **options)
