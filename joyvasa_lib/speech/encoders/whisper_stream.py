"""Whisper's states of speech that goes on, without encoding again what is long past.

In each layer a state attends to all others. Those of the past change little once half a second
after them is known; from then on their keys and values are kept. A step encodes only what is new
and what has been heard just before, over a context of four seconds: a fifth of the work.

Axis legend: ``b`` batch, ``m`` mel bands, ``t`` states at 50 Hz, ``d`` width, ``h`` heads.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from joyvasa_lib.speech.encoders.whisper import WhisperFrameEncoder, above_floor

CONTEXT = 200
"""States that are attended to before those that are encoded: four seconds."""
FAR, FARTHEST = 500, 1300
"""Positions after which a stream should start again, in a pause, and must: 10 and 26 of the 30
seconds that Whisper knows."""
_LOUDEST_FALLS = 0.004
"""Powers of ten by which the loudest sound is forgotten with each state: 2 dB a second."""


class WhisperStream:
    """The states of one waveform, piece by piece."""

    def __init__(self, network: WhisperFrameEncoder) -> None:
        """Starts with nothing heard."""
        self._network = network
        self._kept: list[tuple[Tensor, Tensor] | None] = [None] * len(network.layers)
        self._loudest = torch.tensor(-10.0)
        self.position = 0
        """States that are not encoded again."""

    def encode(self, samples: Tensor, margin: int, final: int) -> Tensor:
        """Encodes the states that follow those that are final.

        Args:
            samples: [1, n], from ``margin`` states before the first of them on.
            margin: states before them, for the edges of the spectrum.
            final: how many of the new states, from the first, are not encoded again.

        Returns:
            [1, t, d] standardised.
        """
        network = self._network
        powers = network.log_powers(samples)
        fallen = self._loudest.to(powers) - _LOUDEST_FALLS * final
        self._loudest = torch.maximum(powers.amax(), fallen)
        hidden = network.states_of(above_floor(powers, self._loudest))[:, margin:]
        hidden = hidden + network.positions[self.position : self.position + hidden.shape[1]]
        for index, layer in enumerate(network.layers):
            hidden = self._layer(layer, index, hidden, final)
        self.position += final
        return network.standardised(hidden)

    def _layer(self, layer: Any, index: int, hidden: Tensor, final: int) -> Tensor:
        """One pre-norm layer, with the keys and values of the past."""
        attention = layer.self_attn
        normed = layer.self_attn_layer_norm(hidden)
        query, key, value = (
            _heads(project(normed), attention.num_heads)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        kept = self._kept[index]
        if kept is not None:
            key, value = torch.cat([kept[0], key], dim=2), torch.cat([kept[1], value], dim=2)
        before = key.shape[2] - query.shape[2]
        mixed = F.scaled_dot_product_attention(query, key, value)
        end = before + final
        first = max(0, end - CONTEXT)
        self._kept[index] = (key[:, :, first:end].clone(), value[:, :, first:end].clone())
        hidden = hidden + attention.out_proj(mixed.transpose(1, 2).flatten(2))
        normed = layer.final_layer_norm(hidden)
        result: Tensor = hidden + layer.fc2(F.gelu(layer.fc1(normed)))
        return result


def _heads(values: Tensor, heads: int) -> Tensor:
    """[b, t, d] as [b, h, t, d / h]."""
    return values.reshape(*values.shape[:2], heads, -1).transpose(1, 2)
