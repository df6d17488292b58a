"""Recipes: YAML files that become dataclasses, with every key checked and every default visible."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml

from joyvasa_lib.errors import OptionError

Config = TypeVar("Config")
Recipe = dict[str, Any]
"""A whole YAML file: sections of options."""


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
    """

    steps: int = 10000
    warmup_steps: int = 200
    learning_rate: float = 1e-3
    final_learning_rate: float = 0.02
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    gradient_accumulation: int = 1
    ema_decay: float = 0.999
    validate_every: int = 250
    validate_at_start: bool = False
    log_every: int = 50
    trackers: tuple[str, ...] = ()
    checkpoint_minutes: float = 3.0
    mixed_precision: str = "no"
    seed: int = 0
    threads: int = 0
    stop_after_minutes: float = 0.0

    def __post_init__(self) -> None:
        """Checks what would otherwise fail late.

        Raises:
            OptionError: a count below 1, or an unknown precision.
        """
        for name in ("steps", "gradient_accumulation", "validate_every", "log_every"):
            if getattr(self, name) < 1:
                raise OptionError(f"loop.{name} must be at least 1, not {getattr(self, name)}")
        if self.mixed_precision not in ("no", "bf16", "fp16"):
            raise OptionError(
                f"loop.mixed_precision must be no, bf16 or fp16, not {self.mixed_precision!r}"
            )


def learning_rate_factor(step: int, config: LoopConfig) -> float:
    """Returns the factor of linear warm-up followed by a half cosine down to the final value."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    low = config.final_learning_rate
    return low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


def read_recipe(path: str | Path, changes: Iterable[str] = ()) -> Recipe:
    """Reads a YAML file.

    Args:
        path: the file.
        changes: ``section.key=value``, the value written as in YAML; they go over the file's.

    Raises:
        OptionError: the file cannot be read, is no mapping of sections, or a change is no
            assignment.
    """
    try:
        recipe = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"Cannot read the recipe {path} ({error}); check the path") from error
    except yaml.YAMLError as error:
        raise OptionError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(recipe, dict) or not all(isinstance(v, dict) for v in recipe.values()):
        raise OptionError(
            f"{path} is no recipe: it must hold sections such as 'loop:', see configs/"
        )
    for change in changes:
        name, assigned, value = change.partition("=")
        section, dot, key = name.strip().partition(".")
        if not (assigned and dot and section and key):
            raise OptionError(f"{change!r} changes nothing; write section.key=value")
        recipe.setdefault(section, {})[key] = yaml.safe_load(value)
    return recipe


def take_section(recipe: Recipe, kind: type[Config], section: str) -> Config:
    """Returns one section of a recipe as a dataclass.

    Raises:
        OptionError: a key that the dataclass has not, one without which it cannot be, or a value
            of another type.
    """
    values = recipe.get(section, {})
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - known):
        raise OptionError(f"Unknown keys {unknown} in {section!r}; known are {sorted(known)}.")
    hints = get_type_hints(kind)
    checked = {name: _value(section, name, value, hints[name]) for name, value in values.items()}
    try:
        return kind(**checked)
    except TypeError as error:
        raise OptionError(f"The section {section!r} is incomplete: {error}") from error


def read_config(path: str | Path, kind: type[Config], section: str) -> Config:
    """Reads one section of a YAML file into a dataclass; see :func:`take_section`."""
    return take_section(read_recipe(path), kind, section)


def _value(section: str, name: str, value: Any, hint: Any) -> Any:
    if hint is float and isinstance(value, str):  # YAML 1.1 reads 1e-4 as a word
        try:
            return float(value)
        except ValueError:
            pass
    plain = {float: (int, float), int: (int,), bool: (bool,), str: (str,)}.get(hint)
    if plain and (not isinstance(value, plain) or (isinstance(value, bool) and hint is not bool)):
        raise OptionError(f"{section}.{name} must be of type {hint.__name__}, not {value!r}")
    return value
