"""Attention against PyTorch's own module."""

from __future__ import annotations

import torch
from torch import nn

from joyvasa_lib.nn.attention import Attention, ResidualAttention

WIDTH, HEADS = 16, 4


def reference() -> nn.MultiheadAttention:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    nn.init.normal_(module.in_proj_bias)
    nn.init.normal_(module.out_proj.bias)
    return module.eval()


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 5, WIDTH, generator=generator), torch.randn(
        2, 7, WIDTH, generator=generator
    )


def test_packed_attention_loads_and_equals_pytorchs() -> None:
    theirs, ours = reference(), Attention(WIDTH, HEADS, 0.1).eval()
    ours.load_state_dict(theirs.state_dict())
    tokens, memory = inputs()
    blocked = torch.arange(7)[None] > torch.arange(5)[:, None]
    for mask in (None, blocked):
        expected, _ = theirs(tokens, memory, memory, attn_mask=mask)
        torch.testing.assert_close(ours(tokens, memory, mask), expected)


def test_a_single_open_key_needs_no_softmax() -> None:
    ours = Attention(WIDTH, HEADS, 0.0).eval()
    ours.load_state_dict(reference().state_dict())
    tokens, memory = inputs()[0], inputs()[1][:, :5]
    torch.testing.assert_close(
        ours(tokens, memory, ~torch.eye(5, dtype=torch.bool)), ours.single_key(memory)
    )


def test_residual_attention_equals_pytorchs_between_its_normalisations() -> None:
    theirs = reference()
    ours = ResidualAttention(WIDTH, HEADS).eval()
    for norm in (ours.norm, ours.memory_norm):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    with torch.no_grad():
        for layer, part in ((ours.query, slice(0, 16)), (ours.memory, slice(16, 48))):
            layer.weight.copy_(theirs.in_proj_weight[part])
            layer.bias.copy_(theirs.in_proj_bias[part])
        ours.out.load_state_dict(theirs.out_proj.state_dict())
    tokens, memory = inputs()
    heard = ours.memory_norm(memory)
    expected, _ = theirs(ours.norm(tokens), heard, heard)
    torch.testing.assert_close(ours(tokens, memory), tokens + expected)
