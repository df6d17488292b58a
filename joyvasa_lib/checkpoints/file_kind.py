"""What a file is, told by its first bytes, whatever its name says."""

from __future__ import annotations

import struct
from pathlib import Path

from joyvasa_lib.errors import CheckpointError

SAFETENSORS, TORCH_ZIP, PICKLE, ONNX = "safetensors", "a torch.save archive", "a pickle", "ONNX"

_MISTAKES = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "run git lfs pull"),
    (b"<!DOCTYPE", "a web page", "use the page's download link"),
    (b"<!doctype", "a web page", "use the page's download link"),
    (b"<html", "a web page", "use the page's download link"),
    (b"\x1f\x8b", "a gzip archive", "unpack it"),
    (b"ustar", "a tar archive", "unpack it"),
    (b"\x89PNG", "an image", "give the checkpoint file"),
    (b"\xff\xd8\xff", "an image", "give the checkpoint file"),
)
"""First bytes of what people download by mistake; what it is; what to do."""


def file_kind(path: Path) -> str:
    """One of ``SAFETENSORS``, ``TORCH_ZIP``, ``PICKLE`` and ``ONNX``.

    Raises:
        CheckpointError: there is no such file, it is empty or cannot be read, or it is something
            else, which the message names.
    """
    try:
        if not path.is_file():
            raise CheckpointError(f"There is no file {path}; check the name")
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); check it") from error
    if not head:
        raise CheckpointError(f"{path} is empty; download it again")
    for start, what, remedy in _MISTAKES:
        if head.lstrip().startswith(start) or (start == b"ustar" and head[257:262] == start):
            raise CheckpointError(f"{path} is {what}; {remedy}")
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return TORCH_ZIP
    if len(head) >= 9 and head[8:9] == b"{" and 0 < struct.unpack("<Q", head[:8])[0] < size:
        return SAFETENSORS
    if len(head) > 1 and head[0] == 0x80 and head[1] <= 5:
        return PICKLE
    if len(head) > 1 and head[0] == 8 and 1 <= head[1] <= 12:  # the IR version, field 1
        return ONNX
    if head[:1] in b"(])}cdl":  # protocol 0 starts with an opcode
        return PICKLE
    raise CheckpointError(
        f"{path} is neither a torch.save file nor a pickle nor safetensors (it starts with "
        f"{head[:8]!r}); download it again"
    )
