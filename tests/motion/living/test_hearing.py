"""What is heard live: when somebody speaks, and that a phrase has ended."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import places
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.motion.living.heard import PAUSE, Heard
from joyvasa_lib.motion.living.hearing import Hearing, Moment

FRAME = 640


def noise(seconds: float, level: float = 0.2) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return (level * rng.standard_normal(round(seconds * 16000))).astype(np.float32)


def silence(seconds: float) -> NDArray[np.float32]:
    return noise(seconds, 1e-4)


def heard(*sounds: NDArray[np.float32]) -> list[Moment]:
    """What is heard frame by frame as the sounds come."""
    whole, hearing = np.concatenate(sounds), Hearing()
    moments = []
    for start in range(0, len(whole), FRAME):
        hearing.push(whole[start : start + FRAME])
        moments.append(hearing.listen(0.04))
    return moments


def ends(moments: list[Moment]) -> list[float]:
    return [0.04 * (i + 1) for i, moment in enumerate(moments) if moment.phrase_ended]


def test_a_phrase_has_ended_when_its_pause_is_long_enough() -> None:
    moments = heard(silence(0.4), noise(1.0), silence(1.0))
    assert ends(moments) == pytest.approx([1.4 + PAUSE], abs=0.05)
    speaks = [moment.speech for moment in moments]
    assert not any(speaks[:10]) and all(speaks[13:34]) and not any(speaks[42:])


def test_a_closure_is_no_pause_and_a_click_is_no_phrase() -> None:
    assert len(ends(heard(silence(0.4), noise(0.5), silence(0.15), noise(0.5), silence(1.0)))) == 1
    clicks = heard(*(sound for _ in range(5) for sound in (silence(0.4), noise(0.06))))
    assert not ends(clicks) and not any(moment.speech for moment in clicks)


def test_noise_that_goes_on_is_no_speech() -> None:
    moments = heard(noise(20.0, 0.01))
    assert not any(moment.speech for moment in moments[-100:])


def test_sound_that_comes_at_once_is_heard_as_long_as_it_sounds() -> None:
    hearing = Hearing()
    hearing.push(np.concatenate([silence(0.4), noise(1.0), silence(1.0)]))
    assert ends([hearing.listen(0.04) for _ in range(60)]) == pytest.approx([1.75], abs=0.05)


def test_a_recording_is_heard_as_when_the_future_is_known() -> None:
    speech = load_speech(places.DEMO / "hello.flac").waveform
    known = Heard([speech])
    moments = heard(speech, silence(1.0))
    times = 0.04 * np.arange(len(moments)) + 0.02
    agrees = known.speaking(times) == np.array([moment.speech for moment in moments])
    assert agrees.mean() > 0.8
