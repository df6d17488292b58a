"""Sizes that checkpoint files state are checked before they cost memory."""

from __future__ import annotations

import json
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from packaging.version import Version

from joyvasa_lib.budgets import Budgets, set_budgets
from joyvasa_lib.checkpoints.archives import open_archive
from joyvasa_lib.checkpoints.tensors import read_tensors
from joyvasa_lib.checkpoints.unpickle import read_checkpoint
from joyvasa_lib.datasets.speech_corpus.recordings import SpeechCorpus
from joyvasa_lib.errors import CheckpointError, MediaError, MotionError
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.templates import load_template

FRAME = {
    "scale": np.ones((1, 1), np.float32),
    "R": np.eye(3, dtype=np.float32)[None],
    "exp": np.zeros((1, 21, 3), np.float32),
    "t": np.zeros((1, 3), np.float32),
}


@pytest.fixture(autouse=True)
def _own_budgets():
    yield
    set_budgets(None)


def _template(path: Path, frames: list[object]) -> Path:
    content = {"n_frames": len(frames), "output_fps": 25, "motion": frames}
    path.write_bytes(pickle.dumps(content, protocol=4))
    return path


def test_references_to_one_frame_count_as_often_as_they_are_copied(tmp_path: Path) -> None:
    path = _template(tmp_path / "a.pkl", [FRAME] * 60_000)
    assert path.stat().st_size < 150_000
    tracemalloc.start()
    with pytest.raises(CheckpointError, match="objects of more memory than a file of its size"):
        load_template(path)
    assert tracemalloc.get_traced_memory()[1] < 30e6
    tracemalloc.stop()


def test_references_to_references_count_without_being_followed(tmp_path: Path) -> None:
    value: object = b"x" * 10
    for _ in range(200):
        value = [value, value]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(CheckpointError, match="objects of more memory"):
        read_checkpoint(tmp_path / "a.pkl")
    value = []
    value.append(value)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(CheckpointError, match="a list that holds itself"):
        read_checkpoint(tmp_path / "a.pkl")


def test_a_template_whose_frames_are_its_own_or_often_the_same_loads(tmp_path: Path) -> None:
    own = [{name: value.copy() for name, value in FRAME.items()} for _ in range(4000)]
    assert len(load_template(_template(tmp_path / "own.pkl", own)).motion) == 4000
    assert len(load_template(_template(tmp_path / "same.pkl", [FRAME] * 5000)).motion) == 5000


def test_pickles_have_a_budget(tmp_path: Path) -> None:
    path = _template(tmp_path / "a.pkl", [FRAME] * 10)
    set_budgets(Budgets(pickle_bytes=path.stat().st_size - 1))
    with pytest.raises(CheckpointError, match="pickle_bytes"):
        load_template(path)


def _header(path: Path, tensors: dict[str, object], data: bytes = b"") -> Path:
    header = json.dumps(tensors).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


def test_a_header_of_safetensors_has_a_budget(tmp_path: Path) -> None:
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    path = _header(tmp_path / "a.safetensors", {f"t{i}": empty for i in range(100)})
    length = path.stat().st_size - 8
    set_budgets(Budgets(safetensors_header=length))
    assert len(read_tensors(path)[0]) == 100
    set_budgets(Budgets(safetensors_header=length - 1))
    with pytest.raises(CheckpointError, match=r"a\.safetensors .*safetensors_header"):
        read_tensors(path)
    with pytest.raises(MotionError, match="safetensors_header"):
        Motion.load(path)


@pytest.mark.parametrize(("kind", "length"), [("BF16", 4), ("F8_E4M3", 2), ("F4", 1)])
def test_types_that_numpy_lacks_are_named(tmp_path: Path, kind: str, length: int) -> None:
    if kind == "F4" and Version(safetensors.__version__) < Version("0.6"):
        pytest.skip("safetensors of this version has no numbers of four bits")
    about = {"dtype": kind, "shape": [2], "data_offsets": [0, length]}
    path = _header(tmp_path / "a.safetensors", {"scale": about}, bytes(length))
    with pytest.raises(MotionError, match=f"tensor 'scale' is of type {kind}, which NumPy lacks"):
        Motion.load(path)
    with pytest.raises(CheckpointError, match="which NumPy lacks"):
        read_tensors(path, "numpy")
    assert read_tensors(path)[0]["scale"].numel() >= 1


def test_a_list_of_many_members_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(1000):
            archive.writestr(f"a/{number:05d}", b"")
    listed = 1000 * (46 + 7)
    set_budgets(Budgets(zip_directory=listed))
    assert len(open_archive(path).infolist()) == 1000
    set_budgets(Budgets(zip_directory=listed - 1))
    for comment in (b"", b"remark"):
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = comment
        with pytest.raises(CheckpointError, match="zip_directory"):
            read_checkpoint(path)


def test_a_long_list_is_found_in_the_64_bit_form_of_archives(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"w": torch.zeros(3)}, path)
    data = bytearray(path.read_bytes())
    end, record = data.rfind(b"PK\5\6"), data.rfind(b"PK\6\6")
    size = struct.unpack_from("<Q", data, record + 40)[0]
    assert 0 < size < len(data)
    data[end + 12 : end + 20] = b"\xff" * 8  # size and place are in the longer record alone
    path.write_bytes(data)
    assert read_checkpoint(path)["w"].shape == (3,)
    set_budgets(Budgets(zip_directory=size - 1))
    with pytest.raises(CheckpointError, match="zip_directory"):
        read_checkpoint(path)


def _corpus(folder: Path) -> Path:
    (folder / "corpus.json").write_text('{"phonemes": ["a"], "closures": []}')
    path = folder / "train-00000.npz"
    np.savez_compressed(
        path, waveform=np.zeros(10**6, np.float32), values=np.zeros((9, 2)), phonemes=np.zeros(9)
    )
    return path


def test_a_compressed_recording_has_a_budget_unpacked(tmp_path: Path) -> None:
    path = _corpus(tmp_path)
    assert path.stat().st_size < 10_000
    assert SpeechCorpus(tmp_path).items("train")
    set_budgets(Budgets(zip_bytes=4 * 10**6))
    with pytest.raises(MediaError, match=r"train-00000\.npz.*zip_bytes"):
        SpeechCorpus(tmp_path)


def test_an_array_that_states_more_than_it_holds_is_an_error(tmp_path: Path) -> None:
    path = _corpus(tmp_path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["values.npy"] = members["values.npy"].replace(b"(9, 2), }      ", b"(9, 2222222), }")
    assert b"2222222" in members["values.npy"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(MediaError, match=r"train-00000\.npz is no readable recording"):
        SpeechCorpus(tmp_path)
