"""A portrait that does not speak: any recording is listened to, and the frames live."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import places
from joyvasa_lib import EncodedPortrait, JoyVASAPipeline, Motion
from joyvasa_lib.errors import Cancelled, MediaError, OptionError
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.motion import BLENDSHAPES

pytestmark = pytest.mark.slow

HELLO = places.DEMO / "hello.flac"


def test_every_kind_of_recording_is_listened_to_alike(pipe: JoyVASAPipeline) -> None:
    speech = load_speech(HELLO)
    motions = [
        pipe.idle(listening_to=source, seed=2)
        for source in (HELLO, str(HELLO), speech, speech.waveform, torch.tensor(speech.waveform))
    ]
    assert len(motions[0]) == round(speech.duration * 25)
    assert all(motion == motions[0] for motion in motions)
    alone = pipe.idle(speech.duration, seed=2)
    assert np.abs(alone.rotation - motions[0].rotation).max() > 0.3
    longer = pipe.idle(speech.duration + 3.0, listening_to=HELLO, seed=2)
    assert len(longer) == len(motions[0]) + 75


def test_a_performance_is_what_is_made_at_once_and_can_be_stopped(pipe: JoyVASAPipeline) -> None:
    done: list[int] = []
    performance = pipe.perform_idle(30.0, seed=1, fps=30.0, progress=done.append)
    assert performance.motion == pipe.idle(30.0, seed=1, fps=30.0)
    assert done[-1] == 900 and len(done) > 2

    def stop(count: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        pipe.idle(30.0, progress=stop)


def test_an_emotion_is_added(pipe: JoyVASAPipeline) -> None:
    happy = pipe.idle(4.0, emotion="happiness:0.8")
    smile = BLENDSHAPES.index("mouthSmileLeft")
    added = happy.blendshapes[:, smile] - pipe.idle(4.0).blendshapes[:, smile]
    assert added.min() > 0.2


def test_frames_start_and_end_as_the_portrait_and_live_in_between(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait
) -> None:
    rest = next(pipe.render(encoded, Motion.neutral(1), paste_back=False).frames())
    frames = list(pipe.render(encoded, pipe.idle(1.6, seed=3), paste_back=False).frames())
    assert np.abs(frames[0].astype(int) - rest).max() <= 1
    assert np.abs(frames[-1].astype(int) - rest).max() <= 1
    assert np.abs(frames[20].astype(int) - rest).mean() > 0.5
    still = list(pipe.render(encoded, pipe.idle(0.2, liveliness=0.0), paste_back=False).frames())
    assert all(np.array_equal(frame, still[0]) for frame in still)


def test_what_cannot_be_is_refused(pipe: JoyVASAPipeline, tmp_path: Path) -> None:
    for arguments, error, message in (
        ({}, OptionError, "give seconds or listening_to"),
        ({"seconds": -1}, OptionError, "above 0"),
        ({"listening_to": tmp_path / "absent.wav"}, MediaError, "absent.wav"),
        ({"listening_to": HELLO, "sample_rate": 8000}, OptionError, "leave it out"),
        ({"seconds": 1, "emotion": "joy"}, OptionError, "'joy'"),
    ):
        with pytest.raises(error, match=message):
            pipe.idle(**arguments)  # type: ignore[arg-type]
