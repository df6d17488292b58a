"""Training of the map of action units on a few heads: it learns, resumes and exports the best."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import places

pytest.importorskip("accelerate")

from joyvasa_lib.emotion.maps.choose import load_unit_map
from joyvasa_lib.emotion.maps.learned import LearnedUnitMap
from joyvasa_lib.emotion.maps.linear import LinearUnitMap
from joyvasa_lib.errors import OptionError
from joyvasa_lib.motion import get_space
from joyvasa_lib.training.emotion.metrics import Explained, explained_variance
from joyvasa_lib.training.emotion.train import train_emotion

pytestmark = pytest.mark.slow

PAIRS = {"heads": 5, "moments": 48, "seed": 11}
NETWORK = {"width": 16, "layers": 1, "summaries": 4, "rank": 4}


def recipe(folder: Path, pairs: dict[str, Any] | None = None, **loop: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "emotion.yaml"
    loop = {"steps": 8, "warmup_steps": 2, "validate_every": 4, "learning_rate": 3e-3, **loop}
    values = {
        "emotion": {
            "pairs": pairs or PAIRS,
            "valid_heads": 3,
            "network": NETWORK,
            "batch_heads": 4,
            "batch_moments": 24,
        },
        "loop": {"checkpoint_minutes": 60.0, "ema_decay": 0.9, "threads": 1, **loop},
    }
    path.write_text(yaml.safe_dump(values))
    return path


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_training_explains_more_than_the_basis_it_starts_from(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train_emotion(recipe(tmp_path, steps=120, validate_every=120), run)
    last = [line for line in metrics(run) if "valid/moved/learned/all" in line][-1]
    # Heads never seen, after seconds: saturation and conflicts are learned first.
    assert last["valid/moved/learned/all"] > last["valid/moved/linear/all"] + 0.03


def test_an_interrupted_run_continues_to_the_same_weights(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train_emotion(recipe(tmp_path / "a", steps=8), whole)
    train_emotion(recipe(tmp_path / "b", steps=8, stop_after_minutes=1e-6), parts)
    assert metrics(parts)[-1]["step"] < 8
    train_emotion(recipe(tmp_path / "c", steps=8), parts)
    states = [torch.load(run / "state.pt", weights_only=True)["network"] for run in (whole, parts)]
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=0, atol=0)


def test_a_map_that_is_not_better_everywhere_is_not_kept(tmp_path: Path) -> None:
    folder = train_emotion(recipe(tmp_path, steps=1, learning_rate=0.5, ema_decay=0.0), tmp_path)
    about = json.loads((folder / "map.json").read_text())
    assert about["map"] == "linear"
    assert set(about["explained_variance"]) == {"learned", "linear", "fitted"}
    assert isinstance(load_unit_map(folder.parent, get_space()), LinearUnitMap)


def test_better_means_in_every_region_with_and_without_limits() -> None:
    basis = Explained({"all": 0.9, "brow": 0.8}, {"all": 0.95, "brow": 0.9})
    better = Explained({"all": 0.95, "brow": 0.8}, {"all": 0.96, "brow": 0.91})
    worse = Explained({"all": 0.99, "brow": 0.99}, {"all": 0.99, "brow": 0.89})
    assert better.at_least(basis)
    assert not worse.at_least(basis)


def test_explained_variance_is_1_for_the_truth_and_0_for_its_mean() -> None:
    truth = np.random.default_rng(0).normal(size=(50, 64, 3)).astype(np.float32)
    assert set(explained_variance(truth, truth).values()) == {1.0}
    mean = np.broadcast_to(truth.mean(0), truth.shape)
    for value in explained_variance(truth, mean).values():
        assert value == pytest.approx(0.0, abs=1e-6)
    half = explained_variance(truth, truth.mean(0) + 0.5 * (truth - truth.mean(0)))
    assert half["mouth"] == pytest.approx(0.75, abs=1e-5)


def test_a_recipe_with_unknown_keys_or_too_few_heads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="persons"):
        train_emotion(recipe(tmp_path, pairs={"persons": 3}), tmp_path / "run")
    with pytest.raises(OptionError, match="A batch needs 4 heads"):
        train_emotion(recipe(tmp_path, pairs={"heads": 2, "moments": 48}), tmp_path / "run")


def test_the_bundled_recipe_names_every_setting() -> None:
    from dataclasses import fields

    from joyvasa_lib.datasets.heads.expression_pairs import ExpressionPairsConfig
    from joyvasa_lib.training.emotion.train import EmotionTraining
    from joyvasa_lib.training.loop.run import LoopConfig

    path = places.CONFIGS / "bundled" / "emotion.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    for given, kind in (
        (values["emotion"], EmotionTraining),
        (values["emotion"]["pairs"], ExpressionPairsConfig),
        (values["loop"], LoopConfig),
    ):
        assert set(given) == {field.name for field in fields(kind)}
    import inspect

    from joyvasa_lib.emotion.maps.cross_dimension_attention import CrossDimensionAttentionNet

    known = set(inspect.signature(CrossDimensionAttentionNet.__init__).parameters) - {"self"}
    assert set(values["emotion"]["network"]) == known


def test_a_trained_folder_is_a_checkpoint_of_the_editor(tmp_path: Path) -> None:
    folder = train_emotion(recipe(tmp_path, steps=1, learning_rate=1e-9), tmp_path / "run")
    found = load_unit_map(folder.parent, get_space())
    # One step of nothing is the basis itself, which is at least as good as the basis.
    about = json.loads((folder / "map.json").read_text())
    assert isinstance(found, LearnedUnitMap if about["map"] == "learned" else LinearUnitMap)
