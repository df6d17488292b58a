"""Work that is stopped by its progress callback leaves nothing behind and can be begun again."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import places
from joyvasa_lib import Cancelled, EncodedPortrait, JoyVASAError, JoyVASAPipeline
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.media.decoding import ffmpeg
from joyvasa_lib.media.video import VideoWriter, read_video

pytestmark = pytest.mark.slow

HELLO = places.DEMO / "hello.flac"
QUICK = {"num_inference_steps": 1, "seed": 3}
KEPT = b"the video of yesterday"


def stop_at(last: int) -> tuple[list[int], Callable[[int], None]]:
    """What was told so far, and a callback that stops at ``last``."""
    told: list[int] = []

    def progress(done: int) -> None:
        told.append(done)
        if done >= last:
            raise Cancelled("enough")

    return told, progress


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Every ffmpeg that is started."""
    started: list[subprocess.Popen[bytes]] = []

    class Popen(subprocess.Popen[bytes]):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)  # type: ignore[call-overload]
            started.append(self)

    monkeypatch.setattr(ffmpeg.subprocess, "Popen", Popen)
    return started


@pytest.fixture(scope="module")
def video(astronaut: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of the astronaut, who holds still, with speech."""
    path = tmp_path_factory.mktemp("videos") / "still.mp4"
    with VideoWriter(path, (512, 512), 25.0, load_speech(HELLO)) as writer:
        for _ in range(12):
            writer.write(astronaut)
    return path


def test_it_is_no_error_of_the_library() -> None:
    assert not issubclass(Cancelled, JoyVASAError)


def test_generation_stops_and_starts_anew(pipe: JoyVASAPipeline) -> None:
    told, progress = stop_at(1)
    with pytest.raises(Cancelled, match="enough"):
        pipe.generate_motion(HELLO, progress=progress, **QUICK)
    assert len(told) == 1
    counts: list[int] = []
    motion = pipe.generate_motion(HELLO, progress=counts.append, **QUICK)
    assert counts == sorted(set(counts))
    assert counts[-1] == len(motion) > counts[0] == told[0]
    assert motion == pipe.generate_motion(HELLO, **QUICK)


def test_a_performance_that_was_stopped_can_be_read_again(pipe: JoyVASAPipeline) -> None:
    told, progress = stop_at(1)
    performance = pipe.perform(HELLO, progress=progress, fps=30, emotion="fear:0.5", **QUICK)
    assert not told
    with pytest.raises(Cancelled):
        list(performance)
    with pytest.raises(Cancelled):
        _ = performance.motion
    assert len(told) == 2


def test_a_video_that_was_stopped_is_not_there_and_the_one_before_stays(
    pipe: JoyVASAPipeline,
    encoded: EncodedPortrait,
    tmp_path: Path,
    processes: list[subprocess.Popen[bytes]],
) -> None:
    output = tmp_path / "talk.mp4"
    output.write_bytes(KEPT)
    animation = pipe(encoded, HELLO, **QUICK)
    threads = set(threading.enumerate())
    told, progress = stop_at(3)
    with pytest.raises(Cancelled) as stopped:
        animation.save(output, progress=progress)
    assert stopped.value.args == ("enough",)
    assert told == [1, 2, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["talk.mp4"]
    assert output.read_bytes() == KEPT
    assert processes and all(process.poll() is not None for process in processes)
    assert set(threading.enumerate()) <= threads
    with pytest.raises(Cancelled):
        animation.save(tmp_path / "new.mp4", progress=progress)
    assert not (tmp_path / "new.mp4").exists()


@pytest.mark.parametrize("call", ["extract_motion", "drive"])
def test_a_driving_video_that_was_stopped_is_closed(
    pipe: JoyVASAPipeline,
    encoded: EncodedPortrait,
    video: Path,
    processes: list[subprocess.Popen[bytes]],
    call: str,
) -> None:
    told, progress = stop_at(2)
    threads = set(threading.enumerate())
    with pytest.raises(Cancelled) as stopped:
        if call == "drive":
            pipe.drive(encoded, video, progress=progress)
        else:
            pipe.extract_motion(video, progress=progress)
    assert told == [1, 2]
    assert stopped.value is not None  # while the traceback is alive, too
    assert processes and all(process.poll() is not None for process in processes)
    assert set(threading.enumerate()) <= threads


def test_any_other_exception_of_the_callback_comes_through(
    pipe: JoyVASAPipeline, video: Path
) -> None:
    def progress(done: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pipe.extract_motion(iter(read_video(video)), fps=25, progress=progress)
