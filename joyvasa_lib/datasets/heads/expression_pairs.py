"""Pairs for the learned map: action units added to an expression, and their true effect.

Axis legend: ``h`` heads, ``m`` moments of each, ``n`` action-unit components, ``u`` 52 blendshapes,
``k`` keypoints.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from joyvasa_lib.checkpoints.tensors import open_tensors
from joyvasa_lib.datasets.heads.expressions import TrueHead
from joyvasa_lib.datasets.heads.shape import random_blendshapes, random_shape
from joyvasa_lib.documents import parse_json
from joyvasa_lib.emotion.action_units import ACTION_UNITS, COMPONENTS, FACE_COMPONENTS
from joyvasa_lib.emotion.prototypes import PROTOTYPES
from joyvasa_lib.emotion.unit_effects import arkit_matrix
from joyvasa_lib.media.files import atomic_path
from joyvasa_lib.rig.head_rig import bundled_rig

Floats = NDArray[np.float32]

HELD_OUT = 10_000_000
"""First seed of held-out heads."""

_FACE = np.array([COMPONENTS.index(name) for name in FACE_COMPONENTS])
_GROUPS = tuple(
    [FACE_COMPONENTS.index(name) for name in unit.components]
    for unit in ACTION_UNITS
    if unit.region != "head"
)
_EMOTIONS = tuple(p.emotion.vector[_FACE] for p in PROTOTYPES.values() if p.intensities)
_TABLE = arkit_matrix()[_FACE].astype(np.float32)


@dataclass(frozen=True)
class ExpressionPairsConfig:
    """What a set of pairs is made of.

    Attributes:
        heads: random heads; each has a shape of its own.
        moments: pairs of each head.
        neutral: share of moments in which the face is neutral otherwise.
        emotions: share of moments with a named emotion or the sum of two; the others have single
            action units, one to six at a time.
        one_sided: share of two-sided action units that act on one side only.
        taken_away: share of action units that are taken away rather than added.
        seed: seed of the first head.
    """

    heads: int = 400
    moments: int = 256
    neutral: float = 0.2
    emotions: float = 0.3
    one_sided: float = 0.3
    taken_away: float = 0.12
    seed: int = 0


@dataclass(frozen=True, eq=False)
class ExpressionPairs:
    """Pairs of many heads.

    Attributes:
        keypoints: [h, k, 3] canonical keypoints of the neutral heads.
        drawn_blendshapes: [h, u, k, 3] see
            :attr:`~joyvasa_lib.datasets.heads.expressions.TrueHead.drawn_blendshapes`.
        present: [h, m, u] blendshapes of the expression that the action units are added to.
        activations: [h, m, n] action-unit components that are added, in the order of
            :data:`~joyvasa_lib.emotion.action_units.FACE_COMPONENTS`.
        truth: [h, m, k, 3] true change of expression.
    """

    keypoints: Floats
    drawn_blendshapes: Floats
    present: Floats
    activations: Floats
    truth: Floats


def random_activations(random: np.random.Generator, config: ExpressionPairsConfig) -> Floats:
    """Action units of one moment [n] in [-1, 1]: an emotion, the sum of two, or single units."""
    values = np.zeros(len(FACE_COMPONENTS))
    if random.random() < config.emotions:
        for _ in range(random.integers(1, 3)):
            values += random.uniform(0.1, 1.0) * _EMOTIONS[random.integers(len(_EMOTIONS))]
        return np.clip(values, -1.0, 1.0).astype(np.float32)
    for group in random.choice(len(_GROUPS), random.integers(1, 7), replace=False):
        components = _GROUPS[group]
        if len(components) > 1 and random.random() < config.one_sided:
            components = [components[random.integers(len(components))]]
        sign = -1.0 if random.random() < config.taken_away else 1.0
        values[components] = sign * random.uniform(0.1, 1.0)
    return values.astype(np.float32)


def expression_pairs_of(head: int, config: ExpressionPairsConfig) -> ExpressionPairs:
    """The pairs of one head; the number of a head and the seed fix it."""
    random = np.random.default_rng((config.seed, head))
    person = TrueHead.of(random_shape(bundled_rig(), random))
    present = np.stack([random_blendshapes(random) for _ in range(config.moments)])
    present[random.random(config.moments) < config.neutral] = 0.0
    activations = np.stack([random_activations(random, config) for _ in range(config.moments)])
    after = person.true_expression(present + activations @ _TABLE)
    return ExpressionPairs(
        keypoints=person.keypoints[None],
        drawn_blendshapes=person.drawn_blendshapes[None],
        present=present[None],
        activations=activations[None],
        truth=(after - person.true_expression(present))[None],
    )


def make_expression_pairs(
    config: ExpressionPairsConfig, held_out: bool = False
) -> Iterator[ExpressionPairs]:
    """Pairs head by head, about seven heads a second.

    Args:
        config: what they are made of.
        held_out: whether to make held-out heads instead of training heads.
    """
    first = HELD_OUT if held_out else 0
    for head in range(first, first + config.heads):
        yield expression_pairs_of(head, config)


def join_pairs(parts: list[ExpressionPairs]) -> ExpressionPairs:
    """The heads of several sets, one after another."""
    names = [field.name for field in fields(ExpressionPairs)]
    return ExpressionPairs(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})


def save_pairs(pairs: ExpressionPairs, config: ExpressionPairsConfig, path: Path) -> None:
    """Writes pairs and how they were made, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    arrays = {field.name: getattr(pairs, field.name) for field in fields(pairs)}
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, metadata={"config": json.dumps(asdict(config))})


def load_pairs(config: ExpressionPairsConfig, path: Path) -> ExpressionPairs | None:
    """Pairs that :func:`save_pairs` wrote; None if there are none, or not of this recipe."""
    try:
        with open_tensors(path, "numpy") as file:
            if parse_json((file.metadata() or {}).get("config", "{}")) != asdict(config):
                return None
            return ExpressionPairs(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
