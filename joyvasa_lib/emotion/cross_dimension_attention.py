"""The Cross-Dimension Attention Net: action units, a face's structure and its expression, combined.

After LES-Talker (arXiv 2411.09268), of which abstract and introduction are public: an emotion is a
vector over action units, and attention across the feature dimension (here the units) and across the
structure dimension (here the canonical keypoints) carries it into the deformation of the face. The
rest of the design is this library's own:

* structure is attended once a person, units once a frame, so a frame costs a quarter of a million
  multiplications;
* the answer is the linear basis times *effective* activations ``a + c(a, e, x)``, and ``c`` is a
  linear operator on ``a`` whose entries are read from the attended tokens: without units there is
  exactly no effect, whatever the weights;
* the layer that reads the operator starts at zero, so training starts at the linear basis.

Axis legend: ``p`` persons, ``t`` frames, ``n`` action-unit components, ``k`` keypoints, ``d`` width,
``r`` rank.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

_FAR = 4.0
"""Standard deviations beyond which a keypoint counts as this far, so that no face is extrapolated."""
_STRONGEST = 1.25
"""Greatest activation, of what is added and of what is there, that the tokens are told."""


class Attention(nn.Module):
    """Multi-head attention of tokens to other tokens, after a common normalisation."""

    def __init__(self, width: int, heads: int) -> None:
        """Builds the layer."""
        super().__init__()
        self.heads = heads
        self.norm, self.memory_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.memory = nn.Linear(width, 2 * width)

    def forward(self, tokens: Tensor, memory: Tensor) -> Tensor:
        """Returns tokens [p, i, d] after they have looked at memory [p, j, d]."""
        query = self.query(self.norm(tokens))
        key, value = self.memory(self.memory_norm(memory)).chunk(2, dim=-1)
        split = [x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (query, key, value)]
        mixed = F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(-2)
        return tokens + self.out(mixed)


class FeedForward(nn.Sequential):
    """The residual branch that follows an attention."""

    def __init__(self, width: int) -> None:
        """Builds the branch."""
        super().__init__(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )


class CrossDimensionBlock(nn.Module):
    """Units look across the face's structure, and structure across the units."""

    def __init__(self, width: int, heads: int) -> None:
        """Builds both directions."""
        super().__init__()
        self.across_structure, self.across_units = (Attention(width, heads) for _ in range(2))
        self.unit_branch, self.structure_branch = FeedForward(width), FeedForward(width)

    def forward(self, units: Tensor, structure: Tensor) -> tuple[Tensor, Tensor]:
        """Returns unit tokens [p, n, d] and structure tokens [p, k, d]."""
        units = self.across_structure(units, structure)
        structure = self.across_units(structure, units)
        return units + self.unit_branch(units), structure + self.structure_branch(structure)


class PersonEncoder(nn.Module):
    """What each unit means on a person's face, from where the keypoints lie."""

    def __init__(self, units: int, keypoints: int, width: int, heads: int, layers: int) -> None:
        """Builds embeddings and blocks."""
        super().__init__()
        self.units = nn.Parameter(torch.randn(units, width) / math.sqrt(width))
        self.places = nn.Parameter(torch.randn(keypoints, width) / math.sqrt(width))
        self.offset = nn.Linear(3, width)
        self.blocks = nn.ModuleList(CrossDimensionBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, offset: Tensor) -> Tensor:
        """Returns unit codes [p, n, d] for keypoints [p, k, 3] in deviations from the mean face."""
        structure = self.places + self.offset(offset.clamp(-_FAR, _FAR))
        units = self.units.expand(len(offset), -1, -1)
        for block in self.blocks:
            units, structure = block(units, structure)
        result: Tensor = self.norm(units)
        return result


