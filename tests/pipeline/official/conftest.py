"""Pipelines of files as LivePortrait and JoyVASA publish them, with pseudo-weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import places
from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.media.audio import load_speech, write_wav
from joyvasa_lib.pipeline import EncodedPortrait
from joyvasa_lib.portrait.liveportrait.fast.renderer import FastRenderer
from official_pipeline import STEPS

DEMO = places.DEMO
ASTRONAUT, HELLO = DEMO / "astronaut.jpg", DEMO / "hello.flac"


@pytest.fixture(scope="package")
def pipe(official_folder: Path) -> JoyVASAPipeline:
    return JoyVASAPipeline.from_official(official_folder, device="cpu")


@pytest.fixture(scope="package")
def encoded(pipe: JoyVASAPipeline) -> EncodedPortrait:
    return pipe.encode(ASTRONAUT)


@pytest.fixture(scope="package")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames of speech, 0.12 s."""
    waveform = load_speech(HELLO).waveform[8000:9920]
    return write_wav(tmp_path_factory.mktemp("recordings") / "words.wav", waveform)


@pytest.fixture(scope="package")
def spoken(pipe: JoyVASAPipeline, words: Path) -> Motion:
    return pipe.generate_motion(str(words), num_inference_steps=STEPS)


@pytest.fixture
def keypoints_for_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paints keypoints as bars instead of running W and G, where only what drives them matters."""

    def image(self: FastRenderer, source: Any, rows: torch.Tensor) -> torch.Tensor:
        bars = torch.sigmoid(rows.flatten(1))[:, None, :, None].repeat(1, 3, 1, 1)
        return torch.nn.functional.interpolate(bars, (512, 512))

    monkeypatch.setattr(FastRenderer, "image", image)


@pytest.fixture(scope="package")
def converted(pipe: JoyVASAPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipe.save_pretrained(tmp_path_factory.mktemp("converted") / "checkpoint")


@pytest.fixture(scope="package")
def cat() -> NDArray[np.uint8]:
    from skimage.data import cat

    return np.asarray(cat())
