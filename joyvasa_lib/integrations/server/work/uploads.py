"""Uploads: written to a file, read by the library's readers, named as the client knows them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from joyvasa_lib.budgets import Budgets, budgets
from joyvasa_lib.errors import JoyVASAError, MediaError, OutputError
from joyvasa_lib.integrations.server.limits import Limits
from joyvasa_lib.media.audio import Speech, load_speech


def store(source: BinaryIO, path: Path) -> None:
    """Copies an upload to a file.

    Raises:
        OutputError: there is no room.
    """
    try:
        with path.open("wb") as target:
            shutil.copyfileobj(source, target, 2**20)
    except OSError as error:
        raise OutputError(f"The server cannot keep the upload ({error.strerror})") from error


@contextmanager
def named(path: Path, name: str) -> Iterator[None]:
    """Errors of the block name an upload as the client does, and no folder of the server.

    Args:
        path: the file.
        name: what the client calls it, such as ``image``.
    """
    try:
        yield
    except JoyVASAError as error:
        raise type(error)(str(error).replace(str(path), f"'{name}'")) from error


def read_speech(path: Path, limits: Limits) -> Speech:
    """The speech of a job.

    Raises:
        MediaError: it is no recording, or too long.
    """
    with named(path, "audio"):
        speech = load_speech(path)
    if speech.duration > limits.speech_seconds:
        raise MediaError(
            f"The speech lasts {speech.duration:.0f} s, above the {limits.speech_seconds} s "
            "allowed (speech_seconds)"
        )
    return speech


def server_budgets(limits: Limits) -> Budgets:
    """The budgets of a process that reads uploads alone: none above a limit."""
    now = budgets()
    return replace(
        now,
        image_pixels=min(now.image_pixels, limits.image_megapixels * 10**6),
        image_bytes=min(now.image_bytes, limits.upload_bytes),
        audio_seconds=min(now.audio_seconds, limits.speech_seconds + 1),
    )
