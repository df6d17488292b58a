"""How motion is drawn from the model: every option of the motion generator, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from joyvasa_lib.errors import OptionError
from joyvasa_lib.speech.diffusion.sampling import Threshold
from joyvasa_lib.speech.diffusion.schedulers import SCHEDULERS

BLINKS = ("placed", "model")
COMPATS = ("none", "joyvasa")


@dataclass(frozen=True)
class GenerationOptions:
    """How motion is drawn from the model.

    Attributes:
        seed: the same seed and speech give the same bytes of motion.
        guidance_scale: 1 follows the speech as learned, more exaggerates what the speech adds.
        num_inference_steps: denoising steps, 1 to the number of training steps.
        scheduler: "ddim", "ddpm", "dpmsolver++", or a diffusers scheduler, used as configured.
        head_motion: factor on the head's rotation and translation, 0 keeps it still.
        blinks: "placed" by a seeded rule at people's rate, or the "model"'s own. Only models of
            blendshapes can have them placed.
        window_frames: frames drawn together, at most what the model was trained on; fewer answer
            sooner in a stream.
        smooth_pose: whether the head is smoothed: without delay over a fifth of a second, or,
            under ``compat="joyvasa"``, as there.
        dynamic_threshold: ratio, lowest and highest limit of each prediction's magnitude; see
            :func:`~joyvasa_lib.speech.diffusion.sampling.limit_peak`. None is off.
        compat: ``"joyvasa"`` draws windows as the published code does, to reproduce its numbers:
            see :mod:`~joyvasa_lib.compat.joyvasa.windows` for what that costs. With it go
            ``scheduler="ddpm"`` and all training steps.

    Raises:
        OptionError: a value out of range; the message names it and what is allowed.
    """

    seed: int = 0
    guidance_scale: float = 2.0
    num_inference_steps: int = 10
    scheduler: str | Any = "ddim"
    head_motion: float = 1.0
    blinks: str = "placed"
    window_frames: int = 100
    smooth_pose: bool = True
    dynamic_threshold: Threshold | None = None
    compat: Literal["none", "joyvasa"] = "none"

    def __post_init__(self) -> None:
        """Checks every value."""
        if isinstance(self.scheduler, str) and self.scheduler not in SCHEDULERS:
            names = ", ".join(SCHEDULERS)
            raise OptionError(f"Unknown scheduler {self.scheduler!r}; choose one of {names}.")
        if self.blinks not in BLINKS:
            raise OptionError(f"Unknown blinks {self.blinks!r}; choose one of {', '.join(BLINKS)}.")
        _check_range("seed", self.seed, 0, 2**63 - 1)
        _check_range("guidance_scale", self.guidance_scale, 0.0, 20.0)
        _check_range("num_inference_steps", self.num_inference_steps, 1, 1000)
        _check_range("head_motion", self.head_motion, 0.0, 3.0)
        _check_range("window_frames", self.window_frames, 12, 100)
        if self.dynamic_threshold is not None:
            _check_threshold(self.dynamic_threshold)
        if self.compat not in COMPATS:
            raise OptionError(
                f"Unknown compat {self.compat!r}; choose one of {', '.join(COMPATS)}."
            )
        if self.compat == "joyvasa" and self.head_motion != 1.0:
            raise OptionError(
                f"compat='joyvasa' leaves the head as drawn: head_motion must be 1, not "
                f"{self.head_motion!r}; apply Motion.with_gains(head=...) to the result."
            )


def make_options(options: dict[str, Any]) -> GenerationOptions:
    """Returns checked options.

    Raises:
        OptionError: an unknown name or a value out of range.
    """
    known = GenerationOptions.__dataclass_fields__
    if unknown := sorted(set(options) - set(known)):
        raise OptionError(f"Unknown options {unknown}; known are {', '.join(known)}.")
    return GenerationOptions(**options)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise OptionError(f"{name} must be a number, not {value!r}.")
    if not low <= value <= high:
        raise OptionError(f"{name} must lie between {low:g} and {high:g}; got {value!r}.")


def _check_threshold(threshold: Threshold) -> None:
    try:
        ratio, lowest, highest = (float(value) for value in threshold)
    except (TypeError, ValueError):
        ratio = lowest = highest = math.nan
    if not (0.0 < ratio <= 1.0 and 0.0 < lowest <= highest < math.inf):
        raise OptionError(
            "dynamic_threshold must be three numbers, a ratio in (0, 1] and the lowest and highest "
            f"limit, both above 0; got {threshold!r}."
        )
