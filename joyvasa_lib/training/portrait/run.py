"""A run of preset liveportrait: everything between the recipe and the loop, for both stages."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from joyvasa_lib.checkpoints.index import CheckpointIndex, write_index
from joyvasa_lib.media.image import save_image
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks
from joyvasa_lib.training.loop.config import LoopConfig
from joyvasa_lib.training.loop.model_card import write_portrait_card
from joyvasa_lib.training.loop.run import TrainingRun
from joyvasa_lib.training.loop.run_folder import DATA_CARD, share_folder, swap_folder, write_whole
from joyvasa_lib.training.motion.batches import WorkAhead
from joyvasa_lib.training.portrait.data.frame_pairs import PairBatch, PairSampler
from joyvasa_lib.training.portrait.data.frame_source import FrameSource, check_frames
from joyvasa_lib.training.portrait.networks import prepare_networks
from joyvasa_lib.training.portrait.networks_stage import NetworksStage
from joyvasa_lib.training.portrait.objective import Embedding
from joyvasa_lib.training.portrait.perceptron_stage import PerceptronStage
from joyvasa_lib.training.portrait.recipe import FREE, NetworksTraining

PREVIEWS = "previews"


class PortraitRun:
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
        self.run = TrainingRun(run_dir, self.stage.objective, loop)
        self.run.start("portrait", config, resume, FREE)
        self.stage.to(self.run.accelerator.device)
        self.folder = Path(export_dir) if export_dir else self.run.folder / "generator"
        self.validations = self.run.step // loop.validate_every
        self._finished: tuple[int, LivePortraitNetworks] | None = None
        process = self.run.accelerator.process_index
        self.batches = WorkAhead(partial(_batch, pairs, process), config.loader_threads)
        if self.run.accelerator.is_main_process:
            self._write_data_card()

    def fit(self) -> Path:
        """Trains to the last step; returns the folder of the checkpoint."""
        try:
            self.run.fit(self.loss, self.validate, self.export)
        finally:
            self.batches.close()
        return self.folder

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
        finished = self.folder.with_name(f"{self.folder.name}.partial")
        if finished.exists():
            shutil.rmtree(finished)
        finished.mkdir(parents=True)
        model = LivePortraitModel(networks, self.start.driving, self.run.accelerator.device)
        model.save_pretrained(finished / "portrait")
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
        config = self.config
        self.validations += 1
        if not config.preview_every or self.validations % config.preview_every:
            return
        rows = list(self.stage.rows(networks, config.preview_pairs))[: config.preview_pairs]
        sheet = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
        levels = sheet.clamp(0.0, 1.0).permute(1, 2, 0).cpu().numpy() * 255.0 + 0.5
        path = self.run.folder / PREVIEWS / f"step-{self.run.step:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_image(path, levels.astype(np.uint8))

    def _write_data_card(self) -> None:
        card = self.source.card()
        before = self.run.files.read(DATA_CARD)
        if before and before.get("digest") != card["digest"]:
            card["changed_at_step"] = self.run.step
        write_whole(self.run.folder / DATA_CARD, json.dumps(card, indent=1))


def _batch(pairs: PairSampler, process: int, index: int) -> PairBatch:
    batch = pairs(index, process)
    return batch.pinned() if torch.cuda.is_available() else batch