class FrameAttention(nn.Module):
    """Units of one frame look at each other through a few summaries (induced attention).

    Lee et al. 2019, "Set Transformer", section 3.1: each summary attends to all units, then each
    unit to all summaries, linear in the number of units.
    """

    def __init__(self, width: int, summaries: int) -> None:
        """Builds both attentions; the summaries' queries are weights."""
        super().__init__()
        self.gather, self.spread = nn.Linear(width, summaries), nn.Linear(width, summaries)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Returns tokens [p, t, n, d] that know of each other."""
        weight = self.gather(tokens).softmax(dim=-2)
        summary = torch.einsum("ptnr,ptnd->ptrd", weight, self.value(tokens))
        return tokens + self.out(F.silu(tokens + self.spread(tokens).softmax(dim=-1) @ summary))


class CrossDimensionAttentionNet(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Effective action-unit activations from wanted ones, a person's keypoints and an expression.

    Beside its weights it holds what they mean: the linear basis, its inverse, and the mean and
    spread of the keypoints of the faces it was trained on.
    """

    basis: Tensor
    analysis: Tensor
    mean_keypoints: Tensor
    keypoint_spread: Tensor

    @register_to_config
    def __init__(
        self,
        units: int = 55,
        keypoints: int = 64,
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        summaries: int = 8,
        rank: int = 16,
    ) -> None:
        """Builds the network with an effect of zero and an empty basis; see :meth:`set_space`.

        Args:
            units: action-unit components n.
            keypoints: keypoints k.
            width: channels d of every token.
            heads: attention heads of the person encoder.
            layers: cross-dimension blocks of the person encoder.
            summaries: summaries of the frame attention.
            rank: rank of the operator that mixes units.
        """
        super().__init__()
        self.person = PersonEncoder(units, keypoints, width, heads, layers)
        self.state = nn.Linear(3, width)
        self.frame = FrameAttention(width, summaries)
        self.collect = nn.Linear(width, rank)
        self.readout = nn.Linear(width, rank + 2)
        nn.init.zeros_(self.readout.weight)
        nn.init.zeros_(self.readout.bias)
        self.register_buffer("basis", torch.zeros(units, 3 * keypoints))
        self.register_buffer("analysis", torch.zeros(3 * keypoints, units))
        self.register_buffer("mean_keypoints", torch.zeros(keypoints, 3))
        self.register_buffer("keypoint_spread", torch.ones(()))

    def set_space(self, basis: Tensor, keypoints: Tensor) -> None:
        """Takes the linear basis and the faces that the network is going to be trained on.

        Args:
            basis: [n, k, 3] deformation of each unit at full activation.
            keypoints: [p, k, 3] canonical keypoints of many faces.
        """
        flat = basis.flatten(1)
        self.basis.copy_(flat)
        self.analysis.copy_(torch.linalg.pinv(flat.double()))
        self.mean_keypoints.copy_(keypoints.mean(0))
        self.keypoint_spread.copy_((keypoints - self.mean_keypoints).square().mean().sqrt())

    def encode(self, keypoints: Tensor) -> Tensor:
        """What the units mean on each face [p, n, d], once a person.

        Args:
            keypoints: [p, k, 3] canonical keypoints.
        """
        offset = (keypoints - self.mean_keypoints) / self.keypoint_spread
        codes: Tensor = self.person(offset)
        return codes

    def effective(self, activations: Tensor, expression: Tensor, codes: Tensor) -> Tensor:
        """Activations that the linear basis needs to give the true deformation.

        Args:
            activations: [p, t, n] wanted activations.
            expression: [p, t, k, 3] what the face does otherwise.
            codes: [p, n, d] of :meth:`encode`.

        Returns:
            [p, t, n]; zero where all activations of a frame are zero.
        """
        present = expression.flatten(-2) @ self.analysis
        wanted = activations.clamp(-_STRONGEST, _STRONGEST)
        present = present.clamp(-_STRONGEST, _STRONGEST)
        room = (present + wanted).clamp(0.0, 1.0) - present.clamp(0.0, 1.0)
        state = torch.stack([wanted, present, room], dim=-1)
        tokens = self.frame(F.silu(codes[:, None] + self.state(state)))
        tokens = F.silu(tokens)
        pooled = torch.einsum("ptnr,ptn->ptr", self.collect(tokens), room)
        read = self.readout(tokens)
        own, mixing = read[..., 0] * activations + read[..., 1] * room, read[..., 2:]
        return activations + own + torch.einsum("ptnr,ptr->ptn", mixing, pooled)

    def forward(self, activations: Tensor, expression: Tensor, keypoints: Tensor) -> Tensor:
        """Expression deformation [p, t, k, 3].

        Args:
            activations: [p, t, n] wanted activations in [-1, 1].
            expression: [p, t, k, 3] what the face does otherwise.
            keypoints: [p, k, 3] canonical keypoints of each person.
        """
        effective = self.effective(activations, expression, self.encode(keypoints))
        return (effective @ self.basis).unflatten(-1, (-1, 3))
