"""The speech encoder learns, its clips keep audio and labels together, and noise moves nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

pytest.importorskip("accelerate")
from joyvasa_lib.datasets.speech_corpus.recordings import SpeechItem
from joyvasa_lib.errors import OptionError
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.training.encoder.augmentation import augment
from joyvasa_lib.training.encoder.clips import cut
from joyvasa_lib.training.encoder.train import train_audio_encoder
from training_sets import ENCODER, LOOP, tone_item, write_encoder


def test_the_audio_encoder_learns_to_tell_tones_apart(corpus: Path, tmp_path: Path) -> None:
    recipe = {
        "audio_encoder": {
            "corpus": str(corpus), "network": ENCODER, "batch_size": 2,
            "clip_seconds": [1.0, 1.5], "validation_clips": 2, "speed": 0.0,
        },
        "loop": {**LOOP, "steps": 60, "validate_every": 60, "learning_rate": 5e-3},
    }  # fmt: skip
    path = tmp_path / "encoder.yaml"
    path.write_text(yaml.safe_dump(recipe))
    folder = train_audio_encoder(path, tmp_path / "run")
    assert AudioEncoder.from_pretrained(folder).feature_dim == 16
    lines = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["phoneme"] for line in lines if "phoneme" in line]
    assert losses[-1] < 0.75 * losses[0]


def test_a_context_learns_and_its_network_stays(corpus: Path, tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path / "encoder")
    recipe = {
        "audio_encoder": {
            "corpus": str(corpus), "initial": str(encoder), "batch_size": 2,
            "context": {"width": 16, "dilations": [1, 2]},
            "clip_seconds": [1.0, 1.5], "validation_clips": 2, "speed": 0.0,
        },
        "loop": {**LOOP, "steps": 60, "validate_every": 60, "learning_rate": 5e-3},
    }  # fmt: skip
    path = tmp_path / "context.yaml"
    path.write_text(yaml.safe_dump(recipe))
    found = AudioEncoder.from_pretrained(train_audio_encoder(path, tmp_path / "run"))
    before = AudioEncoder.from_pretrained(encoder)
    assert before.context is None
    assert found.context is not None
    assert found.context.out.weight.abs().max() > 0.01
    for name, value in before.network.state_dict().items():
        torch.testing.assert_close(found.network.state_dict()[name], value)
    lines = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["curve"] for line in lines if "curve" in line]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:5])


def test_a_context_without_a_network_is_refused(corpus: Path, tmp_path: Path) -> None:
    recipe = {"audio_encoder": {"corpus": str(corpus), "context": {"width": 16}}, "loop": LOOP}
    path = tmp_path / "context.yaml"
    path.write_text(yaml.safe_dump(recipe))
    with pytest.raises(OptionError, match="needs a trained encoder"):
        train_audio_encoder(path, tmp_path / "run")


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ({"widht": 3}, "unexpected keyword argument 'widht'"),
        ({"width": 0}, "must be 1 at least"),
        ({"width": "wide"}, "context does not describe"),
        ({"width": 8, "dilations": []}, "context does not describe"),
        ({"feature_dim": 7}, "multiple values"),
    ],
    ids=["unknown", "no width", "text", "no block", "fixed"],
)
def test_a_context_that_cannot_be_built_is_refused(
    corpus: Path, tmp_path: Path, context: dict[str, object], said: str
) -> None:
    encoder = write_encoder(tmp_path / "encoder")
    about = {"corpus": str(corpus), "initial": str(encoder), "context": context}
    path = tmp_path / "context.yaml"
    path.write_text(yaml.safe_dump({"audio_encoder": about, "loop": LOOP}))
    with pytest.raises(OptionError, match=said):
        train_audio_encoder(path, tmp_path / "run")


def test_a_cut_keeps_sound_and_labels_together() -> None:
    rng = np.random.default_rng(0)
    item = tone_item(rng, 200)
    recording = SpeechItem("a", item["waveform"], item["values"], item["phonemes"].astype(np.int64))
    for speed in (1.0, 0.9, 1.1):
        waveform, phonemes, units, style = cut(recording, 50, speed, rng)
        assert (len(waveform), len(phonemes), units.shape) == (32000, 100, (50, 52))
        assert (style == 1.0).all()
        zero_crossings = (np.diff(np.signbit(waveform.reshape(100, 320)), axis=1) != 0).sum(1)
        pitch = zero_crossings * 25.0 / speed
        named = np.round((pitch - 200.0) / 500.0)
        assert np.mean(named == phonemes) > 0.8
        assert np.mean(np.abs(units[:, 24] - phonemes[::2] / 4.0) < 0.05) > 0.7


def test_augmentation_keeps_time_and_length_and_changes_the_sound() -> None:
    rng = np.random.default_rng(0)
    sound = np.zeros(16000, np.float32)
    sound[8000:8400] = rng.normal(0, 0.3, 400)
    for seed in range(8):
        heard = augment(sound, np.random.default_rng(seed))
        assert heard.shape == sound.shape
        assert np.isfinite(heard).all()
        energy = heard[: 16000 // 400 * 400].reshape(-1, 400).var(axis=1)
        assert energy.argmax() in (20, 21)
        assert not np.allclose(heard, sound)


def test_the_same_random_source_augments_alike() -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, 8000).astype(np.float32)
    a, b = (augment(sound, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(a, b)
