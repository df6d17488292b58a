"""Stage ``stitching_retargeting``: the perceptrons on keypoints, with all else frozen.

LivePortrait (Guo et al. 2024, arXiv 2407.03168), section 3.3.

Axis legend: ``b`` batch, ``k`` keypoints, ``s`` side of an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from joyvasa_lib.portrait.liveportrait.motion_extractor import ExtractedMotion
from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks
from joyvasa_lib.training.image_losses import weighted_l1
from joyvasa_lib.training.portrait.data.face_regions import (
    below_the_chin,
    eye_squares,
    inside,
    lip_square,
)
from joyvasa_lib.training.portrait.data.frame_pairs import PairBatch, PairSampler
from joyvasa_lib.training.portrait.losses.opening_probe import OpeningProbe
from joyvasa_lib.training.portrait.losses.portrait import retargeting_loss, stitching_loss
from joyvasa_lib.training.portrait.networks import InitialPortrait, posed
from joyvasa_lib.training.portrait.objective import resized
from joyvasa_lib.training.portrait.recipe import PERCEPTRONS, NetworksTraining

_PROBE_BATCHES = 64


@dataclass(frozen=True, eq=False)
class Driven:
    """Portraits under another's motion, and with eyes and lips retargeted.

    Attributes:
        reconstructed: [b, 3, s, s] under their own keypoints.
        unstitched: [b, 3, s, s] under another's motion; None if not asked for.
        stitched: [b, 3, s, s] the same, stitched.
        eyes: [b, 3, s, s] with eyes retargeted.
        lips: [b, 3, s, s] with lips retargeted.
        stitching_offsets: [b, k, 3].
        eye_offsets: [b, k, 3].
        lip_offsets: [b, k, 3].
        wanted_eyes: [b, 1] opening.
        wanted_lips: [b, 1] opening.
    """

    reconstructed: Tensor
    unstitched: Tensor | None
    stitched: Tensor
    eyes: Tensor
    lips: Tensor
    stitching_offsets: Tensor
    eye_offsets: Tensor
    lip_offsets: Tensor
    wanted_eyes: Tensor
    wanted_lips: Tensor


class PerceptronObjective(nn.Module):
    """Stitching and retargeting under one optimiser, with F, M, W and G frozen.

    Each portrait of a batch is driven by the motion of the next pair's driving image, and asked
    for the openings of it.
    """

    def __init__(
        self, networks: LivePortraitNetworks, config: NetworksTraining, probe: OpeningProbe
    ) -> None:
        """Frees the perceptrons and freezes the others, in place."""
        super().__init__()
        self.stitching = networks.stitching
        self.lip_retargeting = networks.lip_retargeting
        self.eye_retargeting = networks.eye_retargeting
        self.probe = probe
        self.weights = config.perceptron_weights()
        self.size, self.image_side = networks.size, networks.image_side
        for part in fields(networks):
            getattr(networks, part.name).requires_grad_(part.name in PERCEPTRONS)
        self._frozen = (networks,)  # no part of the state

    def asked_to(self, device: torch.device) -> None:
        """Moves the frozen networks to a device."""
        for part in fields(self._frozen[0]):
            if part.name not in PERCEPTRONS:
                getattr(self._frozen[0], part.name).to(device).eval()

    def drive(self, batch: PairBatch, unstitched: bool = False) -> Driven:
        """Portraits under the motion of the next pair; the plain one only if asked for."""
        networks = self._frozen[0]
        with torch.no_grad(), torch.autocast(batch.source.device.type, enabled=False):
            source = resized(batch.source, self.image_side)
            here = networks.motion_extractor(source)
            there = rolled(networks.motion_extractor(resized(batch.driving, self.image_side)))
            x_s, x_d = posed(here, here.keypoints), posed(there, here.keypoints)
        openings = torch.roll(batch.driving_openings, 1, 0)
        wanted_eyes, wanted_lips = openings[:, :2].mean(1, keepdim=True), openings[:, 2:]
        own_eyes, own_lips = batch.source_openings[:, :2], batch.source_openings[:, 2:]
        with torch.no_grad():
            volume = networks.appearance_extractor(source)

        def drawn(keypoints: Tensor) -> Tensor:
            moved: Tensor = networks.generator(networks.warping(volume, keypoints, x_s).feature)
            return moved.float()

        with torch.autocast(batch.source.device.type, enabled=False):
            stitched = self.stitching(x_s, x_d)
            eyes = self.eye_retargeting(x_s, torch.cat([own_eyes, wanted_eyes], 1))
            lips = self.lip_retargeting(x_s, torch.cat([own_lips, wanted_lips], 1))
        with torch.no_grad():
            reconstructed = drawn(x_s)
            plain = drawn(x_d) if unstitched else None
        return Driven(
            reconstructed, plain, drawn(stitched), drawn(x_s + eyes), drawn(x_s + lips),
            stitched - x_d, eyes, lips, wanted_eyes, wanted_lips,
        )  # fmt: skip

    def opening(self, images: Tensor) -> Tensor:
        """[b, 3] openings of made images, as the probe reads them."""
        with torch.autocast(images.device.type, enabled=False):
            small = resized(images, self.image_side)
            opened: Tensor = self.probe(self._frozen[0].motion_extractor(small))
            return opened

    def forward(self, batch: PairBatch) -> dict[str, Tensor]:
        """Named loss terms of a batch; ``total`` is their weighted sum."""
        made, weights = self.drive(batch), self.weights
        marks = batch.source_marks
        stitching = stitching_loss(
            made.stitched, made.reconstructed, below_the_chin(marks, self.size),
            made.stitching_offsets,
        )  # fmt: skip
        eyes = retargeting_loss(
            made.eyes, made.reconstructed, 1.0 - inside(eye_squares(marks), self.size),
            self.opening(made.eyes)[:, :2], made.wanted_eyes, made.eye_offsets,
        )  # fmt: skip
        lips = retargeting_loss(
            made.lips, made.reconstructed, 1.0 - inside([lip_square(marks)], self.size),
            self.opening(made.lips)[:, 2:], made.wanted_lips, made.lip_offsets,
        )  # fmt: skip
        total = (
            weights.stitching * stitching.weighed(0.0, weights.stitching_offsets)
            + weights.eyes * eyes.weighed(weights.eyes_condition, weights.eyes_offsets)
            + weights.lips * lips.weighed(weights.lips_condition, weights.lips_offsets)
        )
        terms = {
            f"{name}/{part.name}": getattr(loss, part.name)
            for name, loss in (("stitching", stitching), ("eyes", eyes), ("lips", lips))
            for part in fields(loss)
        }
        del terms["stitching/condition"]
        return {**terms, "total": total}


def rolled(found: ExtractedMotion) -> ExtractedMotion:
    """What M says, each image's given to the next one."""
    return ExtractedMotion(
        **{part.name: torch.roll(getattr(found, part.name), 1, 0) for part in fields(found)}
    )


