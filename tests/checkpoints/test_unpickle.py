"""The reader of published checkpoints: what it reads exactly."""

from __future__ import annotations

import argparse
import pathlib
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from joyvasa_lib.checkpoints.unpickle import read_checkpoint
from pickles import motion_checkpoint, opcodes, read_bytes, same, saved, text

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_generator_file_comes_back_as_it_was_saved(tmp_path: Path, zipped: bool) -> None:
    wanted = motion_checkpoint()
    found = saved(tmp_path, wanted, _use_new_zipfile_serialization=zipped)
    assert list(found) == ["args", "model", "iter"]
    assert isinstance(found["args"], argparse.Namespace)
    assert vars(found["args"]) == vars(wanted["args"])
    assert type(found["args"].data_root) is pathlib.PurePosixPath  # which cannot touch a disk
    assert type(found["model"]) is OrderedDict
    assert same(found["model"], wanted["model"])
    assert found["iter"] == 20000


@pytest.mark.parametrize("zipped", [True, False])
def test_a_module_s_state_dict_and_parameters_come_back(tmp_path: Path, zipped: bool) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    found = saved(tmp_path, module.state_dict(), _use_new_zipfile_serialization=zipped)
    assert same(found, module.state_dict())
    found = saved(tmp_path, {"w": torch.nn.Parameter(torch.ones(2))})
    assert same(found["w"], torch.ones(2))


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_of_one_storage_share_memory_again(tmp_path: Path, zipped: bool) -> None:
    whole = torch.arange(12.0)
    found = saved(
        tmp_path, [whole, whole[3:], whole.view(3, 4)], _use_new_zipfile_serialization=zipped
    )
    found[0][5] = -1.0
    assert found[1][2] == -1.0
    assert found[2][1, 1] == -1.0


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        RNG.normal(size=(3, 4)).astype(np.float32),
        np.asfortranarray(RNG.normal(size=(3, 4))),
        np.arange(6, dtype=">i4").reshape(2, 3),
        np.array([True, False]),
        np.array(2.5),
        np.float32(1.25),
        np.int64(3),
        np.zeros((0, 3), np.float16),
        np.array([1 + 2j]),
    ],
    ids=repr,
)
def test_arrays_of_every_pickle_protocol_are_read(
    tmp_path: Path, protocol: int, array: Any
) -> None:
    data = pickle.dumps({"a": array, "b": [array]}, protocol)
    found = read_bytes(tmp_path, data)
    assert same(found, pickle.loads(data))
    assert type(found["a"]) is type(array)
    assert np.array_equal(found["a"], array)


@pytest.mark.parametrize("zipped", [True, False])
def test_an_outline_has_names_and_shapes_and_reads_no_numbers(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "file.pt"
    torch.save(motion_checkpoint(), path, _use_new_zipfile_serialization=zipped)
    found = read_checkpoint(path, outline=True)
    for name, tensor in motion_checkpoint()["model"].items():
        assert found["model"][name].is_meta
        assert found["model"][name].shape == tensor.shape
        assert found["model"][name].dtype == tensor.dtype


@pytest.mark.parametrize("core", ["core", "_core"])
def test_arrays_of_numpy_1_and_2_are_read(tmp_path: Path, core: str) -> None:
    array = np.arange(5.0)
    data = pickle.dumps([array, array[1]], 2)
    for here in (b"numpy.core.", b"numpy._core."):
        data = data.replace(b"c" + here, b"cnumpy." + core.encode() + b".")
    assert data.count(b"cnumpy." + core.encode() + b".multiarray") == 2
    assert same(read_bytes(tmp_path, data), [array, array[1]])
    framed = opcodes(
        text(f"numpy.{core}.numeric"), text("_frombuffer"), b"\x93",
        b"(", b"C\x08" + array[1:2].tobytes(), b"cnumpy\ndtype\n", text("f8"), b"\x85R",
        b"K\x01\x85", text("C"), b"tR",
    )  # fmt: skip
    assert same(read_bytes(tmp_path, framed), array[1:2])


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
    | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    | st.tuples(inner, inner, inner, inner) | st.tuples(inner),
    max_leaves=20,
)  # fmt: skip


@given(value=plain, protocol=st.integers(0, 5))
def test_plain_values_of_every_protocol_are_read(
    tmp_path_factory: pytest.TempPathFactory, value: Any, protocol: int
) -> None:
    folder = tmp_path_factory.mktemp("plain")
    # Wrapped, because a file is told to be a pickle by its first byte.
    assert read_bytes(folder, pickle.dumps([value], protocol)) == [value]


@pytest.mark.parametrize("protocol", range(6))
def test_sets_namespaces_and_paths_are_read(tmp_path: Path, protocol: int) -> None:
    value = [
        {1, 2},
        frozenset("ab"),
        argparse.Namespace(a=1),
        OrderedDict([("x", 1)]),
        pathlib.PureWindowsPath(r"C:\data\a"),
        1 + 2j,
    ]
    assert read_bytes(tmp_path, pickle.dumps(value, protocol)) == value


def test_published_templates_are_read(real_inputs: Path) -> None:
    for path in sorted((real_inputs / "motion").glob("*.pkl")):
        with path.open("rb") as file:
            wanted = pickle.load(file)
        assert same(read_checkpoint(path), wanted), path
