"""Speech encoder: 16 kHz samples become features at the motion rate.

Wraps wav2vec 2.0 or HuBERT from transformers. The compact preset's network is
:class:`~joyvasa_lib.speech.whisper_encoder.WhisperFrameEncoder`; one to train from nothing is
:class:`~joyvasa_lib.speech.compact_wav2vec2.CompactWav2Vec2Model`.

Axis legend: ``b`` batch, ``n`` samples, ``t`` motion frames (25 Hz), ``d`` feature width.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from joyvasa_lib.errors import CheckpointError, MissingDependencyError
from joyvasa_lib.speech.loudness import LevelTracker

SAMPLE_RATE = 16000
FPS = 25
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS


class AudioEncoder(nn.Module):
    """Turns level-normalised speech into one feature vector per motion frame."""

    def __init__(self, network: nn.Module) -> None:
        """Wraps a transformers speech network with 50 hidden states a second."""
        super().__init__()
        self.network = network

    @property
    def feature_dim(self) -> int:
        """Width of the features."""
        config: Any = self.network.config
        return int(config.hidden_size)

    def forward(self, waveform: Tensor, n_frames: int | None = None) -> Tensor:
        """Encodes equally long pieces of speech.

        Args:
            waveform: float [b, n], 16 kHz, at the reference level.
            n_frames: motion frames wanted; ``n // 640`` if not given.

        Returns:
            Features [b, t, d]: hidden states at 50 Hz, brought to the motion rate by linear
            interpolation with ``align_corners=False``, which at 25 fps is the mean of each pair
            (JoyVASA, section "audio features").
        """
        n_frames = waveform.shape[-1] // SAMPLES_PER_FRAME if n_frames is None else n_frames
        hidden = self.network(waveform).last_hidden_state
        return resample_features(hidden[:, : 2 * n_frames], n_frames)

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
        """Writes ``config.json`` and ``model.safetensors`` with weights of type ``dtype``."""
        network: Any = self.network
        if network.config.model_type == "whisper-frames":  # int8 whatever the type
            network.save_pretrained(folder)
            return
        network.config.save_pretrained(folder)
        weights = {key: value.to(dtype).contiguous() for key, value in network.state_dict().items()}
        save_file(weights, Path(folder) / "model.safetensors", metadata={"format": "pt"})

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> AudioEncoder:
        """Loads a folder written by transformers or by :meth:`save_pretrained`, in float32.

        Raises:
            CheckpointError: the folder holds no configuration, or one of another kind of network.
            MissingDependencyError: a torchaudio that does not fit torch keeps transformers from
                loading.
        """
        return cls(_load_network(Path(folder)).eval())


def _load_network(folder: Path) -> nn.Module:
    config = folder / "config.json"
    try:
        kind = json.loads(config.read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"No readable audio encoder configuration at {config}.") from error
    try:
        if kind == "compact-wav2vec2":
            return _load_compact(folder)
        if kind == "whisper-frames":
            from joyvasa_lib.speech.whisper_encoder import WhisperFrameEncoder

            return WhisperFrameEncoder.from_pretrained(folder)
        if kind in ("wav2vec2", "hubert"):
            return _load_transformers(folder, kind)
    except (ImportError, OSError, RuntimeError, SafetensorError) as error:
        if "torchaudio" in str(error):  # transformers imports it wherever it is installed
            raise MissingDependencyError(
                f"transformers does not load because the installed torchaudio does not fit torch "
                f"({error}); it is not needed here: pip uninstall -y torchaudio"
            ) from error
        raise CheckpointError(f"Audio encoder weights in {folder} do not load: {error}") from error
    raise CheckpointError(
        f"{config} describes a {kind!r} network; expected whisper-frames, compact-wav2vec2, "
        "wav2vec2 or hubert."
    )


def _load_compact(folder: Path) -> nn.Module:
    from joyvasa_lib.speech.compact_wav2vec2 import CompactWav2Vec2Config, CompactWav2Vec2Model

    network = CompactWav2Vec2Model(CompactWav2Vec2Config.from_pretrained(folder))
    network.load_state_dict(load_file(folder / "model.safetensors"))
    return network


def _load_transformers(folder: Path, kind: str) -> nn.Module:
    from transformers import HubertModel, Wav2Vec2Model

    network: Any = HubertModel if kind == "hubert" else Wav2Vec2Model
    loaded: nn.Module = network.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    return loaded


def resample_features(hidden: Tensor, n_frames: int) -> Tensor:
    """Returns [b, ?, d] linearly interpolated in time to [b, n_frames, d]."""
    return F.interpolate(
        hidden.transpose(1, 2), size=n_frames, mode="linear", align_corners=False
    ).transpose(1, 2)


class FeatureStream:
    """Encodes speech that arrives in pieces, without seams.

    The sound is cut on a fixed grid of ``core`` frames; each part is encoded together with
    ``context`` frames of real sound on both sides, which are then dropped. The grid depends on
    the position in the sound alone, so pieces of any size give the same features.
    """

    def __init__(self, encoder: AudioEncoder, core: int = 100, context: int = 25) -> None:
        """Prepares an empty stream.

        Args:
            encoder: the network.
            core: new frames per encoder call; also the wait for the first feature.
            context: frames of sound before and after, in the same call.
        """
        self.encoder = encoder
        self.core = core
        self.context = context
        self._level = LevelTracker()
        self._sound: NDArray[np.float32] = np.zeros(0, np.float32)
        self._dropped = 0  # frames already removed from the front of _sound
        self._done = 0  # frames already encoded
        self._received = 0  # samples

    def push(self, chunk: NDArray[np.float32]) -> Iterator[Tensor]:
        """Takes samples float32 [n]; yields features [t, d] as they become available."""
        self._sound = np.concatenate([self._sound, chunk])
        self._received += len(chunk)
        while self._received >= (self._done + self.core + self.context) * SAMPLES_PER_FRAME:
            yield self._encode(self.core, self.context)

    def finish(self) -> Iterator[Tensor]:
        """Ends the sound; yields what is left, ``round(samples / 640)`` frames in all."""
        total = round(self._received / SAMPLES_PER_FRAME)
        missing = total * SAMPLES_PER_FRAME - self._received
        self._sound = np.pad(self._sound, (0, max(0, missing)))
        while self._done < total:
            core = min(self.core, total - self._done)
            yield self._encode(core, min(self.context, total - self._done - core))

    def _encode(self, core: int, after: int) -> Tensor:
        before = self._done - self._dropped
        frames = before + core + after
        sound = self._sound[: frames * SAMPLES_PER_FRAME]
        device = next(self.encoder.parameters()).device
        samples = torch.from_numpy(sound * np.float32(self._level.gain(sound))).to(device)
        features = self.encoder(samples[None], frames)[0, before : before + core]
        self._done += core
        drop = max(0, self._done - self.context - self._dropped)
        self._sound = self._sound[drop * SAMPLES_PER_FRAME :]
        self._dropped += drop
        return features
