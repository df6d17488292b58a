"""Losses of motion training, as the generator's specification defines them, each on masked frames.

All take tensors of model channels. The expression (face) channels come first, the head's (scale,
translation, rotation) after them.

Axis legend: ``b`` batch, ``t`` frames, ``c`` channels, ``e`` expression channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from joyvasa_lib.recipes import recipe

Criterion = Literal["l2", "l1"]


@dataclass(frozen=True)
class MaskedMean:
    """A mean that is not taken yet, so that it can be taken over more than one batch.

    Masks hide different numbers of frames in each batch. The mean over several processes or
    accumulated batches is the sum of all ``total`` over the sum of all ``weight``, and not the mean
    of their means.

    Attributes:
        total: scalar, sum of the errors that count.
        weight: scalar, how many count.
    """

    total: Tensor
    weight: Tensor

    def over(self, weight: Tensor | None = None) -> Tensor:
        """Returns the scalar ``total / weight``, with the batch's own weight if none is given."""
        return self.total / (self.weight.clamp(min=1.0) if weight is None else weight)


def masked_sum(
    predicted: Tensor, truth: Tensor, valid: Tensor, criterion: Criterion = "l2"
) -> MaskedMean:
    """Returns the error over valid frames and all channels, before the mean is taken.

    Args:
        predicted: [b, t, c].
        truth: [b, t, c].
        valid: bool or float [b, t].
        criterion: squared ("l2") or absolute ("l1") error.
    """
    error = predicted - truth
    error = error.square() if criterion == "l2" else error.abs()
    weight = valid.to(error)[..., None].expand_as(error)
    return MaskedMean((error * weight).sum(), weight.sum())


def velocity_error(
    predicted: Tensor, truth: Tensor, valid: Tensor, criterion: Criterion = "l2"
) -> MaskedMean:
    """Returns the error of first differences; a difference counts where its later frame does."""
    return masked_sum(predicted.diff(dim=1), truth.diff(dim=1), valid[:, 1:], criterion)


def smoothness(predicted: Tensor, valid: Tensor, criterion: Criterion = "l2") -> MaskedMean:
    """Returns the error between successive predicted velocities: the mean acceleration."""
    velocity = predicted.diff(dim=1)
    return masked_sum(velocity[:, 1:], velocity[:, :-1], valid[:, 2:], criterion)


def seam_error(
    before: Tensor, after: Tensor, valid: Tensor, criterion: Criterion = "l2"
) -> tuple[MaskedMean, MaskedMean]:
    """Returns how abruptly velocity and acceleration change where two windows meet.

    Args:
        before: true frames before the seam [b, >= 3, c].
        after: predicted frames after it [b, >= 3, c].
        valid: bool or float [b, >= 3], of the frames after the seam.
        criterion: squared or absolute differences.

    Returns:
        Of six frames, velocities v0..v4 and accelerations a0..a3: v2-v1 and v3-v2 on the first two
        frames after the seam; and a1-a0, a2-a1, a3-a2 on the first three. The published term is
        the sum of both means.
    """
    velocity = torch.cat([before[:, -3:], after[:, :3]], dim=1).diff(dim=1)
    acceleration = velocity.diff(dim=1)
    change = masked_sum(velocity[:, 2:4], velocity[:, 1:3], valid[:, :2], criterion)
    jerk = masked_sum(acceleration[:, 1:], acceleration[:, :-1], valid[:, :3], criterion)
    return change, jerk


