"""The recipe of the compact preset's generator: ``configs/bundled/portrait.yaml``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from joyvasa_lib.recipes import Count, NotNegative, recipe

Term = Literal["l1", "gradient", "ssim", "mask", "critic"]
LOSS_WEIGHTS: dict[Term, float] = {
    "l1": 1.0, "gradient": 1.5, "ssim": 0.3, "mask": 0.03, "critic": 0.01,
}  # fmt: skip


@recipe("portrait")
@dataclass(frozen=True)
class RefinerTraining:
    """Recipe of the generator.

    Attributes:
        pairs: folder that ``joyvasa datasets heads`` wrote.
        network: fields of ``PatchGenerator``'s configuration.
        batch_size: patches of each kind in a batch.
        loss_weights: of ``l1``, ``gradient``, ``ssim``, ``mask``, ``critic``.
        focus: extra weight of teeth, tongue, eyeballs and lids against other open pixels.
        critic_from: step at which the patch critic joins; never if negative.
        validation_patches: held-out patches of each kind per validation.

    Raises:
        OptionError: a value of another type or out of range.
    """

    pairs: str
    network: dict[str, Any] = field(default_factory=dict)
    batch_size: Count = 16
    loss_weights: dict[Term, NotNegative] = field(default_factory=LOSS_WEIGHTS.copy)
    focus: NotNegative = 3.0
    critic_from: int = -1
    validation_patches: Count = 384
