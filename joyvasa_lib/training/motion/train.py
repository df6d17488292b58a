"""Trains the motion denoiser on pairs of speech and motion, two windows at a time.

The second window continues the first: its previous motion is the end of the first one's truth (or
of the model's own first window), so that generation can go on from window to window. The speech
encoder is frozen; its features are computed once per augmented copy of a recording and kept.

On several processes: ``accelerate launch -m joyvasa_lib.training.motion --config FILE --run DIR``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from accelerate import PartialState
from torch import Tensor, nn

from joyvasa_lib.checkpoints.folder import INDEX, PORTRAIT
from joyvasa_lib.errors import OptionError
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.speech.options import GenerationKwargs
from joyvasa_lib.training.loop.checkpoint_run import CheckpointRun
from joyvasa_lib.training.loop.config import LoopConfig, read_training
from joyvasa_lib.training.loop.launch import launch
from joyvasa_lib.training.loop.model_card import write_model_card
from joyvasa_lib.training.loop.run import TrainingRun, on_cpu
from joyvasa_lib.training.loop.run_folder import RunFolder, share_folder, swap_folder
from joyvasa_lib.training.motion.adaptation import add_lora, freeze, merged, save_adapter
from joyvasa_lib.training.motion.batches import MotionBatch, WindowSampler
from joyvasa_lib.training.motion.features import FeatureCache
from joyvasa_lib.training.motion.initial import Initial, prepare_initial
from joyvasa_lib.training.motion.objective import MotionObjective, ObjectiveOptions
from joyvasa_lib.training.motion.recipe import FREE, MotionTraining
from joyvasa_lib.training.motion.source import CorpusSource, MotionSource, open_source
from joyvasa_lib.training.motion.step_loss import StepLoss
from joyvasa_lib.training.motion.validation.agreement import agreement, perform
from joyvasa_lib.training.motion.validation.metrics import measure
from joyvasa_lib.training.motion.validation.preview import render_preview


def train_motion(
    config_path: str | Path,
    run_dir: str | Path,
    resume: bool = True,
    export_dir: str | Path | None = None,
    changes: Iterable[str] = (),
    source: MotionSource | None = None,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Trains the denoiser and exports the whole generator after each validation.

    Args:
        config_path: YAML file with the sections ``motion`` and ``loop``.
        run_dir: run folder; an interrupted run in it is continued.
        resume: start anew if false.
        export_dir: where the generator is written; ``run_dir/generator`` if not given.
        changes: ``section.key=value``, in place of what the file says.
        source: recordings of your own, instead of ``motion.data``.
        progress: called with the number of steps done after each. Raise
            :class:`~joyvasa_lib.errors.Cancelled` in it to stop; a later call continues from the
            state that was saved last.

    Returns:
        The export folder, for ``MotionGenerator.from_pretrained``. ``run_dir`` itself is what
        ``JoyVASAPipeline.from_pretrained`` takes.

    Raises:
        OptionError: an option is unknown, out of range, or contradicts the data or the run.
        MediaError: there is no data.
        CheckpointError: weights to start from, or the run's state, do not load.
    """
    config, loop = read_training(config_path, MotionTraining, "motion", changes)
    source = source or open_source(config.data, config.corpus)
    return MotionRun(config, loop, source, run_dir, resume, export_dir).fit(progress)


class MotionRun(CheckpointRun[MotionBatch]):
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
        run = TrainingRun(run_dir, self._objective(), loop)
        run.start("motion", config, resume, FREE)
        self.initial.encoder.to(run.accelerator.device)
        super().__init__(
            run,
            self._sampler(run),
            source.card(),
            export_dir=export_dir,
            loader_threads=config.loader_threads,
            preview_every=config.preview_every,
        )
        self._step_loss = StepLoss(run, self.batches)

    def _objective(self) -> MotionObjective:
        """The loss of the denoiser, or of its adapters."""
        config, start = self.config, self.initial
        self.adapter = None
        if config.lora_rank:
            alpha = config.lora_alpha or float(config.lora_rank)
            self.adapter = add_lora(start.denoiser, config.lora_rank, alpha)
        freeze(start.denoiser, config.freeze)
        options = ObjectiveOptions.of(config)
        return MotionObjective(
            start.denoiser, start.normalizer, options, start.betas, start.prediction_type
        )

    def _sampler(self, run: TrainingRun) -> WindowSampler:
        """Window pairs of the training recordings, whose features are computed when needed."""
        cache = FeatureCache(
            self.initial.encoder,
            self.source.recordings("train"),
            self.config.copies,
            run.config.seed,
            run.folder / "features",
            dict(zip(self.config.window_lengths, self.config.window_weights, strict=True)),
            int(self.initial.denoiser.config.look_ahead),
        )
        return WindowSampler(cache, self.initial.normalizer, self.config, run.config.seed)

    def loss(self, network: nn.Module, index: int) -> dict[str, Tensor]:
        """Named terms of batch ``index``."""
        return self._step_loss(network, index)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Metrics on the held-out recordings."""
        assert isinstance(network, MotionObjective)
        model, seconds = self._generator(network.denoiser), self.config.validation_seconds
        guided: GenerationKwargs = {"guidance_scale": self.config.guidance_scale}
        if isinstance(self.source, CorpusSource):
            corpus = self.source.corpus
            return measure(model, corpus.items("valid"), seconds, corpus.closures, **guided)
        performances = perform(model, self.source.recordings("valid"), seconds, **guided)
        return agreement(performances, model.normalizer)

    def export(self, network: nn.Module) -> None:
        """Writes the generator, whole or not at all, with adapters, model card and preview."""
        assert isinstance(network, MotionObjective)
        start, finished = self.initial, self.empty_folder()
        self._generator(merged(network.denoiser)).save_parts(finished, torch.float16)
        if start.checkpoint is not None:
            if (start.checkpoint / PORTRAIT).is_dir():
                share_folder(start.checkpoint / PORTRAIT, finished / PORTRAIT)
            if (start.checkpoint / INDEX).is_file():
                shutil.copy2(start.checkpoint / INDEX, finished / INDEX)
        swap_folder(finished, self.folder)
        if self.adapter is not None:
            partial_adapter = self.run.folder / "adapter.partial"
            save_adapter(network.denoiser, self.adapter, partial_adapter)
            swap_folder(partial_adapter, self.run.folder / "adapter")
        options = {"motion": asdict(self.config), "loop": asdict(self.run.config)}
        space, layout = start.normalizer.space_name, start.normalizer.layout
        write_model_card(self.run.files, start.words, options, space, layout)
        if (preview := self.next_preview(".mp4")) is not None:
            waveform = self.source.recordings("valid")[0].load().waveform
            config = self.config
            render_preview(
                self.folder, waveform, preview, config.preview_portrait, config.preview_seconds
            )

    def _generator(self, denoiser: MotionDenoiser) -> MotionGenerator:
        start = self.initial
        return MotionGenerator(
            start.encoder, denoiser, start.normalizer, start.betas, start.prediction_type
        )


def _ready_folder(run_dir: str | Path, resume: bool) -> RunFolder:
    """The run's folder, emptied of an earlier run that is not continued."""
    files = RunFolder(run_dir)
    process = PartialState(cpu=on_cpu())
    if process.is_main_process and not files.goes_on(resume):
        files.clear()
    process.wait_for_everyone()
    return files


main = partial(launch, train_motion, "joyvasa_lib.training.motion", __doc__)
"""The entry for ``accelerate launch``; returns the exit code."""
