"""A training run: a folder that can be killed at any moment and goes on where it was.

Batch ``i`` of process ``p``, and whatever is drawn while it is worked on, depend on the seed,
``i`` and ``p`` alone. So a resumed run does what an unbroken one does, to the bit on a CPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, set_seed
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from joyvasa_lib.errors import CheckpointError, OptionError
from joyvasa_lib.training.loop.config import LoopConfig, learning_rate_factor
from joyvasa_lib.training.loop.run_folder import TRACKED, RunFolder


class TrainingRun:
    """Drives one network through ``LoopConfig.steps`` steps, with everything kept on disk."""

    def __init__(self, folder: str | Path, network: nn.Module, config: LoopConfig) -> None:
        """Prepares optimiser, schedule and average; :meth:`start` afterwards.

        Args:
            folder: run folder, made if missing.
            network: the network to train; parameters that need no gradient stay as they are.
            config: the loop's options.

        Raises:
            OptionError: the folder cannot be made, or no parameter needs a gradient.
        """
        if config.threads:
            torch.set_num_threads(config.threads)
        self.files = RunFolder(folder)
        self.folder = self.files.path
        self.config = config
        self.accelerator = Accelerator(
            cpu=on_cpu(),
            mixed_precision=config.mixed_precision,
            gradient_accumulation_steps=config.gradient_accumulation,
            log_with=list(config.trackers) or None,
            project_dir=self.folder,
        )
        parameters = [p for p in network.parameters() if p.requires_grad]
        if not parameters:
            raise OptionError("Nothing is left to train: every parameter is frozen")
        optimizer = torch.optim.AdamW(
            parameters, lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98)
        )
        self.ema = EMAModel(parameters, decay=config.ema_decay, use_ema_warmup=True, power=0.75)
        self.ema.to(self.accelerator.device)
        self.network, self.optimizer = self.accelerator.prepare(network, optimizer)
        self.step = 0
        self._terms: dict[str, list[Tensor | float]] = {}  # since the last line of the log
        self._waited = 0.0  # seconds since then, for data

    def fit(
        self,
        loss: Callable[[nn.Module, int], dict[str, Tensor]],
        validate: Callable[[nn.Module], dict[str, float]],
        export: Callable[[nn.Module], None] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Trains to the last step.

        Args:
            loss: network and batch number to named terms; ``total`` is minimised. It must draw
                its batch from the number alone, so that a resumed run sees the same batches.
            validate: averaged network to metrics.
            export: called with the averaged network after each validation.
            progress: called with the number of steps done after each. What it raises, such as
                :class:`~joyvasa_lib.errors.Cancelled`, ends the run, which can be continued from
                the state that was saved last.
        """
        started = saved = logged = time.monotonic()
        self._start_trackers()
        if self.step == 0 and self.config.validate_at_start:
            self._validate(validate, export)
        last_logged = self.step
        while self.step < self.config.steps:
            for name, value in self._update(loss).items():
                self._terms.setdefault(name, []).append(value.detach())
            now = time.monotonic()
            last = self.step == self.config.steps
            stopping = self._stops((now - started) / 60.0)
            if self.step % self.config.log_every == 0 or last:
                seconds = max(now - logged, 1e-9)
                self._log_losses(
                    {
                        "minutes": (now - started) / 60.0,
                        "steps_per_second": (self.step - last_logged) / seconds,
                        "data_share": self._waited / seconds,
                    }
                )
                logged, last_logged, self._waited = time.monotonic(), self.step, 0.0
            if self.step % self.config.validate_every == 0 or last or stopping:
                self._validate(validate, export)
            if last or stopping or time.monotonic() - saved > 60 * self.config.checkpoint_minutes:
                self.save()
                saved = time.monotonic()
            if progress is not None:
                progress(self.step)
            if stopping:
                break
        self.accelerator.wait_for_everyone()
        if self.accelerator.num_processes > 1:  # what wraps the network would keep their group
            self.network = self.accelerator.unwrap_model(self.network)
            self.accelerator.free_memory()
        self.accelerator.end_training()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the time in the block as waiting for data."""
        started = time.monotonic()
        yield
        self._waited += time.monotonic() - started

    def seed(self, index: int) -> int:
        """Returns the seed of all that is random about batch ``index`` of this process."""
        parts = (self.config.seed, index, self.accelerator.process_index)
        return int(np.random.SeedSequence(parts).generate_state(1)[0])

    def _update(self, loss: Callable[[nn.Module, int], dict[str, Tensor]]) -> dict[str, Tensor]:
        self.network.train()
        rate = self.config.learning_rate * learning_rate_factor(self.step, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        count = self.config.gradient_accumulation
        sums: dict[str, Tensor] = {}
        for index in range(self.step * count, (self.step + 1) * count):
            set_seed(self.seed(index))
            with self.accelerator.accumulate(self.network), self.accelerator.autocast():
                terms = loss(self.network, index)
                self.accelerator.backward(terms["total"])
                if self.accelerator.sync_gradients:
                    self.accelerator.clip_grad_norm_(
                        self.network.parameters(), self.config.gradient_clip
                    )
                self.optimizer.step()
                self.optimizer.zero_grad()
            for name, value in terms.items():
                part = value.detach() / count
                sums[name] = sums[name] + part if name in sums else part
        self.ema.step(p for p in self.network.parameters() if p.requires_grad)
        self.step += 1
        return sums

    def _stops(self, minutes: float) -> bool:
        """Whether to stop now: the main process's clock decides for all."""
        if self.config.stop_after_minutes <= 0.0:
            return False
        decision = [minutes >= self.config.stop_after_minutes]
        if self.accelerator.num_processes > 1:
            broadcast_object_list(decision)
        return decision[0]

    def _validate(
        self,
        validate: Callable[[nn.Module], dict[str, float]],
        export: Callable[[nn.Module], None] | None,
    ) -> None:
        if self.accelerator.is_main_process:
            with self.averaged() as network:
                self.log({f"valid/{name}": value for name, value in validate(network).items()})
                if export is not None:
                    export(network)
        self.accelerator.wait_for_everyone()

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """Gives the bare network with its averaged weights, in evaluation mode."""
        network = self.accelerator.unwrap_model(self.network)
        parameters = [p for p in network.parameters() if p.requires_grad]
        self.ema.store(parameters)
        self.ema.copy_to(parameters)
        network.eval()
        try:
            with torch.no_grad():
                yield network
        finally:
            self.ema.restore(parameters)

    def _log_losses(self, beside: dict[str, float]) -> None:
        names = list(self._terms)
        means = torch.tensor([float(np.mean([float(x) for x in self._terms[n]])) for n in names])
        self._terms = {}
        means = self.accelerator.reduce(means.to(self.accelerator.device), "mean")
        beside["lr"] = self.optimizer.param_groups[0]["lr"]
        self.log({**beside, **dict(zip(names, means.tolist(), strict=True))})

    def log(self, values: dict[str, float]) -> None:
        """Appends one line to ``metrics.jsonl`` and tells the trackers."""
        if self.accelerator.is_main_process:
            rounded = {name: round(value, 6) for name, value in values.items()}
            self.files.append_metrics({"step": self.step, **rounded})
            self.accelerator.log(rounded, step=self.step)

    def _start_trackers(self) -> None:
        if self.config.trackers:
            known = {
                k: v for k, v in asdict(self.config).items() if isinstance(v, int | float | str)
            }
            after = {TRACKED: {"purge_step": self.step + 1}} if self.step else {}
            kinds, started = self.accelerator.log_with, []
            for kind in kinds:  # a name is tensorboard's folder and other trackers' project
                name = TRACKED if str(kind) == TRACKED else self.folder.resolve().name
                self.accelerator.log_with = [kind]
                self.accelerator.init_trackers(name, known, after)
                started += self.accelerator.trackers
            self.accelerator.log_with, self.accelerator.trackers = kinds, started

    def save(self) -> None:
        """Writes ``state.pt``; a kill at any moment leaves the old or the new one, whole."""
        if not self.accelerator.is_main_process:
            return
        state = {
            "step": self.step,
            "network": self.accelerator.unwrap_model(self.network).state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.state_dict(),
            "terms": {name: [float(x) for x in values] for name, values in self._terms.items()},
        }
        self.files.save_state(state)

    def resume(self) -> bool:
        """Loads ``state.pt`` if the folder has one; returns whether it had.

        Raises:
            CheckpointError: the state is damaged, or belongs to another network.
        """
        found = self.files.load_state(self.accelerator.device)
        if found is None:
            return False
        path, state = found
        try:
            self.accelerator.unwrap_model(self.network).load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.ema.load_state_dict(state["ema"])
            self._terms, self.step = state.get("terms", {}), int(state["step"])
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{path} belongs to another network: {error}; use another run folder, or start "
                "this one anew with --restart"
            ) from error
        if self.accelerator.is_main_process:
            self.files.cut_metrics(self.step)
        return True

    def start(
        self, section: str, config: Any, resume: bool = True, free: Collection[str] = ()
    ) -> None:
        """Resumes or starts: checks and writes the options, loads the state if there is one.

        Args:
            section: name of the recipe's section.
            config: its options, a dataclass.
            resume: whether to go on with what the folder holds; else, and where a run was killed
                before it had saved its state, that is removed.
            free: options that a resumed run may have another value of.

        Raises:
            OptionError: the folder's run was started with other options.
            CheckpointError: its state belongs to another network.
        """
        options = _plain({section: asdict(config), "loop": asdict(self.config)})
        if self.accelerator.is_main_process and not self.files.goes_on(resume):
            self.files.clear()
        self.accelerator.wait_for_everyone()
        if self.files.goes_on(True):
            self.files.check_unchanged(options, free)
            self.resume()
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            about = {
                "device": str(self.accelerator.device),
                "processes": self.accelerator.num_processes,
            }
            self.files.describe(options, self.step, about)


def on_cpu() -> bool:
    """Whether there is no GPU. Accelerate must be told, or it makes no group of CPU processes."""
    return not torch.accelerator.is_available()


def _plain(value: Any) -> Any:
    """Returns options with tuples as lists, as YAML knows them."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
