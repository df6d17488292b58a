"""What tests of motion training share."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("accelerate")
from joyvasa_lib.training.motion.train import train_motion
from training_sets import write_recipe


@pytest.fixture(scope="package")
def base(data: Path, encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a trained generator to start from."""
    folder = tmp_path_factory.mktemp("base")
    train_motion(write_recipe(folder / "r.yaml", data, encoder, steps=2), folder / "run")
    return folder / "run"
