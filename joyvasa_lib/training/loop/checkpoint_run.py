"""What the runs have in common that export a whole checkpoint after each validation."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from joyvasa_lib.checkpoints.folder import is_checkpoint
from joyvasa_lib.media.files import check_folder
from joyvasa_lib.training.loop.run import TrainingRun
from joyvasa_lib.training.loop.run_folder import CHECKPOINT, PREVIEWS
from joyvasa_lib.training.loop.work_ahead import WorkAhead


class Batch(Protocol):
    """What a network learns from in one go."""

    def pinned(self) -> Any:
        """The batch in memory from which a GPU can copy while it computes."""


B = TypeVar("B", bound=Batch)


class CheckpointRun(ABC, Generic[B]):
    """A run with batches made ahead, a data card, previews and a checkpoint."""

    def __init__(
        self,
        run: TrainingRun,
        sampler: Callable[[int, int], B],
        data_card: dict[str, Any],
        *,
        export_dir: str | Path | None,
        loader_threads: int,
        preview_every: int,
    ) -> None:
        """Writes the data card; nothing is trained yet.

        Args:
            run: started or resumed.
            sampler: makes batch ``index`` of process ``number``.
            data_card: what the run learns from.
            export_dir: folder of the checkpoint; ``generator`` in the run folder if not given.
            loader_threads: threads that make batches ahead.
            preview_every: validations between two previews; 0 for none.

        Raises:
            OutputError: ``export_dir`` cannot be written, or holds other things.
        """
        self.run, self.preview_every = run, preview_every
        self.folder = run.folder / CHECKPOINT
        if export_dir:
            Path(export_dir).expanduser().parent.mkdir(parents=True, exist_ok=True)
            self.folder = check_folder(export_dir, ours=is_checkpoint)
        self._validations = run.step // run.config.validate_every
        process = run.accelerator.process_index

        def make(index: int) -> B:
            batch = sampler(index, process)
            pinned: B = batch.pinned() if torch.cuda.is_available() else batch
            return pinned

        self.batches = WorkAhead(make, loader_threads)
        if run.accelerator.is_main_process:
            run.files.write_data_card(data_card, run.step)

    def fit(self, progress: Callable[[int], None] | None = None) -> Path:
        """Trains to the last step; returns the folder of the checkpoint.

        Args:
            progress: see :meth:`~joyvasa_lib.training.loop.run.TrainingRun.fit`.
        """
        try:
            self.run.fit(self.loss, self.validate, self.export, progress)
        finally:
            self.batches.close()
        return self.folder

    @abstractmethod
    def loss(self, network: nn.Module, index: int) -> dict[str, Tensor]:
        """Named terms of batch ``index``; ``total`` is minimised."""

    @abstractmethod
    def validate(self, network: nn.Module) -> dict[str, float]:
        """Metrics of a network with averaged weights, on held-out data."""

    @abstractmethod
    def export(self, network: nn.Module) -> None:
        """Writes the checkpoint of a network with averaged weights, whole or not at all."""

    def empty_folder(self) -> Path:
        """Where to put the checkpoint together; :func:`swap_folder` then puts it in its place."""
        partial = self.folder.with_name(f"{self.folder.name}.partial")
        if partial.exists():
            shutil.rmtree(partial)
        return partial

    def next_preview(self, suffix: str) -> Path | None:
        """Counts a validation; returns the file of its preview, None where there is none."""
        self._validations += 1
        if not self.preview_every or self._validations % self.preview_every:
            return None
        path = self.run.folder / PREVIEWS / f"step-{self.run.step:06d}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
