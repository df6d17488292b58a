"""A configuration cannot ask for a larger network than the weights beside it."""

from __future__ import annotations

import json
import shutil
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch

from joyvasa_lib.checkpoints.folder import BUNDLED
from joyvasa_lib.checkpoints.modules import load_module
from joyvasa_lib.emotion.maps.cross_dimension_attention import CrossDimensionAttentionNet
from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser


def changed(tmp_path: Path, part: str, **values: Any) -> Path:
    """A folder of the bundled checkpoint with other values in its configuration."""
    folder = tmp_path / "network"
    shutil.copytree(BUNDLED / part, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))
    return folder


LARGE = {
    "a layer of a terabyte": {"hidden_dim": 2**19},
    "a number of any size": {"hidden_dim": 10**30},
    "a number that is no number": {"dropout": 1e300},
    "millions of layers": {"n_layers": 2**23},
    "a table of a billion rows": {"n_motions": 2**24, "n_prev_motions": 2**24},
}


@pytest.mark.parametrize("name", LARGE)
def test_a_configuration_of_a_larger_network_is_refused_before_it_is_built(
    tmp_path: Path, name: str
) -> None:
    folder = changed(tmp_path, "denoiser", **LARGE[name])
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(CheckpointError, match=r"config\.json does not load"):
        load_module(MotionDenoiser, folder)
    assert time.process_time() - started < 30
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()


def test_layers_beyond_the_weights_are_still_named(tmp_path: Path) -> None:
    folder = changed(tmp_path, "denoiser", n_layers=5)
    with pytest.raises(CheckpointError, match=r"missing: .*\.4\."):
        load_module(MotionDenoiser, folder)


def test_measuring_a_network_draws_no_random_numbers(tmp_path: Path) -> None:
    folder = changed(tmp_path, "emotion")
    torch.manual_seed(3)
    CrossDimensionAttentionNet(
        **{
            key: value
            for key, value in json.loads((folder / "config.json").read_text()).items()
            if not key.startswith("_")
        }
    )
    expected = torch.rand(3)
    torch.manual_seed(3)
    load_module(CrossDimensionAttentionNet, folder)
    assert torch.equal(torch.rand(3), expected)
