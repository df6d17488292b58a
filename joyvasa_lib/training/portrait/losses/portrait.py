"""Losses of stage one on images, and of the small networks behind it.

Adversarial losses are the hinge form (Lim and Ye 2017, arXiv 1705.02894) that face-vid2vid
(arXiv 2011.15126) and LivePortrait (arXiv 2407.03168, section 3.2) train with, feature matching is
that of pix2pixHD (Wang et al. 2018, arXiv 1711.11585). Losses of stitching and retargeting are
those of LivePortrait, section 3.3.

Axis legend: ``b`` batch, ``c`` channels, ``h`` height, ``w`` width, ``k`` keypoints. Images are
in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from joyvasa_lib.training.image_losses import hinge_critic


def generator_hinge(scores: Sequence[Tensor]) -> Tensor:
    """What the generator wants of a critic's scores of its images: ``-mean``, over the scales."""
    return torch.stack([-score.mean() for score in scores]).mean()


def critic_hinge(real: Sequence[Tensor], made: Sequence[Tensor]) -> Tensor:
    """The critic's own loss: ``mean max(0, 1 - real) + mean max(0, 1 + made)``, over the scales."""
    parts = [hinge_critic(true, false) for true, false in zip(real, made, strict=True)]
    return torch.stack(parts).mean()


def feature_matching(real: Sequence[Tensor], made: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of a critic's features, over its layers (pix2pixHD, eq. 4)."""
    parts = [F.l1_loss(false, true.detach()) for true, false in zip(real, made, strict=True)]
    return torch.stack(parts).mean()


def perceptual_distance(
    made: Sequence[Tensor], true: Sequence[Tensor], weights: Sequence[float]
) -> Tensor:
    """Weighted sum of the mean absolute differences of each layer's features; a scalar.

    Johnson et al. 2016 (arXiv 1603.08155) in the L1 form of pix2pixHD and face-vid2vid.

    Args:
        made: features [b, c, h, w] of each layer.
        true: of the true image.
        weights: of each layer.
    """
    parts = [weight * F.l1_loss(x, y) for weight, x, y in zip(weights, made, true, strict=True)]
    return torch.stack(parts).sum()


def masked_l1(image: Tensor, other: Tensor, keep: Tensor) -> Tensor:
    """Mean absolute difference of images [b, c, h, w] where ``keep`` [b, 1, h, w] says so.

    ``|| (image - other) * keep ||_1`` over all pixels and channels, so that a small region weighs
    little.
    """
    return ((image - other).abs() * keep).mean()


@dataclass(frozen=True)
class OffsetLoss:
    """Terms of a network that moves keypoints a little.

    Attributes:
        pixels: what changed where nothing should.
        condition: by how much the wanted opening was missed; 0 for stitching.
        offsets: mean absolute offset.
    """

    pixels: Tensor
    condition: Tensor
    offsets: Tensor

    def weighed(self, condition: float, offsets: float) -> Tensor:
        """The whole loss, a scalar."""
        return self.pixels + condition * self.condition + offsets * self.offsets


def stitching_loss(
    stitched: Tensor, reconstructed: Tensor, keep: Tensor, offsets: Tensor
) -> OffsetLoss:
    """Loss of the stitching network.

    ``|| (I_st - I_recon) * (1 - M_st) ||_1 + w_reg || Delta_st ||_1`` (LivePortrait, section 3.3,
    stitching).

    Args:
        stitched: [b, 3, h, w] the portrait under stitched keypoints of another motion.
        reconstructed: [b, 3, h, w] the portrait under its own keypoints.
        keep: [b, 1, h, w] in [0, 1], the paper's ``1 - M_st``: shoulders, where both must agree.
        offsets: [b, k, 3] what stitching adds to the keypoints.
    """
    pixels = masked_l1(stitched, reconstructed, keep)
    return OffsetLoss(pixels, pixels.new_zeros(()), offsets.abs().mean())


def retargeting_loss(
    made: Tensor,
    reconstructed: Tensor,
    keep: Tensor,
    opening: Tensor,
    wanted: Tensor,
    offsets: Tensor,
) -> OffsetLoss:
    """Loss of the eyes' or the lips' retargeting network.

    ``|| (I - I_recon) * (1 - M) ||_1 + w_cond || c_made - c_wanted ||_1 + w_reg || Delta ||_1``
    (LivePortrait, section 3.3, eyes and lip retargeting).

    Args:
        made: [b, 3, h, w] the portrait with eyes or lips retargeted.
        reconstructed: [b, 3, h, w] the portrait under its own keypoints.
        keep: [b, 1, h, w] in [0, 1], the paper's ``1 - M``: all but the eyes or the lips.
        opening: [b, 1 or 2] how far they are open in ``made``.
        wanted: [b, 1] how far they should be.
        offsets: [b, k, 3] what the network adds to the keypoints.
    """
    return OffsetLoss(
        masked_l1(made, reconstructed, keep),
        (opening - wanted).abs().mean(),
        offsets.abs().mean(),
    )


def identity_loss(made: Tensor, true: Tensor) -> Tensor:
    """One minus the cosine of two identity embeddings [b, c], averaged; a scalar in [0, 2].

    LivePortrait, section 3.2 (face-id loss), in ArcFace's similarity (Deng et al. 2019, arXiv
    1801.07698).
    """
    return (1.0 - F.cosine_similarity(made, true, dim=-1)).mean()
