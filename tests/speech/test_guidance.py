"""How strongly speech drives a motion: as is asked for, or as the checkpoint says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import places
from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.motion import Motion
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.motion_generator import MotionGenerator

Drawn = Callable[[MotionGenerator, float | None], Motion]


def speech() -> NDArray[np.float32]:
    return load_speech(places.DEMO / "hello.flac").waveform[8000:24000]


def whole(model: MotionGenerator, scale: float | None) -> Motion:
    return model.generate(speech(), guidance_scale=scale)


def live(model: MotionGenerator, scale: float | None) -> Motion:
    answer = model.answer(guidance_scale=scale)
    answer.push(speech())
    answer.finish()
    return Motion.concatenate([part for part in iter(answer.step, None) if part is not None])


def same(a: Motion, b: Motion) -> bool:
    return a.vector.tobytes() == b.vector.tobytes()


def test_a_network_of_an_older_checkpoint_has_the_usual_guidance() -> None:
    assert MotionDenoiser(feature_dim=16, n_heads=2).config.guidance_scale == 2.0


@pytest.mark.parametrize("wrong", [-1.0, 21.0, float("nan"), "strong", None])
def test_a_damaged_guidance_is_told_when_the_checkpoint_loads(
    pipe: JoyVASAPipeline, tmp_path: Path, wrong: object
) -> None:
    pipe.motion_generator.save_pretrained(tmp_path / "saved")
    path = tmp_path / "saved" / "denoiser" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "guidance_scale": wrong}))
    with pytest.raises(CheckpointError, match="denoiser"):
        MotionGenerator.from_pretrained(tmp_path / "saved")


@pytest.mark.parametrize("drawn", [whole, live])
def test_without_a_guidance_the_checkpoint_s_own_is_taken(
    pipe: JoyVASAPipeline, tmp_path: Path, drawn: Drawn
) -> None:
    model = pipe.motion_generator
    model.save_pretrained(tmp_path / "bundled")
    other = MotionGenerator.from_pretrained(tmp_path / "bundled")
    usual = other.denoiser.config.guidance_scale
    assert usual == model.denoiser.config.guidance_scale != 1.0
    other.denoiser.register_to_config(guidance_scale=1.0)
    other.save_pretrained(tmp_path / "own")
    own = MotionGenerator.from_pretrained(tmp_path / "own")
    plain = drawn(model, 1.0)
    assert same(drawn(model, None), drawn(model, usual))
    assert not same(drawn(model, None), plain)
    assert same(drawn(own, None), plain)
