"""The strict loader: what fits is loaded exactly, whatever does not is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from joyvasa_lib.checkpoints.folder import CONFIG, WEIGHTS
from joyvasa_lib.checkpoints.modules import check_finite, load_module, read_config, save_module
from joyvasa_lib.errors import CheckpointError


class Small(ModelMixin, ConfigMixin):
    """A matrix, a vector, a count and a table that is not saved."""

    count: Tensor

    @register_to_config
    def __init__(self, width: int = 4, sides: tuple[int, ...] = (2, 3)) -> None:
        super().__init__()
        self.linear = nn.Linear(width, sum(sides))
        self.norm = nn.BatchNorm1d(width)
        self.register_buffer("table", torch.arange(width).float(), persistent=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_module(Small(), tmp_path / "small")
    return tmp_path / "small"


def change(folder: Path, edit: Callable[[dict[str, Tensor]], Any]) -> None:
    weights = load_file(folder / WEIGHTS)
    edit(weights)
    save_file(weights, folder / WEIGHTS)


def test_what_was_saved_comes_back_bit_for_bit(folder: Path) -> None:
    torch.manual_seed(0)
    wanted = Small()
    found = load_module(Small, folder)
    assert not found.training
    assert found.config.sides == (2, 3)
    for name, value in wanted.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name
    assert torch.equal(found.table, wanted.table)


@pytest.mark.parametrize(
    ("dtype", "error"), [(torch.float16, 5e-4), (torch.bfloat16, 4e-3), (torch.int8, 5e-3)]
)
def test_smaller_weights_are_loaded_in_float32(
    tmp_path: Path, dtype: torch.dtype, error: float
) -> None:
    torch.manual_seed(0)
    network = Small()
    save_module(network, tmp_path, dtype)
    assert load_file(tmp_path / WEIGHTS)["linear.weight"].dtype == dtype
    found = load_module(Small, tmp_path)
    assert found.linear.weight.dtype == torch.float32
    assert found.norm.num_batches_tracked.dtype == torch.int64
    torch.testing.assert_close(found.linear.weight, network.linear.weight, atol=error, rtol=0)
    assert not torch.equal(found.linear.weight, network.linear.weight)


def test_an_empty_network_takes_over_the_tensors_of_the_file(folder: Path) -> None:
    def build(**config: Any) -> Small:
        with torch.device("meta"):
            network = Small(**config)
        network.table = torch.zeros(4)
        return network

    found = load_module(build, folder)
    assert not any(value.is_meta for value in found.state_dict().values())
    assert torch.equal(found.linear.weight, load_module(Small, folder).linear.weight)


FAULTS: dict[str, tuple[Callable[[dict[str, Tensor]], Any], str]] = {
    "missing": (lambda w: w.pop("linear.bias"), "1 missing: linear.bias"),
    "unexpected": (lambda w: w.update(extra=torch.ones(1)), "1 unexpected: extra"),
    "shape": (
        lambda w: w.update({"linear.bias": torch.ones(2)}),
        r"1 of another shape: linear\.bias \(2,\) instead of \(5,\)",
    ),
    "kind": (
        lambda w: w.update({"linear.bias": torch.ones(5, dtype=torch.int32)}),
        r"1 of another kind: linear\.bias \(torch\.int32\)",
    ),
    "count": (
        lambda w: w.update({"norm.num_batches_tracked": torch.tensor(1.5)}),
        r"1 of another kind: norm\.num_batches_tracked \(torch\.float32\)",
    ),
    "infinite": (lambda w: w["linear.weight"].fill_(torch.inf), "1 not finite: linear.weight"),
    "not a number": (lambda w: w["norm.bias"][0].fill_(torch.nan), "1 not finite: norm.bias"),
    "a scale without its matrix": (
        lambda w: w.update({"gone.weight_scale": torch.ones(2)}),
        "1 unexpected: gone.weight_scale",
    ),
    "a matrix without its scale": (
        lambda w: w.update({"linear.weight": torch.ones(5, 4, dtype=torch.int8)}),
        "1 missing: linear.weight",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_tensor_that_does_not_fit_is_named_with_the_file(folder: Path, name: str) -> None:
    edit, said = FAULTS[name]
    change(folder, edit)
    with pytest.raises(CheckpointError, match=said) as caught:
        load_module(Small, folder)
    assert str(folder / WEIGHTS) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_faults_are_named_at_once(folder: Path) -> None:
    change(folder, lambda w: (w.pop("linear.bias"), w.update(extra=torch.ones(1))))
    with pytest.raises(CheckpointError, match=r"1 missing: linear\.bias; 1 unexpected: extra\."):
        load_module(Small, folder)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (CONFIG, None, "config.json does not load"),
        (CONFIG, b"{", "config.json does not load"),
        (CONFIG, b"[]", "config.json does not load"),
        (CONFIG, b'{"depth": 3}', "config.json does not load .*depth"),
        (CONFIG, b'{"width": "wide"}', "config.json does not load"),
        (WEIGHTS, None, "safetensors does not load"),
        (WEIGHTS, b"", "safetensors does not load .is empty"),
        (WEIGHTS, b"x" * 99, "safetensors does not load"),
        (WEIGHTS, b"version https://git-lfs.github.com/spec/v1\n", "not load .*Git LFS pointer"),
    ],
)
def test_a_missing_or_damaged_file_is_named(
    folder: Path, file: str, content: bytes | None, said: str
) -> None:
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        load_module(Small, folder)


def test_a_cut_file_is_refused(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[:-4])
    with pytest.raises(CheckpointError, match="safetensors does not load"):
        load_module(Small, folder)


def test_private_keys_of_a_configuration_are_left_out(folder: Path) -> None:
    stored = json.loads((folder / CONFIG).read_text())
    assert stored["_class_name"] == "Small"
    assert read_config(folder) == {"width": 4, "sides": (2, 3)}


def test_a_network_with_weights_that_are_not_finite_is_refused() -> None:
    network = Small()
    check_finite(network, "it")
    with torch.no_grad():
        network.linear.bias[2] = torch.nan
    with pytest.raises(CheckpointError, match=r"it does not load: linear\.bias"):
        check_finite(network, "it")
