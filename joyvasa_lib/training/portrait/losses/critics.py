"""Critics that tell true images from made ones, patch by patch, at several sizes.

The patch critic of pix2pixHD (Wang et al. 2018, arXiv 1711.11585), with spectral norm (Miyato et
al. 2018, arXiv 1802.05957) as in SPADE (arXiv 1903.07291); LivePortrait has one each for the
image, the face and its parts (arXiv 2407.03168, section 3.2).

Axis legend: ``b`` batch, ``c`` channels, ``h`` height, ``w`` width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.parametrizations import spectral_norm

from joyvasa_lib.training.portrait.losses.portrait import (
    critic_hinge,
    feature_matching,
    generator_hinge,
)

LEAKY_SLOPE = 0.2


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a critic says of images.

    Attributes:
        scores: [b, 1, h, w] of overlapping patches, for each size.
        features: of each layer of each size.
    """

    scores: list[Tensor]
    features: list[Tensor]


class PatchJudge(nn.Module):
    """Scores patches of images of one size."""

    def __init__(self, width: int, layers: int = 3) -> None:
        """Builds ``layers`` halvings from ``width`` channels on, at most eight times as many."""
        super().__init__()
        widths = [min(width * 2**i, 8 * width) for i in range(layers)]
        halving = [
            spectral_norm(nn.Conv2d(before, after, 4, stride=2, padding=1))
            for before, after in pairwise(widths)
        ]
        level = spectral_norm(nn.Conv2d(widths[-1], widths[-1], 3, padding=1))
        first = nn.Conv2d(3, widths[0], 4, stride=2, padding=1)
        self.blocks = nn.ModuleList([first, *halving, level])
        self.last = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Returns scores [b, 1, h, w] and the features of each layer, for [b, 3, h, w]."""
        x, features = image * 2.0 - 1.0, []
        for block in self.blocks:
            x = F.leaky_relu(block(x), LEAKY_SLOPE)
            features.append(x)
        return self.last(x).float(), features


class MultiScaleCritic(nn.Module):
    """One judge for images as they are, one for half the size, and so on."""

    def __init__(self, width: int, scales: int) -> None:
        """Builds the judges."""
        super().__init__()
        self.judges = nn.ModuleList(PatchJudge(width) for _ in range(scales))

    def forward(self, image: Tensor) -> Judgement:
        """Judges images [b, 3, h, w] in [0, 1]."""
        scores, features = [], []
        for judge in self.judges:
            score, found = judge(image)
            scores.append(score)
            features += found
            image = F.avg_pool2d(image, 2)
        return Judgement(scores, features)


class Critics(nn.Module):
    """One critic for each view of an image: the whole, the face, the eyes, the lips."""

    def __init__(self, scales: Mapping[str, int], width: int) -> None:
        """Builds a critic of so many scales for each view."""
        super().__init__()
        self.views = nn.ModuleDict(
            {view: MultiScaleCritic(width, count) for view, count in scales.items()}
        )

    def forward(
        self,
        made: Mapping[str, Tensor],
        true: Mapping[str, Tensor],
        weights: Mapping[str, float],
        heard: bool = True,
    ) -> dict[str, Tensor]:
        """Terms of all views: ``critic``, and if they are heard ``adversarial`` and ``matching``.

        The first reaches the critics alone, with the images detached; the others, weighed by
        view, reach what made the images, with the critics' weights detached. So all can be
        minimised at once.
        """
        sums: dict[str, list[Tensor]] = {}
        for view, critic in self.views.items():
            real, fake = critic(true[view]), critic(made[view].detach())
            found = {"critic": critic_hinge(real.scores, fake.scores)}
            if heard:
                frozen = {name: p.detach() for name, p in critic.named_parameters()}
                seen: Judgement = functional_call(critic, frozen, (made[view],))
                found["adversarial"] = weights[view] * generator_hinge(seen.scores)
                matched = feature_matching(real.features, seen.features)
                found["matching"] = weights[view] * matched
            for name, value in found.items():
                sums.setdefault(name, []).append(value)
        return {name: torch.stack(parts).sum() for name, parts in sums.items()}
