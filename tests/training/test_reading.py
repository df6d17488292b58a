"""Fitting of the map from blendshape scores to action units."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import yaml

import places
from joyvasa_lib import Emotion
from joyvasa_lib.datasets.heads.reading_pairs import HeadReadings, random_emotion
from joyvasa_lib.emotion.action_units import COMPONENTS
from joyvasa_lib.emotion.reading.unit_reader import UnitReader
from joyvasa_lib.errors import CheckpointError, OptionError
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.training.emotion.reading import ReadingTraining, fit_reader, train_reading

RECIPE = {"heads": 6, "valid_heads": 2, "moments": 60, "steps": 300, "hidden": 16, "batch": 128}


def scored(emotion: Emotion) -> np.ndarray:
    """Scores of a face that shows smiles and raised brows, and nothing else, nonlinearly."""
    scores = np.zeros(len(BLENDSHAPES))
    for side in ("Left", "Right"):
        scores[BLENDSHAPES.index(f"mouthSmile{side}")] = emotion[f"AU12_{side.lower()}"] ** 2
        scores[BLENDSHAPES.index(f"browOuterUp{side}")] = 0.5 * emotion[f"AU2_{side.lower()}"]
    return scores


def made_up(seed: int, moments: int) -> HeadReadings:
    random = np.random.default_rng(seed)
    rest = random.uniform(0.0, 0.2, len(BLENDSHAPES))
    emotions = [random_emotion(random) for _ in range(moments)]
    scores = np.stack([rest + scored(one) for one in emotions])
    units = np.stack([one.vector for one in emotions])
    return HeadReadings(*(np.asarray(x, np.float32) for x in (rest, scores, units)))


def test_units_that_scores_tell_are_read_and_others_are_left_out() -> None:
    heads = [made_up(seed, 60) for seed in range(8)]
    config = ReadingTraining(**RECIPE, told=0.6)  # type: ignore[arg-type]
    reader, report = fit_reader(heads[:6], heads[6:], config)
    assert {"AU12_left", "AU12_right", "AU2_left", "AU2_right"} <= set(reader.units)
    assert not {"AU18", "AU43_left", "AU28_upper", "AU17_upper"} & set(reader.units)
    assert report["known"]["AU12_left"] > 0.8 > 0.5 > report["known"]["AU18"]
    rest = heads[7].rest
    levels = []
    for level in (0.3, 0.6, 0.9):
        scores = np.float32(rest + scored(Emotion.units(AU12=level)))
        units = reader.read(scores, rest)
        levels.append(units[COMPONENTS.index("AU12_left")])
    assert levels == sorted(levels)
    assert levels[-1] == pytest.approx(0.9, abs=0.25)


def test_a_run_fits_the_readings_in_its_folder(tmp_path: Path) -> None:
    for kind, count in (("train", 6), ("valid", 2)):
        for number in range(count):
            made = made_up(number + 10 * count, 60)
            made.save(tmp_path / "run" / kind / f"{number}-60.safetensors")
    recipe = tmp_path / "reading.yaml"
    recipe.write_text(yaml.safe_dump({"reading": RECIPE}))
    told: list[int] = []
    path = train_reading(recipe, tmp_path / "run", progress=told.append)
    assert told == [1, 2, 3, 4, 5, 6, 1, 2]
    assert "AU12_left" in UnitReader.load(path).units
    assert json.loads((tmp_path / "run" / "reading.json").read_text())["known"]["AU12_left"] > 0.8


def test_the_bundled_recipe_is_one_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    from joyvasa_lib.recipes import read_section

    path = places.CONFIGS / "bundled" / "reading.yaml"
    assert asdict(read_section(path, ReadingTraining, "reading")) == asdict(ReadingTraining())
    (tmp_path / "bad.yaml").write_text("reading: {heads: 0}")
    with pytest.raises(OptionError, match="heads"):
        train_reading(tmp_path / "bad.yaml", tmp_path / "run")


def test_readings_of_another_kind_are_refused(tmp_path: Path) -> None:
    made = made_up(1, 4)
    made.save(tmp_path / "one.safetensors")
    again = HeadReadings.load(tmp_path / "one.safetensors")
    assert np.array_equal(again.scores, made.scores) and np.array_equal(again.units, made.units)
    with pytest.raises(CheckpointError, match=r"rig\.safetensors"):
        HeadReadings.load(places.ROOT / "joyvasa_lib" / "rig" / "assets" / "head_rig.safetensors")


@pytest.mark.slow
def test_a_drawn_head_is_read_with_what_it_shows() -> None:
    from joyvasa_lib import JoyVASAPipeline
    from joyvasa_lib.datasets.heads.reading_pairs import read_head_moments

    pipe = JoyVASAPipeline.from_pretrained()
    found = read_head_moments(pipe, 2, 12, held_out=True)
    again = read_head_moments(pipe, 2, 12, held_out=True)
    assert np.array_equal(found.scores, again.scores)
    shown = np.array([row.any() for row in found.units])
    change = np.abs(found.scores - found.rest).max(1)
    assert change[shown].mean() > 0.2
