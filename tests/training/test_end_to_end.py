"""From three talking videos to a video of the model that was fine-tuned on them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

import places

pytest.importorskip("accelerate")

from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.cli import main
from joyvasa_lib.media.audio import SAMPLE_RATE, load_speech, write_wav
from joyvasa_lib.media.video import probe

pytestmark = pytest.mark.slow

DEMO = places.DEMO
FRAMES = 30
STARTS = (3200, 16000, 28800)
"""Samples of the demonstration sentence at which the three people begin to speak."""


@pytest.fixture
def videos(tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
    """Three people speak parts of a sentence and smile, drawn by the bundled checkpoint.

    The smile is what a model can learn from two of them and show on the third: as the bundled model
    made their speech, there is nothing else.
    """
    pipe = JoyVASAPipeline.from_pretrained()
    words = load_speech(DEMO / "hello.flac").waveform
    face = astronaut[:320, 64:384]
    warm = np.clip(face * np.array([1.1, 0.9, 0.8]), 0, 255).astype(np.uint8)
    for name, image, start in zip("abc", (face, face[:, ::-1], warm), STARTS, strict=True):
        sound = words[start : start + FRAMES * 640]
        folder = tmp_path / "videos" / name
        folder.mkdir(parents=True)
        animation = pipe(
            np.ascontiguousarray(image),
            sound,
            sample_rate=SAMPLE_RATE,
            seed=start,
            emotion="happiness:1.0",
        )
        animation.save(folder / "talk.mp4")
    return tmp_path / "videos"


def joyvasa(*arguments: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["joyvasa", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


def test_videos_become_a_model_that_goes_on_learning_and_renders(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    prepare = ("--split-by", "person", "--min-seconds", "1", "--validation", "0.3")
    joyvasa("prepare", videos, data, *prepare, monkeypatch=monkeypatch)
    recipe = yaml.safe_load((places.CONFIGS / "motion.yaml").read_text())
    recipe["motion"] |= {
        "data": str(data), "batch_size": 1, "window_lengths": [20], "window_weights": [1.0],
        "copies": 1, "validation_seconds": 1.0, "loader_threads": 0, "preview_every": 0,
    }  # fmt: skip
    recipe["loop"] |= {
        "steps": 24, "warmup_steps": 2, "validate_every": 6, "threads": 1, "trackers": [],
        "mixed_precision": "no", "learning_rate": 1.0e-3,
    }  # fmt: skip
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    train = ("train", "motion", "--config", path, "--run", run)
    joyvasa(*train, "--set", "loop.steps=6", monkeypatch=monkeypatch)
    joyvasa(*train, "--set", "loop.steps=24", monkeypatch=monkeypatch)

    sessions = json.loads((run / "command.json").read_text())
    assert sessions["step"] == 6
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    errors = {line["step"]: line["valid/error"] for line in lines if "valid/error" in line}
    assert set(errors) == {0, 6, 12, 18, 24}
    assert errors[6] < 0.9 * errors[0]  # losses depend on which clip a step draws
    assert errors[24] < 0.9 * errors[6]
    assert errors[24] < 0.5 * errors[0]

    words = load_speech(DEMO / "hello.flac").waveform[8000:16000]
    write_wav(tmp_path / "speech.wav", words)
    output = tmp_path / "talking.mp4"
    joyvasa(
        "animate", DEMO / "astronaut.jpg", tmp_path / "speech.wav", "-o", output,
        "--checkpoint", run, monkeypatch=monkeypatch,
    )  # fmt: skip
    assert probe(output).duration == pytest.approx(0.5, abs=0.04)
