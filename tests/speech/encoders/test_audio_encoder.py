"""The speech encoder: levels do not matter, pieces do not matter, the rate is right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from joyvasa_lib.errors import CheckpointError, MediaError, OptionError
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder, FeatureStream, resample_features
from joyvasa_lib.speech.encoders.compact_wav2vec2 import (
    CompactWav2Vec2Config,
    CompactWav2Vec2Model,
    LogMelFrontEnd,
    mel_filters,
)
from joyvasa_lib.speech.encoders.loudness import (
    REFERENCE_DB,
    SILENCE_DB,
    LevelTracker,
    speech_level,
)
from joyvasa_lib.speech.encoders.networks import empty_network
from training_sets import write_encoder

SpeechLike = Callable[..., NDArray[np.float32]]

TINY = {
    "conv_dim": (8,) * 7, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 8, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
"""A wav2vec 2.0 or HuBERT of the published kind."""


@pytest.fixture(scope="module")
def encoder() -> AudioEncoder:
    torch.manual_seed(0)
    config = CompactWav2Vec2Config(
        mel_bands=40, conv_dim=(16,) * 7, hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=24, num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2, do_stable_layer_norm=True,
    )  # fmt: skip
    return AudioEncoder(CompactWav2Vec2Model(config)).eval()


@torch.inference_mode()
def encode(encoder: AudioEncoder, waveform: NDArray[np.float32], piece: int, **grid: int):
    stream = FeatureStream(encoder, **grid)
    parts = []
    for start in range(0, len(waveform), piece):
        parts += list(stream.push(waveform[start : start + piece]))
    return torch.cat(parts + list(stream.finish()))


@pytest.mark.parametrize("seconds", [0.03, 0.5, 4.0, 5.02, 11.37])
def test_one_feature_per_motion_frame(
    encoder: AudioEncoder, speech_like: SpeechLike, seconds: float
) -> None:
    waveform = speech_like(seconds)
    assert encode(encoder, waveform, 10**6).shape == (round(len(waveform) / 640), 16)


def test_features_do_not_depend_on_the_level(
    encoder: AudioEncoder, speech_like: SpeechLike
) -> None:
    waveform = speech_like(6.0)
    loud, quiet = encode(encoder, waveform, 10**6), encode(encoder, 0.01 * waveform, 10**6)
    torch.testing.assert_close(loud, quiet, atol=1e-4, rtol=1e-3)


def test_features_do_not_depend_on_how_the_waveform_is_cut(
    encoder: AudioEncoder, speech_like: SpeechLike
) -> None:
    waveform = speech_like(9.3)
    whole = encode(encoder, waveform, 10**6)
    assert torch.equal(whole, encode(encoder, waveform, 777))
    assert torch.equal(whole, encode(encoder, waveform, 16000))


def test_parts_are_encoded_with_the_audio_around_them(
    encoder: AudioEncoder, speech_like: SpeechLike
) -> None:
    waveform = speech_like(6.0)
    waveform /= np.sqrt(np.mean(waveform**2)) * 10  # one level everywhere, nearly
    whole = encode(encoder, waveform, 10**6, core=150, context=25)
    parts = encode(encoder, waveform, 10**6, core=50, context=25)
    alone = encode(encoder, waveform, 10**6, core=50, context=0, look_ahead=0)
    seam = slice(46, 54)
    with_context = (whole[seam] - parts[seam]).abs().mean()
    assert with_context < 0.6 * (whole[seam] - alone[seam]).abs().mean()


@pytest.mark.parametrize("look_ahead", [0, 5])
def test_features_are_ready_with_the_sound_ahead_and_know_nothing_of_later(
    encoder: AudioEncoder, speech_like: SpeechLike, look_ahead: int
) -> None:
    waveform, heard = speech_like(3.0), (12 + look_ahead) * 640
    stream = FeatureStream(encoder, core=12, look_ahead=look_ahead)
    with torch.inference_mode():
        assert not list(stream.push(waveform[: heard - 1]))
        (first,) = stream.push(waveform[heard - 1 : heard])
    assert len(first) == 12
    other = np.concatenate([waveform[:heard], speech_like(1.0)])
    assert torch.equal(encode(encoder, other, 10**6, core=12, look_ahead=look_ahead)[:12], first)
    cut = np.concatenate([waveform[: heard - 640], np.zeros(640, np.float32), waveform[heard:]])
    assert not torch.equal(encode(encoder, cut, 10**6, core=12, look_ahead=look_ahead)[:12], first)


@pytest.mark.parametrize("core", [12, 25, 100])
def test_in_a_pause_the_level_falls_as_fast_with_any_window(
    encoder: AudioEncoder, core: int
) -> None:
    rng = np.random.default_rng(0)
    speech = rng.normal(0, 0.1, 16000 * 4).astype(np.float32)
    pause = rng.normal(0, 1e-4, 16000 * 12).astype(np.float32)
    stream = FeatureStream(encoder, core=core, look_ahead=0, context=0)
    with torch.inference_mode():
        list(stream.push(np.concatenate([speech, pause])))
    fallen = 0.5 * (12 + core / 25)  # once more by the next line, for a window of its own
    assert stream._level.gain(pause[:640]) == pytest.approx(10 ** (fallen / 20), rel=0.1)


def test_pairs_of_hidden_states_are_averaged() -> None:
    hidden = torch.randn(1, 20, 3)
    expected = hidden.reshape(1, 10, 2, 3).mean(dim=2)
    torch.testing.assert_close(resample_features(hidden, 10), expected)
    odd = F.interpolate(hidden.transpose(1, 2), size=7, mode="linear").transpose(1, 2)
    torch.testing.assert_close(resample_features(hidden, 7), odd)


def test_front_end_gives_fifty_columns_a_second() -> None:
    front = LogMelFrontEnd(40, 16)
    assert front(torch.zeros(1, 16000)).shape == (1, 16, 50)


def test_a_tone_is_in_its_mel_band() -> None:
    front = LogMelFrontEnd(80, 16)
    time = torch.arange(16000) / 16000
    spectrum = front.log_mel(torch.sin(2 * torch.pi * 1000.0 * time)[None])[0, :, 50]
    centre = mel_filters(80)[int(spectrum.argmax())].argmax() * 40.0
    assert abs(centre - 1000.0) <= 60.0


def test_saving_and_loading_changes_nothing(
    encoder: AudioEncoder, speech_like: SpeechLike, tmp_path: Path
) -> None:
    encoder.save_pretrained(tmp_path)
    waveform = speech_like(2.0)
    again = AudioEncoder.from_pretrained(tmp_path)
    assert torch.equal(encode(encoder, waveform, 10**6), encode(again, waveform, 10**6))


def test_wav2vec2_and_hubert_folders_load(tmp_path: Path) -> None:
    from transformers import HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2Model

    for kind, config in ((Wav2Vec2Model, Wav2Vec2Config), (HubertModel, HubertConfig)):
        kind(config(**TINY)).save_pretrained(tmp_path / kind.__name__)
        features = AudioEncoder.from_pretrained(tmp_path / kind.__name__)(
            torch.zeros(1, 64080), 100
        )
        assert features.shape == (1, 100, 8)


@pytest.mark.slow
@pytest.mark.parametrize(
    "values", [{"num_hidden_layers": 2**23}, {"hidden_size": 2**20}, {"vocab_size": 10**30}]
)
def test_a_published_configuration_of_a_larger_network_is_refused_before_it_is_built(
    tmp_path: Path, values: dict[str, int]
) -> None:
    AudioEncoder(empty_network({"model_type": "hubert", **TINY})).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    with pytest.raises(CheckpointError, match="do not load"):
        AudioEncoder.from_pretrained(tmp_path)


def test_a_published_folder_may_hold_heads_but_must_hold_the_network(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    Wav2Vec2ForCTC(Wav2Vec2Config(**TINY)).save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    assert "lm_head.weight" in weights
    del weights["wav2vec2.masked_spec_embed"]  # as in facebook/wav2vec2-base-960h
    save_file(weights, path, metadata={"format": "pt"})
    assert AudioEncoder.from_pretrained(tmp_path).feature_dim == 8
    del weights["wav2vec2.encoder.layer_norm.weight"]
    weights["wav2vec2.encoder.extra"] = weights["lm_head.weight"].clone()
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(
        CheckpointError, match=r"lack encoder\.layer_norm\.weight and hold unknown .*encoder\.extra"
    ):
        AudioEncoder.from_pretrained(tmp_path)


def test_published_networks_are_given_the_level_and_the_padding_of_one_frame() -> None:
    encoder = AudioEncoder(empty_network({"model_type": "hubert", **TINY})).eval()
    waveform = np.random.default_rng(0).normal(0, 1e-4, 6400).astype(np.float32)
    assert encoder.hears_samples
    with torch.inference_mode():
        direct = encoder(torch.from_numpy(waveform)[None])[0]
        assert encoder(torch.zeros(1, 640)).shape == (1, 1, 8)
        with pytest.raises(MediaError, match="640"):
            encoder(torch.zeros(1, 639), 1)
    assert torch.equal(encode(encoder, waveform, 10**6), direct)


def test_a_published_network_is_not_rounded_to_integers(tmp_path: Path) -> None:
    encoder = AudioEncoder(empty_network({"model_type": "hubert", **TINY}))
    with pytest.raises(OptionError, match=r"hubert.*torch\.int8.*float32"):
        encoder.save_pretrained(tmp_path, torch.int8)
    assert not list(tmp_path.iterdir())


def test_masking_of_time_happens_in_training_only() -> None:
    torch.manual_seed(0)
    calm = dict.fromkeys(("hidden_dropout", "attention_dropout", "activation_dropout"), 0.0)
    config = {"model_type": "wav2vec2", **TINY, **calm, "layerdrop": 0.0, "mask_time_prob": 0.5}
    encoder = AudioEncoder(empty_network(config))
    waveform = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (1, 16000))).float()
    with torch.inference_mode():
        plain = encoder.eval()(waveform)
        assert torch.equal(plain, encoder(waveform))
        assert not torch.allclose(plain, encoder.train()(waveform), atol=1e-3)


def test_an_unknown_network_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(CheckpointError, match="bert"):
        AudioEncoder.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        AudioEncoder.from_pretrained(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["[]", "3", '"hubert"', "null", '{"model_type": {"a": 1}}'])
def test_a_configuration_that_names_no_network_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        AudioEncoder.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("initializer_range", ""), ("adapter_stride", 1e-320), ("vocab_size", [[]]), ("conv_dim", 7)],
)
def test_values_of_another_type_in_a_configuration_are_refused(
    tmp_path: Path, name: str, value: object
) -> None:
    path = write_encoder(tmp_path / "encoder") / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(CheckpointError):
        AudioEncoder.from_pretrained(tmp_path / "encoder")


def test_level_is_that_of_the_speaking_part() -> None:
    tone = (0.1 * np.sqrt(2) * np.sin(np.arange(16000) * 0.3)).astype(np.float32)
    assert speech_level(tone) == pytest.approx(-20.0, abs=0.1)
    assert speech_level(np.concatenate([tone, np.zeros(64000, np.float32)])) == pytest.approx(
        -20.0, abs=0.3
    )
    assert speech_level(np.zeros(16000, np.float32)) == SILENCE_DB


def test_a_pause_is_not_amplified_into_speech() -> None:
    rng = np.random.default_rng(0)
    speech = rng.normal(0, 0.1, 16000).astype(np.float32)
    pause = rng.normal(0, 1e-4, 16000).astype(np.float32)
    tracker = LevelTracker(release_db=2.0)
    gain = tracker.gain(speech)
    assert tracker.gain(pause) / gain == pytest.approx(10 ** (2 / 20), rel=1e-3)
    assert gain == pytest.approx(10 ** ((REFERENCE_DB - speech_level(speech)) / 20))
