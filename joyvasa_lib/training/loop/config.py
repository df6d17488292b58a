"""Options of the training loop: the section ``loop`` of every training recipe."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from joyvasa_lib.recipes import (
    Count,
    NotNegative,
    Positive,
    Share,
    Whole,
    read_recipe,
    recipe,
    take_section,
)

Options = TypeVar("Options")


@recipe("loop")
@dataclass(frozen=True)
class LoopConfig:
    """What every training loop needs to know.

    Attributes:
        steps: optimiser steps in all; the cosine schedule ends there.
        warmup_steps: linear warm-up.
        learning_rate: peak.
        final_learning_rate: last value, as a fraction of the peak.
        weight_decay: of AdamW.
        gradient_clip: largest gradient norm.
        gradient_accumulation: batches per step; their gradients are averaged.
        ema_decay: of the averaged weights, after its own warm-up.
        validate_every: steps between validations.
        validate_at_start: validate once before the first step, too.
        log_every: steps between two lines of the losses' means.
        trackers: of accelerate, beside ``metrics.jsonl``: "tensorboard", "wandb", ...
        checkpoint_minutes: wall-clock minutes between checkpoints.
        mixed_precision: "no", "bf16" or "fp16".
        seed: of weights, batches and noise.
        threads: CPU threads, 0 for torch's own choice.
        stop_after_minutes: stop cleanly, with a checkpoint, after this long; 0 for never.

    Raises:
        OptionError: a value of another type or out of range.
    """

    steps: Count = 10000
    warmup_steps: Whole = 200
    learning_rate: Positive = 1e-3
    final_learning_rate: NotNegative = 0.02
    weight_decay: NotNegative = 0.01
    gradient_clip: Positive = 1.0
    gradient_accumulation: Count = 1
    ema_decay: Share = 0.999
    validate_every: Count = 250
    validate_at_start: bool = False
    log_every: Count = 50
    trackers: tuple[str, ...] = ()
    checkpoint_minutes: NotNegative = 3.0
    mixed_precision: Literal["no", "bf16", "fp16"] = "no"
    seed: Whole = 0
    threads: Whole = 0
    stop_after_minutes: NotNegative = 0.0


def learning_rate_factor(step: int, config: LoopConfig) -> float:
    """Returns the factor of linear warm-up followed by a half cosine down to the final value.

    Of our own: transformers' ``get_cosine_with_min_lr_schedule_with_warmup_lr_rate`` takes each
    value of the cosine one step earlier, so that resumed runs would change.
    """
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    low = config.final_learning_rate
    return low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def read_training(
    path: str | Path, kind: type[Options], section: str, changes: Iterable[str] = ()
) -> tuple[Options, LoopConfig]:
    """Reads a training recipe: its own section and the section ``loop``.

    Args:
        path: YAML file.
        kind: dataclass of the own section.
        section: its name.
        changes: ``section.key=value``, in place of what the file says.

    Raises:
        OptionError: the file cannot be read, or an option is unknown or out of range.
    """
    found = read_recipe(path, changes)
    return take_section(found, kind, section), take_section(found, LoopConfig, "loop")
