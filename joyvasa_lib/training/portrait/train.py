"""Trains stage one: the compact preset's generator, or the networks of preset liveportrait.

The compact preset's generator learns from patches of rendered heads, which is all that this file
holds; :mod:`~joyvasa_lib.training.portrait.run` trains the networks of preset liveportrait.

On several processes: ``accelerate launch -m joyvasa_lib.training.portrait --config F --run DIR``.

Axis legend: ``n`` patches, ``p`` side of a patch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from joyvasa_lib.errors import JoyVASAError, OptionError
from joyvasa_lib.portrait.compact.refine.generator import PatchGenerator, RefinedPatch
from joyvasa_lib.portrait.compact.refine.patch_guides import GUIDES
from joyvasa_lib.training.loop.config import LoopConfig, read_recipe, take_section
from joyvasa_lib.training.loop.run import TrainingRun
from joyvasa_lib.training.portrait.data.frame_source import FrameSource, open_frames
from joyvasa_lib.training.portrait.losses.image import (
    gradient_l1,
    hinge_critic,
    psnr,
    weighted_l1,
    weighted_ssim,
)
from joyvasa_lib.training.portrait.objective import Embedding
from joyvasa_lib.training.portrait.recipe import NetworksTraining
from joyvasa_lib.training.portrait.run import PortraitRun
from joyvasa_lib.training.refiner.data import PatchBatch, PatchPairs

KINDS = ("mouth", "eye")
_INTERIOR = [6 + GUIDES.index(n) for n in ("teeth_upper", "teeth_lower", "tongue", "eyeball")]
_LID = 6 + GUIDES.index("lid")


@dataclass(frozen=True)
class PortraitTraining:
    """Recipe of the generator.

    Attributes:
        pairs: folder that ``joyvasa datasets heads`` wrote.
        network: fields of ``PatchGenerator``'s configuration.
        batch_size: patches of each kind in a batch.
        loss_weights: of ``l1``, ``gradient``, ``ssim``, ``mask``, ``critic``.
        focus: extra weight of teeth, tongue, eyeballs and lids against other open pixels.
        critic_from: step at which the patch critic joins; never if negative.
        validation_patches: held-out patches of each kind per validation.
    """

    pairs: str
    network: dict[str, Any] = field(default_factory=dict)
    batch_size: int = 16
    loss_weights: dict[str, float] = field(
        default_factory=lambda: {
            "l1": 1.0,
            "gradient": 1.5,
            "ssim": 0.3,
            "mask": 0.03,
            "critic": 0.01,
        }
    )
    focus: float = 3.0
    critic_from: int = -1
    validation_patches: int = 384


class PatchCritic(nn.Module):
    """Scores overlapping windows of a patch: rendered truth high, refined low."""

    def __init__(self, width: int = 24) -> None:
        """Builds one critic of ``width`` to ``4 * width`` channels."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(6, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 1, 3, padding=1),
        )

    def forward(self, image: Tensor, source: Tensor) -> Tensor:
        """Scores [n, 1, p/4, p/4] of images beside the image's patch."""
        return cast(Tensor, self.layers(torch.cat([image, source], 1) * 2.0 - 1.0))


class GeneratorInTraining(nn.Module):
    """Generator and critics under one optimiser.

    Each term reaches only its own side: the critic's term sees detached images, the generator's
    sees detached critic weights.
    """

    def __init__(self, generator: PatchGenerator) -> None:
        """Adds one critic per kind."""
        super().__init__()
        self.generator = generator
        self.critics = nn.ModuleDict({kind: PatchCritic() for kind in KINDS})

    def forward(
        self, batch: PatchBatch, kind: str, config: PortraitTraining, adversarial: bool
    ) -> dict[str, Tensor]:
        """Named loss terms of one batch; ``total`` is their weighted sum."""
        made: RefinedPatch = self.generator(batch.inputs, batch.gate, kind)
        terms = refinement_losses(made, batch, config.focus)
        if adversarial:
            terms |= self._adversarial(made, batch, kind)
        weights = {**config.loss_weights, "critic_own": 1.0}
        total = torch.stack([weights.get(name, 0.0) * value for name, value in terms.items()]).sum()
        return {**terms, "total": total}

    def _adversarial(self, made: RefinedPatch, batch: PatchBatch, kind: str) -> dict[str, Tensor]:
        critic = self.critics[kind]
        # Outside the gate nothing can change: the critic sees the composite there on both sides.
        real = batch.composite + batch.gate * (batch.truth - batch.composite)
        source = batch.inputs[:, 3:6]
        frozen = {name: p.detach() for name, p in critic.named_parameters()}
        fake = functional_call(critic, frozen, (made.image, source))
        own = hinge_critic(critic(real, source), critic(made.image.detach(), source))
        return {"critic": -fake.mean(), "critic_own": own}


def attention(batch: PatchBatch, focus: float) -> Tensor:
    """[n, 1, p, p] how much each pixel counts: nothing behind the gate, interiors most."""
    inside = batch.inputs[:, _INTERIOR].amax(1, keepdim=True)
    lid = (batch.inputs[:, _LID : _LID + 1] > 0.35).float()
    return batch.gate * (1.0 + focus * torch.maximum(inside, lid))


