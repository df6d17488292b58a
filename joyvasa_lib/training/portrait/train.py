"""Trains stage one, as the recipe says: LivePortrait's networks.

F, M, W and G learn in stage ``networks``, the perceptrons after them in stage
``stitching_retargeting``; :class:`PortraitRun` is both. The compact preset has no networks.

On several processes: ``accelerate launch -m joyvasa_lib.training.portrait --config F --run DIR``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from joyvasa_lib.checkpoints.folder import CheckpointIndex, write_index
from joyvasa_lib.errors import OptionError
from joyvasa_lib.media.image import save_image
from joyvasa_lib.motion.driving.keypoints import Subject
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks
from joyvasa_lib.recipes import read_recipe, take_section
from joyvasa_lib.training.loop.checkpoint_run import CheckpointRun
from joyvasa_lib.training.loop.config import LoopConfig
from joyvasa_lib.training.loop.launch import launch
from joyvasa_lib.training.loop.model_card import write_portrait_card
from joyvasa_lib.training.loop.run import TrainingRun
from joyvasa_lib.training.loop.run_folder import share_folder, swap_folder
from joyvasa_lib.training.portrait.data.frame_pairs import PairBatch, PairSampler
from joyvasa_lib.training.portrait.data.frame_source import FrameSource, check_frames, open_frames
from joyvasa_lib.training.portrait.networks import prepare_networks
from joyvasa_lib.training.portrait.networks_stage import NetworksStage
from joyvasa_lib.training.portrait.objective import Embedding
from joyvasa_lib.training.portrait.perceptron_stage import PerceptronStage
from joyvasa_lib.training.portrait.recipe import FREE, NetworksTraining


def train_portrait(
    config_path: str | Path,
    run_dir: str | Path,
    export_dir: str | Path | None = None,
    resume: bool = True,
    changes: Iterable[str] = (),
    source: FrameSource | None = None,
    identity: Embedding | None = None,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Trains stage one by a recipe and exports it after each validation.

    Args:
        config_path: YAML file with the sections ``portrait`` and ``loop``.
        run_dir: run folder; an interrupted run in it goes on.
        export_dir: where the result is written; ``run_dir/generator`` if not given.
        resume: start anew if false.
        changes: ``section.key=value``, over what the file says.
        source: images of your own, instead of ``portrait.data``.
        identity: embedding of faces, from images [b, 3, s, s] in [0, 1] to [b, c], for
            ``loss_weights.identity``. None is part of this package.
        progress: called with the number of steps done after each. Raise
            :class:`~joyvasa_lib.errors.Cancelled` in it to stop; a later call continues from the
            state that was saved last.

    Returns:
        The export folder, a checkpoint.

    Raises:
        OptionError: an option is unknown, out of range, or contradicts the data or the run.
        MediaError: there is no data.
        CheckpointError: weights to start from, or the run's state, do not load.
    """
    found = read_recipe(config_path, changes)
    loop = take_section(found, LoopConfig, "loop")
    options = take_section(found, NetworksTraining, "portrait")
    check_identity(options, identity)
    images = source or open_frames(options.data)
    run = PortraitRun(options, loop, images, run_dir, resume, export_dir, identity)
    return run.fit(progress)


def check_identity(config: NetworksTraining, identity: Embedding | None) -> None:
    """Refuses a weight of the identity loss without a network for it.

    Raises:
        OptionError: ``loss_weights.identity`` is not 0 and there is no network.
    """
    if config.loss_weights.get("identity", 0.0) and identity is None:
        raise OptionError(
            "loss_weights.identity needs a network that embeds faces, and none is part of this "
            "package, for those there are may not be used freely; give yours from Python: "
            "train_portrait(..., identity=network)"
        )


