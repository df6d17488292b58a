"""Pipelines of files as LivePortrait and JoyVASA publish them, with pseudo-weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import places
from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.media.audio import load_speech, write_wav
from joyvasa_lib.pipeline import EncodedPortrait
from joyvasa_lib.portrait.liveportrait.fast.warping import WarpSource
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
from official_pipeline import STEPS

DEMO = places.DEMO
ASTRONAUT, HELLO = DEMO / "astronaut.jpg", DEMO / "hello.flac"


@pytest.fixture(scope="package", autouse=True)
def prepared() -> Iterator[list[LivePortraitModel]]:
    """The models that were to be made ready beforehand; W and G are when they first paint."""
    asked: list[LivePortraitModel] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LivePortraitModel, "prepare", lambda model: asked.append(model))
        yield asked


@pytest.fixture
def loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and calls that ask for a checkpoint with the same options get the same pipeline."""
    loaded: dict[object, JoyVASAPipeline] = {}

    def keep(load: Callable[..., JoyVASAPipeline]) -> Callable[..., JoyVASAPipeline]:
        def once(*arguments: object, **options: object) -> JoyVASAPipeline:
            asked = inspect.signature(load).bind(*arguments, **options)
            asked.apply_defaults()
            key = load.__name__, *map(str, asked.arguments.values())
            if key not in loaded:
                loaded[key] = load(*arguments, **options)
            return loaded[key]

        return once

    for load in (JoyVASAPipeline.from_pretrained, JoyVASAPipeline.from_official):
        monkeypatch.setattr(JoyVASAPipeline, load.__name__, keep(load))


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


class Bars:
    """In the place of W and G, which take seconds to be made ready and to paint a frame.

    What a frame depends on, the portrait's appearance and keypoints and the driving ones, is
    painted as bars.
    """

    def prepare(self, volume: Tensor, keypoints: Tensor) -> WarpSource:
        table = volume[0].permute(2, 3, 1, 0).flatten(0, 2).contiguous()  # as W lays it
        return WarpSource(keypoints[0], table, volume[0], volume[0], volume[0])

    def image(self, source: WarpSource, rows: Tensor) -> Tensor:
        portrait = torch.cat([source.keypoints.flatten(), source.table.mean(0)])
        seen = torch.cat([rows.flatten(1), portrait.expand(len(rows), -1)], 1)
        bars = torch.sigmoid(seen)[:, None, :, None].expand(-1, 3, -1, 1)
        return torch.nn.functional.interpolate(bars, (512, 512))


@pytest.fixture
def keypoints_for_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paints bars instead of running W and G, where only what they are given matters."""
    monkeypatch.setattr(LivePortraitModel, "renderer", Bars())


@pytest.fixture(scope="package")
def converted(pipe: JoyVASAPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipe.save_pretrained(tmp_path_factory.mktemp("converted") / "checkpoint")


@pytest.fixture(scope="package")
def cat() -> NDArray[np.uint8]:
    from skimage.data import cat

    return np.asarray(cat())
