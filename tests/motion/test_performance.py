"""Performances: the same numbers in pieces as in one, and memory that does not grow."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from joyvasa_lib.errors import MediaError, MotionError, OptionError
from joyvasa_lib.media import audio
from joyvasa_lib.media.audio import SAMPLE_RATE, load_speech, write_wav
from joyvasa_lib.motion import BLENDSHAPES, LIVEPORTRAIT_21, Motion, get_space, performance
from joyvasa_lib.motion.performance import Performance
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.diffusion.schedulers import cosine_betas
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.speech.encoders.compact_wav2vec2 import CompactWav2Vec2Config, CompactWav2Vec2Model
from joyvasa_lib.speech.motion_generator import MotionGenerator

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def generator() -> MotionGenerator:
    """An untrained generator, small enough for minutes of speech."""
    torch.manual_seed(0)
    config = CompactWav2Vec2Config(
        mel_bands=40, conv_dim=(16,) * 7, hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=24, num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    denoiser = MotionDenoiser(
        audio_dim=16, feature_dim=16, n_layers=1, n_heads=2, hidden_dim=16, n_diff_steps=50
    )
    normalizer = MotionNormalizer(np.zeros(59, np.float32), np.full(59, 0.1, np.float32))
    encoder = AudioEncoder(CompactWav2Vec2Model(config))
    return MotionGenerator(encoder, denoiser, normalizer, cosine_betas(50))


@pytest.fixture(scope="module")
def motion() -> Motion:
    """700 frames of noise whose head turns through several whole circles."""
    space = get_space()
    vector = np.random.default_rng(0).standard_normal((700, space.vector_size)).astype(np.float32)
    vector[:, -3:] = (30.0 * np.cumsum(vector[:, -3:], axis=0) + 180.0) % 360.0 - 180.0
    return Motion.from_vector(vector, space=space)


def cut(motion: Motion, size: int) -> Performance:
    """The motion as a performance that comes in pieces of so many frames."""
    starts = range(0, len(motion), size)
    return Performance(
        len(motion), motion.fps, motion.space, lambda: (motion[i : i + size] for i in starts)
    )


def noise(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    return (0.1 * generator.standard_normal(round(seconds * SAMPLE_RATE))).astype(np.float32)


@pytest.mark.parametrize("size", [1, 13, 96, 700])
@pytest.mark.parametrize("fps", [60.0, 29.97, 24.0, 12.5, 7.0])
def test_retiming_in_pieces_gives_the_bytes_of_retiming_at_once(
    motion: Motion, size: int, fps: float
) -> None:
    n_frames = round(28 * fps)
    whole = motion.retime(fps=fps, n_frames=n_frames)
    assert cut(motion, size).retime(fps=fps, n_frames=n_frames).motion == whole


def test_gains_in_pieces_are_gains_at_once(motion: Motion) -> None:
    calm = Motion.from_blendshapes(np.abs(motion.expression[:, : len(BLENDSHAPES), 0]) / 4)
    gains = {"blink": 0.5, "mouth": 1.5, "brows": 0.0}
    assert cut(calm, 50).with_gains(**gains).motion.allclose(calm.with_gains(**gains))


def test_a_gain_that_needs_the_whole_motion_gets_it() -> None:
    expression = np.random.default_rng(0).random((90, 21, 3))
    motion = Motion.build(expression, space=LIVEPORTRAIT_21)
    assert cut(motion, 20).with_gains(mouth=0.5).motion == motion.with_gains(mouth=0.5)


def test_a_short_performance_is_made_once_and_a_long_one_each_time(
    motion: Motion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def readings(longest_kept: int) -> int:
        monkeypatch.setattr(performance, "LONGEST_KEPT", longest_kept)
        made = []

        def pieces() -> Iterator[Motion]:
            made.append(1)
            yield motion

        one = Performance(len(motion), motion.fps, motion.space, pieces)
        assert [sum(map(len, one)) for _ in range(3)] == [700] * 3
        return len(made)

    assert readings(longest_kept=700) == 1
    assert readings(longest_kept=699) == 3


def test_pieces_that_do_not_add_up_are_an_error(motion: Motion) -> None:
    short = Performance(701, motion.fps, motion.space, lambda: [motion])
    with pytest.raises(MotionError, match="700 frames where 701"):
        list(short)


def test_an_impossible_gain_or_rate_is_refused_before_anything_is_made(motion: Motion) -> None:
    untouched = Performance(5, 25.0, motion.space, lambda: pytest.fail("was made"))
    with pytest.raises(MotionError, match="mouth gain"):
        untouched.with_gains(mouth=-1.0)
    with pytest.raises(MotionError, match="fps"):
        untouched.retime(fps=0.0, n_frames=5)


def test_an_impossible_option_is_refused_without_generating(generator: MotionGenerator) -> None:
    generator.check(seed=3, num_inference_steps=50)
    with pytest.raises(OptionError, match="at most 50"):
        generator.check(num_inference_steps=51)


class TestLongFile:
    """A file longer than what is kept in memory, here a second."""

    @pytest.fixture
    def path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(audio, "LONGEST_KEPT", 1.0)
        return write_wav(tmp_path / "long.wav", noise(13.3))

    def test_it_is_read_from_its_file_with_the_same_samples(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        long = load_speech(path)
        monkeypatch.setattr(audio, "LONGEST_KEPT", 60.0)
        kept = load_speech(path)
        assert len(long) == len(kept) == round(13.3 * SAMPLE_RATE)
        np.testing.assert_array_equal(long.waveform, kept.waveform)
        blocks = list(long.blocks(2.0))
        assert max(map(len, blocks)) == 2 * SAMPLE_RATE
        np.testing.assert_array_equal(np.concatenate(blocks), kept.waveform)
        path.unlink()
        assert len(kept.waveform) == len(kept)
        with pytest.raises(MediaError, match=r"long\.wav"):
            _ = long.waveform

    def test_its_motion_has_the_bytes_of_the_whole_waveforms(
        self, path: Path, generator: MotionGenerator
    ) -> None:
        long = load_speech(path)
        options = {"seed": 5, "num_inference_steps": 2}
        whole = generator.generate(long.waveform, **options)
        pieces = list(generator.stream(long.blocks(3.7), **options))
        assert Motion.concatenate(pieces).vector.tobytes() == whole.vector.tobytes()


def test_memory_does_not_grow_with_the_length_of_the_speech(
    generator: MotionGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performance, "LONGEST_KEPT", 0)

    def read(seconds: int) -> int:
        def sound() -> Iterator[NDArray[np.float32]]:
            for part in range(seconds // 4):
                yield noise(4.0, seed=part)

        def pieces() -> Iterator[Motion]:
            return generator.stream(sound(), num_inference_steps=1, guidance_scale=1.0)

        source = Performance(25 * seconds, 25.0, generator.space, pieces)
        return sum(map(len, source.retime(fps=30.0, n_frames=30 * seconds)))

    def peak(seconds: int) -> int:
        tracemalloc.start()
        try:
            assert read(seconds) == 30 * seconds
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    read(8)  # what is loaded and made once
    # Forty seconds of sound and motion would be 2.6 and 1.8 MB more.
    assert peak(60) - peak(20) < 0.4e6
