"""Whisper's states, kept: the same as of the whole where all is known, near to them where not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import places
from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.speech.encoders.recent import RecentFeatures
from joyvasa_lib.speech.encoders.whisper import WhisperFrameEncoder
from joyvasa_lib.speech.encoders.whisper_stream import CONTEXT, FAR, FARTHEST, WhisperStream

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def encoder(pipe: JoyVASAPipeline) -> AudioEncoder:
    return pipe.motion_generator.audio_encoder


@pytest.fixture(scope="module")
def network(encoder: AudioEncoder) -> WhisperFrameEncoder:
    assert isinstance(encoder.network, WhisperFrameEncoder)
    return encoder.network


@pytest.fixture(scope="module")
def hello() -> Floats:
    return 3.0 * load_speech(places.DEMO / "hello.flac").waveform[:160000]


@torch.inference_mode()
def test_one_piece_is_encoded_as_ever(network: WhisperFrameEncoder, hello: Floats) -> None:
    samples = torch.from_numpy(hello[None, :32000])
    once = WhisperStream(network).encode(samples, margin=0, final=100)
    torch.testing.assert_close(once, network(samples).last_hidden_state, rtol=1e-3, atol=1e-3)


def windows(encoder: AudioEncoder, sound: Floats, step: int, ahead: int) -> Floats:
    """Features [t, d], a few frames at a time."""
    recent, made = RecentFeatures(encoder), []
    frames = len(sound) // 640
    with torch.inference_mode():
        for done in range(0, frames - step - ahead + 1, step):
            end = done + step + ahead
            part = recent(lambda a, b: sound[640 * a : 640 * b], 0, done, step, end)
            assert part.shape[0] == step + ahead
            made.append(part[:step].numpy())
    return np.concatenate(made)


def test_features_of_windows_are_near_those_of_the_whole(
    encoder: AudioEncoder, hello: Floats
) -> None:
    sound = hello[:96000]
    near = windows(encoder, sound, step=3, ahead=3)
    with torch.inference_mode():
        whole = encoder(torch.from_numpy(sound[None]))[0, : len(near)].numpy()
    same = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(near, whole, strict=True)])
    other = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(near, whole[::-1], strict=True)])
    assert np.median(same) > 0.85
    assert np.median(same) > np.median(other) + 0.3


@pytest.mark.parametrize(("level", "farthest"), [(0.0, FAR), (0.1, FARTHEST)])
def test_what_is_kept_does_not_grow_and_starts_again_in_a_pause_or_when_it_must(
    encoder: AudioEncoder, level: float, farthest: int
) -> None:
    recent = RecentFeatures(encoder)
    noise = (level * np.random.default_rng(0).standard_normal(640 * 28)).astype(np.float32)
    longest, positions = 0, []
    with torch.inference_mode():
        for done in range(0, 900, 25):
            recent(lambda a, b: np.resize(noise, 640 * (b - a)), 0, done, 25, done + 28)
            stream = recent._stream
            assert stream is not None
            positions.append(stream.position)
            kept = [pair for pair in stream._kept if pair is not None]
            longest = max(longest, *(pair[0].shape[2] for pair in kept))
    assert longest <= CONTEXT
    assert farthest < max(positions) <= farthest + 50
    assert any(after < before for before, after in pairwise(positions))