@recipe("motion.loss_weights")
@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms; the first eight are JoyVASA's, the rest the compact preset's own.

    Raises:
        OptionError: an unknown term, or a weight that is no number.
    """

    simple: float = 1.0
    exp: float = 0.1
    exp_velocity: float = 1e-4
    exp_smooth: float = 1e-4
    head: float = 1e-2
    head_velocity: float = 1e-2
    head_smooth: float = 1e-2
    head_seam: float = 1e-2
    closure: float = 0.0
    lip_gap: float = 0.0


@dataclass(frozen=True)
class WindowPair:
    """Prediction and truth of one window and where they count.

    Attributes:
        predicted: [b, p + l, c], previous frames in front.
        truth: [b, p + l, c].
        valid: bool [b, p + l].
        previous: p, or 0 where the previous frames are not part of the pair (first window).
    """

    predicted: Tensor
    truth: Tensor
    valid: Tensor
    previous: int


SEAM, SEAM_JERK = "head_seam", "head_seam_jerk"
"""The two halves of the seam term, which is their sum and has one weight."""


def motion_terms(
    pair: WindowPair, expression_channels: int, criterion: Criterion = "l2"
) -> dict[str, MaskedMean]:
    """Returns the terms of one window by name, before their means are taken.

    The seam term exists where there are previous frames: three true ones before the seam and three
    predicted ones after it.
    """
    predicted, truth, valid = pair.predicted, pair.truth, pair.valid
    e = expression_channels
    terms = {
        "simple": masked_sum(predicted, truth, valid, criterion),
        "exp": masked_sum(predicted[..., :e], truth[..., :e], valid, criterion),
        "exp_velocity": velocity_error(predicted[..., :e], truth[..., :e], valid, criterion),
        "exp_smooth": smoothness(predicted[..., :e], valid, criterion),
    }
    if predicted.shape[-1] > e:
        head, true_head = predicted[..., e:], truth[..., e:]
        terms["head"] = masked_sum(head, true_head, valid, criterion)
        terms["head_velocity"] = velocity_error(head, true_head, valid, criterion)
        terms["head_smooth"] = smoothness(head, valid, criterion)
        if pair.previous >= 3:
            p = pair.previous
            terms[SEAM], terms[SEAM_JERK] = seam_error(
                true_head[:, :p], head[:, p:], valid[:, p:], criterion
            )
    return terms


def take_means(
    terms: dict[str, MaskedMean], weights: dict[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Returns the value of each term by name, the seam's two halves added.

    Args:
        terms: of one window.
        weights: what each is divided by; its own weight if none are given.
    """
    means = {n: term.over(weights[n] if weights else None) for n, term in terms.items()}
    if SEAM in means:
        means[SEAM] = means[SEAM] + means.pop(SEAM_JERK)
    return means


def closure_error(
    predicted: Tensor, truth: Tensor, closed: Tensor, channels: list[int]
) -> MaskedMean:
    """Returns the squared error of chosen channels on frames in which the lips touch.

    Args:
        predicted: [b, t, c].
        truth: [b, t, c].
        closed: bool or float [b, t], weight of each frame.
        channels: those that close and open the lips.
    """
    return masked_sum(predicted[..., channels], truth[..., channels], closed)


def lip_gap_error(predicted: Tensor, truth: Tensor, valid: Tensor, gap: Tensor) -> MaskedMean:
    """Returns the squared error of the distance between the lips.

    Args:
        predicted: [b, t, c].
        truth: [b, t, c].
        valid: bool or float [b, t].
        gap: [c] change of the lip gap per unit of each model channel (it is linear in the
            blendshapes), scaled to length 1.
    """
    return masked_sum((predicted @ gap)[..., None], (truth @ gap)[..., None], valid)


def combine(first: dict[str, Tensor], second: dict[str, Tensor], weights: LossWeights) -> Tensor:
    """Returns the weighted sum over both clips: half of each term's sum, the seam term as it is.

    Args:
        first: terms of the first window.
        second: terms of the window that continues it.
        weights: of each term.
    """
    total = next(iter(first.values())).new_zeros(())
    for name in {**first, **second}:
        weight = float(getattr(weights, name))
        if name == "head_seam":
            total = total + weight * second[name]
        elif weight:
            total = total + weight * 0.5 * (first[name] + second[name])
    return total
