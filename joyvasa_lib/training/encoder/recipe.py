"""The recipe of the speech encoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from joyvasa_lib.recipes import Count, NotNegative, Positive, recipe


@recipe("audio_encoder")
@dataclass(frozen=True)
class AudioEncoderTraining:
    """Recipe of the speech encoder.

    Attributes:
        corpus: folder of the synthetic speech corpus.
        network: fields of ``CompactWav2Vec2Config``.
        initial: folder of a trained encoder to start from, ``"bundled"`` for the package's, "" to
            start from nothing.
        context: fields of ``SpeechContext``, whose network is trained after that of ``initial``;
            empty to train the encoder itself.
        batch_size: clips in a batch.
        clip_seconds: shortest and longest clip.
        closure_weight: extra weight of the bilabial phoneme classes.
        curve_weight: weight of the mouth curves against the phonemes.
        speed: largest change of speed (with pitch) as a fraction.
        validation_clips: held-out clips of four seconds per validation.
        copies: of each recording that a context learns from: as it is, and through rooms,
            microphones and noise.
    """

    corpus: str
    network: dict[str, Any] = field(default_factory=dict)
    initial: str = ""
    context: dict[str, Any] = field(default_factory=dict)
    batch_size: Count = 6
    clip_seconds: tuple[Positive, Positive] = (3.0, 6.0)
    closure_weight: NotNegative = 2.0
    curve_weight: NotNegative = 3.0
    speed: NotNegative = 0.12
    validation_clips: Count = 60
    copies: Count = 2
