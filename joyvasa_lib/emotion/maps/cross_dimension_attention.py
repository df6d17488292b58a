"""The Cross-Dimension Attention Net: expression deformation of action units on a person's face.

After the public abstract and introduction of LES-Talker (arXiv 2411.09268): an emotion is a vector
over action units, and attention across the feature dimension (here the blendshapes) and across the
structure dimension (here the canonical keypoints) turns it into a deformation of the face. The rest
of the design is this library's own:

* attention to the structure is computed once per person, attention between blendshapes once per
  frame, so that a frame costs about a quarter of a million multiplications;
* the output is the motion space's linear basis times *effective* activations: the requested ones
  plus a linear operator on them whose entries are computed from the tokens. Where no activation is
  requested the deformation is exactly zero, whatever the weights;
* the layer that computes the operator starts at zero, so that training starts at the linear basis.

Axis legend: ``p`` persons, ``t`` frames, ``n`` action-unit components, ``u`` blendshapes of the
space, ``k`` keypoints, ``d`` width, ``s`` summaries, ``r`` rank.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from joyvasa_lib.nn.attention import ResidualAttention

_FAR = 4.0
"""Standard deviations to which keypoints are clamped: no training face lies beyond."""
_STRONGEST = 1.25
"""Activation to which the tokens' inputs are clamped; no face shows more."""


class FeedForward(nn.Module):
    """Two residual layers on each token by itself."""

    def __init__(self, width: int) -> None:
        """Builds the layers."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Returns tokens [..., d]."""
        result: Tensor = tokens + self.layers(tokens)
        return result


class CrossDimensionBlock(nn.Module):
    """Attention of blendshapes to the face's structure, and of the structure to blendshapes."""

    def __init__(self, width: int, heads: int) -> None:
        """Builds both directions."""
        super().__init__()
        self.across_structure = ResidualAttention(width, heads)
        self.across_units = ResidualAttention(width, heads)
        self.unit_layers, self.structure_layers = FeedForward(width), FeedForward(width)

    def forward(self, units: Tensor, structure: Tensor) -> tuple[Tensor, Tensor]:
        """Returns blendshape tokens [p, u, d] and structure tokens [p, k, d]."""
        units = self.unit_layers(self.across_structure(units, structure))
        return units, self.structure_layers(self.across_units(structure, units))


class PersonEncoder(nn.Module):
    """Codes of the blendshapes on a person's face, from the canonical keypoints."""

    def __init__(self, units: int, keypoints: int, width: int, heads: int, layers: int) -> None:
        """Builds embeddings and blocks."""
        super().__init__()
        self.units = nn.Parameter(torch.randn(units, width) / math.sqrt(width))
        self.places = nn.Parameter(torch.randn(keypoints, width) / math.sqrt(width))
        self.offset = nn.Linear(3, width)
        self.blocks = nn.ModuleList(CrossDimensionBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, offset: Tensor) -> Tensor:
        """Returns codes [p, u, d] for keypoints [p, k, 3] in standard deviations from the mean."""
        structure = self.places + self.offset(offset.clamp(-_FAR, _FAR))
        units = self.units.expand(len(offset), -1, -1)
        for block in self.blocks:
            units, structure = block(units, structure)
        result: Tensor = self.norm(units)
        return result


