"""A training run: a folder that can be killed at any moment and goes on where it was.

The folder holds ``config.yaml``, ``command.json`` (command line, versions, git revision),
``metrics.jsonl`` (one JSON object a line) and ``state.pt`` (networks, optimiser, EMA, schedule,
random number generators, step), which is replaced atomically.
"""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import yaml
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from joyvasa_lib.errors import CheckpointError, OptionError

Config = TypeVar("Config")


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
    checkpoint_minutes: float = 3.0
    mixed_precision: str = "no"
    seed: int = 0
    threads: int = 0
    stop_after_minutes: float = 0.0


def read_config(path: str | Path, kind: type[Config], section: str | None = None) -> Config:
    """Reads a YAML file (or one section of it) into a dataclass.

    Raises:
        OptionError: the file has a key that the dataclass has not.
    """
    values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    values = values.get(section, {}) if section else values
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - known):
        raise OptionError(f"Unknown keys {unknown} in {path}; known are {sorted(known)}.")
    return kind(**values)


def learning_rate_factor(step: int, config: LoopConfig) -> float:
    """Returns the factor of linear warm-up followed by a half cosine down to the final value."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    low = config.final_learning_rate
    return low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


class TrainingRun:
    """Drives one network through ``LoopConfig.steps`` steps, with everything kept on disk."""

    def __init__(self, folder: str | Path, network: nn.Module, config: LoopConfig) -> None:
        """Prepares optimiser, schedule and average; :meth:`resume` afterwards to go on.

        Args:
            folder: run folder, made if missing.
            network: the network to train.
            config: the loop's options.
        """
        if config.threads:
            torch.set_num_threads(config.threads)
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = config
        self.accelerator = Accelerator(
            mixed_precision=config.mixed_precision,
            gradient_accumulation_steps=config.gradient_accumulation,
        )
        parameters = [p for p in network.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(
            parameters, lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
        )
        self.ema = EMAModel(parameters, decay=config.ema_decay, use_ema_warmup=True, power=0.75)
        self.ema.to(self.accelerator.device)
        self.network, self.optimizer = self.accelerator.prepare(network, optimizer)
        self.step = 0

    def fit(
        self,
        loss: Callable[[nn.Module, int], dict[str, Tensor]],
        validate: Callable[[nn.Module], dict[str, float]],
        export: Callable[[nn.Module], None] | None = None,
    ) -> None:
        """Trains to the last step.

        Args:
            loss: network and batch number to named terms; ``total`` is minimised. It must draw
                its batch from the number alone, so that a resumed run sees the same batches.
            validate: averaged network to metrics.
            export: called with the averaged network after each validation.
        """
        started = saved = time.monotonic()
        spent: dict[str, list[float]] = {}
        while self.step < self.config.steps:
            terms = self._update(loss)
            for name, value in terms.items():
                spent.setdefault(name, []).append(float(value.detach()))
            last = self.step == self.config.steps
            minutes = (time.monotonic() - started) / 60.0
            stopping = 0.0 < self.config.stop_after_minutes <= minutes
            if self.step % 50 == 0 or last:
                means = {name: float(np.mean(values)) for name, values in spent.items()}
                self.log({"minutes": minutes, "lr": self.optimizer.param_groups[0]["lr"], **means})
                spent = {}
            if self.step % self.config.validate_every == 0 or last or stopping:
                self._validate(validate, export)
            if last or stopping or time.monotonic() - saved > 60 * self.config.checkpoint_minutes:
                self.save()
                saved = time.monotonic()
            if stopping:
                break

    def _update(self, loss: Callable[[nn.Module, int], dict[str, Tensor]]) -> dict[str, Tensor]:
        self.network.train()
        rate = self.config.learning_rate * learning_rate_factor(self.step, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        count = self.config.gradient_accumulation
        terms: dict[str, Tensor] = {}
        for index in range(count):
            with self.accelerator.accumulate(self.network), self.accelerator.autocast():
                terms = loss(self.network, self.step * count + index)
                self.accelerator.backward(terms["total"])
                if self.accelerator.sync_gradients:
                    self.accelerator.clip_grad_norm_(
                        self.network.parameters(), self.config.gradient_clip
                    )
                self.optimizer.step()
                self.optimizer.zero_grad()
        self.ema.step(p for p in self.network.parameters() if p.requires_grad)
        self.step += 1
        return terms

    def _validate(
        self,
        validate: Callable[[nn.Module], dict[str, float]],
        export: Callable[[nn.Module], None] | None,
    ) -> None:
        if not self.accelerator.is_main_process:
            return
        network = self.accelerator.unwrap_model(self.network)
        parameters = [p for p in network.parameters() if p.requires_grad]
        self.ema.store(parameters)
        self.ema.copy_to(parameters)
        random_state = torch.get_rng_state()
        network.eval()
        with torch.no_grad():
            self.log({f"valid/{name}": value for name, value in validate(network).items()})
            if export is not None:
                export(network)
        torch.set_rng_state(random_state)
        self.ema.restore(parameters)

    def log(self, values: dict[str, float]) -> None:
        """Appends one line to ``metrics.jsonl``."""
        if self.accelerator.is_main_process:
            with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
                rounded = {name: round(value, 6) for name, value in values.items()}
                file.write(json.dumps({"step": self.step, **rounded}) + "\n")

    def save(self) -> None:
        """Writes ``state.pt``; a kill at any moment leaves the old or the new one, whole."""
        if not self.accelerator.is_main_process:
            return
        state = {
            "step": self.step,
            "network": self.accelerator.unwrap_model(self.network).state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.state_dict(),
            "torch_random": torch.get_rng_state(),
            "numpy_random": json.dumps(np.random.get_state(legacy=False), default=_plain),
            "python_random": json.dumps(random.getstate()),
        }
        partial = self.folder / "state.pt.partial"
        torch.save(state, partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(self.folder / "state.pt")

    def resume(self) -> bool:
        """Loads ``state.pt`` if the folder has one; returns whether it had.

        Raises:
            CheckpointError: the state belongs to another network.
        """
        path = self.folder / "state.pt"
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.accelerator.device, weights_only=True)
        try:
            self.accelerator.unwrap_model(self.network).load_state_dict(state["network"])
        except RuntimeError as error:
            raise CheckpointError(f"{path} belongs to another network: {error}") from error
        self.optimizer.load_state_dict(state["optimizer"])
        self.ema.load_state_dict(state["ema"])
        torch.set_rng_state(state["torch_random"].cpu())
        version, internal, gauss = json.loads(state["python_random"])
        random.setstate((version, tuple(internal), gauss))
        numpy_state = json.loads(state["numpy_random"])
        numpy_state["state"]["key"] = np.array(numpy_state["state"]["key"], np.uint32)
        np.random.set_state(numpy_state)
        self.step = int(state["step"])
        return True

    def describe(self, config: Any) -> None:
        """Writes the configuration (a dataclass) and where it came from into the folder."""
        if not self.accelerator.is_main_process:
            return
        text = yaml.safe_dump({**asdict(config), "loop": asdict(self.config)}, sort_keys=False)
        (self.folder / "config.yaml").write_text(text, encoding="utf-8")
        about = {
            "command": sys.argv,
            "python": sys.version.split()[0],
            "torch": torch.__version__,
            "revision": _git_revision(),
        }
        (self.folder / "command.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else int(value)


def _git_revision() -> str:
    try:
        return subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
