"""Many batches, one step: the loss of a batch, weighed so that a step is one large batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from joyvasa_lib.training.loop.run import TrainingRun
from joyvasa_lib.training.loop.work_ahead import WorkAhead
from joyvasa_lib.training.motion.batches import MotionBatch
from joyvasa_lib.training.motion.windows import Draws


class StepLoss:
    """The loss that :meth:`TrainingRun.fit` calls, batch by batch.

    Masks leave another number of frames in each batch. Where a step is made of several (on several
    processes, or accumulated), each term is divided by what it counts in all of them.
    """

    def __init__(self, run: TrainingRun, batches: WorkAhead[MotionBatch]) -> None:
        """Prepares for the batches of one process."""
        self.run, self.batches = run, batches
        self._ready: dict[int, tuple[MotionBatch, Draws]] = {}
        self._weights: Tensor | None = None

    def __call__(self, network: nn.Module, index: int) -> dict[str, Tensor]:
        """Returns the terms of batch ``index``."""
        count = self.run.config.gradient_accumulation
        if index % count == 0:
            self._begin_step(network, range(index, index + count))
        batch, draws = self._ready.pop(index)
        terms: dict[str, Tensor] = network(batch, draws, self._weights)
        return terms

    def _begin_step(self, network: nn.Module, indices: range) -> None:
        accelerator = self.run.accelerator
        objective = accelerator.unwrap_model(network)
        for index in indices:
            with self.run.waiting():
                batch = self.batches(index)
            batch = batch.to(accelerator.device)
            generator = torch.Generator().manual_seed(self.run.seed(index))
            self._ready[index] = batch, objective.draw(batch, generator)
        parts = len(indices) * accelerator.num_processes
        if parts > 1:
            mine = torch.stack([objective.weigh(*self._ready[index]) for index in indices]).sum(0)
            whole = accelerator.reduce(mine, "sum")
            # The gradients of all parts are averaged, by backward() and between processes.
            self._weights = whole.clamp(min=1.0) / parts
