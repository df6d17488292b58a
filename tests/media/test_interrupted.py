"""A signal between any two lines of what begins a result leaves nothing behind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from joyvasa_lib.media import files, unfinished, video
from joyvasa_lib.media.audio import Speech

OURS = {module.__file__ for module in (files, unfinished, video)}
BEGINNINGS: dict[str, Callable[[Path], AbstractContextManager[object]]] = {
    "file": files.atomic_path,
    "folder": lambda target: files.atomic_folder(target, ours=lambda _: True),
    "video": lambda target: video.VideoWriter(
        target, (64, 64), 25, Speech(np.full(16000, 0.1, np.float32))
    ),
}


def interrupted(begin: Callable[[], AbstractContextManager[object]], count: int) -> bool:
    """Begins a result with a signal at the line ``count``; whether its block was reached."""
    lines, reached, before = 0, False, sys.gettrace()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        if frame.f_code.co_filename not in OURS:
            return None
        lines += event == "line"
        if lines == count:
            sys.settrace(before)
            raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        with begin():
            sys.settrace(before)
            reached = True
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        return reached
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_a_signal_at_any_line_before_the_first_frame_leaves_nothing(
    kind: str, tmp_path: Path
) -> None:
    for count in range(1, 1000):
        reached = interrupted(lambda: BEGINNINGS[kind](tmp_path / "made.mp4"), count)
        assert list(tmp_path.iterdir()) == [], f"line {count}"
        if reached:
            break
    assert reached and count > 30
