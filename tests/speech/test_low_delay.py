"""Motion that is wanted at once: as little sound behind as it says, and the motion of the whole."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import places
from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.errors import MediaError, OptionError
from joyvasa_lib.evaluation.behaviour.track import behaviour_track
from joyvasa_lib.evaluation.curves import correlation
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.speech.low_delay import AHEAD, FEWEST, LowDelayStream
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.speech.streaming import OVERLAP

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def generator(pipe: JoyVASAPipeline) -> MotionGenerator:
    return pipe.motion_generator


@pytest.fixture(scope="module")
def hello() -> Floats:
    return load_speech(places.DEMO / "hello.flac").waveform


def answered(stream: LowDelayStream, sound: Floats, piece: int) -> list[Motion]:
    made: list[Motion] = []

    def steps() -> None:
        while stream.ready:
            motion = stream.step()
            assert motion is not None
            made.append(motion)

    for start in range(0, len(sound), piece):
        stream.push(sound[start : start + piece])
        steps()
    stream.finish()
    steps()
    return made


def test_the_first_frames_come_with_240_ms_of_sound(generator: MotionGenerator) -> None:
    stream = generator.answer(num_inference_steps=1)
    samples = 640 * (FEWEST + AHEAD)
    assert samples <= 0.24 * 16000
    stream.push(np.zeros(samples - 1, np.float32))
    assert not stream.ready and stream.step() is None
    stream.push(np.zeros(1, np.float32))
    assert stream.ready
    motion = stream.step()
    assert motion is not None and len(motion) == FEWEST
    assert not stream.ready


def test_frames_are_as_many_as_of_the_whole(generator: MotionGenerator, hello: Floats) -> None:
    for samples in (330, 6500, 12345):
        made = answered(generator.answer(num_inference_steps=1), hello[8000 : 8000 + samples], 700)
        assert sum(map(len, made)) == round(samples / 640)
    nothing = generator.answer()
    nothing.push(np.zeros(100, np.float32))
    nothing.finish()
    assert not nothing.ready


def test_whoever_is_late_draws_more_at_once(generator: MotionGenerator, hello: Floats) -> None:
    stream = generator.answer(num_inference_steps=1)
    stream.push(hello[:16000])
    first = stream.step()
    assert first is not None and len(first) == 25 - AHEAD


@pytest.mark.slow
def test_what_is_said_live_is_what_is_said_offline(
    generator: MotionGenerator, hello: Floats
) -> None:
    """Lips correlate by .93 at least, though live ones know an eighth of a second of the future.

    What lasts for seconds, smiles and turns of the head, is the same too.
    """
    live = Motion.concatenate(answered(generator.answer(num_inference_steps=6), hello, 640))
    whole = generator.generate(hello)
    assert len(live) == len(whole)
    shown, wanted = (behaviour_track(motion) for motion in (live, whole))
    assert correlation(shown.aperture, wanted.aperture) >= 0.93
    assert correlation(shown.width, wanted.width) >= 0.93
    assert correlation(shown.aperture[:-3], wanted.aperture[3:]) < 0.75, "not of any speech"
    smiles = [track.score("mouthSmileLeft") for track in (shown, wanted)]
    assert correlation(*smiles) >= 0.82
    for axis in range(3):
        assert correlation(shown.rotation[:, axis], wanted.rotation[:, axis]) >= 0.85


def test_windows_begin_where_those_of_whole_recordings_do(
    generator: MotionGenerator, hello: Floats
) -> None:
    """Whatever the pieces that sound comes in, and with the same noise."""
    frames, begun = int(generator.denoiser.config.n_motions), []
    for piece in (1920, 9000):
        stream = generator.answer(num_inference_steps=1)
        stream.push(hello[: 640 * 10])
        stream.step()
        begun.append([(0, stream._window)])
        for start in range(640 * 10, 640 * 110, piece):
            stream.push(hello[start : start + piece])
            while stream.ready:
                before = stream.done
                stream.step()
                if stream._window is not begun[-1][-1][1]:
                    begun[-1].append((before, stream._window))
    for found in begun:
        assert [first for first, _ in found] == [0, frames - OVERLAP]
    for (_, one), (_, other) in zip(*begun, strict=True):
        assert torch.equal(one._noise, other._noise)


@pytest.mark.slow
def test_windows_go_on_where_the_one_before_ended(
    generator: MotionGenerator, hello: Floats
) -> None:
    made = answered(generator.answer(num_inference_steps=6), hello[:48000], 640)
    turns = np.concatenate([motion.rotation for motion in made])
    steps = np.abs(np.diff(turns, axis=0)).max(axis=1)
    ends = np.cumsum([len(motion) for motion in made])[:-1] - 1
    between = np.setdiff1d(np.arange(len(steps)), ends)
    assert steps[ends].mean() < 2.0 * steps[between].mean()
    assert steps.max() < 3.0


def test_the_same_seed_and_pieces_give_the_same_motion(
    generator: MotionGenerator, hello: Floats
) -> None:
    def said(seed: int) -> Motion:
        stream = generator.answer(num_inference_steps=2, seed=seed)
        return Motion.concatenate(answered(stream, hello[:16000], 3200))

    assert said(3) == said(3)
    assert said(3) != said(4)


def test_memory_does_not_grow(generator: MotionGenerator) -> None:
    stream = generator.answer(num_inference_steps=1)
    held = []
    for _ in range(12):
        stream.push(np.zeros(16000, np.float32))
        while stream.ready:
            stream.step()
        held.append(len(stream._sound))
    assert all(a == b for a, b in pairwise(held[-4:]))
    assert held[-1] <= 16000 * 6


def test_a_style_is_heard_from_the_next_window_on(
    generator: MotionGenerator, hello: Floats
) -> None:
    def head(dials: Floats | None) -> float:
        stream = generator.answer(num_inference_steps=4)
        stream.push(hello[:48000])
        stream.finish()
        made = []
        while stream.ready:
            motion = stream.step(dials)
            assert motion is not None
            made.append(motion.rotation)
        return float(np.concatenate(made).std(axis=0).mean())

    calm, lively = (head(np.array([1, x, 1, 1], np.float32)) for x in (0.1, 1.9))
    assert lively > 1.5 * calm


def test_what_cannot_be_is_told(generator: MotionGenerator) -> None:
    with pytest.raises(OptionError, match="num_inference_steps"):
        generator.answer(num_inference_steps=0)
    with pytest.raises(MediaError, match="not finite"):
        generator.answer().push(np.array([np.nan], np.float32))
