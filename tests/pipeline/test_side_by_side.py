"""One pipeline in several hands: tasks of asyncio, and a forked copy of the process."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from pathlib import Path

import pytest

from joyvasa_lib import EncodedPortrait, JoyVASAPipeline

pytestmark = pytest.mark.slow


def made(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, words: Path, path: Path, seed: int
) -> str:
    """SHA-256 of a video that the whole pipeline makes."""
    animation = pipe(encoded, words, num_inference_steps=2, seed=seed, paste_back=False)
    return hashlib.sha256(animation.save(path).read_bytes()).hexdigest()


def test_two_tasks_at_once_make_what_they_make_alone(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, words: Path, tmp_path: Path
) -> None:
    async def both() -> list[str]:
        tasks = [
            asyncio.to_thread(made, pipe, encoded, words, tmp_path / f"{seed}.mp4", seed)
            for seed in (1, 2)
        ]
        return await asyncio.gather(*tasks)

    alone = [made(pipe, encoded, words, tmp_path / "alone.mp4", seed) for seed in (1, 2)]
    assert alone[0] != alone[1]
    assert asyncio.run(both()) == alone
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.mp4", "2.mp4", "alone.mp4"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_copy_makes_the_same_video(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, words: Path, tmp_path: Path
) -> None:
    here = made(pipe, encoded, words, tmp_path / "here.mp4", 3)
    child = os.fork()
    if child == 0:
        signal.alarm(300)  # which ends a child that hangs
        code = 1
        try:
            code = int(made(pipe, encoded, words, tmp_path / "there.mp4", 3) != here)
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here.mp4", "there.mp4"]
