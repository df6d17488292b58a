"""The compact preset's speech network is the lower part of Whisper's encoder, stored small."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from transformers import WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from joyvasa_lib.errors import CheckpointError, OptionError
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.speech.encoders.whisper import WhisperFrameConfig, WhisperFrameEncoder
from joyvasa_lib.training.encoder.whisper_weights import read_ctranslate2, whisper_frame_encoder

SpeechLike = Callable[..., NDArray[np.float32]]
SMALL = {"num_mel_bins": 80, "d_model": 32, "encoder_attention_heads": 4, "encoder_ffn_dim": 64}


@pytest.fixture
def network() -> WhisperFrameEncoder:
    torch.manual_seed(0)
    network = WhisperFrameEncoder(WhisperFrameConfig(encoder_layers=2, **SMALL)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


def test_the_spectrum_is_whispers_own(
    network: WhisperFrameEncoder, speech_like: SpeechLike
) -> None:
    waveform = speech_like(4.0)
    extractor = WhisperFeatureExtractor(feature_size=80)
    wanted = extractor(waveform, sampling_rate=16000, padding="longest", truncation=False)
    made = network.log_mel(torch.from_numpy(waveform)[None])
    np.testing.assert_allclose(made.numpy(), wanted["input_features"], atol=2e-4)


@torch.inference_mode()
def test_states_are_those_of_the_whole_encoder_at_that_layer(
    network: WhisperFrameEncoder, speech_like: SpeechLike
) -> None:
    whole = WhisperEncoder(WhisperFrameConfig(encoder_layers=3, **SMALL)).eval()
    whole.embed_positions.weight.data.copy_(network.positions)
    kept = {k: v for k, v in network.state_dict().items() if not k.startswith("feature_")}
    whole.load_state_dict({**whole.state_dict(), **kept})
    waveform = torch.from_numpy(speech_like(30.0))[None]
    states: list[torch.Tensor] = []
    whole.layers[1].register_forward_hook(
        lambda _module, _given, made: states.append(made[0] if isinstance(made, tuple) else made)
    )
    whole(network.log_mel(waveform))
    torch.testing.assert_close(network(waveform).last_hidden_state, states[0])


@torch.inference_mode()
def test_features_are_brought_to_mean_zero_and_spread_one(
    network: WhisperFrameEncoder, speech_like: SpeechLike
) -> None:
    waveform = torch.from_numpy(speech_like(4.0))[None]
    raw = network(waveform).last_hidden_state[0]
    network.feature_offset.copy_(raw.mean(0))
    network.feature_scale.copy_(raw.std(0))
    standard = network(waveform).last_hidden_state[0]
    torch.testing.assert_close(standard.mean(0), torch.zeros(32), atol=1e-4, rtol=0)
    torch.testing.assert_close(standard.std(0), torch.ones(32))


@pytest.mark.parametrize("samples", [1, 319, 320, 1000, 96000])
def test_fifty_states_a_second(network: WhisperFrameEncoder, samples: int) -> None:
    states = network(torch.zeros(1, samples)).last_hidden_state
    assert states.shape == (1, max(1, samples // 320), 32)


@torch.inference_mode()
def test_eight_bits_change_the_features_little_and_a_second_saving_nothing(
    network: WhisperFrameEncoder, speech_like: SpeechLike, tmp_path: Path
) -> None:
    encoder = AudioEncoder(network)
    encoder.save_pretrained(tmp_path / "once")
    loaded = AudioEncoder.from_pretrained(tmp_path / "once")
    loaded.save_pretrained(tmp_path / "twice")
    first, second = (tmp_path / name / "model.safetensors" for name in ("once", "twice"))
    assert first.read_bytes() == second.read_bytes()
    stored = load_file(first)
    assert stored["layers.0.fc1.weight"].dtype == torch.int8
    waveform = torch.from_numpy(speech_like(2.0))[None]
    wanted, made = encoder(waveform), loaded(waveform)
    assert 0.0 < (wanted - made).std() < 0.02 * wanted.std()


def test_a_missing_weight_is_named(network: WhisperFrameEncoder, tmp_path: Path) -> None:
    network.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["layers.1.fc2.bias"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"layers\.1\.fc2\.bias"):
        AudioEncoder.from_pretrained(tmp_path)


def test_a_scale_without_its_matrix_is_named(network: WhisperFrameEncoder, tmp_path: Path) -> None:
    network.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["layers.9.fc1.weight_scale"] = torch.ones(3, 1)
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"layers\.9\.fc1\.weight_scale"):
        AudioEncoder.from_pretrained(tmp_path)


def ctranslate2(arrays: dict[str, NDArray[np.generic]]) -> bytes:
    """A CTranslate2 file of version 6, as its converter writes it."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    kinds = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}
    content = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<I", 3)
    content += struct.pack("<I", len(arrays))
    for name, array in arrays.items():
        content += text(name) + struct.pack("<B", array.ndim)
        content += struct.pack(f"<{array.ndim}I", *array.shape)
        content += struct.pack("<BI", kinds[str(array.dtype)], array.nbytes) + array.tobytes()
    return content


def test_a_ctranslate2_file_is_read_back() -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "encoder/conv1/weight": rng.normal(size=(4, 3, 2)).astype(np.float16),
        "encoder/num_heads": np.array(8, np.int16),
        "decoder/bias": rng.normal(size=5).astype(np.float32),
    }
    made = read_ctranslate2(ctranslate2(arrays))
    assert made.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(made[name], array)
        assert made[name].dtype == array.dtype


def test_a_damaged_ctranslate2_file_is_refused() -> None:
    whole = ctranslate2({"a": np.zeros(9, np.float32)})
    for content in (whole[:-3], whole[:7], b"", struct.pack("<I", 5) + whole[4:]):
        with pytest.raises(CheckpointError, match="CTranslate2"):
            read_ctranslate2(content)


@pytest.mark.parametrize("layers", [0, 7])
def test_layers_that_whisper_lacks_are_refused(layers: int) -> None:
    with pytest.raises(OptionError, match="6 encoder layers"):
        whisper_frame_encoder(layers)


def test_a_folder_that_is_not_whisper_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        whisper_frame_encoder(4, tmp_path)
    save_file({"model.encoder.conv1.weight": torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="not Whisper base"):
        whisper_frame_encoder(1, tmp_path)
