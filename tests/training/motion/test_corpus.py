"""Training on a toy corpus: it resumes exactly and says how it was made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

pytest.importorskip("accelerate")
from joyvasa_lib.datasets.speech_corpus.recordings import SpeechCorpus
from joyvasa_lib.errors import MediaError
from joyvasa_lib.recipes import read_section
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.training.loop.config import LoopConfig
from joyvasa_lib.training.motion.train import train_motion
from training_sets import LOOP


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


def test_a_folder_without_a_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no speech corpus"):
        SpeechCorpus(tmp_path)
