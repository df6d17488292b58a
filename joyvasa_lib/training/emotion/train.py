"""Trains the map from action units to expression on heads with known true deformation.

The network outputs blendshape activations. Its error is the distance between the keypoints of the
head that the compact preset renders for them and those of the true head.

Axis legend: ``p`` persons, ``t`` frames, ``n`` action-unit components, ``u`` blendshapes, ``k``
keypoints.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor, nn

from joyvasa_lib.datasets.heads.expression_pairs import (
    ExpressionPairs,
    ExpressionPairsConfig,
    join_pairs,
    load_pairs,
    make_expression_pairs,
    save_pairs,
)
from joyvasa_lib.datasets.heads.expressions import REGIONS, keypoint_regions
from joyvasa_lib.emotion.action_units import FACE_COMPONENTS
from joyvasa_lib.emotion.maps.cross_dimension_attention import CrossDimensionAttentionNet
from joyvasa_lib.emotion.maps.learned import LearnedUnitMap, save_unit_map
from joyvasa_lib.errors import OptionError
from joyvasa_lib.motion.operations.limits import highest_activations
from joyvasa_lib.motion.space import get_space
from joyvasa_lib.rig.head_rig import bundled_rig
from joyvasa_lib.training.emotion.metrics import (
    Explained,
    fitted_change,
    linear_change,
    measure_change,
)
from joyvasa_lib.training.loop.config import read_training
from joyvasa_lib.training.loop.run import TrainingRun


@dataclass(frozen=True)
class EmotionTraining:
    """Training recipe of the map.

    Attributes:
        pairs: fields of ``ExpressionPairsConfig``.
        valid_heads: held-out heads.
        network: fields of ``CrossDimensionAttentionNet``'s configuration.
        batch_heads: persons per batch.
        batch_moments: moments per person.
        drawable: weight of activations that the preset cannot render, below 0 or too high.
        simple: weight of the difference from the requested activations; it selects the simplest
            among outputs that look alike.
    """

    pairs: dict[str, Any] = field(default_factory=dict)
    valid_heads: int = 48
    network: dict[str, Any] = field(default_factory=dict)
    batch_heads: int = 8
    batch_moments: int = 64
    drawable: float = 0.5
    simple: float = 4.0


@dataclass(frozen=True)
class MapBatch:
    """A batch of ``ExpressionPairs``: its fields as tensors ``[p, t, ...]``."""

    keypoints: Tensor
    drawn_blendshapes: Tensor
    present: Tensor
    activations: Tensor
    truth: Tensor

    @classmethod
    def draw(
        cls, pairs: ExpressionPairs, heads: int, moments: int, random: np.random.Generator
    ) -> MapBatch:
        """Random moments of random heads, without repetition."""
        total, each = pairs.present.shape[:2]
        head = random.permutation(total)[:heads]
        moment = np.argsort(random.random((len(head), each)), axis=1)[:, :moments]
        own = [torch.from_numpy(x[head]) for x in (pairs.keypoints, pairs.drawn_blendshapes)]
        at = head[:, None], moment
        drawn = (pairs.present[at], pairs.activations[at], pairs.truth[at])
        return cls(*own, *(torch.from_numpy(x) for x in drawn))

    def to(self, device: torch.device) -> MapBatch:
        """The batch on a device."""
        return MapBatch(**{name: value.to(device) for name, value in vars(self).items()})


class MapObjective(nn.Module):
    """The loss of a network, computed by ``forward``."""

    keypoint_weight: Tensor
    highest: Tensor

    def __init__(
        self, network: CrossDimensionAttentionNet, truth: np.ndarray, config: EmotionTraining
    ) -> None:
        """Sets weights of the keypoints with which every region of the face counts equally.

        Args:
            network: the network, bound to the compact space.
            truth: [..., k, 3] true changes of the training set, for the variance of each region.
            config: weights of the terms.
        """
        super().__init__()
        self.network, self.config = network, config
        region = keypoint_regions(bundled_rig())
        spread = np.square(truth - truth.mean((0, 1))).mean((0, 1)).sum(-1)
        total = np.array([spread[region == index].sum() for index in range(len(REGIONS))])
        weight = torch.from_numpy(1.0 / (len(REGIONS) * total[region])).float()
        self.register_buffer("keypoint_weight", weight, persistent=False)
        highest = torch.from_numpy(highest_activations(get_space()))
        self.register_buffer("highest", highest, persistent=False)

    def forward(self, batch: MapBatch) -> dict[str, Tensor]:
        """Named terms of the loss; ``unexplained`` is 1 - R² with regions weighted equally."""
        net = self.network
        wanted = batch.activations @ net.table
        change = net.effective(wanted, batch.present, net.encode(batch.keypoints))
        after = batch.present + change
        none = torch.zeros_like(self.highest)
        shown = after.clamp(none, self.highest) - batch.present.clamp(none, self.highest)
        outside = F.relu(-after).square() + F.relu(after - self.highest).square()
        terms = {
            "unexplained": self._error(change, batch),
            "undrawn": self._error(shown, batch),
            "outside": outside.sum(-1).mean(),
            "detour": (change - wanted).square().mean(),
        }
        total = (
            0.5 * (terms["unexplained"] + terms["undrawn"])
            + self.config.drawable * terms["outside"]
            + self.config.simple * terms["detour"]
        )
        return {"total": total, **terms}

    def _error(self, change: Tensor, batch: MapBatch) -> Tensor:
        moved = torch.einsum("ptu,pukx->ptkx", change, batch.drawn_blendshapes)
        squared = (moved - batch.truth).square().sum(-1)
        return (squared * self.keypoint_weight).sum(-1).mean()


def train_emotion(
    config_path: str | Path,
    run_dir: str | Path,
    export_dir: str | Path | None = None,
    resume: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Trains the map; each validation exports it, or the linear basis if that is better.

    Args:
        config_path: YAML file with the sections ``emotion`` and ``loop``.
        run_dir: run folder; an interrupted run in it is continued.
        export_dir: folder that the map is written to; ``run_dir/emotion`` by default.
        resume: False to start anew.
        progress: called with the number of steps done after each. Raise
            :class:`~joyvasa_lib.errors.Cancelled` in it to stop; a later call continues from the
            state that was saved last.

    Returns:
        The export folder, for :func:`~joyvasa_lib.emotion.maps.choose.load_unit_map`.

    Raises:
        OptionError: an unknown key or a value out of range in the recipe.
        CheckpointError: the run folder belongs to another network.
    """
    config, loop = read_training(config_path, EmotionTraining, "emotion")
    folder = Path(export_dir) if export_dir else Path(run_dir) / "emotion"
    train, valid = prepare_pairs(config, Path(run_dir))
    torch.manual_seed(loop.seed)
    network = CrossDimensionAttentionNet(**config.network)
    network.see_faces(torch.from_numpy(train.keypoints))
    learned = LearnedUnitMap(network, get_space(), FACE_COMPONENTS)  # binds the network
    run = TrainingRun(run_dir, MapObjective(network, train.truth, config), loop)
    run.start("emotion", config, resume)
    basis = measure_change(valid, linear_change(valid))
    fitted = measure_change(valid, fitted_change(train, valid))

    def loss(objective: nn.Module, index: int) -> dict[str, Tensor]:
        random = np.random.default_rng((loop.seed, index, run.accelerator.process_index))
        batch = MapBatch.draw(train, config.batch_heads, config.batch_moments, random)
        terms: dict[str, Tensor] = objective(batch.to(run.accelerator.device))
        return terms

    def validate(objective: nn.Module) -> dict[str, float]:
        assert isinstance(objective, MapObjective)
        found = measure_map(objective.network, valid)
        return {
            f"{way}/{name}/{region}": value
            for name, explained in (("learned", found), ("linear", basis), ("fitted", fitted))
            for way, values in asdict(explained).items()
            for region, value in values.items()
        }

    def export(objective: nn.Module) -> None:
        assert isinstance(objective, MapObjective)
        found = measure_map(objective.network, valid)
        measured = {"learned": found, "linear": basis, "fitted": fitted}
        report = {name: rounded(explained) for name, explained in measured.items()}
        save_unit_map(learned if found.at_least(basis) else None, folder, report)

    run.fit(loss, validate, export, progress)
    return folder


