"""One training step of one or several processes; run by ``test_distributed.py``.

python distributed_step.py OUTPUT ACCUMULATION [RECIPE RUN RECIPE RUN]

Writes the gradients of four rows, however they are spread over processes and accumulated batches;
then trains motion, then portrait networks, by the recipes, where they are given.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from accelerate import Accelerator
from safetensors.torch import save_file

from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.training.loop.config import LoopConfig
from joyvasa_lib.training.loop.run import TrainingRun
from joyvasa_lib.training.loop.work_ahead import WorkAhead
from joyvasa_lib.training.motion.batches import MotionBatch
from joyvasa_lib.training.motion.losses import LossWeights
from joyvasa_lib.training.motion.objective import MotionObjective, ObjectiveOptions
from joyvasa_lib.training.motion.step_loss import StepLoss
from joyvasa_lib.training.motion.windows import Draws

FRAMES, PREVIOUS = 16, 4
# Every term counts, so that none can be weighed wrongly without being seen.
WEIGHTS = LossWeights(1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)


class RowObjective(MotionObjective):
    """Draws that belong to a row, wherever it is worked on."""

    def draw(self, batch: MotionBatch, generator: torch.Generator | None = None) -> Draws:
        """Returns the draws of the rows, which are told by their first number."""
        rows = [draws_of(int(row)) for row in batch.motion[:, 0, 0]]
        one, both = (0, 4, 5), (1, 2, 3)
        parts: list[Any] = [None] * 6
        for i in one:
            parts[i] = torch.stack([row[i] for row in rows])
        for i in both:
            parts[i] = torch.stack([row[i][w] for w in range(2) for row in rows])
        return Draws(*parts)


def draws_of(row: int) -> Draws:
    random = torch.Generator().manual_seed(50 + row)
    return Draws(
        torch.randn(PREVIOUS, 59, generator=random),
        torch.rand(2, 1, 1, generator=random) < 0.3,
        torch.randint(1, 51, (2,), generator=random),
        torch.randn(2, FRAMES, 59, generator=random),
        torch.rand(1, 1, generator=random) < 0.5,
        torch.rand(1, 1, generator=random) < 0.5,
    )


def four_rows() -> MotionBatch:
    """Rows that count very differently: truncated, with frames missing and lips closed."""
    random = torch.Generator().manual_seed(9)
    motion = torch.randn(4, 2 * FRAMES, 59, generator=random)
    motion[:, 0, 0] = torch.arange(4)
    valid = torch.ones(4, 2 * FRAMES)
    valid[3, 20:] = 0.0
    return MotionBatch(
        motion,
        torch.randn(4, 2 * FRAMES, 8, generator=random),
        valid,
        (torch.rand(4, 2 * FRAMES, generator=random) < torch.tensor([[0.1], [0.1], [0.8], [0.8]]))
        * 1.0,
        torch.tensor([[FRAMES, FRAMES], [FRAMES, 12], [3, 5], [FRAMES, FRAMES]]),
        2.0 * torch.rand(4, 2 * FRAMES, 4, generator=random),
    )


def take(batch: MotionBatch, rows: slice) -> MotionBatch:
    return MotionBatch(
        batch.motion[rows], batch.audio[rows], batch.valid[rows], batch.closed[rows],
        batch.end[rows], batch.style[rows],
    )  # fmt: skip


def objective() -> RowObjective:
    torch.manual_seed(1)
    network = MotionDenoiser(
        motion_dim=59, audio_dim=8, feature_dim=16, n_layers=2, n_heads=2, hidden_dim=16,
        n_prev_motions=PREVIOUS, dropout=0.0, style_dim=4,
    )  # fmt: skip
    normalizer = MotionNormalizer(np.zeros(59, np.float32), np.ones(59, np.float32))
    return RowObjective(network, normalizer, ObjectiveOptions(WEIGHTS, own_previous=0.5))


def main(output: Path, accumulation: int, *recipes_and_runs: Path) -> None:
    torch.set_num_threads(1)
    loop = LoopConfig(gradient_accumulation=accumulation, gradient_clip=1e9)
    run = TrainingRun(output.with_suffix(".run"), objective(), loop)
    parts = accumulation * run.accelerator.num_processes
    size = 4 // parts
    first = run.accelerator.process_index * accumulation

    def rows(index: int) -> MotionBatch:
        start = (first + index) * size
        return take(four_rows(), slice(start, start + size))

    def keep(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        network = run.accelerator.unwrap_model(run.network)
        found = {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}
        if run.accelerator.is_main_process:
            save_file(found, output)

    run.optimizer.optimizer.register_step_pre_hook(keep)
    run._update(StepLoss(run, WorkAhead(rows, 0)))
    if recipes_and_runs:
        from joyvasa_lib.training.motion.train import train_motion
        from joyvasa_lib.training.portrait.train import train_portrait

        with patch.object(Accelerator, "end_training"):  # which ends the group of processes
            train_motion(*recipes_and_runs[:2])
        train_portrait(*recipes_and_runs[2:])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *map(Path, sys.argv[3:]))
    gc.collect()  # networks that refer to the process group, before the interpreter ends
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
