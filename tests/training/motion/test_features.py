"""Recordings and their features: read piece by piece, computed once, known by their content."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

pytest.importorskip("accelerate")
from joyvasa_lib.errors import OptionError
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder, FeatureStream
from joyvasa_lib.training.encoder.features import fingerprint
from joyvasa_lib.training.motion.batches import (
    WindowSampler,
    with_extra_channels,
)
from joyvasa_lib.training.motion.features import FeatureCache
from joyvasa_lib.training.motion.recipe import MotionTraining
from joyvasa_lib.training.motion.source import MotionSource, PreparedSource, Recording, Take
from training_sets import speaking_tones, write_prepared


def test_a_prepared_set_is_read_clip_by_clip(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = PreparedSource(data)
    assert [r.frames for r in source.recordings("train")] == [120, 150]
    assert source.card()["train"] == {"recordings": 2, "seconds": 10.8, "people": 2}
    sound, values = speaking_tones(150, 10)
    take = source.recordings("train")[1].load()
    assert np.array_equal(take.values, values)
    np.testing.assert_allclose(take.waveform * 32768, sound, atol=1e-2)
    fitted = MotionSource.normalizer(source)  # read clip by clip, without the set's own statistics
    np.testing.assert_allclose(fitted.offset, source.normalizer().offset, atol=1e-6)
    np.testing.assert_allclose(fitted.scale, source.normalizer().scale, atol=1e-6)


def test_features_are_computed_once_and_are_those_of_generation(
    data: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = AudioEncoder.from_pretrained(encoder)
    recordings = PreparedSource(data).recordings("train")
    cache = FeatureCache(network, recordings, 2, 0, tmp_path)
    first, noisy = cache.read(1, 0), cache.read(1, 1, 20, 45)
    assert cache.length(1, 0) == len(first.values) == 150
    assert np.array_equal(first.values, recordings[1].load().values)
    assert not np.array_equal(first.features[20:45], noisy.features)
    assert np.array_equal(first.values[20:45], noisy.values)
    stream = FeatureStream(network)
    with torch.inference_mode():
        parts = [*stream.push(recordings[1].load().waveform), *stream.finish()]
    np.testing.assert_allclose(first.features, torch.cat(parts).numpy(), atol=2e-3)
    monkeypatch.setattr("joyvasa_lib.training.motion.features.encode", None)
    again = FeatureCache(network, recordings, 2, 0, tmp_path)
    assert np.array_equal(again.read(1, 1, 20, 45).features, noisy.features)
    with torch.no_grad():
        next(network.parameters()).add_(0.1)
    with pytest.raises(TypeError):  # other weights: not the features that lie there
        FeatureCache(network, recordings, 2, 0, tmp_path).read(1, 1)


def test_other_takes_are_encoded_in_windows_of_any_of_the_lengths(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, values = AudioEncoder.from_pretrained(encoder), np.ones((50, 59), np.float32)
    sound = speaking_tones(50, 0)[0].astype(np.float32) / 32768
    used: list[tuple[int, int]] = []

    def encoded(_network: object, _sound: object, frames: int, window: int, ahead: int) -> Any:
        used.append((window, ahead))
        return np.zeros((frames, 512), np.float16)

    monkeypatch.setattr("joyvasa_lib.training.motion.features.encode", encoded)
    recording = Recording("clip", 50, lambda: Take(sound, values))
    lengths = {100: 0.0, 25: 1.0, 12: 1.0}
    cache = FeatureCache(network, [recording], 20, 0, tmp_path, lengths, 5)
    for copy in range(20):
        cache.read(0, copy)
    assert used[0] == (100, 5)
    assert {window for window, _ in used[1:]} == {25, 12}
    FeatureCache(network, [recording], 20, 0, tmp_path, lengths, 5).read(0, 3)
    assert len(used) == 20
    FeatureCache(network, [recording], 20, 0, tmp_path, lengths, 25).read(0, 3)
    assert used[20] == (used[3][0], 25)  # heard otherwise: features of its own


def test_other_sound_or_motion_under_the_same_name_has_features_of_its_own(
    encoder: Path, tmp_path: Path
) -> None:
    network, values = AudioEncoder.from_pretrained(encoder), np.ones((50, 59), np.float32)
    sounds = [speaking_tones(50, seed)[0].astype(np.float32) / 32768 for seed in (0, 1)]

    def read(sound: NDArray[np.float32], values: NDArray[np.float32]) -> Any:
        recording = Recording("clip", 50, lambda: Take(sound, values))
        return FeatureCache(network, [recording], 1, 0, tmp_path).read(0, 0)

    first, second = (read(sound, values) for sound in sounds)
    assert not np.array_equal(first.features, second.features)
    assert np.array_equal(read(sounds[0], 2 * values).values, 2 * values)
    assert np.array_equal(read(sounds[0], values).features, first.features)
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.glob("motion-*"))) == 3
    assert len(list(folder.glob("features-*"))) == 2  # motion made anew does not cost them


def test_motion_made_anew_is_read_without_encoding_the_sound_again(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, values = AudioEncoder.from_pretrained(encoder), np.ones((50, 59), np.float32)
    sound = speaking_tones(50, 0)[0].astype(np.float32) / 32768

    def read(values: NDArray[np.float32], copy: int) -> Any:
        recording = Recording("clip", 50, lambda: Take(sound, values))
        return FeatureCache(network, [recording], 2, 0, tmp_path).read(0, copy)

    first = [read(values, copy) for copy in (0, 1)]
    monkeypatch.setattr("joyvasa_lib.training.motion.features.encode", None)
    for copy in (0, 1):
        again = read(3 * values, copy)
        assert np.array_equal(again.values, 3 * values)
        assert np.array_equal(again.features, first[copy].features)


def test_an_encoder_that_computes_otherwise_with_the_same_weights_has_features_of_its_own(
    encoder: Path,
) -> None:
    network = AudioEncoder.from_pretrained(encoder)
    before = fingerprint(network)
    network.network.config.transformers_version = "0"
    assert fingerprint(network) == before
    network.network.config.layer_norm_eps *= 2
    assert fingerprint(network) != before


@pytest.mark.parametrize(
    ("lengths", "weights"),
    [((100, 25), (1.0,)), ((100, 100), (0.5, 0.5)), ((100, 25), (0.0, 0.0)), ((), ())],
)
def test_windows_without_weights_of_their_own_are_refused(
    lengths: tuple[int, ...], weights: tuple[float, ...]
) -> None:
    with pytest.raises(OptionError, match=r"window_lengths must be different"):
        MotionTraining(window_lengths=lengths, window_weights=weights)


def test_what_a_short_recording_lacks_does_not_count(encoder: Path, tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "data", [30], [30])
    source, network = PreparedSource(data), AudioEncoder.from_pretrained(encoder)
    cache = FeatureCache(network, source.recordings("train"), 1, 0, tmp_path)
    config = MotionTraining(batch_size=2, window_lengths=(25,), window_weights=(1.0,), copies=1)
    batch = WindowSampler(cache, source.normalizer(), config, 0)(0)
    assert batch.motion.shape == (2, 50, 59)
    assert batch.valid[0].tolist() == [1.0] * 30 + [0.0] * 20
    truth = source.normalizer().normalize(source.recordings("train")[0].load().values)
    assert np.array_equal(batch.motion[0, :30].numpy(), truth)


def test_memory_does_not_grow_with_the_recordings(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, count = 500, 150  # 50 minutes, 200 MB as they are read
    values = np.ones((frames, 59), np.float32)
    recordings = [
        Recording(str(i), frames, lambda: Take(np.zeros(640 * frames, np.float32), values.copy()))
        for i in range(count)
    ]
    features = np.zeros((frames, 512), np.float16)
    monkeypatch.setattr("joyvasa_lib.training.motion.features.encode", lambda *_: features)
    cache = FeatureCache(AudioEncoder.from_pretrained(encoder), recordings, 1, 0, tmp_path)
    normalizer = MotionNormalizer(np.zeros(59, np.float32), np.ones(59, np.float32))
    config = MotionTraining(batch_size=4, window_lengths=(25,), window_weights=(1.0,), copies=1)
    sampler = WindowSampler(cache, normalizer, config, 0)
    sampler(0)
    tracemalloc.start()
    for index in range(200):
        sampler(index)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(list(cache.folder.iterdir())) > 0.9 * count
    assert peak < 8e6


def test_channels_that_the_recordings_lack_are_held_at_the_models_zero() -> None:
    offset = np.linspace(1.0, 2.0, 73, dtype=np.float32)
    normalizer = MotionNormalizer(offset, np.full(73, 2.0, np.float32), "expression")
    values = np.random.default_rng(0).normal(size=(5, 70)).astype(np.float32)
    channels = normalizer.normalize(with_extra_channels(values, normalizer))
    np.testing.assert_allclose(channels[:, :70], (values - offset[:70]) / 2.0, rtol=1e-5)
    assert not channels[:, 70:].any()