def rounded(explained: Explained) -> dict[str, dict[str, float]]:
    """The numbers rounded for a report."""
    ways = asdict(explained).items()
    return {way: {name: round(value, 4) for name, value in v.items()} for way, v in ways}


@torch.no_grad()
def measure_map(network: CrossDimensionAttentionNet, pairs: ExpressionPairs) -> Explained:
    """Measures a network on pairs."""
    device = network.mean_keypoints.device
    changes = []
    for head in range(len(pairs.keypoints)):
        part = (pairs.keypoints, pairs.activations, pairs.present)
        keypoints, activations, present = (torch.from_numpy(x[head]).to(device)[None] for x in part)
        wanted = activations @ network.table
        changes.append(network.effective(wanted, present, network.encode(keypoints)).cpu().numpy())
    return measure_change(pairs, np.concatenate(changes))


def prepare_pairs(
    config: EmotionTraining, run_dir: Path
) -> tuple[ExpressionPairs, ExpressionPairs]:
    """Training and held-out pairs, created once and stored in the run folder.

    Raises:
        OptionError: the recipe has an unknown key, or fewer heads or moments than a batch.
    """
    try:
        recipe = ExpressionPairsConfig(**config.pairs)
    except TypeError as error:
        raise OptionError(f"The section emotion.pairs of the recipe: {error}") from error
    if recipe.heads < config.batch_heads or recipe.moments < config.batch_moments:
        raise OptionError(
            f"A batch needs {config.batch_heads} heads with {config.batch_moments} moments each; "
            f"the recipe makes {recipe.heads} with {recipe.moments}"
        )
    run_dir.mkdir(parents=True, exist_ok=True)
    sets = []
    for name, own, held_out in (
        ("train", recipe, False),
        ("valid", replace(recipe, heads=config.valid_heads), True),
    ):
        path = run_dir / f"pairs_{name}.safetensors"
        pairs = load_pairs(own, path)
        if pairs is None:
            made = make_expression_pairs(own, held_out)
            pairs = join_pairs(list(track(made, f"Heads ({name})", total=own.heads)))
            save_pairs(pairs, own, path)
        sets.append(pairs)
    return sets[0], sets[1]
