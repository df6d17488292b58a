"""What tests of training share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from training_sets import write_corpus, write_encoder, write_prepared, write_recipe


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only wait for each other on two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set of four clips."""
    return write_prepared(tmp_path_factory.mktemp("data"), [120, 150], [60, 70])


@pytest.fixture(scope="package")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small speech encoder."""
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="package")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A speech corpus of tones."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def recipe(tmp_path: Path, data: Path, encoder: Path) -> Callable[..., Path]:
    """Writes a recipe of motion training with the options that it is called with."""

    def write(**options: Any) -> Path:
        return write_recipe(tmp_path / "recipe.yaml", data, encoder, **options)

    return write
