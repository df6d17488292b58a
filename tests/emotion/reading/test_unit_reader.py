"""The map from blendshape scores to action units: its laws and its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from joyvasa_lib.emotion.action_units import COMPONENTS
from joyvasa_lib.emotion.reading.unit_reader import (
    BUNDLED_READER,
    INPUTS,
    UnitReader,
    bundled_reader,
)
from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.motion.blendshapes import BLENDSHAPES


def changed(rest: np.ndarray, **changes: float) -> np.ndarray:
    """Scores that differ from those at rest, on both sides."""
    scores = rest.copy()
    for name, change in changes.items():
        for index, found in enumerate(BLENDSHAPES):
            if found in (name, f"{name}Left", f"{name}Right"):
                scores[index] += change
    return scores


@pytest.fixture
def rest() -> np.ndarray:
    """Scores of a typical face at rest."""
    scores = np.zeros(len(BLENDSHAPES), np.float32)
    scores[[BLENDSHAPES.index(name) for name in INPUTS]] = bundled_reader().typical_rest
    return scores


def read(scores: np.ndarray, rest: np.ndarray | None) -> dict[str, float]:
    return dict(zip(COMPONENTS, bundled_reader().read(scores, rest).tolist(), strict=True))


def test_a_face_like_itself_shows_nothing(rest: np.ndarray) -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        own = random.random(len(BLENDSHAPES), dtype=np.float32)
        assert not bundled_reader().read(own, own).any()


@pytest.mark.parametrize("known", [True, False])
def test_scores_read_as_the_units_that_move_them(rest: np.ndarray, known: bool) -> None:
    own, least = (rest, 0.3) if known else (None, 0.2)
    smile = read(changed(rest, mouthSmile=0.6), own)
    assert min(smile["AU12_left"], smile["AU12_right"]) > 0.5
    assert smile["AU15_left"] < 0.1 and smile["AU4_left"] < 0.2
    raised = read(changed(rest, browInnerUp=0.6, browOuterUp=0.5), own)
    assert min(raised["AU1"], raised["AU2_left"]) > least
    assert raised["AU12_left"] < 0.2
    shut = read(changed(rest, eyeBlink=0.7), own)
    assert shut["AU43_left"] > 0.5 and shut["AU5_left"] < 0.1


def test_raised_cheeks_are_inferred_from_a_smile_with_narrowed_eyes(rest: np.ndarray) -> None:
    eyes_too = read(changed(rest, mouthSmile=0.6, eyeSquint=0.3), rest)
    assert eyes_too["AU6_left"] > read(changed(rest, eyeSquint=0.3), rest)["AU6_left"] + 0.1


def test_a_smile_on_one_side_reads_stronger_there(rest: np.ndarray) -> None:
    scores = changed(rest, mouthSmileRight=0.5, mouthSmileLeft=0.15)
    units = read(scores, rest)
    assert units["AU12_right"] > units["AU12_left"] + 0.1


def test_many_frames_read_as_each_alone(rest: np.ndarray) -> None:
    frames = np.random.default_rng(1).random((3, 4, len(BLENDSHAPES)), dtype=np.float32)
    together = bundled_reader().read(frames, rest)
    assert together.shape == (3, 4, len(COMPONENTS))
    assert np.allclose(together[2, 1], bundled_reader().read(frames[2, 1], rest), atol=1e-5)
    assert together.min() == 0.0 and together.max() <= 1.0


def test_a_saved_map_reads_the_same(tmp_path: Path, rest: np.ndarray) -> None:
    bundled_reader().save(tmp_path / "map.safetensors")
    again = UnitReader.load(tmp_path / "map.safetensors")
    scores = changed(rest, mouthFrown=0.4, browDown=0.5)
    assert np.array_equal(again.read(scores, rest), bundled_reader().read(scores, rest))
    assert BUNDLED_READER.stat().st_size < 64_000


@pytest.mark.parametrize("fault", ["missing", "more", "shape", "nan", "unlabelled"])
def test_a_file_that_is_not_the_map_is_refused(tmp_path: Path, fault: str) -> None:
    bundled_reader().save(tmp_path / "map.safetensors")
    tensors = load_file(tmp_path / "map.safetensors")
    from safetensors import safe_open

    with safe_open(tmp_path / "map.safetensors", framework="numpy") as file:
        about = file.metadata()
    if fault == "missing":
        del tensors["hidden_bias"]
    elif fault == "more":
        tensors["other"] = np.zeros(3, np.float32)
    elif fault == "shape":
        tensors["unit_weight"] = tensors["unit_weight"][:, 1:].copy()
    elif fault == "nan":
        tensors["typical_rest"][0] = np.nan
    else:
        about = {}
    save_file(tensors, tmp_path / "map.safetensors", metadata=about)
    with pytest.raises(CheckpointError, match=r"map\.safetensors"):
        UnitReader.load(tmp_path / "map.safetensors")
