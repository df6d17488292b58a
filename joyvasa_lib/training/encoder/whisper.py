"""Builds the bundled speech encoder: Whisper's lower layers, with features of spread 1.

Axis legend: ``t`` frames at 25 Hz, ``d`` feature width.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from joyvasa_lib.datasets.speech_corpus.recordings import SpeechCorpus
from joyvasa_lib.errors import OptionError
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.speech.encoders.whisper import WhisperFrameEncoder
from joyvasa_lib.training.encoder.augmentation import augment
from joyvasa_lib.training.encoder.features import encode
from joyvasa_lib.training.encoder.whisper_weights import whisper_frame_encoder

CALIBRATION_RECORDINGS = 60


def build_whisper_encoder(
    corpus: str | Path, output: str | Path, layers: int = 4, source: str | Path | None = None
) -> Path:
    """Writes an encoder for :meth:`AudioEncoder.from_pretrained`.

    Args:
        corpus: speech corpus whose training recordings, augmented, set mean and spread of the
            features.
        output: folder to write.
        layers: layers of Whisper base to keep.
        source: see :func:`~joyvasa_lib.training.encoder.whisper_weights.whisper_frame_encoder`.

    Returns:
        The folder.

    Raises:
        OptionError: the corpus has no training recording, or ``layers`` is out of range.
        MissingDependencyError: the packages with the weights are not installed.
        CheckpointError: the source is not Whisper base.
    """
    items = list(SpeechCorpus(corpus).items("train"))[:CALIBRATION_RECORDINGS]
    if not items:
        raise OptionError(f"The corpus in {corpus} has no training recording")
    with tempfile.TemporaryDirectory() as rounded:
        whisper_frame_encoder(layers, source).save_pretrained(rounded)
        network = WhisperFrameEncoder.from_pretrained(rounded)
    encoder = AudioEncoder(network).eval()
    features = np.concatenate(
        [
            encode(encoder, augment(item.samples(), np.random.default_rng(index)), len(item.values))
            for index, item in enumerate(items)
        ]
    ).astype(np.float32)  # [t, d]
    network.feature_offset.copy_(torch.from_numpy(features.mean(0)))
    network.feature_scale.copy_(torch.from_numpy(features.std(0)))
    network.save_pretrained(output)
    return Path(output)
