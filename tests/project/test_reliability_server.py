"""The suites against a server find what they are there for, and leave a sound server alone."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joyvasa_lib.errors import JoyVASAError
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.media.video import VideoWriter

pytest.importorskip("fastapi", reason="the extra server is not installed")

from joyvasa_lib.integrations.server import routes
from joyvasa_lib.integrations.server.live import session
from reliability.fuzz import serving
from reliability.fuzz.conversations import PORTRAIT, Talk
from reliability.fuzz.inputs import Case
from reliability.fuzz.requests import Request, sound_request
from reliability.fuzz.serving import UnexpectedAnswer, read_requests
from reliability.kill.serving import wrong_results
from web_server import QuickPipe, picture, recording

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the suites read Linux' /proc"),
]
HOST = ((b"host", b"localhost"),)


@pytest.fixture
def samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sound files, as few as a request needs, and a pipeline that needs no checkpoint."""
    (tmp_path / "image.png").write_bytes(picture())
    (tmp_path / "sound.wav").write_bytes(recording())
    monkeypatch.setattr(serving.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(serving, "_generator", lambda _: QuickPipe().motion_generator)
    return tmp_path


def test_a_sound_request_is_read(samples: Path) -> None:
    read_requests(sound_request(samples), samples)
    assert not (samples / "served").exists()


def test_what_is_refused_is_told(samples: Path) -> None:
    case = Case(steps=(Request("POST", "/v1/jobs", HOST),))
    with pytest.raises(JoyVASAError, match="POST /v1/jobs: 422"):
        read_requests(case, samples)
    talk = Case(steps=(Talk("/v1/live", HOST, ('{"type":"start"}', 2)),))
    with pytest.raises(JoyVASAError, match="closed with 1008"):
        read_requests(talk, samples)


def fails(*_: Any) -> None:
    raise ZeroDivisionError("nobody expected it")


def leaves(source: Any, path: Path) -> None:
    (path.parent.parent / "forgotten").write_bytes(b"an upload")


def logs(source: Any, path: Path) -> None:
    logging.getLogger("joyvasa_lib").error("something went wrong")
    path.write_bytes(source.read())


@pytest.mark.parametrize(
    ("act", "said"),
    [(fails, "ZeroDivisionError"), (leaves, "of nobody were left"), (logs, "in the log")],
)
def test_whatever_goes_wrong_with_a_request_is_a_fault(
    samples: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[..., None], said: str
) -> None:
    monkeypatch.setattr(routes, "store", act)
    with pytest.raises((UnexpectedAnswer, ZeroDivisionError)) as found:
        read_requests(sound_request(samples), samples)
    assert said in repr(found.value)


async def hangs(socket: Any, *_: Any) -> None:
    await asyncio.sleep(60)


def test_a_conversation_that_hangs_is_a_fault(
    samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_talk", hangs)
    monkeypatch.setattr(serving, "_LONGEST", 0.5)
    with pytest.raises(UnexpectedAnswer, match="it goes on"):
        read_requests(Case(steps=(Talk("/v1/live", HOST, (PORTRAIT,)),)), samples)


def test_a_result_of_a_killed_server_that_is_not_whole_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/words.wav").write_bytes(recording(0.4))
    job = tmp_path / "out/served/.serve-0123456789ab/a"
    job.mkdir(parents=True)
    assert wrong_results(tmp_path / "out") == []
    speech = load_speech(tmp_path / "in/words.wav")
    for frames, faults in ((8, 1), (10, 0)):
        with VideoWriter(job / "result.mp4", (64, 64), 25, speech) as writer:
            writer.write(np.zeros((frames, 64, 64, 3), np.uint8))
        assert len(wrong_results(tmp_path / "out")) == faults
    (job / "result.mp4").write_bytes(b"half a video")
    (found,) = wrong_results(tmp_path / "out")
    assert "cannot be read" in found
