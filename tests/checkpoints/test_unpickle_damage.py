"""The reader of published checkpoints: damaged files, and files that are something else."""

from __future__ import annotations

import argparse
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from joyvasa_lib.checkpoints.unpickle import read_checkpoint
from joyvasa_lib.errors import CheckpointError
from pickles import motion_checkpoint, read_bytes, same

RNG = np.random.default_rng(0)


def test_every_way_of_cutting_a_file_short_is_an_error(tmp_path: Path) -> None:
    whole = pickle.dumps({"a": RNG.normal(size=7), "b": [1, "x"]}, 4)
    assert same(read_bytes(tmp_path, whole), pickle.loads(whole))
    for length in range(len(whole)):
        with pytest.raises(CheckpointError):
            read_bytes(tmp_path, whole[:length])


@pytest.mark.parametrize("zipped", [True, False])
def test_a_torch_file_cut_short_is_an_error(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "file.pt"
    torch.save(motion_checkpoint(), path, _use_new_zipfile_serialization=zipped)
    data = path.read_bytes()
    for length in np.linspace(1, len(data) - 1, 40).astype(int):
        with pytest.raises(CheckpointError, match=r"file\.pkl"):
            read_bytes(tmp_path, data[:length])


def test_a_cut_in_the_last_count_is_an_error_where_nothing_follows_it(tmp_path: Path) -> None:
    path = tmp_path / "file.pt"
    torch.save({"none": torch.zeros(0)}, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    assert read_bytes(tmp_path, data)["none"].shape == (0,)
    for length in range(len(data) - 8, len(data)):
        with pytest.raises(CheckpointError, match="ends early"):
            read_bytes(tmp_path, data[:length])


@given(st.binary(max_size=60))
def test_no_bytes_at_all_make_anything_but_a_value_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    for start in (b"\x80\x04", b""):
        try:
            read_bytes(folder, start + data)
        except CheckpointError as error:
            assert "file.pkl" in str(error)


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_changed_byte_makes_nothing_but_a_value_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    data = bytearray(pickle.dumps({"a": np.arange(3.0), "b": argparse.Namespace(x=1)}, 2))
    data[place % len(data)] = value
    try:
        read_bytes(tmp_path_factory.mktemp("fuzz"), bytes(data))
    except CheckpointError as error:
        assert "file.pkl" in str(error)


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_changed_byte_of_an_archive_makes_nothing_but_a_value_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    file = io.BytesIO()
    torch.save({"w": torch.arange(4.0)}, file)
    data = bytearray(file.getvalue())
    data[place % len(data)] = value
    try:
        read_bytes(tmp_path_factory.mktemp("fuzz"), bytes(data))
    except CheckpointError as error:
        assert "file.pkl" in str(error)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"file\.pkl is empty; download it again"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"\x89PNG\r\n\x1a\n", "is an image"),
        (b"hello, this is a text file\n", "starts with b'hello, t'"),
        (b"\x1f\x8b\x08\x00", "a gzip archive; unpack it"),
    ],
)
def test_what_is_no_checkpoint_is_called_what_it_is(
    tmp_path: Path, data: bytes, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_bytes(tmp_path, data)


def test_safetensors_and_missing_files_are_told(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.ones(2)}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="is safetensors, neither"):
        read_checkpoint(tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="There is no file"):
        read_checkpoint(tmp_path / "absent.pth")
    with pytest.raises(CheckpointError, match="There is no file"):
        read_checkpoint(tmp_path)
