"""The reader of published checkpoints: what it reads exactly, and what it refuses to touch."""

from __future__ import annotations

import argparse
import os
import pathlib
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from joyvasa_lib.checkpoints.unpickle import read_checkpoint
from joyvasa_lib.errors import CheckpointError

RNG = np.random.default_rng(0)


def read_bytes(tmp_path: Path, data: bytes) -> Any:
    path = tmp_path / "file.pkl"
    path.write_bytes(data)
    return read_checkpoint(path)


def saved(tmp_path: Path, value: Any, **options: Any) -> Any:
    path = tmp_path / "file.pt"
    torch.save(value, path, **options)
    return read_checkpoint(path)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def motion_checkpoint() -> dict[str, Any]:
    """What JoyVASA's generator file holds, in small."""
    args = argparse.Namespace(
        exp_name="x", n_motions=100, fps=25.0, use_indicator=True, pad_mode="zero",
        audio_model="hubert_zh_ori", iter=None, data_root=pathlib.PosixPath("/data/set/train"),
    )  # fmt: skip
    weights = OrderedDict(
        weight=torch.randn(3, 4),
        shared=torch.arange(6.0)[2:5],
        half=torch.randn(2, 2).half(),
        brain=torch.randn(5).bfloat16(),
        steps=torch.tensor(7),
        mask=torch.tensor([[True, False]]),
        turned=torch.randn(3, 5).T,
        empty=torch.zeros(0, 3),
    )
    return {"args": args, "model": weights, "iter": 20000}


# What is read


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


# What is refused, without anything being run


class Runs:
    """Pickles as a call of anything."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.reduced


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A file that a malicious pickle would make."""
    path = tmp_path / "owned"
    yield path  # type: ignore[misc]
    assert not path.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_shell_command_is_not_run_and_named(tmp_path: Path, trap: Path, protocol: int) -> None:
    data = pickle.dumps([Runs(os.system, f"touch {trap}")], protocol)
    with pytest.raises(CheckpointError, match=r"file\.pkl contains (posix|nt|os)\.system"):
        read_bytes(tmp_path, data)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_shell_command_in_torch_s_own_files_is_not_run(
    tmp_path: Path, trap: Path, zipped: bool
) -> None:
    value = {"model": {"w": torch.ones(2)}, "args": Runs(os.system, f"touch {trap}")}
    with pytest.raises(CheckpointError, match="posix.system, which is not data"):
        saved(tmp_path, value, _use_new_zipfile_serialization=zipped)


def opcodes(*parts: bytes) -> bytes:
    return b"\x80\x04" + b"".join(parts) + b"."


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


