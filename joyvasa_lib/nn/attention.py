"""Multi-head attention (Vaswani et al. 2017, section 3.2).

Axis legend: ``b`` batch, ``t`` tokens, ``m`` memory columns, ``d`` width, ``h`` heads, ``e`` width
of a head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    heads: int,
    open_columns: Tensor | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Returns the values [b, t, d], mixed for each query by its likeness to the keys.

    Args:
        query: [b, t, d] projected tokens.
        key: [b, m, d] projected memory.
        value: [b, m, d] projected memory.
        heads: the width is split into as many heads, each with its own mixture.
        open_columns: bool [t, m], True where a token may look; everywhere if None.
        dropout: probability that a weight is dropped.
    """
    q, k, v = (rearrange(x, "b t (h e) -> b h t e", h=heads) for x in (query, key, value))
    mixed = F.scaled_dot_product_attention(q, k, v, open_columns, dropout)
    return rearrange(mixed, "b h t e -> b t (h e)")


class Attention(nn.Module):
    """Attention with packed projections in the order q, k, v.

    The parameters carry the names of ``nn.MultiheadAttention``.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        """Builds the packed projection and the output projection."""
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, tokens: Tensor, memory: Tensor, blocked: Tensor | None = None) -> Tensor:
        """Returns tokens [b, t, d] that attended to memory [b, m, d].

        Args:
            tokens: [b, t, d].
            memory: [b, m, d].
            blocked: bool [t, m], True where a token may not look.
        """
        query, key, value = self.project(tokens, memory)
        return self.mix(query, key, value, None if blocked is None else ~blocked)

    def project(self, tokens: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns queries [b, t, d] of tokens, keys and values [b, m, d] of memory."""
        weights = self.in_proj_weight.chunk(3)
        biases = self.in_proj_bias.chunk(3)
        query, key, value = (
            F.linear(x, w, b)
            for x, w, b in zip((tokens, memory, memory), weights, biases, strict=True)
        )
        return query, key, value

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, open_columns: Tensor | None = None
    ) -> Tensor:
        """Returns what queries [b, t, d] take from memory with these keys and values [b, m, d]."""
        dropout = self.dropout if self.training else 0.0
        mixed = attend(query, key, value, self.heads, open_columns, dropout)
        result: Tensor = self.out_proj(mixed)
        return result

    def single_key(self, memory: Tensor) -> Tensor:
        """Returns the attention of each token to its own memory column alone, [b, m, d]."""
        value = F.linear(memory, self.in_proj_weight.chunk(3)[2], self.in_proj_bias.chunk(3)[2])
        result: Tensor = self.out_proj(value)
        return result


class ResidualAttention(nn.Module):
    """Attention with layer normalisation before it and the tokens themselves added after it."""

    def __init__(self, width: int, heads: int) -> None:
        """Builds normalisations and projections; that of keys and values is one layer."""
        super().__init__()
        self.heads = heads
        self.norm, self.memory_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.memory = nn.Linear(width, 2 * width)

    def forward(self, tokens: Tensor, memory: Tensor) -> Tensor:
        """Returns tokens [b, t, d] plus what they take from memory [b, m, d]."""
        query = self.query(self.norm(tokens))
        key, value = self.memory(self.memory_norm(memory)).chunk(2, dim=-1)
        result: Tensor = tokens + self.out(attend(query, key, value, self.heads))
        return result
