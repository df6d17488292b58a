"""Checkpoints as PyTorch and NumPy projects publish them, read without running anything in them.

``torch.save`` archives (zip, and the older stream), and plain pickles of NumPy arrays. Names that
are no data are refused, with the name and the file; so are sizes that the file does not hold.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joyvasa_lib.budgets import budgets
from joyvasa_lib.checkpoints import archives
from joyvasa_lib.checkpoints.data_unpickler import BoundedReader, DataUnpickler, Name
from joyvasa_lib.checkpoints.file_kind import PICKLE, TORCH_ZIP, file_kind
from joyvasa_lib.checkpoints.pickle_budget import Damaged, Refused, short_repr
from joyvasa_lib.checkpoints.pickle_values import build, data_names, storage_types, torch_names
from joyvasa_lib.errors import CheckpointError

if TYPE_CHECKING:
    import torch

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001


def read_checkpoint(path: str | os.PathLike[str], *, outline: bool = False) -> Any:
    """The object in a ``torch.save`` file or a pickle, tensors on the CPU.

    Args:
        path: a zip archive or stream of ``torch.save``, or a pickle of NumPy arrays.
        outline: whether tensors are on the meta device, without their numbers, which are not read.

    Returns:
        Dictionaries, lists, numbers, texts, tensors, arrays and ``argparse.Namespace``; paths are
        ``PurePosixPath`` or ``PureWindowsPath``, parameters plain tensors.

    Raises:
        CheckpointError: the file is missing, damaged, something else, or refers to anything that
            is not data, which is named.
    """
    source = Path(path).expanduser()
    kind = file_kind(source)
    if kind not in (TORCH_ZIP, PICKLE):
        raise CheckpointError(f"{source} is {kind}, neither a torch.save file nor a pickle")
    try:
        read = _read_zip if kind == TORCH_ZIP else _read_stream
        return read(source, outline)
    except Refused as error:
        raise CheckpointError(
            f"{source} contains {error}, which is not data, and was not loaded; nothing in it was "
            "run. Files with anything but tensors, arrays and plain values are not read; get a "
            "safetensors file from whoever made it"
        ) from error
    except (Damaged, EOFError, OSError, *archives.FAULTS) as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise CheckpointError(
            f"{source} is damaged or cut short ({reason}); download it again"
        ) from error


def _load(reader: BoundedReader) -> Any:
    """A pickle outside torch's files, or beside the object in one."""
    return DataUnpickler(reader, data_names(), build).load()


def _load_torch(reader: BoundedReader, persistent: Callable[[Any], torch.Tensor]) -> Any:
    return DataUnpickler(reader, {**data_names(), **torch_names()}, build, persistent).load()


# The zip archive that torch.save has written since 1.6


