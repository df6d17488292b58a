"""Training on a toy corpus: it learns, it resumes exactly, its batches are what they claim."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

pytest.importorskip("accelerate")

from joyvasa_lib.datasets.speech_corpus.recordings import SpeechCorpus, SpeechItem
from joyvasa_lib.errors import MediaError, OptionError
from joyvasa_lib.recipes import read_section
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.speech.encoders.compact_wav2vec2 import CompactWav2Vec2Config, CompactWav2Vec2Model
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.training.encoder.augmentation import augment
from joyvasa_lib.training.encoder.train import cut, train_audio_encoder
from joyvasa_lib.training.loop.config import LoopConfig, learning_rate_factor
from joyvasa_lib.training.motion.batches import MotionBatch
from joyvasa_lib.training.motion.objective import MotionObjective, ObjectiveOptions
from joyvasa_lib.training.motion.train import train_motion
from joyvasa_lib.training.motion.validation.metrics import blinks, closure_centres

ENCODER = {
    "mel_bands": 40, "conv_dim": [16] * 7, "hidden_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 16, "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2, "do_stable_layer_norm": True, "mask_time_prob": 0.0,
    "layerdrop": 0.0,
}  # fmt: skip
LOOP = {
    "threads": 1,
    "steps": 4,
    "warmup_steps": 1,
    "validate_every": 4,
    "checkpoint_minutes": 60.0,
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only wait for each other on two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_item(rng: np.random.Generator, frames: int) -> dict[str, Any]:
    """Tones whose pitch tells the phoneme; the jaw follows the phoneme."""
    phonemes = np.repeat(rng.integers(0, 4, frames // 4 + 1), 8)[: 2 * frames]
    values = np.zeros((frames, 59), np.float32)
    values[:, 24], values[:, 52] = phonemes[::2] / 4.0, 1.0
    pitch = 200.0 + 500.0 * np.repeat(phonemes, 320)
    sound = 0.1 * np.sin(np.cumsum(2 * np.pi * pitch / 16000))
    return {
        "waveform": (sound * 32767).astype(np.int16),
        "values": values,
        "phonemes": phonemes.astype(np.uint8),
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    (folder / "corpus.json").write_text(
        json.dumps({"phonemes": ["sil", "p", "a", "i"], "closures": ["p"]})
    )
    for index in range(5):
        split = "valid" if index == 4 else "train"
        np.savez(folder / f"{split}-{index}.npz", **make_item(rng, 120 + 30 * index))
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("encoder")
    AudioEncoder(CompactWav2Vec2Model(CompactWav2Vec2Config(**ENCODER))).save_pretrained(folder)
    return folder


def motion_config(folder: Path, corpus: Path, encoder: Path, **loop: Any) -> Path:
    recipe = {
        "motion": {
            "corpus": str(corpus),
            "audio_encoder": str(encoder),
            "network": {"feature_dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16},
            "batch_size": 2,
            "window_lengths": [25],
            "window_weights": [1.0],
            "copies": 1,
            "validation_seconds": 2.0,
        },
        "loop": {**LOOP, **loop},
    }
    path = folder / "motion.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def weights(run: Path) -> dict[str, torch.Tensor]:
    network: dict[str, torch.Tensor] = torch.load(run / "state.pt", weights_only=True)["network"]
    return network


def test_a_resumed_run_equals_an_unbroken_one(corpus: Path, encoder: Path, tmp_path: Path) -> None:
    whole = motion_config(tmp_path, corpus, encoder)
    train_motion(whole, tmp_path / "whole")
    # Stops, as a kill after a checkpoint would, after the second step.
    (tmp_path / "first").mkdir()
    config = read_section(whole, LoopConfig, "loop")
    assert config.steps == 4
    first = motion_config(
        tmp_path / "first", corpus, encoder, stop_after_minutes=1e-9, checkpoint_minutes=0.0
    )
    for _ in range(4):
        train_motion(first, tmp_path / "broken")
    whole_weights, broken_weights = weights(tmp_path / "whole"), weights(tmp_path / "broken")
    for name, value in whole_weights.items():
        assert torch.equal(value, broken_weights[name]), name


def test_a_run_exports_a_generator_and_says_how_it_was_made(
    corpus: Path, encoder: Path, tmp_path: Path
) -> None:
    config = motion_config(tmp_path, corpus, encoder)
    folder = train_motion(config, tmp_path / "run")
    motion = MotionGenerator.from_pretrained(folder).generate(np.zeros(16000, np.float32))
    assert len(motion) == 25
    about = json.loads((tmp_path / "run" / "command.json").read_text())
    assert {"command", "revision", "torch"} <= set(about)
    lines = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert any("valid/wrong_audio_gain" in line for line in lines)
    assert any("total" in line for line in lines)
    assert not list((tmp_path / "run").glob("*.partial"))


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


def objective(channels: int = 59) -> MotionObjective:
    torch.manual_seed(0)
    denoiser = MotionDenoiser(
        motion_dim=channels, audio_dim=4, feature_dim=16, n_layers=1, n_heads=2, hidden_dim=16,
        n_prev_motions=3, dropout=0.0,
    )  # fmt: skip
    normalizer = MotionNormalizer(np.zeros(channels, np.float32), np.ones(channels, np.float32))
    return MotionObjective(denoiser, normalizer, ObjectiveOptions(previous_noise=0.0))


def batch(frames: int = 12) -> MotionBatch:
    generator = torch.Generator().manual_seed(1)
    return MotionBatch(
        motion=torch.randn(2, 2 * frames, 59, generator=generator),
        audio=torch.randn(2, 2 * frames, 4, generator=generator),
        valid=torch.ones(2, 2 * frames),
        closed=torch.zeros(2, 2 * frames),
        end=torch.full((2, 2), frames),
    )


def test_what_lies_behind_the_truncation_has_no_influence() -> None:
    model, whole = objective(), batch()
    whole.end[:] = 5
    torch.manual_seed(3)
    first = model(whole)["total"]
    whole.motion[:, 12 + 5 :] = 100.0
    whole.audio[:, 12 + 5 :] = 100.0
    torch.manual_seed(3)
    assert torch.equal(first, model(whole)["total"])


def test_the_second_window_is_told_how_the_first_ended() -> None:
    model, whole = objective(), batch()
    torch.manual_seed(3)
    model.denoiser.forward = lambda *args, **kwargs: seen.append(args) or torch.zeros(4, 15, 59)
    seen: list[tuple[torch.Tensor, ...]] = []
    model(whole)
    prev_motion, prev_audio = seen[0][3], seen[0][4]
    assert torch.equal(prev_motion[2:], whole.motion[:, 9:12])
    assert torch.equal(prev_motion[:1], model.denoiser.start_motion_feat.detach())
    assert not prev_audio[2:].requires_grad or prev_audio.grad_fn is not None


def test_overfitting_one_batch_lowers_the_error() -> None:
    model, whole = objective(), batch()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    errors = []
    for step in range(80):
        torch.manual_seed(step % 4)
        terms = model(whole)
        optimizer.zero_grad()
        terms["total"].backward()
        optimizer.step()
        errors.append(float(terms["total"].detach()))
    assert np.mean(errors[-4:]) < 0.8 * np.mean(errors[:4])


def test_every_parameter_of_the_denoiser_but_the_dead_ones_gets_a_gradient() -> None:
    model = objective()
    model.options = replace(model.options, null_audio=0.5)
    torch.manual_seed(0)
    model(batch())["total"].backward()
    for name, parameter in model.denoiser.named_parameters():
        assert parameter.grad is not None, name


def test_a_cut_keeps_sound_and_labels_together() -> None:
    rng = np.random.default_rng(0)
    item = make_item(rng, 200)
    recording = SpeechItem("a", item["waveform"], item["values"], item["phonemes"].astype(np.int64))
    for speed in (1.0, 0.9, 1.1):
        waveform, phonemes, units = cut(recording, 50, speed, rng)
        assert (len(waveform), len(phonemes), units.shape) == (32000, 100, (50, 52))
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


def test_learning_rate_warms_up_and_falls_along_a_cosine() -> None:
    config = LoopConfig(steps=110, warmup_steps=10, final_learning_rate=0.1)
    assert learning_rate_factor(0, config) == pytest.approx(0.1)
    assert learning_rate_factor(10, config) == pytest.approx(1.0)
    assert learning_rate_factor(60, config) == pytest.approx(0.55)
    assert learning_rate_factor(110, config) == pytest.approx(0.1)


def test_an_unknown_key_in_a_recipe_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("loop: {stepps: 3}")
    with pytest.raises(OptionError, match="stepps"):
        read_section(path, LoopConfig, "loop")


def test_a_folder_without_a_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no speech corpus"):
        SpeechCorpus(tmp_path)


def test_blinks_and_closures_are_found() -> None:
    units = np.zeros((20, 52), np.float32)
    units[5:9, 8:10] = 1.0
    assert blinks(units) == [4]
    assert closure_centres(np.array([0, 1, 1, 1, 0, 2, 1]), [1]).tolist() == [2, 6]
