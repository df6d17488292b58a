"""What tests of training LivePortrait's networks share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("accelerate")
from joyvasa_lib.datasets.heads.frames import (
    HeadFrameMaker,
    RenderedFrames,
    write_head_frames,
)
from joyvasa_lib.training.portrait.data.frame_pairs import PairSampler
from joyvasa_lib.training.portrait.data.frame_source import (
    open_frames,
)
from joyvasa_lib.training.portrait.train import train_portrait
from portrait_sets import HEADS, SIDE, write_recipe


@pytest.fixture(scope="package")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heads")
    write_head_frames(folder, HEADS)
    return folder


@pytest.fixture(scope="package")
def head() -> RenderedFrames:
    return HeadFrameMaker(HEADS).head(0)


@pytest.fixture(scope="package")
def pairs(heads: Path) -> PairSampler:
    return PairSampler(open_frames(heads), 2, SIDE, seed=0)


@pytest.fixture
def recipe(tmp_path: Path, heads: Path) -> Callable[..., Path]:
    def write(**options: Any) -> Path:
        return write_recipe(tmp_path / "portrait.yaml", **{"data": heads, **options})

    return write


@pytest.fixture(scope="package")
def trained(tmp_path_factory: pytest.TempPathFactory, heads: Path) -> Path:
    """A run of two steps, with everything that a run writes."""
    folder = tmp_path_factory.mktemp("trained")
    train_portrait(
        write_recipe(folder / "r.yaml", heads, preview_every=1, preview_pairs=2), folder / "run"
    )
    return folder / "run"
