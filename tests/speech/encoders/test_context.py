"""What neighbouring frames tell: nothing before training, and the same however speech arrives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import places
from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.speech.encoders.context import SpeechContext
from joyvasa_lib.speech.encoders.recent import RecentFeatures

Floats = NDArray[np.float32]


def learned(
    width: int, reach: tuple[int, ...] = (1, 2), look_ahead: int | None = None
) -> SpeechContext:
    """A context that tells something."""
    torch.manual_seed(0)
    context = SpeechContext(width, width=16, dilations=reach, look_ahead=look_ahead)
    torch.nn.init.normal_(context.out.weight, std=0.3)
    return context.eval()


def test_nothing_is_told_before_training() -> None:
    features = torch.randn(2, 30, 24)
    assert torch.equal(SpeechContext(feature_dim=24, width=8).eval()(features), features)


@pytest.mark.parametrize(
    ("look_ahead", "ahead", "behind"), [(None, 6, 6), (9, 6, 6), (5, 5, 7), (1, 1, 11), (0, 0, 12)]
)
def test_a_frame_depends_on_those_within_reach_alone(
    look_ahead: int | None, ahead: int, behind: int
) -> None:
    context = learned(24, look_ahead=look_ahead)
    assert (context.ahead, context.reach) == (ahead, behind)
    features = torch.randn(1, 41, 24)
    changed = features.clone()
    changed[:, 20] += 1.0
    apart = (context(changed) - context(features)).abs().amax((0, 2)) > 1e-5
    assert apart.nonzero()[:, 0].tolist() == list(range(20 - ahead, 21 + behind))


def test_a_window_that_ends_so_far_ahead_is_told_all_that_the_whole_is() -> None:
    context = learned(24, (1, 1, 2, 1), look_ahead=5)
    features = torch.randn(1, 60, 24)
    whole, window = context(features), context(features[:, 30 - context.reach : 42 + 5])
    torch.testing.assert_close(window[:, context.reach : -5], whole[:, 30:42])


def test_contexts_that_cannot_be_are_refused() -> None:
    for wrong in ({"width": 0}, {"dilations": ()}, {"dilations": (1, 0)}, {"look_ahead": -1}):
        with pytest.raises(ValueError, match="must be"):
            SpeechContext(**wrong)  # type: ignore[arg-type]


@pytest.fixture
def encoder(pipe: JoyVASAPipeline) -> AudioEncoder:
    """The bundled network with a context."""
    network = pipe.motion_generator.audio_encoder.network
    return AudioEncoder(network, learned(int(network.config.hidden_size))).eval()


@pytest.mark.parametrize(
    ("dtype", "bytes_each", "error"),
    [(torch.float32, 4.0, 0.0), (torch.float16, 2.0, 1e-3), (torch.int8, 1.4, 1e-2)],
)
def test_an_encoder_is_saved_with_its_context(
    encoder: AudioEncoder, tmp_path: Path, dtype: torch.dtype, bytes_each: float, error: float
) -> None:
    encoder.save_pretrained(tmp_path, dtype)
    again = AudioEncoder.from_pretrained(tmp_path)
    assert again.context is not None
    assert encoder.context is not None
    for name, value in encoder.context.state_dict().items():
        found = again.context.state_dict()[name]
        assert (found - value).abs().max() <= error * value.abs().max()
    (stored,) = (tmp_path / "context").glob("*.safetensors")
    count = sum(value.numel() for value in encoder.context.state_dict().values())
    assert stored.stat().st_size < bytes_each * count + 4000


def test_a_context_of_another_width_is_refused(encoder: AudioEncoder, tmp_path: Path) -> None:
    encoder.context = learned(24)
    encoder.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="features of width 24"):
        AudioEncoder.from_pretrained(tmp_path)


@torch.inference_mode()
def test_windows_are_told_what_the_whole_is(encoder: AudioEncoder) -> None:
    """Frames that are settled are behind the newest by more than the context reaches."""
    sound: Floats = 3.0 * load_speech(places.DEMO / "hello.flac").waveform[:64000]
    recent, plain = RecentFeatures(encoder), RecentFeatures(AudioEncoder(encoder.network))
    told, features = [], []
    step, ahead = 4, 12
    for done in range(0, 100 - step - ahead + 1, step):
        window = (lambda a, b: sound[640 * a : 640 * b], 0, done, step, done + step + ahead)
        told.append(recent(*window)[:step])
        features.append(plain(*window)[:step])
    assert encoder.context is not None
    whole = encoder.context(torch.cat(features)[None])[0]
    got = torch.cat(told)
    inner = slice(10, -10)
    near = torch.nn.functional.cosine_similarity(got[inner], whole[inner], dim=-1)
    assert float(near.min()) > 0.9
    added = (got - torch.cat(features))[inner], (whole - torch.cat(features))[inner]
    assert float(np.corrcoef(*(one.flatten().numpy() for one in added))[0, 1]) > 0.9
