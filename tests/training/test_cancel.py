"""Training that its progress callback stops can be continued."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

pytest.importorskip("accelerate")

from joyvasa_lib import Cancelled
from joyvasa_lib.training.motion.train import train_motion
from training_sets import write_encoder, write_prepared, write_recipe


def test_a_run_that_is_stopped_ends_its_threads_and_goes_on_later(tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "data", [120], [60])
    recipe = write_recipe(
        tmp_path / "recipe.yaml", data, write_encoder(tmp_path / "encoder"),
        steps=4, validate_every=4, loader_threads=1, preview_every=0,
    )  # fmt: skip
    told: list[int] = []
    threads = set(threading.enumerate())

    def stop(done: int) -> None:
        told.append(done)
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        train_motion(recipe, tmp_path / "run", progress=stop)
    assert told == [1, 2]
    assert set(threading.enumerate()) <= threads
    assert not [path for path in (tmp_path / "run").rglob("*") if ".partial" in path.name]
    told.clear()
    folder = train_motion(recipe, tmp_path / "run", progress=told.append)
    assert told[-1] == 4
    assert (folder / "denoiser").is_dir()