TOUCH = text("touch owned")
EVIL: dict[str, tuple[bytes, str]] = {
    "eval": (opcodes(b"cbuiltins\neval\n", text("1+1"), b"\x85R"), r"builtins\.eval"),
    "python 2 eval": (opcodes(b"c__builtin__\neval\n", text("1"), b"\x85R"), r"__builtin__\.eval"),
    "stack global": (opcodes(text("os"), text("system"), b"\x93", TOUCH, b"\x85R"), r"os\.system"),
    "dotted name": (
        opcodes(text("collections"), text("OrderedDict.fromkeys"), b"\x93", b")R"),
        r"collections\.OrderedDict\.fromkeys",
    ),
    "getattr chain": (
        opcodes(b"cbuiltins\ngetattr\n", b"cargparse\nNamespace\n", text("__init__"), b"\x86R"),
        r"builtins\.getattr",
    ),
    "inst": (b"(S'touch owned'\nios\nsystem\n.", r"os\.system"),
    "obj": (opcodes(b"(cos\nsystem\n", TOUCH, b"o"), r"os\.system"),
    "newobj": (opcodes(b"csubprocess\nPopen\n", TOUCH, b"\x85\x81"), r"subprocess\.Popen"),
    "newobj_ex": (
        opcodes(b"csubprocess\nPopen\n", TOUCH, b"\x85", b"}", b"\x92"), r"subprocess\.Popen"
    ),
    "keyword arguments": (
        opcodes(b"cargparse\nNamespace\n", b")", b"}", text("a"), b"K\x01s", b"\x92"),
        "keyword arguments",
    ),
    "named through the memo": (
        opcodes(text("system"), b"\x94", b"0", text("posix"), b"h\x00", b"\x93"), r"posix\.system"
    ),
    "name that is no text": (opcodes(b"]", text("system"), b"\x93"), "a name that is no text"),
    "setstate": (
        opcodes(b"cargparse\nNamespace\n", b")\x81", text("state"), b"b"),
        "a state for a Namespace",
    ),
    "state of a list": (opcodes(b"]", b"}b"), "a state for a list"),
    "namespace arguments": (
        opcodes(b"cargparse\nNamespace\n", text("a"), b"\x85R"), r"arguments of argparse\.Namespace"
    ),
    "reconstructor": (
        opcodes(
            b"ccopyreg\n_reconstructor\n", b"ccollections\nOrderedDict\n",
            b"cbuiltins\nobject\n", b"N\x87R",
        ),
        r"object of 'collections\.OrderedDict'",
    ),
    "a call of a class that is only named": (
        opcodes(b"cnumpy\nndarray\n", b"K\x05\x85R"), r"a call of numpy\.ndarray"
    ),
    "a call of a value": (opcodes(text("os.system"), TOUCH, b"\x85R"), "a call of a str"),
    "object array": (opcodes(b"cnumpy\ndtype\n", text("O8"), b"\x85R"), "NumPy type 'O8'"),
    "bare name": (opcodes(b"cnumpy\nndarray\n"), r"the bare name numpy\.ndarray"),
    "extension registry": (opcodes(b"\x82\x01"), "the opcode EXT1"),
    "text persistent id": (b"\x80\x02Pabc\n.", "the opcode PERSID"),
    "persistent id": (opcodes(text("abc"), b"Q"), "a persistent id"),
    "buffers": (b"\x80\x05\x97.", "the opcode NEXT_BUFFER"),
    "tuple as a key": (opcodes(b"}", b"K\x01\x85", b"K\x01s"), "a tuple as a key"),
    "tensor outside torch": (
        opcodes(b"ctorch._utils\n_rebuild_tensor_v2\n"), r"torch\._utils\._rebuild_tensor_v2"
    ),
    "nested torch file": (opcodes(b"ctorch.storage\n_load_from_bytes\n"), "_load_from_bytes"),
    "codec": (
        opcodes(b"c_codecs\nencode\n", text("a"), text("rot13"), b"\x86R"), "encoded by 'rot13'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EVIL)
def test_what_is_not_data_is_refused_by_its_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data, message = EVIL[name]
    with pytest.raises(CheckpointError, match=rf"contains .*{message}.* not data"):
        read_bytes(tmp_path, data)
    assert not (tmp_path / "owned").exists()


def test_the_file_is_named_in_the_refusal(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"^{tmp_path}/file\.pkl contains builtins\.eval"):
        read_bytes(tmp_path, EVIL["eval"][0])


# What is damaged, or larger than it says


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


HUGE = {
    "bytes of a terabyte": opcodes(b"\x8e" + struct.pack("<Q", 2**40)),
    "text of a terabyte": opcodes(b"\x8d" + struct.pack("<Q", 2**40)),
    "more bytes than memory has addresses": opcodes(b"\x8e" + struct.pack("<Q", 2**64 - 1)),
    "a whole number of two gigabytes": opcodes(b"\x8b" + struct.pack("<i", 2**31 - 1)),
    "a negative length": opcodes(b"\x8b" + struct.pack("<i", -5)),
    "array of a terabyte": opcodes(
        b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy\nndarray\n", b"K\x00\x85", b"C\x01b",
        b"\x87R", b"(K\x01J" + struct.pack("<i", 2**30) + b"M\x00\x04\x86",
        b"cnumpy\ndtype\n", text("f4"), b"\x85R", b"\x89", b"C\x04abcd", b"tb",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HUGE)
def test_a_small_file_cannot_ask_for_much_memory(tmp_path: Path, name: str) -> None:
    import tracemalloc

    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=r"file\.pkl"):
            read_bytes(tmp_path, HUGE[name])
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()


def test_a_memo_index_of_a_billion_takes_no_table(tmp_path: Path) -> None:
    data = opcodes(b"K\x07", b"r" + struct.pack("<I", 2**31), b"0", b"j" + struct.pack("<I", 2**31))
    assert read_bytes(tmp_path, data) == 7


def test_a_pickle_of_too_many_steps_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("joyvasa_lib.checkpoints.pickle_machine.MOST_OPCODES", 1000)
    data = opcodes(b"]" * 2000)  # one byte each, but a list of 56 bytes in memory
    with pytest.raises(CheckpointError, match="more than 1000 opcodes"):
        read_bytes(tmp_path, data)


def rewritten(tmp_path: Path, **changes: Any) -> Path:
    """A torch archive of one tensor with some of its entries replaced, added or left out."""
    path, other = tmp_path / "file.pt", tmp_path / "other.pt"
    torch.save({"w": torch.arange(4.0)}, path)
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        for entry in source.infolist():
            name = entry.filename.split("/", 1)[1]
            data = changes.pop(name, source.read(entry))
            if data is not None:
                target.writestr(entry.filename, data)
        root = source.infolist()[0].filename.split("/")[0]
        for name, data in changes.items():
            target.writestr(f"{root}/{name}", data)
    return other


def archive_pickle(tmp_path: Path) -> bytes:
    path = tmp_path / "plain.pt"
    torch.save({"w": torch.arange(4.0)}, path)
    with zipfile.ZipFile(path) as source:
        return source.read(next(n for n in source.namelist() if n.endswith("data.pkl")))


def test_a_storage_by_a_path_out_of_the_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\0" * 16)
    data = archive_pickle(tmp_path).replace(b"X\x01\x00\x00\x000", b"X\x0c\x00\x00\x00../../secret")
    assert b"../../secret" in data
    with pytest.raises(CheckpointError, match=r"storage named '\.\./\.\./secret'"):
        read_checkpoint(rewritten(tmp_path, **{"data.pkl": data}))


def test_archive_entries_with_paths_are_never_written_anywhere(tmp_path: Path) -> None:
    path = rewritten(tmp_path, **{"../../../escaped": b"x"})
    assert torch.equal(read_checkpoint(path)["w"], torch.arange(4.0))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file.pt", "other.pt"]


def test_a_missing_or_short_storage_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="lacks the storage '0'"):
        read_checkpoint(rewritten(tmp_path, **{"data/0": None}))
    with pytest.raises(CheckpointError, match="has 12 bytes instead of 16"):
        read_checkpoint(rewritten(tmp_path, **{"data/0": b"\0" * 12}))


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("archive/data.pkl", archive_pickle(tmp_path))
        target.writestr("archive/data/0", b"\0" * 16)
    with pytest.raises(CheckpointError, match="compressed or encrypted entry 'archive/data.pkl'"):
        read_checkpoint(path)


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    path = rewritten(tmp_path)
    with zipfile.ZipFile(path, "a") as target, pytest.warns(UserWarning, match="Duplicate"):
        target.writestr(target.infolist()[0].filename, EVIL["eval"][0])
    with pytest.raises(CheckpointError, match="two entries"):
        read_checkpoint(path)


def test_programs_and_other_archives_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="a TorchScript program"):
        read_checkpoint(rewritten(tmp_path, **{"constants.pkl": b"", "code/a.py": b""}))
    with zipfile.ZipFile(tmp_path / "any.zip", "w") as target:
        target.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError, match=r"0 entries data\.pkl"):
        read_checkpoint(tmp_path / "any.zip")
    with pytest.raises(CheckpointError, match=r"torch\.nn\.modules\.linear\.Linear"):
        saved(tmp_path, torch.nn.Linear(2, 2))


