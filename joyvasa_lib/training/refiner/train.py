"""Trains the compact preset's generator on patches of rendered heads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from joyvasa_lib.portrait.compact.refine.generator import PatchGenerator
from joyvasa_lib.training.image_losses import psnr, weighted_l1, weighted_ssim
from joyvasa_lib.training.loop.config import LoopConfig
from joyvasa_lib.training.loop.run import TrainingRun
from joyvasa_lib.training.loop.run_folder import CHECKPOINT
from joyvasa_lib.training.refiner.data import KINDS, PatchPairs
from joyvasa_lib.training.refiner.objective import GeneratorInTraining
from joyvasa_lib.training.refiner.recipe import RefinerTraining


def train_refiner(
    config: RefinerTraining,
    loop: LoopConfig,
    run_dir: str | Path,
    export_dir: str | Path | None = None,
    resume: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Trains the generator and exports it, in half precision, after each validation.

    Args:
        config: the recipe.
        loop: the loop's options.
        run_dir: run folder; an interrupted run in it is continued.
        export_dir: where the generator is written; ``run_dir/generator`` if not given.
        resume: start anew if false.
        progress: called with the number of steps done after each. Raise
            :class:`~joyvasa_lib.errors.Cancelled` in it to stop; a later call continues from the
            state that was saved last.

    Returns:
        The export folder.

    Raises:
        OptionError: there are no patches, or the run was begun with other options.
        CheckpointError: the run's state belongs to another network.
    """
    torch.manual_seed(loop.seed)
    network = GeneratorInTraining(PatchGenerator(**config.network))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = TrainingRun(run_dir, network, loop)
    run.start("portrait", config, resume)
    pairs = PatchPairs(config.pairs, "train")
    folder = Path(export_dir) if export_dir else run.folder / CHECKPOINT

    def loss(network: nn.Module, index: int) -> dict[str, Tensor]:
        random = np.random.default_rng((loop.seed, index, run.accelerator.process_index))
        adversarial = 0 <= config.critic_from <= run.step
        named: dict[str, Tensor] = {}
        totals = []
        for kind in KINDS:
            batch = pairs.draw(kind, config.batch_size, random).to(run.accelerator.device)
            terms = network(batch, kind, config, adversarial)
            totals.append(terms.pop("total"))
            named |= {f"{kind}/{name}": value for name, value in terms.items()}
        return {**named, "total": torch.stack(totals).sum()}

    def export(network: nn.Module) -> None:
        assert isinstance(network, GeneratorInTraining)
        save_half(network.generator, folder)

    run.fit(loss, _validator(config), export, progress)
    return folder


def save_half(generator: PatchGenerator, folder: str | Path) -> None:
    """Writes a generator with 16-bit weights; the network itself stays as it is."""
    copy = PatchGenerator.from_config(generator.config)
    copy.load_state_dict(generator.state_dict())
    copy.half().save_pretrained(folder)


def _validator(config: RefinerTraining) -> Callable[[nn.Module], dict[str, float]]:
    pairs = PatchPairs(config.pairs, "valid")

    def validate(network: nn.Module) -> dict[str, float]:
        assert isinstance(network, GeneratorInTraining)
        found: dict[str, float] = {}
        for kind in KINDS:
            found |= measure(network.generator, pairs, kind, config.validation_patches)
        return found

    return validate


@torch.no_grad()
def measure(
    generator: PatchGenerator, pairs: PatchPairs, kind: str, count: int
) -> dict[str, float]:
    """Held-out errors behind the gate, of the composite and of the refined patches.

    Returns:
        ``l1`` in 8-bit levels, ``ssim`` and ``psnr`` in decibels, each for both.
    """
    rows = np.random.default_rng(5).permutation(pairs.count(kind))[:count]
    sums: dict[str, float] = {}
    batches = np.array_split(rows, max(1, len(rows) // 32))
    for part in batches:
        batch = pairs.take(kind, part).to(next(generator.parameters()).device)
        refined = generator(batch.inputs, batch.gate, kind).image.clamp(0.0, 1.0)
        weight = (batch.gate > 0.1).float()
        for name, image in (("composite", batch.composite), ("refined", refined)):
            values = {
                "l1": 255.0 * weighted_l1(image, batch.truth, weight),
                "ssim": weighted_ssim(image, batch.truth, weight),
                "psnr": psnr(image, batch.truth, weight),
            }
            for measure_name, value in values.items():
                key = f"{kind}/{measure_name}_{name}"
                sums[key] = sums.get(key, 0.0) + float(value) / len(batches)
    return sums
