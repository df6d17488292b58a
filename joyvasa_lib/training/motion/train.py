"""Trains the motion denoiser on pairs of speech and motion, two windows at a time.

The second window continues the first: its previous motion is the end of the first one's truth (or
of the model's own first window), so that generation can go on from window to window. The speech
encoder is frozen; its features are computed once per augmented copy of a recording and kept.

On several processes: ``accelerate launch -m joyvasa_lib.training.motion --config FILE --run DIR``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from accelerate import PartialState
from torch import nn

from joyvasa_lib.checkpoints.index import INDEX
from joyvasa_lib.errors import JoyVASAError, OptionError
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.training.loop.config import LoopConfig, read_recipe, take_section
from joyvasa_lib.training.loop.model_card import write_model_card
from joyvasa_lib.training.loop.run import TrainingRun, on_cpu
from joyvasa_lib.training.loop.run_folder import (
    DATA_CARD,
    PREVIEWS,
    RunFolder,
    share_folder,
    swap_folder,
    write_whole,
)
from joyvasa_lib.training.motion.adaptation import add_lora, freeze, merged, save_adapter
from joyvasa_lib.training.motion.agreement import agreement, perform
from joyvasa_lib.training.motion.batches import MotionBatch, WindowSampler, WorkAhead
from joyvasa_lib.training.motion.features import FeatureCache
from joyvasa_lib.training.motion.initial import Initial, prepare_initial
from joyvasa_lib.training.motion.metrics import measure
from joyvasa_lib.training.motion.objective import MotionObjective
from joyvasa_lib.training.motion.recipe import FREE, MotionTraining
from joyvasa_lib.training.motion.source import CorpusSource, MotionSource
from joyvasa_lib.training.motion.step_loss import StepLoss


def train_motion(
    config_path: str | Path,
    run_dir: str | Path,
    resume: bool = True,
    export_dir: str | Path | None = None,
    changes: Iterable[str] = (),
    source: MotionSource | None = None,
) -> Path:
    """Trains the denoiser and exports the whole generator after each validation.

    Args:
        config_path: YAML file with the sections ``motion`` and ``loop``.
        run_dir: run folder; an interrupted run in it goes on.
        resume: start anew if false.
        export_dir: where the generator is written; ``run_dir/generator`` if not given.
        changes: ``section.key=value``, over what the file says.
        source: recordings of your own, instead of ``motion.data``.

    Returns:
        The export folder, for ``MotionGenerator.from_pretrained``. ``run_dir`` itself is what
        ``JoyVASAPipeline.from_pretrained`` takes.

    Raises:
        OptionError: an option is unknown, out of range, or contradicts the data or the run.
        MediaError: there is no data.
        CheckpointError: weights to start from, or the run's state, do not load.
    """
    recipe = read_recipe(config_path, changes)
    config = take_section(recipe, MotionTraining, "motion")
    loop = take_section(recipe, LoopConfig, "loop")
    return MotionRun(config, loop, source or config.source(), run_dir, resume, export_dir).fit()


class MotionRun:
    """One run of the motion trainer: everything between the recipe and the loop."""

    def __init__(
        self,
        config: MotionTraining,
        loop: LoopConfig,
        source: MotionSource,
        run_dir: str | Path,
        resume: bool = True,
        export_dir: str | Path | None = None,
    ) -> None:
        """Loads what there is to start from or to go on with; see :func:`train_motion`."""
        torch.manual_seed(loop.seed)
        self.config, self.source = config, source
        if not source.recordings("valid"):
            raise OptionError("No recording is held out for validation; prepare more videos")
        files = _ready_folder(run_dir, resume)
        self.initial: Initial = prepare_initial(
            config.initial, config.audio_encoder, config.network, source, files
        )
        if config.preview_every and self.initial.checkpoint is None:
            raise OptionError(
                f"There is no portrait model for the motion space {source.space_name!r} to draw "
                "previews with; set motion.preview_every to 0"
            )
        denoiser = self.initial.denoiser
        self.adapter = None
        if config.lora_rank:
            alpha = config.lora_alpha or float(config.lora_rank)
            self.adapter = add_lora(denoiser, config.lora_rank, alpha)
        freeze(denoiser, config.freeze)
        objective = MotionObjective(
            denoiser, self.initial.normalizer, config.objective(), self.initial.betas,
            self.initial.prediction_type,
        )  # fmt: skip
        self.run = TrainingRun(run_dir, objective, loop)
        self.run.start("motion", config, resume, FREE)
        self.initial.encoder.to(self.run.accelerator.device)
        self.folder = Path(export_dir) if export_dir else self.run.folder / "generator"
        self.validations = self.run.step // loop.validate_every
        cache = FeatureCache(
            self.initial.encoder,
            source.recordings("train"),
            config.copies,
            loop.seed,
            self.run.folder / "features",
        )
        sampler = WindowSampler(cache, self.initial.normalizer, config, loop.seed)
        process = self.run.accelerator.process_index
        self.batches = WorkAhead(partial(_batch, sampler, process), config.loader_threads)
        if self.run.accelerator.is_main_process:
            self._write_data_card()

    def fit(self) -> Path:
        """Trains to the last step; returns the folder of the generator."""
        try:
            self.run.fit(StepLoss(self.run, self.batches), self.validate, self.export)
        finally:
            self.batches.close()
        return self.folder

    def generator(self, network: nn.Module) -> MotionGenerator:
        """The generator of a network in training, adapters included."""
        assert isinstance(network, MotionObjective)
        return self._with(network.denoiser)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Metrics on the held-out recordings."""
        model, config = self.generator(network), self.config
        if isinstance(self.source, CorpusSource):
            corpus = self.source.corpus
            return measure(
                model, corpus.items("valid"), config.validation_seconds, corpus.closures,
                guidance_scale=config.guidance_scale,
            )  # fmt: skip
        performances = perform(
            model, self.source.recordings("valid"), config.validation_seconds,
            guidance_scale=config.guidance_scale,
        )  # fmt: skip
        return agreement(performances, model.normalizer)

    def export(self, network: nn.Module) -> None:
        """Writes the generator, whole or not at all, with adapters, model card and preview."""
        assert isinstance(network, MotionObjective)
        start = self.initial
        finished = self.folder.with_name(f"{self.folder.name}.partial")
        if finished.exists():
            shutil.rmtree(finished)
        self._with(merged(network.denoiser)).save_pretrained(finished, torch.float16)
        if start.checkpoint is not None:
            share_folder(start.checkpoint / "portrait", finished / "portrait")
            if (start.checkpoint / INDEX).is_file():
                shutil.copy2(start.checkpoint / INDEX, finished / INDEX)
        swap_folder(finished, self.folder)
        if self.adapter is not None:
            partial_adapter = self.run.folder / "adapter.partial"
            save_adapter(network.denoiser, self.adapter, partial_adapter)
            swap_folder(partial_adapter, self.run.folder / "adapter")
        options = {"motion": asdict(self.config), "loop": asdict(self.run.config)}
        normalizer = start.normalizer
        write_model_card(
            self.run.files, start.words, options, normalizer.space_name, normalizer.layout
        )
        self._preview()

    def _with(self, denoiser: MotionDenoiser) -> MotionGenerator:
        start = self.initial
        return MotionGenerator(
            start.encoder, denoiser, start.normalizer, start.betas, start.prediction_type
        )

    def _preview(self) -> None:
        config = self.config
        self.validations += 1
        if not config.preview_every or self.validations % config.preview_every:
            return
        from joyvasa_lib.training.motion.preview import render_preview

        render_preview(
            self.folder,
            self.source.recordings("valid")[0].load().sound,
            self.run.folder / PREVIEWS / f"step-{self.run.step:06d}.mp4",
            config.preview_portrait,
            config.preview_seconds,
        )

    def _write_data_card(self) -> None:
        card = self.source.card()
        before = self.run.files.read(DATA_CARD)
        if before and before.get("digest") != card["digest"]:
            card["changed_at_step"] = self.run.step
        write_whole(self.run.folder / DATA_CARD, json.dumps(card, indent=1))


def _ready_folder(run_dir: str | Path, resume: bool) -> RunFolder:
    """The run's folder; without what an earlier run left there that does not go on."""
    files = RunFolder(run_dir)
    process = PartialState(cpu=on_cpu())
    if process.is_main_process and not files.goes_on(resume):
        files.clear()
    process.wait_for_everyone()
    return files


def _batch(sampler: WindowSampler, process: int, index: int) -> MotionBatch:
    batch = sampler(index, process)
    return batch.pinned() if torch.cuda.is_available() else batch


def main(arguments: list[str] | None = None) -> int:
    """The entry for ``accelerate launch``; returns the exit code."""
    parser = argparse.ArgumentParser("joyvasa_lib.training.motion.train", description=__doc__)
    parser.add_argument("--config", required=True, type=Path, help="YAML recipe, see configs/")
    parser.add_argument("--run", required=True, type=Path, help="folder of the run")
    parser.add_argument("--restart", action="store_true", help="start the run anew")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value")
    given = parser.parse_args(arguments)
    try:
        train_motion(given.config, given.run, not given.restart, changes=given.set)
    except JoyVASAError as error:
        sys.stderr.write(f"joyvasa: {error}\n")
        return 2
    return 0