def test_tensors_larger_than_their_storage_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"shape \(100000, 100000\) and strides \(0, 0\)"):
        saved(tmp_path, torch.ones(1).expand(100_000, 100_000))
    data = archive_pickle(tmp_path)
    shape = b"K\x04\x85"
    assert data.count(shape) == 1
    beyond = data.replace(shape, b"K\x05\x85")
    with pytest.raises(CheckpointError, match="in a storage of 4 numbers"):
        read_checkpoint(rewritten(tmp_path, **{"data.pkl": beyond}))
    negative = data.replace(shape, b"J\xff\xff\xff\xff\x85")
    with pytest.raises(CheckpointError, match=r"the shape \(-1,\)"):
        read_checkpoint(rewritten(tmp_path, **{"data.pkl": negative}))


def test_an_old_stream_cannot_ask_for_more_storage_than_the_file_has(tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    torch.save({"w": torch.arange(4.0)}, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    place = data.index(b"K\x04N")  # the storage's count, before "no view"
    huge = data[:place] + b"J" + struct.pack("<i", 2**31 - 1) + data[place + 2 :]
    with pytest.raises(CheckpointError, match="of 2147483647 numbers does not fit"):
        read_bytes(tmp_path, huge)


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


def test_reading_calls_no_unpickler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.pt"
    torch.save(motion_checkpoint(), path)

    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("an unpickler was called")

    monkeypatch.setattr(pickle, "Unpickler", forbidden)
    monkeypatch.setattr(pickle, "loads", forbidden)
    monkeypatch.setattr(torch, "load", forbidden)
    assert read_checkpoint(path)["iter"] == 20000
