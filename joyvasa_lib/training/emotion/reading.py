"""Fits the map from blendshape scores to action units, on heads whose units are known.

Each head is drawn, moved by the compact preset and read (:mod:`..datasets.heads.reading_pairs`).
Of the units only those are kept that held-out heads' scores tell.

Axis legend: ``b`` rows, ``i`` scores that are looked at, ``r`` components, ``n`` all components.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.heads.reading_pairs import HeadReadings, read_head_moments
from joyvasa_lib.emotion.action_units import COMPONENTS
from joyvasa_lib.emotion.reading.unit_reader import INPUTS, UnitReader
from joyvasa_lib.emotion.vector import EmotionVector
from joyvasa_lib.errors import OptionError
from joyvasa_lib.media.files import write_text
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.recipes import Count, NotNegative, Positive, Share, Whole, read_section

Floats = NDArray[np.float32]

_MOST_GAIN = 1.8
"""Largest factor on a unit that is read too weakly; what needs more is hardly told at all."""


@dataclass(frozen=True)
class ReadingTraining:
    """Recipe of the map.

    Attributes:
        heads: random heads.
        valid_heads: held-out heads.
        moments: of each head.
        hidden: width of the hidden layer.
        steps: of Adam, each over a batch.
        batch: rows of a batch.
        learning_rate: peak; it falls to zero along a cosine.
        weight_decay: of AdamW.
        noise: standard deviation that is added to scores: the landmarks' own, between two looks.
        unknown_rest: share of rows whose scores at rest are not known.
        told: least correlation on held-out heads, with rest known, of a unit that is kept.
        seed: of weights, batches and noise; heads and moments are the same with any.
    """

    heads: Count = 288
    valid_heads: Count = 12
    moments: Count = 40
    hidden: Count = 96
    steps: Count = 4000
    batch: Count = 512
    learning_rate: Positive = 3e-3
    weight_decay: NotNegative = 0.6
    noise: NotNegative = 0.02
    unknown_rest: Share = 0.3
    told: Share = 0.3
    seed: Whole = 0


@dataclass(frozen=True, eq=False)
class Rows:
    """Readings of any heads: scores [b, i], those at rest [b, i] and units [b, n]."""

    scores: Floats
    rest: Floats
    units: Floats

    @classmethod
    def of(cls, heads: list[HeadReadings], mirrored: bool = False) -> Rows:
        """The moments of heads, with their mirror images if wanted."""
        looked_at = [BLENDSHAPES.index(name) for name in INPUTS]
        scores = np.concatenate([one.scores for one in heads])[:, looked_at]
        rest = np.concatenate([np.tile(one.rest, (len(one.scores), 1)) for one in heads])
        rest, units = rest[:, looked_at], np.concatenate([one.units for one in heads])
        if mirrored:
            other = [INPUTS.index(_other_side(name)) for name in INPUTS]
            scores, rest = (np.concatenate([x, x[:, other]]) for x in (scores, rest))
            turned = np.stack([EmotionVector(one).mirrored().vector for one in units])
            units = np.concatenate([units, turned])
        return cls(*(np.asarray(x, np.float32) for x in (scores, rest, units)))


def train_reading(
    config_path: str | Path,
    run_dir: str | Path,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Makes readings of heads, once, and fits the map to them.

    Args:
        config_path: YAML file with the section ``reading``.
        run_dir: run folder; readings that are in it are not made again.
        progress: called with the number of heads read after each. What it raises, such as
            :class:`~joyvasa_lib.errors.Cancelled`, ends the work; a later call continues it.

    Returns:
        The file ``unit_reader.safetensors`` in the run folder; ``reading.json`` beside it says how
        well each unit is told on held-out heads.

    Raises:
        OptionError: an unknown key or a value out of range in the recipe.
    """
    config = read_section(config_path, ReadingTraining, "reading")
    folder = Path(run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    train = _readings(config, folder / "train", config.heads, False, progress)
    valid = _readings(config, folder / "valid", config.valid_heads, True, progress)
    reader, report = fit_reader(train, valid, config)
    reader.save(folder / "unit_reader.safetensors")
    write_text(folder / "reading.json", json.dumps(report, indent=1) + "\n")
    return folder / "unit_reader.safetensors"


def fit_reader(
    train: list[HeadReadings], valid: list[HeadReadings], config: ReadingTraining
) -> tuple[UnitReader, dict[str, dict[str, float]]]:
    """Fits the map.

    Returns:
        The map, and for each of its units the correlation on held-out heads with their scores at
        rest (``known``) and without (``unknown``).

    Raises:
        OptionError: there are no readings.
    """
    if not train or not valid:
        raise OptionError("No face was found on the heads of the recipe; make more of them")
    rows, held_out = Rows.of(train, mirrored=True), Rows.of(valid, mirrored=True)
    typical = np.mean([one.rest for one in train], axis=0)
    typical = typical[[BLENDSHAPES.index(name) for name in INPUTS]]
    typical = 0.5 * (typical + typical[[INPUTS.index(_other_side(name)) for name in INPUTS]])
    shown = [name for i, name in enumerate(COMPONENTS) if rows.units[:, i].any()]
    wide = _level(_fit(rows, typical, tuple(shown), config), rows)
    known, unknown = _correlations(wide, held_out, True), _correlations(wide, held_out, False)
    kept = tuple(name for name in shown if known[name] >= config.told)
    columns = [shown.index(name) for name in kept]
    reader = UnitReader(
        kept, wide.hidden_weight, wide.hidden_bias, wide.unit_weight[:, columns], typical
    )
    told = {"known": known, "unknown": unknown}
    report = {way: {n: round(v, 3) for n, v in values.items()} for way, values in told.items()}
    return reader, report


def _fit(
    rows: Rows, typical: Floats, units: tuple[str, ...], config: ReadingTraining
) -> UnitReader:
    import torch

    torch.manual_seed(config.seed)
    random = torch.Generator().manual_seed(config.seed)
    scores, rest = torch.from_numpy(rows.scores), torch.from_numpy(rows.rest)
    truth = torch.from_numpy(rows.units[:, [COMPONENTS.index(name) for name in units]])
    usual = torch.from_numpy(np.asarray(typical, np.float32))
    count = len(INPUTS)
    hidden = torch.nn.Linear(2 * count + 1, config.hidden)
    out = torch.nn.Linear(config.hidden, len(units), bias=False)
    optimiser = torch.optim.AdamW(
        [*hidden.parameters(), *out.parameters()],
        config.learning_rate,
        weight_decay=config.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps)
    for _ in range(config.steps):
        pick = torch.randint(len(scores), (config.batch,), generator=random)
        noise = torch.randn((2, config.batch, count), generator=random) * config.noise
        known = (torch.rand((config.batch, 1), generator=random) >= config.unknown_rest).float()
        still = known * (rest[pick] + noise[0]) + (1.0 - known) * usual
        change = scores[pick] + noise[1] - still
        at_rest = torch.cat([torch.zeros_like(change), still, known], 1)
        moved = torch.cat([change, still, known], 1)
        found = out(torch.tanh(hidden(moved)) - torch.tanh(hidden(at_rest)))
        # Where nothing is shown, any reading below zero is as good.
        wrong = found - truth[pick]
        wrong = torch.where((truth[pick] == 0.0) & (found < 0.0), 0.3 * wrong, wrong)
        loss = wrong.square().mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return UnitReader(
        units,
        hidden.weight.detach().numpy().T.copy(),
        hidden.bias.detach().numpy().copy(),
        out.weight.detach().numpy().T.copy(),
        np.asarray(typical, np.float32),
    )


def _level(reader: UnitReader, rows: Rows) -> UnitReader:
    """The map with levels as they are shown.

    Least squares reads what is uncertain as weaker than it is. Each unit is multiplied by the
    factor that is missing where it is shown, both sides of a unit alike.
    """
    found = _read_all(reader, rows, known=True)
    gains = {}
    for name in reader.units:
        column = COMPONENTS.index(name)
        truth, read = rows.units[:, column], found[:, column]
        gains[name] = float(np.sum(truth**2) / max(np.sum(truth * read), 1e-9))
    gain = np.clip([gains[name] for name in reader.units], 1.0, _MOST_GAIN)
    return replace(reader, unit_weight=np.asarray(reader.unit_weight * gain, np.float32))


def _correlations(reader: UnitReader, rows: Rows, known: bool) -> dict[str, float]:
    """Correlation of each unit with the truth."""
    found = _read_all(reader, rows, known)
    result = {}
    for name in reader.units:
        both = found[:, COMPONENTS.index(name)], rows.units[:, COMPONENTS.index(name)]
        flat = min(float(np.std(one)) for one in both) < 1e-6
        result[name] = 0.0 if flat else float(np.corrcoef(*both)[0, 1])
    return result


def _read_all(reader: UnitReader, rows: Rows, known: bool) -> NDArray[np.float64]:
    """[b, n] what is read from each row, with its scores at rest or without them."""
    looked_at = [BLENDSHAPES.index(name) for name in INPUTS]
    scores = np.zeros((2, len(rows.scores), len(BLENDSHAPES)), np.float32)
    scores[0][:, looked_at], scores[1][:, looked_at] = rows.scores, rows.rest
    return np.stack(
        [reader.read(one, rest if known else None) for one, rest in zip(*scores, strict=True)]
    )


def _readings(
    config: ReadingTraining,
    folder: Path,
    count: int,
    held_out: bool,
    progress: Callable[[int], None] | None,
) -> list[HeadReadings]:
    """Readings of heads, from the folder where they are there."""
    from joyvasa_lib.pipeline import JoyVASAPipeline

    pipe = None
    found = []
    for number in range(count):
        path = folder / f"{number}-{config.moments}.safetensors"
        one = HeadReadings.load(path) if path.exists() else None
        if one is None:
            pipe = pipe or JoyVASAPipeline.from_pretrained()
            one = read_head_moments(pipe, number, config.moments, held_out)
            one.save(path)
        found.append(one)
        if progress is not None:
            progress(number + 1)
    return [one for one in found if len(one.scores)]


def _other_side(name: str) -> str:
    """The blendshape of the other side: ``mouthLeft`` is the other side of ``mouthRight``."""
    if name.endswith("Left"):
        return name.removesuffix("Left") + "Right"
    return name.removesuffix("Right") + "Left" if name.endswith("Right") else name
