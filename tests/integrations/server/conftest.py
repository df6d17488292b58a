"""Servers of quick parts, each with a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from live_parts import live_threads
from web_server import QuickPipe, Running, running

Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """``start(pipe=..., limits=..., token=...)``: a server that ends with the test."""
    with ExitStack() as stack:

        def begin(pipe: Any = None, **options: Any) -> Running:
            folder = tmp_path / "served"
            folder.mkdir()
            return stack.enter_context(running(pipe or QuickPipe(), folder, **options))

        yield begin
    assert not live_threads()