class PortraitRun(CheckpointRun[PairBatch]):
    """One run of stage ``networks`` or ``stitching_retargeting``."""

    def __init__(
        self,
        config: NetworksTraining,
        loop: LoopConfig,
        source: FrameSource,
        run_dir: str | Path,
        resume: bool = True,
        export_dir: str | Path | None = None,
        identity: Embedding | None = None,
    ) -> None:
        """Loads what there is to start from or to go on with.

        Args:
            config: the recipe.
            loop: the loop's options.
            source: the images.
            run_dir: run folder; an interrupted run in it goes on.
            resume: start anew if false.
            export_dir: where the checkpoint is written; ``run_dir/generator`` if not given.
            identity: embedding of faces for the identity loss of stage ``networks``.

        Raises:
            OptionError: options contradict each other or those that the run was begun with.
            MediaError: the source has nothing to learn from.
            CheckpointError: weights to start from, or the run's state, do not load.
        """
        check_frames(source)
        torch.manual_seed(loop.seed)
        self.config, self.source = config, source
        self.start = prepare_networks(config.initial, config.network)
        networks = self.start.networks
        side = max(networks.size, networks.image_side)
        pairs = PairSampler(
            source, config.batch_size, side, loop.seed, config.colours, config.framing
        )
        self.stage: NetworksStage | PerceptronStage
        if config.stage == "networks":
            self.stage = NetworksStage(self.start, config, pairs, identity)
        else:
            self.stage = PerceptronStage(self.start, config, pairs)
        run = TrainingRun(run_dir, self.stage.objective, loop)
        run.start("portrait", config, resume, FREE)
        self.stage.to(run.accelerator.device)
        self._finished: tuple[int, LivePortraitNetworks] | None = None
        super().__init__(
            run,
            pairs,
            source.card(),
            export_dir=export_dir,
            loader_threads=config.loader_threads,
            preview_every=config.preview_every,
        )

    def loss(self, network: nn.Module, index: int) -> dict[str, Tensor]:
        """Named terms of batch ``index``."""
        with self.run.waiting():
            batch = self.batches(index)
        return self.stage.loss(network, batch.to(self.run.accelerator.device), self.run.step)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Metrics on the held-out pairs."""
        return self.stage.measure(self._networks(network))

    def export(self, network: nn.Module) -> None:
        """Writes the checkpoint, whole or not at all, with model card and preview."""
        networks = self._networks(network)
        finished = self.empty_folder()
        finished.mkdir(parents=True)
        subject: Subject = "animal" if self.start.subject == "animal" else "human"
        model = LivePortraitModel(networks, self.run.accelerator.device, subject=subject)
        model.save_pretrained(finished / "portrait", driving=self.start.driving)
        speech = self.start.checkpoint is not None
        if self.start.checkpoint is not None:
            for part in sorted(self.start.checkpoint.iterdir()):
                if part.is_dir() and part.name != "portrait":
                    share_folder(part, finished / part.name)
        write_index(finished, CheckpointIndex("liveportrait", self.start.subject, speech))
        swap_folder(finished, self.folder)
        options = {"portrait": asdict(self.config), "loop": asdict(self.run.config)}
        write_portrait_card(self.run.files, self.start.words, self.stage.words, options, speech)
        self._preview(networks)
        self._finished = None

    def _networks(self, network: nn.Module) -> LivePortraitNetworks:
        """The networks to measure and to hand out, made once for each validation."""
        if self._finished is None or self._finished[0] != self.run.step:
            self._finished = self.run.step, self.stage.finished(network)
        return self._finished[1]

    def _preview(self, networks: LivePortraitNetworks) -> None:
        if (path := self.next_preview(".png")) is None:
            return
        count = self.config.preview_pairs
        rows = list(self.stage.rows(networks, count))[:count]
        sheet = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
        levels = sheet.clamp(0.0, 1.0).permute(1, 2, 0).cpu().numpy() * 255.0 + 0.5
        save_image(path, levels.astype(np.uint8))


main = partial(launch, train_portrait, "joyvasa_lib.training.portrait", __doc__)
"""The entry for ``accelerate launch``; returns the exit code."""
