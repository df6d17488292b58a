"""Clips of features: they fit their labels, and are the same whoever makes them, whenever."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from joyvasa_lib.datasets.speech_corpus.recordings import SpeechCorpus
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.training.encoder.heard import HeardBatches
from joyvasa_lib.training.encoder.recipe import AudioEncoderTraining


class Pitch(nn.Module):
    """Hears the strongest frequency of each 20 ms, in kilohertz, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.config = SimpleNamespace(model_type="pitch", hidden_size=2, to_dict=dict)
        self.calls = 0

    def forward(self, waveform: Tensor) -> SimpleNamespace:
        self.calls += 1
        steps = waveform[:, : waveform.shape[-1] // 320 * 320].reshape(len(waveform), -1, 320)
        strongest = 0.05 * torch.fft.rfft(steps).abs().argmax(-1).float()
        return SimpleNamespace(last_hidden_state=torch.stack([strongest, strongest], -1))


def heard(corpus: Path, folder: Path, **options: object) -> HeardBatches:
    recipe = AudioEncoderTraining(
        corpus=str(corpus), initial="x", batch_size=3, clip_seconds=(1.0, 1.5), **options
    )
    return HeardBatches(SpeechCorpus(corpus), recipe, 0, AudioEncoder(Pitch()), folder)


def test_what_is_heard_fits_what_is_said(corpus: Path, tmp_path: Path) -> None:
    batches = heard(corpus, tmp_path, copies=1, speed=0.0)
    for index in range(4):
        features, phonemes, curves, style = batches(index)
        frames = features.shape[1]
        assert 25 <= frames <= 37
        assert phonemes.shape == (3, 2 * frames) and style.shape == (3, frames, 4)
        tone = (features[..., 0] - 0.2) / 0.5
        assert (tone - phonemes[:, ::2]).abs().lt(0.5).float().mean() > 0.9
        torch.testing.assert_close(curves[..., 0], phonemes[:, ::2].float())  # jaw, times 4


def test_other_copies_are_noisy_slower_or_faster_and_fit_still(
    corpus: Path, tmp_path: Path
) -> None:
    batches = heard(corpus, tmp_path, copies=3, speed=0.1)
    speeds = set()
    for copy in (1, 2):
        file = batches.copy(2, copy)
        length = file.get_slice("curves").get_shape()[0]
        speeds.add(length)
        assert file.get_slice("phonemes").get_shape()[0] == 2 * length
        assert file.get_slice("features").get_shape()[0] == length
        said = file.get_slice("phonemes")[:].reshape(-1, 2)
        jaw = file.get_slice("curves")[:, 0]
        steady = (said[:, 0] == said[:, 1]) & (np.abs(np.diff(jaw, prepend=0.0)) < 0.01)
        assert np.abs(4.0 * jaw - said[:, 0])[steady].max() < 0.1  # also in the silence around
        tone = (np.float32(file.get_slice("features")[:, 0]) - 0.2) / 0.5
        sounding = said[:, 0] > 0
        assert np.corrcoef(tone[sounding], said[sounding, 0])[0, 1] > 0.6
    first = batches.copy(2, 0)
    assert len(speeds | {first.get_slice("curves").get_shape()[0]}) == 3


def test_batches_depend_on_their_number_alone_and_are_encoded_once(
    corpus: Path, tmp_path: Path
) -> None:
    first = heard(corpus, tmp_path / "a", copies=2)
    wanted = [first(index) for index in (0, 1, 2)]
    again = heard(corpus, tmp_path / "a", copies=2)
    for index in (2, 0, 1):
        for one, other in zip(wanted[index], again(index), strict=True):
            assert torch.equal(one, other)
    assert isinstance(again.network.network, Pitch)
    assert again.network.network.calls == 0
    elsewhere = heard(corpus, tmp_path / "b", copies=2)
    assert torch.equal(elsewhere(1)[0], wanted[1][0])
    assert not torch.equal(wanted[0][2][:, :25], wanted[1][2][:, :25])


@pytest.mark.parametrize("change", ["weights", "sound"])
def test_features_of_another_network_or_sound_are_not_taken(
    change: str, corpus: Path, tmp_path: Path
) -> None:
    first = heard(corpus, tmp_path, copies=1)
    first(0)
    other = AudioEncoder(Pitch())
    items = SpeechCorpus(corpus)
    if change == "weights":
        with torch.no_grad():
            other.network.scale.add_(1.0)
    else:
        for item in items.items("train"):
            item.waveform[:] = np.roll(item.waveform, 320)
    second = HeardBatches(items, first.config, 0, other, tmp_path)
    second(0)
    assert isinstance(other.network, Pitch) and other.network.calls > 0