class PerceptronStage:
    """Trains stitching and retargeting."""

    words = (
        "Stitching and retargeting alone were trained. Images were compared by their pixels, "
        "where nothing should change."
    )

    def __init__(
        self, start: InitialPortrait, config: NetworksTraining, pairs: PairSampler
    ) -> None:
        """Fits the probe and makes the objective.

        Args:
            start: trained networks.
            config: the recipe.
            pairs: the data.
        """
        self.start, self.config, self.pairs = start, config, pairs
        networks = start.networks
        probe = OpeningProbe(6 * networks.motion_extractor.fc_kp.bias.numel() // 3)
        self.explained = self._fit(probe)
        self.objective = PerceptronObjective(networks, config, probe)

    def to(self, device: torch.device) -> None:
        """Moves what is not trained to a device."""
        self.objective.asked_to(device)

    def loss(self, network: nn.Module, batch: PairBatch, step: int) -> dict[str, Tensor]:
        """Named terms of a batch."""
        terms: dict[str, Tensor] = network(batch)
        return terms

    def finished(self, network: nn.Module) -> LivePortraitNetworks:
        """The networks with the perceptrons as they are."""
        assert isinstance(network, PerceptronObjective)
        parts: dict[str, Any] = {name: network.get_submodule(name) for name in PERCEPTRONS}
        return replace(self.start.networks, **parts)

    def measure(self, networks: LivePortraitNetworks) -> dict[str, float]:
        """Errors on held-out pairs; see :func:`perceptron_errors`."""
        found = perceptron_errors(self.objective, self._held_out())
        return {**found, "probe_explained": self.explained}

    def rows(self, networks: LivePortraitNetworks, count: int) -> Iterator[tuple[Tensor, ...]]:
        """Yields source, driving, unstitched, stitched, eyes and lips [3, s, s] of pairs."""
        for batch in self._held_out(max(count, 2)):
            made = self.objective.drive(batch, unstitched=True)
            assert made.unstitched is not None
            driving = torch.roll(batch.driving, 1, 0)
            shown = [resized(x, self.objective.size) for x in (batch.source, driving)]
            shown += [made.unstitched, made.stitched, made.eyes, made.lips]
            yield from zip(*shown, strict=True)

    def _held_out(self, count: int | None = None) -> Iterator[PairBatch]:
        device = next(self.objective.stitching.parameters()).device
        for batch in self.pairs.held_out(count or self.config.validation_pairs):
            yield batch.to(device)

    @torch.no_grad()
    def _fit(self, probe: OpeningProbe) -> float:
        networks = self.start.networks
        answers: list[ExtractedMotion] = []
        openings: list[Tensor] = []
        for index in range(_PROBE_BATCHES):
            batch = self.pairs(index)
            answers.append(networks.motion_extractor(resized(batch.source, networks.image_side)))
            openings.append(batch.source_openings)
        joined: dict[str, Any] = {
            part.name: torch.cat([getattr(answer, part.name) for answer in answers])
            for part in fields(ExtractedMotion)
        }
        return probe.fit(ExtractedMotion(**joined), torch.cat(openings))


@torch.no_grad()
def perceptron_errors(
    objective: PerceptronObjective, batches: Iterable[PairBatch]
) -> dict[str, float]:
    """What stitching and retargeting do for held-out pairs.

    Returns:
        ``shoulders`` and ``shoulders_unstitched``: change below the chin in 8-bit levels;
        ``eyes`` and ``lips``: error of the opening, beside ``eyes_before`` and ``lips_before``,
        that of the portrait as it is; ``eyes_beside`` and ``lips_beside``: change of the rest of
        the image in 8-bit levels.
    """
    sums: dict[str, float] = {}
    count = 0
    for batch in batches:
        made, marks = objective.drive(batch, unstitched=True), batch.source_marks
        assert made.unstitched is not None
        chin = below_the_chin(marks, objective.size)
        rest = {
            "eyes": 1.0 - inside(eye_squares(marks), objective.size),
            "lips": 1.0 - inside([lip_square(marks)], objective.size),
        }
        still = objective.opening(made.reconstructed)
        found = {
            "shoulders": 255.0 * weighted_l1(made.stitched, made.reconstructed, chin),
            "shoulders_unstitched": 255.0 * weighted_l1(made.unstitched, made.reconstructed, chin),
            "eyes": (objective.opening(made.eyes)[:, :2] - made.wanted_eyes).abs().mean(),
            "eyes_before": (still[:, :2] - made.wanted_eyes).abs().mean(),
            "lips": (objective.opening(made.lips)[:, 2:] - made.wanted_lips).abs().mean(),
            "lips_before": (still[:, 2:] - made.wanted_lips).abs().mean(),
            "eyes_beside": 255.0 * weighted_l1(made.eyes, made.reconstructed, rest["eyes"]),
            "lips_beside": 255.0 * weighted_l1(made.lips, made.reconstructed, rest["lips"]),
        }
        for name, value in found.items():
            sums[name] = sums.get(name, 0.0) + len(batch) * float(value)
        count += len(batch)
    return {name: value / count for name, value in sums.items()}
