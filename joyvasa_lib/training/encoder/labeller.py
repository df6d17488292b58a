"""What teaches a speech encoder: phonemes and mouth curves, linear in its features.

Axis legend: ``b`` batch, ``n`` samples, ``s`` frames at 50 Hz, ``t`` frames at 25 Hz, ``c`` phoneme
classes, ``u`` blendshapes of the mouth, ``k`` dials of a style, ``d`` width of the features.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.data import SAMPLES_PER_FRAME
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder, resample_features
from joyvasa_lib.speech.style import DIALS

MOUTH_BLENDSHAPES: tuple[str, ...] = (
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthPressLeft",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthStretchLeft",
    "mouthSmileLeft",
    "mouthLowerDownLeft",
    "mouthUpperUpLeft",
    "mouthShrugUpper",
    "mouthShrugLower",
    "mouthDimpleLeft",
    "tongueOut",
)
"""Blendshapes whose curves the features must hold; in speech the right side mirrors the left."""
CURVE_SCALE = 4.0
"""Brings blendshape curves to about unit spread."""
_STYLE_WIDTH = 64
"""Width of the network that tells what a style does to the curves."""
MOUTH = [BLENDSHAPES.index(name) for name in MOUTH_BLENDSHAPES]


class SpeechLabeller(nn.Module):
    """The encoder with the two linear heads that teach it; the heads are thrown away later."""

    def __init__(self, encoder: AudioEncoder, classes: int) -> None:
        """Adds a phoneme head of ``classes`` outputs and a head for ``MOUTH_BLENDSHAPES``.

        The network of an encoder with a context is not trained.
        """
        super().__init__()
        self.encoder = encoder
        self.phonemes = nn.Linear(encoder.feature_dim, classes)
        self.curves = nn.Linear(encoder.feature_dim, len(MOUTH_BLENDSHAPES))
        self.style = nn.Sequential(
            nn.Linear(len(DIALS), _STYLE_WIDTH),
            nn.GELU(),
            nn.Linear(_STYLE_WIDTH, 2 * len(MOUTH_BLENDSHAPES)),
        )
        if encoder.context is not None:
            encoder.network.requires_grad_(False)

    def train(self, mode: bool = True) -> SpeechLabeller:
        """Sets the mode; a network that is not trained stays in that of evaluation."""
        super().train(mode)
        if self.encoder.context is not None:
            self.encoder.network.eval()
        return self

    def forward(self, heard: Tensor, style: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Phonemes and mouth curves of speech.

        Args:
            heard: waveforms [b, n]; for an encoder with a context its network's features [b, t, d].
            style: [b, t, k] dials of who speaks; as people speak to others if not given.

        Returns:
            Phoneme logits [b, s, c] and mouth curves times ``CURVE_SCALE`` [b, t, u].
        """
        if self.encoder.context is None:
            hidden = self.encoder.network(heard).last_hidden_state
            features = resample_features(hidden, heard.shape[-1] // SAMPLES_PER_FRAME)
        else:
            features = self.encoder.context(heard)
            hidden = features.repeat_interleave(2, dim=1)
        if style is None:
            style = features.new_ones(*features.shape[:2], len(DIALS))
        gain, offset = self.style(style - 1.0).chunk(2, dim=-1)
        return self.phonemes(hidden), (1.0 + gain) * self.curves(features) + offset


def labelling_loss(
    logits: Tensor, curves: Tensor, phonemes: Tensor, target: Tensor, weights: Tensor
) -> dict[str, Tensor]:
    """Returns weighted cross entropy and mean squared curve error.

    Args:
        logits: [b, s, c].
        curves: [b, t, u].
        phonemes: int64 [b, s], -100 where unknown.
        target: [b, t, u].
        weights: [c].
    """
    phoneme = F.cross_entropy(logits.transpose(1, 2).float(), phonemes, weights)
    return {"phoneme": phoneme, "curve": F.mse_loss(curves.float(), target)}
