"""Zip archives, opened once their list of members is known to be short.

Python reads that list whole when an archive is opened, at 600 bytes of memory and more for a member
of 46 bytes.
"""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

from joyvasa_lib.budgets import budgets

FAULTS = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, struct.error)
"""What ``zipfile`` raises for damaged archives: names that are no UTF-8, unknown versions."""
_END = struct.Struct("<4s4H2LH")
_END_64, _LOCATOR_64 = struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_LONGEST_COMMENT = 2**16


def open_archive(path: Path) -> zipfile.ZipFile:
    """An open archive.

    Raises:
        OSError: the file cannot be read.
        BadZipFile: it is no zip archive, or its list of members is above the budget.
    """
    most = budgets().zip_directory
    with path.open("rb") as file:
        length = _directory_length(file)
    if length > most:
        raise zipfile.BadZipFile(
            f"its list of members has {length} bytes, more than the {most} allowed (zip_directory)"
        )
    return zipfile.ZipFile(path)


def check_unpacked(archive: zipfile.ZipFile) -> None:
    """Refuses an archive whose members are too large once they are unpacked.

    Raises:
        BadZipFile: they are above the budget.
    """
    most, whole = budgets().zip_bytes, sum(entry.file_size for entry in archive.infolist())
    if whole > most:
        raise zipfile.BadZipFile(
            f"its members have {whole} bytes, more than the {most} allowed (zip_bytes)"
        )


def _directory_length(file: BinaryIO) -> int:
    """Bytes of the list of members: the largest that any record at the archive's end states."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _END.size - _LONGEST_COMMENT - _LOCATOR_64.size - _END_64.size)
    file.seek(start)
    tail = file.read(size - start)
    lengths = [0]
    for at in (len(tail) - _END.size, tail.rfind(b"PK\5\6")):
        if at < 0 or len(tail) < at + _END.size or not tail.startswith(b"PK\5\6", at):
            continue
        length = int(_END.unpack_from(tail, at)[5])
        if length < 2**32 - 1:  # which says that a longer record has it
            lengths.append(length)
        before = at - _LOCATOR_64.size
        if before >= 0 and tail.startswith(b"PK\6\7", before):
            file.seek(min(size, int(_LOCATOR_64.unpack_from(tail, before)[2])))
            records = [file.read(_END_64.size), tail[max(0, before - _END_64.size) : before]]
            lengths += [
                int(_END_64.unpack(record)[8])
                for record in records
                if len(record) == _END_64.size and record.startswith(b"PK\6\6")
            ]
    return max(lengths)