class FrameAttention(nn.Module):
    """Exchange between the blendshapes of a frame through a few summaries of all of them.

    Induced attention (Lee et al. 2019, "Set Transformer", section 3.1), linear in the number of
    blendshapes; each blendshape reads the summaries through gates.
    """

    def __init__(self, width: int, summaries: int) -> None:
        """Builds the layer; the queries of the summaries are learned."""
        super().__init__()
        self.queries = nn.Parameter(torch.randn(summaries, width) / math.sqrt(width))
        self.value, self.gate = nn.Linear(width, width), nn.Linear(width, summaries)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Returns tokens [p, t, u, d]."""
        weight = (self.queries @ tokens.transpose(-1, -2)).softmax(dim=-1)
        summary = self.value(weight @ tokens)  # equal to the summary of values, as weights sum to 1
        seen = self.gate(tokens).sigmoid() @ summary
        result: Tensor = tokens + self.out(F.silu(tokens + seen))
        return result


class CrossDimensionAttentionNet(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Expression deformation of action units on the face of a person with an expression.

    The weights work on the blendshapes of a motion space. The deformation of each blendshape and
    the blendshapes of each action unit are given by :meth:`bind`.
    """

    table: Tensor
    basis: Tensor
    analysis: Tensor
    full: Tensor
    mean_keypoints: Tensor
    keypoint_spread: Tensor

    @register_to_config
    def __init__(
        self,
        face_units: int = 52,
        keypoints: int = 64,
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        summaries: int = 8,
        rank: int = 16,
    ) -> None:
        """Builds the network; untrained it is the linear basis.

        Args:
            face_units: number u of blendshapes; saved configurations have this name for it.
            keypoints: keypoints k.
            width: channels d of every token.
            heads: attention heads of the person encoder.
            layers: cross-dimension blocks of the person encoder.
            summaries: summaries s of the frame attention.
            rank: rank r of the operator that mixes blendshapes.
        """
        super().__init__()
        self.person = PersonEncoder(face_units, keypoints, width, heads, layers)
        self.state = nn.Linear(3, width)
        self.frame = FrameAttention(width, summaries)
        self.collect = nn.Linear(width, rank)
        self.readout = nn.Linear(width, rank + 2)
        nn.init.zeros_(self.readout.weight)
        nn.init.zeros_(self.readout.bias)
        self.register_buffer("mean_keypoints", torch.zeros(keypoints, 3))
        self.register_buffer("keypoint_spread", torch.ones(()))
        for name, rows, columns in (
            ("table", face_units, face_units),
            ("basis", face_units, 3 * keypoints),
            ("analysis", 3 * keypoints, face_units),
        ):
            self.register_buffer(name, torch.eye(rows, columns), persistent=False)
        self.register_buffer("full", torch.ones(face_units), persistent=False)

    def bind(self, table: Tensor, basis: Tensor, full: Tensor) -> None:
        """Sets the meaning of activations and expressions.

        Args:
            table: [n, u] activation of each blendshape for each action-unit component.
            basis: [u, k, 3] deformation of each blendshape at full activation.
            full: [u] activation up to which each blendshape moves the face freely; 1 for most.
        """
        weights = self.readout.weight
        flat = basis.flatten(1).to(weights)
        self.table, self.basis, self.full = table.to(weights), flat, full.to(weights)
        self.analysis = torch.linalg.pinv(flat.double()).to(weights)

    def see_faces(self, keypoints: Tensor) -> None:
        """Sets mean and spread from the canonical keypoints [p, k, 3] of training faces."""
        self.mean_keypoints.copy_(keypoints.mean(0))
        self.keypoint_spread.copy_((keypoints - self.mean_keypoints).square().mean().sqrt())

    def encode(self, keypoints: Tensor) -> Tensor:
        """Codes of the blendshapes [p, u, d] on faces with canonical keypoints [p, k, 3]."""
        offset = (keypoints - self.mean_keypoints) / self.keypoint_spread
        codes: Tensor = self.person(offset)
        return codes

    def effective(self, wanted: Tensor, present: Tensor, codes: Tensor) -> Tensor:
        """Activations with which the linear basis approximates the true deformation.

        Args:
            wanted: [p, t, u] activations to be added.
            present: [p, t, u] activations of the expression without them.
            codes: [p, u, d] result of :meth:`encode`.

        Returns:
            [p, t, u]; zero where all wanted activations are zero.
        """
        strongest = _STRONGEST * self.full
        told = wanted.clamp(-strongest, strongest)
        there = present.clamp(-strongest, strongest)
        none = torch.zeros_like(self.full)
        room = (there + told).clamp(none, self.full) - there.clamp(none, self.full)
        state = self.state(torch.stack([told, there, room], dim=-1))
        tokens = F.silu(self.frame(F.silu(codes[:, None] + state)))
        gains = F.linear(tokens, self.readout.weight[:2], self.readout.bias[:2])
        own = gains[..., 0] * wanted + gains[..., 1] * room
        return wanted + own + self._mixed(tokens, room)

    def _mixed(self, tokens: Tensor, room: Tensor) -> Tensor:
        """Effect of the blendshapes on each other [p, t, u]: an operator of rank r on ``room``.

        Its entries are ``read_u . collect_v``; sums over blendshapes are taken before the products
        with weights.
        """
        weighted = (room.unsqueeze(-2) @ tokens).squeeze(-2)
        gathered = F.linear(weighted, self.collect.weight)
        gathered = gathered + room.sum(-1, keepdim=True) * self.collect.bias
        asked = gathered @ self.readout.weight[2:]
        constant = gathered @ self.readout.bias[2:]
        return (tokens @ asked.unsqueeze(-1)).squeeze(-1) + constant.unsqueeze(-1)

    def forward(self, activations: Tensor, expression: Tensor, keypoints: Tensor) -> Tensor:
        """Expression deformation [p, t, k, 3].

        Args:
            activations: [p, t, n] action-unit components in [-1, 1].
            expression: [p, t, k, 3] the expression without the units.
            keypoints: [p, k, 3] canonical keypoints of each person.
        """
        return self.deform(activations, expression, self.encode(keypoints))

    def deform(self, activations: Tensor, expression: Tensor, codes: Tensor) -> Tensor:
        """The same with codes [p, u, d] of :meth:`encode`."""
        present = expression.flatten(-2) @ self.analysis
        effective = self.effective(activations @ self.table, present, codes)
        moved = effective @ self.basis
        return moved.reshape(*moved.shape[:-1], -1, 3)