def _read_zip(path: Path, outline: bool) -> Any:
    size = path.stat().st_size
    with archives.open_archive(path) as archive:
        entries: dict[str, zipfile.ZipInfo] = {}
        for entry in archive.infolist():
            if entry.filename in entries:
                raise Refused(f"two entries {entry.filename!r}")
            entries[entry.filename] = entry
        roots = [name[: -len("data.pkl")] for name in entries if name.endswith("/data.pkl")]
        roots = [root for root in roots if root.count("/") == 1]
        if len(roots) != 1:
            raise Damaged(f"a zip archive with {len(roots)} entries data.pkl where one is due")
        root = roots[0]
        if f"{root}constants.pkl" in entries:
            raise Refused("a TorchScript program")
        order = f"{root}byteorder"
        if order in entries and _entry(archive, entries[order], 16) not in (b"little", b""):
            raise Refused("numbers in another byte order than this machine's")
        left = [size]  # storages together are no larger than the file

        def storage(key: str, count: int, dtype: torch.dtype) -> torch.Tensor:
            entry = entries.get(f"{root}data/{key}")
            if entry is None:
                raise Damaged(f"it lacks the storage {key!r}")
            wanted = count * dtype.itemsize
            if entry.file_size != wanted:
                raise Damaged(f"storage {key} has {entry.file_size} bytes instead of {wanted}")
            left[0] -= wanted
            if outline:
                return _outline(count, dtype)
            return _numbers(bytearray(_entry(archive, entry, size)), dtype)

        load = _persistent(storage, left)
        data = _entry(archive, entries[f"{root}data.pkl"], min(size, budgets().pickle_bytes))
        return _load_torch(BoundedReader(io.BytesIO(data), len(data)), load)


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    """The bytes of an entry that is neither compressed nor encrypted, so that none unfolds."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise Refused(f"the compressed or encrypted entry {entry.filename!r}")
    if entry.file_size != entry.compress_size or entry.file_size > limit:
        raise Refused(f"the entry {entry.filename!r} of {entry.file_size} bytes")
    return archive.read(entry)


def _numbers(data: bytearray, dtype: torch.dtype) -> torch.Tensor:
    import torch

    return torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)


def _outline(count: int, dtype: torch.dtype) -> torch.Tensor:
    import torch

    return torch.empty(count, dtype=dtype, device="meta")


def _persistent(
    storage: Callable[[str, int, torch.dtype], torch.Tensor], left: list[int]
) -> Callable[[Any], torch.Tensor]:
    """What finds a storage by its persistent id, each once."""
    types = storage_types()
    found: dict[str, torch.Tensor] = {}

    def load(identity: Any) -> torch.Tensor:
        if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
            raise Refused(f"the persistent id {short_repr(identity)}")
        _, kind, key, _, count = identity[:5]
        if any(part is not None for part in identity[5:]):
            raise Refused("a storage that is a view of another")
        if not isinstance(kind, Name) or kind.name not in types:
            raise Refused(f"a storage of {short_repr(kind)}")
        if type(key) is not str or not key.isdigit() or type(count) is not int or count < 0:
            raise Refused(f"a storage named {short_repr(key)} of {short_repr(count)} numbers")
        dtype = types[kind.name]
        if key not in found:
            if count * dtype.itemsize > left[0]:
                raise Damaged(f"storage {key} of {count} numbers does not fit into the file")
            found[key] = storage(key, count, dtype)
        made = found[key]
        if made.dtype != dtype or len(made) != count:
            raise Refused(f"the storage {key} under two types or sizes")
        return made

    return load


# Streams: the torch.save of before 1.6, and plain pickles


def _read_stream(path: Path, outline: bool) -> Any:
    size = path.stat().st_size
    with path.open("rb") as file:
        reader = BoundedReader(file, size)
        first_bytes = file.read(32)
        file.seek(0)
        if not _is_legacy(first_bytes):
            most = budgets().pickle_bytes
            if size > most:
                raise Refused(f"a pickle of {size} bytes, above the {most} allowed (pickle_bytes)")
            return _load(reader)
        if _load(reader) != _LEGACY_MAGIC or _load(reader) != _LEGACY_VERSION:
            raise Damaged("another version of the stream of torch.save")
        system = _load(reader)
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise Refused("numbers in another byte order than this machine's")
        return _read_legacy(file, reader, size, outline)


def _is_legacy(head: bytes) -> bool:
    """Whether a pickle starts with the number that torch.save's old stream starts with."""
    return _LEGACY_MAGIC.to_bytes(10, "little") in head


def _read_legacy(file: Any, reader: BoundedReader, size: int, outline: bool) -> Any:
    """The object, whose storages' numbers follow it: each its count, then its bytes."""
    left = [size]
    buffers: dict[str, tuple[bytearray, int]] = {}

    def storage(key: str, count: int, dtype: torch.dtype) -> torch.Tensor:
        left[0] -= count * dtype.itemsize
        if outline:
            return _outline(count, dtype)
        data = bytearray(count * dtype.itemsize)
        buffers[key] = (data, count)
        return _numbers(data, dtype)

    load = _persistent(storage, left)
    made = _load_torch(reader, load)
    if outline:
        return made
    keys = _load(reader)
    named = isinstance(keys, list) and all(type(key) is str for key in keys)
    if not named or sorted(keys) != sorted(buffers):
        raise Damaged("the list of its storages is not that of its tensors")
    for key in keys:
        data, count = buffers[key]
        stored_count = reader.read(8)
        if len(stored_count) == 8 and int.from_bytes(stored_count, "little") != count:
            raise Damaged(f"storage {key} has another size than its tensors say")
        if len(stored_count) < 8 or file.readinto(data) != len(data):
            raise Damaged(f"storage {key} ends early")
    return made
