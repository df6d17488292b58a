"""The compact preset's generator with its losses: one batch of patches in, named terms out.

Axis legend: ``n`` patches, ``p`` side of a patch.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from joyvasa_lib.portrait.compact.refine.generator import PatchGenerator, RefinedPatch
from joyvasa_lib.portrait.compact.refine.patch_guides import GUIDES
from joyvasa_lib.training.image_losses import (
    gradient_l1,
    hinge_critic,
    weighted_l1,
    weighted_ssim,
)
from joyvasa_lib.training.refiner.data import KINDS, PatchBatch
from joyvasa_lib.training.refiner.recipe import RefinerTraining

_INTERIOR = [6 + GUIDES.index(n) for n in ("teeth_upper", "teeth_lower", "tongue", "eyeball")]
_LID = 6 + GUIDES.index("lid")


class PatchCritic(nn.Module):
    """Scores overlapping windows of a patch: rendered truth high, refined low."""

    def __init__(self, width: int = 24) -> None:
        """Builds one critic of ``width`` to ``4 * width`` channels."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(6, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 1, 3, padding=1),
        )

    def forward(self, image: Tensor, source: Tensor) -> Tensor:
        """Scores [n, 1, p/4, p/4] of images beside the image's patch."""
        return cast(Tensor, self.layers(torch.cat([image, source], 1) * 2.0 - 1.0))


class GeneratorInTraining(nn.Module):
    """Generator and critics under one optimiser.

    Each term reaches only its own side: the critic's term sees detached images, the generator's
    sees detached critic weights.
    """

    def __init__(self, generator: PatchGenerator) -> None:
        """Adds one critic per kind."""
        super().__init__()
        self.generator = generator
        self.critics = nn.ModuleDict({kind: PatchCritic() for kind in KINDS})

    def forward(
        self, batch: PatchBatch, kind: str, config: RefinerTraining, adversarial: bool
    ) -> dict[str, Tensor]:
        """Named loss terms of one batch; ``total`` is their weighted sum."""
        made: RefinedPatch = self.generator(batch.inputs, batch.gate, kind)
        terms = refinement_losses(made, batch, config.focus)
        if adversarial:
            terms |= self._adversarial(made, batch, kind)
        weights: dict[str, float] = {"critic_own": 1.0}
        weights |= {name: value for name, value in config.loss_weights.items()}
        total = torch.stack([weights.get(name, 0.0) * value for name, value in terms.items()]).sum()
        return {**terms, "total": total}

    def _adversarial(self, made: RefinedPatch, batch: PatchBatch, kind: str) -> dict[str, Tensor]:
        critic = self.critics[kind]
        # Outside the gate nothing can change: the critic sees the composite there on both sides.
        real = batch.composite + batch.gate * (batch.truth - batch.composite)
        source = batch.inputs[:, 3:6]
        frozen = {name: p.detach() for name, p in critic.named_parameters()}
        fake = functional_call(critic, frozen, (made.image, source))
        own = hinge_critic(critic(real, source), critic(made.image.detach(), source))
        return {"critic": -fake.mean(), "critic_own": own}


def attention(batch: PatchBatch, focus: float) -> Tensor:
    """[n, 1, p, p] how much each pixel counts: nothing behind the gate, interiors most."""
    inside = batch.inputs[:, _INTERIOR].amax(1, keepdim=True)
    lid = (batch.inputs[:, _LID : _LID + 1] > 0.35).float()
    return batch.gate * (1.0 + focus * torch.maximum(inside, lid))


def refinement_losses(made: RefinedPatch, batch: PatchBatch, focus: float) -> dict[str, Tensor]:
    """Returns ``l1``, ``gradient``, ``ssim`` and ``mask`` of one batch."""
    weight = attention(batch, focus)
    known = (1.0 - batch.unseen).clamp(0.0, 1.0)
    with torch.autocast(made.mask.device.type, enabled=False):
        mask = F.binary_cross_entropy(made.mask.float().clamp(1e-4, 1 - 1e-4), known, batch.gate)
    return {
        "l1": weighted_l1(made.image, batch.truth, weight),
        "gradient": gradient_l1(made.image, batch.truth, weight),
        "ssim": 1.0 - weighted_ssim(made.image, batch.truth, weight),
        "mask": mask,
    }
