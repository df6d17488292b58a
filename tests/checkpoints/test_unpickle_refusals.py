"""The reader of published checkpoints: what it refuses, and that it runs nothing."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from joyvasa_lib.checkpoints.unpickle import read_checkpoint
from joyvasa_lib.errors import CheckpointError
from pickles import motion_checkpoint, opcodes, read_bytes, saved, text


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
    "bare name in a list": (opcodes(b"]", b"cnumpy\nndarray\n", b"a"), r"name numpy\.ndarray"),
    "bare name in a tuple": (opcodes(b"cnumpy\nndarray\n", b"\x85"), r"name numpy\.ndarray"),
    "bare name in a Namespace": (
        opcodes(b"cargparse\nNamespace\n", b")R", b"}", text("a"), b"cnumpy\nndarray\n", b"sb"),
        r"name numpy\.ndarray",
    ),
    "tuple as a key": (opcodes(b"}", b"K\x01\x85", b"K\x01s"), "a tuple as a key"),
    "tuple as a key of a dictionary at once": (
        opcodes(b"(", b"K\x01\x85", b"K\x01d"), "a tuple as a key"
    ),
    "tuple in a set": (opcodes(b"\x8f(", b"K\x01\x85", b"\x90"), "a tuple as a key"),
    "tuple in a frozenset": (opcodes(b"(", b"K\x01\x85", b"\x91"), "a tuple as a key"),
    "deeply nested tuple as a key": (
        opcodes(b"}", b"N" + b"\x85" * 100_000, b"K\x01s"), "a tuple as a key"
    ),
    "name as a key": (opcodes(b"}", b"cnumpy\nndarray\n", b"K\x01s"), "a Name as a key"),
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


def test_reading_calls_no_unpickler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.pt"
    torch.save(motion_checkpoint(), path)

    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("an unpickler was called")

    monkeypatch.setattr(pickle, "Unpickler", forbidden)
    monkeypatch.setattr(pickle, "loads", forbidden)
    monkeypatch.setattr(torch, "load", forbidden)
    assert read_checkpoint(path)["iter"] == 20000
