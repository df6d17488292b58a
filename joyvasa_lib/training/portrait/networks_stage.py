"""Stage ``networks`` of a portrait run: what it starts from, measures, and hands out.

Axis legend: ``b`` batch, ``k`` keypoints, ``s`` side of an image.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks
from joyvasa_lib.training.image_losses import psnr, weighted_l1, weighted_ssim
from joyvasa_lib.training.portrait.data.face_regions import cut, face_square
from joyvasa_lib.training.portrait.data.frame_pairs import PairBatch, PairSampler
from joyvasa_lib.training.portrait.losses.guides import nearest_guides, usual_guides
from joyvasa_lib.training.portrait.losses.keypoints import WING_PIXELS
from joyvasa_lib.training.portrait.losses.perceptual import perceptual_loss
from joyvasa_lib.training.portrait.networks import InitialPortrait, posed
from joyvasa_lib.training.portrait.objective import (
    SMALLEST_VIEW,
    Embedding,
    PortraitObjective,
    reconstruct,
    resized,
)
from joyvasa_lib.training.portrait.recipe import NETWORKS, NetworksTraining

_GUIDE_BATCHES = 16
"""Batches by whose landmarks the guided keypoints of trained networks are told."""


class NetworksStage:
    """Trains F, M, W and G."""

    def __init__(
        self,
        start: InitialPortrait,
        config: NetworksTraining,
        pairs: PairSampler,
        identity: Embedding | None = None,
    ) -> None:
        """Makes the objective of what training starts from.

        Args:
            start: the networks, whose perceptrons stay as they are.
            config: the recipe.
            pairs: the data.
            identity: embedding of faces for the identity loss.

        Raises:
            CheckpointError: the perceptual network does not load.
        """
        self.start, self.config, self.pairs = start, config, pairs
        perceptual = perceptual_loss(config.perceptual)
        identities = config.network_weights().identity > 0.0 and identity is not None
        self.words = (
            f"{perceptual.words} Persons were "
            f"{'' if identities else 'not '}compared by a network that tells them apart."
        )
        teacher = None
        if start.loaded and config.pose_teacher != "landmarks":
            teacher = copy.deepcopy(start.networks.motion_extractor)
        guides, depth = usual_guides(), config.keypoint_depth
        if start.loaded:
            guides, depth = self._as_trained()
        self.objective = PortraitObjective(
            start.networks, config, guides, perceptual, teacher, identity, depth
        )

    def to(self, device: torch.device) -> None:
        """Moves what is not trained to a device."""
        self.objective.asked_to(device)

    def loss(self, network: nn.Module, batch: PairBatch, step: int) -> dict[str, Tensor]:
        """Named terms of a batch at a step."""
        terms: dict[str, Tensor] = network(batch, step >= self.config.critic_from)
        return terms

    def finished(self, network: nn.Module) -> LivePortraitNetworks:
        """A copy of the networks as they are, with batch norms measured for these weights."""
        assert isinstance(network, PortraitObjective)
        parts: dict[str, Any] = {
            name: copy.deepcopy(network.get_submodule(name)) for name in NETWORKS
        }
        networks = replace(self.start.networks, **parts)
        if self.config.batch_norm == "train" and self.config.statistics_batches:
            device = next(networks.generator.parameters()).device
            batches = (self.pairs(i).to(device) for i in range(self.config.statistics_batches))
            trained = [parts[name] for name in self.config.train]
            with measured_anew(trained):
                for batch in batches:
                    reconstruct(networks, batch)
        for part in fields(networks):
            getattr(networks, part.name).eval().requires_grad_(False)
        return networks

    def measure(self, networks: LivePortraitNetworks) -> dict[str, float]:
        """Errors of the held-out pairs; see :func:`reconstruction_errors`."""
        return reconstruction_errors(networks, self._held_out(networks), self.objective.guides)

    def rows(self, networks: LivePortraitNetworks, count: int) -> Iterator[tuple[Tensor, ...]]:
        """Yields source, driving and made images [3, s, s] of held-out pairs."""
        for batch in self._held_out(networks, count):
            made = reconstruct(networks, batch).image
            shown = (resized(x, networks.size) for x in (batch.source, batch.driving, made))
            yield from zip(*shown, strict=True)

    def _held_out(
        self, networks: LivePortraitNetworks, count: int | None = None
    ) -> Iterator[PairBatch]:
        device = next(networks.generator.parameters()).device
        for batch in self.pairs.held_out(count or self.config.validation_pairs):
            yield batch.to(device)

    @torch.no_grad()
    def _as_trained(self) -> tuple[Tensor, float]:
        """Guides and mean depth that the keypoints of trained networks have already."""
        networks = self.start.networks
        points, marks = [], []
        for index in range(_GUIDE_BATCHES):
            batch = self.pairs(index)
            found = networks.motion_extractor(resized(batch.source, networks.image_side))
            points.append(posed(found, found.keypoints))
            marks.append(batch.source_marks)
        keypoints = torch.cat(points)
        return nearest_guides(keypoints, torch.cat(marks)), float(keypoints[..., 2].mean())


@torch.no_grad()
def reconstruction_errors(
    networks: LivePortraitNetworks, batches: Iterable[PairBatch], guides: Tensor
) -> dict[str, float]:
    """How well the second image of each pair is made of the first one.

    Args:
        networks: in evaluation mode.
        batches: pairs.
        guides: [g, 2] guided keypoints and their mesh points.

    Returns:
        ``l1`` in 8-bit levels, ``psnr`` in decibels and ``ssim`` of the made images;
        ``l1_of_source`` of the source taken for the result; ``face_l1`` and ``face_l1_of_source``
        the same in the face's square alone; ``keypoint_error`` between keypoints
        of the made and the true image and ``guide_error`` between guided keypoints and their
        landmarks, both in pixels of a crop of 256; ``rotation_error`` of M against the data, mean
        of the three angles in degrees.
    """
    sums: dict[str, float] = {}
    count = 0
    for batch in batches:
        made = reconstruct(networks, batch)
        true, source = (resized(x, networks.size) for x in (batch.driving, batch.source))
        full_image = made.image.clamp(0.0, 1.0)
        again = networks.motion_extractor(resized(full_image, networks.image_side))
        keypoints, points = guides.to(true.device).T
        apart = made.driving[:, keypoints, :2] - batch.driving_marks[:, points]
        moved = (posed(again, made.canonical) - made.driving)[..., :2]
        turned = (made.found.rotation - batch.driving_rotation).abs()
        weight = torch.ones_like(true[:, :1])
        square = face_square(batch.driving_marks)
        faces = [cut(x, square, max(SMALLEST_VIEW, networks.size // 2)) for x in
                 (full_image, true, source)]  # fmt: skip
        found = {
            "l1": 255.0 * weighted_l1(full_image, true, weight),
            "l1_of_source": 255.0 * weighted_l1(source, true, weight),
            "face_l1": 255.0 * F.l1_loss(faces[0], faces[1]),
            "face_l1_of_source": 255.0 * F.l1_loss(faces[2], faces[1]),
            "psnr": psnr(full_image, true, weight),
            "ssim": weighted_ssim(full_image, true, weight),
            "keypoint_error": WING_PIXELS * moved.norm(dim=-1).mean(),
            "guide_error": WING_PIXELS * apart.norm(dim=-1).mean(),
            "rotation_error": turned.mean(),
        }
        for name, value in found.items():
            sums[name] = sums.get(name, 0.0) + len(batch) * float(value)
        count += len(batch)
    return {name: value / count for name, value in sums.items()}


@contextmanager
def measured_anew(networks: Iterable[nn.Module]) -> Iterator[None]:
    """Within, batch norms forget their statistics and average those of every batch.

    Averaged weights have no statistics of their own: they are counted after training, as the
    standing statistics of BigGAN (Brock et al. 2019, arXiv 1809.11096).
    """
    layers = [
        layer
        for network in networks
        for layer in network.modules()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm)
    ]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over all batches
        layer.train()
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
            layer.eval()
