"""The reader of published checkpoints: files that ask for more than they hold, and archives."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from joyvasa_lib.checkpoints.unpickle import read_checkpoint
from joyvasa_lib.errors import CheckpointError
from pickles import opcodes, read_bytes, saved, text

pytestmark = pytest.mark.slow

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


def test_a_pickle_of_too_many_objects_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOYVASA_MAX_PICKLE_MEMORY", "100000")
    data = opcodes(b"]" * 2000)  # one byte each, but a list of 56 bytes in memory
    with pytest.raises(CheckpointError, match="contains objects of more memory"):
        read_bytes(tmp_path, data)


def repeated(start: bytes, again: bytes, size: int = 2**20) -> bytes:
    """A pickle of ``size`` bytes that does one thing over and over."""
    return b"\x80\x04" + start + again * ((size - len(start)) // len(again)) + b"."


KEYS = b"(" + b"".join(text(f"{i:04d}") + b"N" for i in range(5000))
LONG_TEXT = b"X" + struct.pack("<I", 2**16) + b"a" * 2**16
LONG_BYTES = b"B" + struct.pack("<I", 2**16) + b"a" * 2**16
COPIES = {
    "one text, encoded again and again": repeated(
        LONG_TEXT + b"\x94c_codecs\nencode\n\x94(", b"h\x01h\x00\x85R"
    ),
    "arrays of the same bytes": repeated(
        LONG_BYTES + b"\x94cnumpy.core.numeric\n_frombuffer\n\x94cnumpy\ndtype\n" + text("i1")
        + b"\x85R\x94(h\x00h\x02J" + struct.pack("<i", 2**16) + b"\x85" + text("C") + b"t\x94(",
        b"h\x01h\x03R",
    ),
    "namespaces of the same entries": repeated(
        b"}" + KEYS + b"u\x94cargparse\nNamespace\n\x94(", b"h\x01)Rh\x00b"
    ),
    "sets of the same entries": repeated(
        b"]" + KEYS + b"e\x85\x94cbuiltins\nset\n\x94(", b"h\x01h\x00R"
    ),
}  # fmt: skip
STEPS = {
    "empty sets": (b"(", b"\x8f"),
    "empty lists": (b"(", b"]"),
    "marks": (b"", b"("),
    "nested tuples": (b"N", b"\x85"),
    "memo entries": (b"N", b"\x94"),
}


def peak_of_reading(tmp_path: Path, data: bytes, message: str) -> int:
    """Bytes of memory that a file takes until it is refused."""
    import tracemalloc

    tracemalloc.start(1)
    try:
        with pytest.raises(CheckpointError, match=message):
            read_bytes(tmp_path, data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", COPIES)
def test_copies_of_one_object_take_no_more_memory_than_the_file_warrants(
    tmp_path: Path, name: str
) -> None:
    assert peak_of_reading(tmp_path, COPIES[name], "objects of more memory") < 100 * 2**20


@pytest.mark.parametrize("name", STEPS)
def test_steps_of_one_byte_take_no_more_memory_than_the_file_warrants(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("joyvasa_lib.checkpoints.pickle_budget.BASE_MEMORY", 0)
    monkeypatch.setattr("joyvasa_lib.checkpoints.pickle_budget.MEMORY_PER_BYTE", 50)
    data = repeated(*STEPS[name], size=2**17)
    assert peak_of_reading(tmp_path, data, "objects of more memory") < 70 * len(data)


def test_an_error_names_a_value_shortly_however_nested_it_is(tmp_path: Path) -> None:
    twice = text("a") + b"2\x86" * 60  # pairs of pairs: written out, 2**60 letters
    data = opcodes(b"c_codecs\nencode\n", text("a"), twice, b"\x86R")
    with pytest.raises(CheckpointError, match="text encoded by") as refusal:
        read_bytes(tmp_path, data)
    assert len(str(refusal.value)) < 1000


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
        target.writestr(
            target.infolist()[0].filename, opcodes(b"cbuiltins\neval\n", text("1+1"), b"\x85R")
        )
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