def refinement_losses(made: RefinedPatch, batch: PatchBatch, focus: float) -> dict[str, Tensor]:
    """Returns ``l1``, ``gradient``, ``ssim`` and ``mask`` of one batch."""
    weight = attention(batch, focus)
    known = (1.0 - batch.unseen).clamp(0.0, 1.0)
    with torch.autocast(made.mask.device.type, enabled=False):
        mask = F.binary_cross_entropy(made.mask.float().clamp(1e-4, 1 - 1e-4), known, batch.gate)
    return {
        "l1": weighted_l1(made.image, batch.truth, weight),
        "gradient": gradient_l1(made.image, batch.truth, weight),
        "ssim": 1.0 - weighted_ssim(made.image, batch.truth, weight),
        "mask": mask,
    }


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


def train_portrait(
    config_path: str | Path,
    run_dir: str | Path,
    export_dir: str | Path | None = None,
    resume: bool = True,
    changes: Iterable[str] = (),
    source: FrameSource | None = None,
    identity: Embedding | None = None,
) -> Path:
    """Trains stage one by a recipe and exports it after each validation.

    Args:
        config_path: YAML file with the sections ``portrait`` and ``loop``. ``portrait.preset`` says
            whose networks: ``"compact"``, where it is not given, or ``"liveportrait"``.
        run_dir: run folder; an interrupted run in it goes on.
        export_dir: where the result is written; ``run_dir/generator`` if not given.
        resume: start anew if false.
        changes: ``section.key=value``, over what the file says.
        source: images of your own, instead of ``portrait.data``; preset liveportrait only.
        identity: embedding of faces, from images [b, 3, s, s] in [0, 1] to [b, c], for
            ``loss_weights.identity``; preset liveportrait only. None is part of this package.

    Returns:
        The export folder: of preset compact the generator's, in half precision; of preset
        liveportrait a checkpoint folder.

    Raises:
        OptionError: an option is unknown, out of range, or contradicts the data or the run.
        MediaError: there is no data.
        CheckpointError: weights to start from, or the run's state, do not load.
    """
    recipe = read_recipe(config_path, changes)
    loop = take_section(recipe, LoopConfig, "loop")
    section = recipe.get("portrait", {})
    preset = section.get("preset", "compact")
    if preset == "liveportrait":
        options = take_section(recipe, NetworksTraining, "portrait")
        check_identity(options, identity)
        images = source or open_frames(options.data)
        return PortraitRun(options, loop, images, run_dir, resume, export_dir, identity).fit()
    if preset != "compact":
        raise OptionError(f"portrait.preset must be compact or liveportrait, not {preset!r}")
    if source is not None or identity is not None:
        raise OptionError(
            "Images of your own and an identity network are for preset liveportrait; the compact "
            "preset learns from rendered heads alone"
        )
    own = {name: value for name, value in section.items() if name != "preset"}
    config = take_section({**recipe, "portrait": own}, PortraitTraining, "portrait")
    return _train_compact(config, loop, run_dir, export_dir, resume)


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


def _train_compact(
    config: PortraitTraining,
    loop: LoopConfig,
    run_dir: str | Path,
    export_dir: str | Path | None,
    resume: bool,
) -> Path:
    """Trains the compact preset's generator; see :func:`train_portrait`."""
    torch.manual_seed(loop.seed)
    network = GeneratorInTraining(PatchGenerator(**config.network))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = TrainingRun(run_dir, network, loop)
    run.start("portrait", config, resume)
    pairs = PatchPairs(config.pairs, "train")
    folder = Path(export_dir) if export_dir else run.folder / "generator"

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

    run.fit(loss, _validator(config), export)
    return folder


def save_half(generator: PatchGenerator, folder: str | Path) -> None:
    """Writes a generator with 16-bit weights; the network itself stays as it is."""
    copy = PatchGenerator.from_config(generator.config)
    copy.load_state_dict(generator.state_dict())
    copy.half().save_pretrained(folder)


def _validator(config: PortraitTraining) -> Callable[[nn.Module], dict[str, float]]:
    pairs = PatchPairs(config.pairs, "valid")

    def validate(network: nn.Module) -> dict[str, float]:
        assert isinstance(network, GeneratorInTraining)
        found: dict[str, float] = {}
        for kind in KINDS:
            found |= measure(network.generator, pairs, kind, config.validation_patches)
        return found

    return validate


def main(arguments: list[str] | None = None) -> int:
    """The entry for ``accelerate launch``; returns the exit code."""
    parser = argparse.ArgumentParser("joyvasa_lib.training.portrait.train", description=__doc__)
    parser.add_argument("--config", required=True, type=Path, help="YAML recipe, see configs/")
    parser.add_argument("--run", required=True, type=Path, help="folder of the run")
    parser.add_argument("--restart", action="store_true", help="start the run anew")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value")
    given = parser.parse_args(arguments)
    try:
        train_portrait(given.config, given.run, resume=not given.restart, changes=given.set)
    except JoyVASAError as error:
        sys.stderr.write(f"joyvasa: {error}\n")
        return 2
    return 0
