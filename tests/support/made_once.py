"""Costly folders that only are read: one for all processes that test side by side."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder of that name, made by the first process that needs it; the others wait."""
    place = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    with FileLock(place / f"{name}.lock"):
        if not (place / name).is_dir():
            unfinished = place / f"{name}.partial"
            shutil.rmtree(unfinished, ignore_errors=True)  # of a process that could not make it
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(place / name)
    return place / name
