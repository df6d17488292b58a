"""Stage one as one module: a pair of images in, named losses out.

The source's appearance is moved to where the driving image's keypoints are, and must look like
the driving image, as a whole and at face, eyes and lips (self-reconstruction; face-vid2vid, arXiv
2011.15126, section 3, and LivePortrait, arXiv 2407.03168, section 3.2).

Axis legend: ``b`` batch, ``k`` keypoints, ``s`` side of an image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from joyvasa_lib.portrait.liveportrait.appearance_extractor import AppearanceFeatureExtractor
from joyvasa_lib.portrait.liveportrait.generator import SpadeGenerator
from joyvasa_lib.portrait.liveportrait.motion_extractor import ExtractedMotion, MotionExtractor
from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks
from joyvasa_lib.portrait.liveportrait.warping import WarpingNetwork
from joyvasa_lib.training.portrait.data.face_regions import (
    cut,
    eye_squares,
    face_square,
    lip_square,
)
from joyvasa_lib.training.portrait.data.frame_pairs import PairBatch
from joyvasa_lib.training.portrait.data.random_warp import RandomWarp
from joyvasa_lib.training.portrait.losses.critics import Critics
from joyvasa_lib.training.portrait.losses.keypoints import (
    MEAN_DEPTH,
    deformation_prior_loss,
    equivariance_loss,
    guide_loss,
    head_pose_loss,
    keypoint_prior_loss,
)
from joyvasa_lib.training.portrait.losses.perceptual import PyramidPerceptual
from joyvasa_lib.training.portrait.losses.portrait import identity_loss
from joyvasa_lib.training.portrait.networks import posed
from joyvasa_lib.training.portrait.recipe import NETWORKS, VIEWS, NetworksTraining

Embedding = Callable[[Tensor], Tensor]
"""From images [b, 3, s, s] in [0, 1] to identity embeddings [b, c]."""
SMALLEST_VIEW = 32
"""Side in pixels below which no view is cut."""
SCALES = {"picture": 2, "face": 1, "eyes": 1, "lips": 1}
"""Sizes at which each view is judged (face-vid2vid has two for images of 512)."""


class StageOne(Protocol):
    """F, M, W and G, wherever they are kept."""

    @property
    def appearance_extractor(self) -> AppearanceFeatureExtractor:
        """F."""

    @property
    def motion_extractor(self) -> MotionExtractor:
        """M."""

    @property
    def warping(self) -> WarpingNetwork:
        """W."""

    @property
    def generator(self) -> SpadeGenerator:
        """G."""


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """The driving image as made from the source.

    Attributes:
        image: [b, 3, s, s] in [0, 1].
        canonical: [b, k, 3] canonical keypoints of the source.
        source: [b, k, 3] posed keypoints of the source.
        driving: [b, k, 3] of the driving image, with the source's canonical keypoints.
        found: what M says of the driving image.
    """

    image: Tensor
    canonical: Tensor
    source: Tensor
    driving: Tensor
    found: ExtractedMotion


def reconstruct(networks: StageOne, batch: PairBatch) -> Reconstruction:
    """The driving images as made from the sources."""
    side = int(networks.appearance_extractor.config.image_side)
    source, driving = resized(batch.source, side), resized(batch.driving, side)
    with torch.autocast(source.device.type, enabled=False):  # keypoints need all their digits
        here, there = networks.motion_extractor(source), networks.motion_extractor(driving)
        x_s, x_d = posed(here, here.keypoints), posed(there, here.keypoints)
    volume = networks.appearance_extractor(source)
    image = networks.generator(networks.warping(volume, x_d, x_s).feature)
    return Reconstruction(image.float(), here.keypoints, x_s, x_d, there)


class PortraitObjective(nn.Module):
    """F, M, W, G and their critics under one optimiser.

    Critics' terms see detached images, the networks' terms see detached critics; see
    :class:`~joyvasa_lib.training.portrait.losses.critics.Critics`.
    """

    def __init__(
        self,
        networks: LivePortraitNetworks,
        config: NetworksTraining,
        guides: Tensor,
        perceptual: nn.Module | None = None,
        teacher: MotionExtractor | None = None,
        identity: Embedding | None = None,
        depth: float = MEAN_DEPTH,
    ) -> None:
        """Frees the networks that learn and freezes the others, in place.

        Args:
            networks: all seven; the perceptrons are not used.
            config: the recipe.
            guides: [g, 2] keypoints and the mesh points they are tied to.
            perceptual: judges likeness; without a network if None. It is not trained.
            teacher: network whose poses are taken for the truth; those of the batch if None.
            identity: embedding of faces, whose weights stay as they are.
            depth: mean depth at which the keypoints are kept.
        """
        super().__init__()
        self.appearance_extractor = networks.appearance_extractor
        self.motion_extractor = networks.motion_extractor
        self.warping = networks.warping
        self.generator = networks.generator
        self.config, self.weights = config, config.network_weights()
        self.image_side, self.size = networks.image_side, networks.size
        self.register_buffer("guides", guides.long())
        self.register_buffer("depth", torch.tensor(depth))
        self.guides: Tensor
        self.depth: Tensor
        for name in NETWORKS:
            self.get_submodule(name).requires_grad_(name in config.train)
        self.critics: Critics | None = None
        if self.weights.adversarial > 0.0 or self.weights.matching > 0.0:
            self.critics = Critics(SCALES, config.critic_width)
        # In a tuple, what is only asked is no part of the state.
        self._asked = (perceptual or PyramidPerceptual(), teacher)
        self._identity = (identity,)
        self.train()

    def train(self, mode: bool = True) -> PortraitObjective:
        """Training mode, in which frozen networks and frozen batch norms stay as they are."""
        super().train(mode)
        for name in NETWORKS:
            part = self.get_submodule(name)
            if name not in self.config.train:
                part.eval()
            elif self.config.batch_norm == "frozen":
                for layer in part.modules():
                    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                        layer.eval()
        return self

    def asked_to(self, device: torch.device) -> None:
        """Moves what is only asked to a device."""
        for part in (*self._asked, *self._identity):
            if isinstance(part, nn.Module):
                part.to(device)

    def small(self, images: Tensor) -> Tensor:
        """Images [b, 3, s, s] as F and M see them."""
        return resized(images, max(self.size, self.image_side))

    def forward(self, batch: PairBatch, adversarial: bool = True) -> dict[str, Tensor]:
        """Named loss terms of a batch; ``total`` is their weighted sum.

        Args:
            batch: pairs of images.
            adversarial: whether the networks hear what the critics say; critics learn anyway.
        """
        made = reconstruct(self, batch)
        true = resized(batch.driving, self.size)
        device = true.device.type
        with torch.autocast(device, enabled=False):
            terms = self._keypoint_terms(batch, made)
        seen, wanted = (views(x, batch.driving_marks) for x in (made.image, true))
        terms["perceptual"] = self._perceptual(seen, wanted)
        if (embed := self._identity[0]) is not None:
            terms["identity"] = identity_loss(embed(seen["face"]), embed(wanted["face"]))
        weights = {**asdict(self.weights), "critic": 1.0}
        if self.critics is not None:
            terms |= self.critics(seen, wanted, self.config.views, adversarial)
        total = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
        return {**terms, "total": total}

    def _perceptual(self, seen: dict[str, Tensor], wanted: dict[str, Tensor]) -> Tensor:
        judge = self._asked[0]
        weights = self.config.views
        return torch.stack([weights[v] * judge(seen[v], wanted[v]) for v in VIEWS]).sum()

    def _keypoint_terms(self, batch: PairBatch, made: Reconstruction) -> dict[str, Tensor]:
        if "motion_extractor" not in self.config.train:
            return {}
        keypoints, points = self.guides.T
        return {
            "equivariance": self._equivariance(batch, made),
            "keypoint_prior": keypoint_prior_loss(
                made.driving, self.config.keypoint_distance, self.depth
            ),
            "head_pose": head_pose_loss(made.found.rotation, self.taught(batch)),
            "deformation_prior": deformation_prior_loss(made.found.expression),
            "guide": guide_loss(
                made.source[:, keypoints], made.driving[:, keypoints],
                batch.source_marks[:, points], batch.driving_marks[:, points],
            ),
        }  # fmt: skip

    def _equivariance(self, batch: PairBatch, made: Reconstruction) -> Tensor:
        image = self.small(batch.driving)
        affine, spline = self.config.warp
        warp = RandomWarp.draw(len(image), image.device, affine, spline)
        moved = posed(self.motion_extractor(warp.images(image)), made.canonical)
        return equivariance_loss(made.driving, warp.points(moved[..., :2]))

    @torch.no_grad()
    def taught(self, batch: PairBatch) -> Tensor:
        """[b, 3] the head's rotation in the driving images, as the teacher has it; degrees."""
        teacher = self._asked[1]
        if teacher is None:
            return batch.driving_rotation
        return teacher(self.small(batch.driving)).rotation


def resized(images: Tensor, side: int) -> Tensor:
    """Images [b, c, s, s] at another side: means of pixels, or smooth where it is larger."""
    if images.shape[-1] == side:
        return images
    if side < images.shape[-1]:
        return F.interpolate(images, size=(side, side), mode="area")
    larger = F.interpolate(images, size=(side, side), mode="bicubic", align_corners=False)
    return larger.clamp(0.0, 1.0)


def views(images: Tensor, landmarks: Tensor) -> dict[str, Tensor]:
    """The whole images [b, 3, s, s], and what they show of face, eyes and lips.

    Args:
        images: in [0, 1].
        landmarks: [b, m, 2] of the true images, in the crop's units.

    Returns:
        The face at half the side, lips and eyes at a quarter, but no less than 32 pixels; both
        eyes, [2 b, ...], count as one view.
    """
    side = images.shape[-1]
    half, quarter = max(SMALLEST_VIEW, side // 2), max(SMALLEST_VIEW, side // 4)
    eyes = [cut(images, square, quarter) for square in eye_squares(landmarks)]
    return {
        "picture": images,
        "face": cut(images, face_square(landmarks), half),
        "eyes": torch.cat(eyes),
        "lips": cut(images, lip_square(landmarks), quarter),
    }
