"""The recipe of motion training: the section ``motion`` of ``configs/motion.yaml``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from joyvasa_lib.errors import OptionError
from joyvasa_lib.recipes import Count, NotNegative, Positive, Share, Whole, recipe
from joyvasa_lib.training.motion.losses import Criterion, LossWeights

PLACES = ("data", "corpus", "audio_encoder", "initial", "preview_portrait")
PREVIEWS = ("preview_every", "preview_seconds", "validation_seconds", "loader_threads")
FREE = frozenset(f"motion.{name}" for name in (*PLACES, *PREVIEWS))
"""Options that may differ when a run is resumed: files move, and previews do not matter."""


@recipe("motion")
@dataclass(frozen=True)
class MotionTraining:
    """Recipe of the denoiser.

    Attributes:
        data: folder of a prepared set, which ``joyvasa prepare`` wrote.
        corpus: folder of the synthetic speech corpus; this or ``data``.
        initial: what to start from: "bundled", a checkpoint or run folder, the folder of a denoiser
            alone, "" to start from nothing.
        audio_encoder: folder of the speech encoder; that of ``initial`` if "".
        network: fields of ``MotionDenoiser``, where it starts from nothing.
        lora_rank: rank of low-rank adapters, which are trained instead of the weights; 0 trains
            the weights.
        lora_alpha: the adapters are scaled by ``lora_alpha / lora_rank``; 0 for the rank itself.
        freeze: shell patterns of parameters that stay as they are.
        loss_weights: fields of ``LossWeights``.
        criterion: "l2" or "l1".
        batch_size: pairs of windows in a batch of one process.
        window_lengths: window lengths to draw from, frames.
        window_weights: how often each.
        null_audio: probability that a clip's speech is replaced by the null feature.
        no_style: probability that a clip's speaking style is taken as unknown.
        truncate: probability of truncation in the first and the second clip.
        previous_noise: noise on the true previous motion, in standard deviations.
        own_previous: probability that the second window goes on from the model's own first window.
        copies: augmented copies of each recording; the first is the recording as it is.
        loader_threads: threads that make batches ahead; 0 to make them when they are needed.
        validation_seconds: held-out speech per validation.
        guidance_scale: of validation.
        preview_every: validations between two preview videos; 0 for none.
        preview_portrait: image for the previews; the package's own if "".
        preview_seconds: their length.

    Raises:
        OptionError: a value of another type or out of range, or an unknown loss weight,
            or windows and their weights do not fit together.
    """

    data: str = ""
    corpus: str = ""
    initial: str = ""
    audio_encoder: str = ""
    network: dict[str, Any] = field(default_factory=dict)
    lora_rank: Whole = 0
    lora_alpha: NotNegative = 0.0
    freeze: tuple[str, ...] = ()
    loss_weights: dict[str, float] = field(default_factory=dict)
    criterion: Criterion = "l2"
    batch_size: Count = 16
    window_lengths: tuple[Count, ...] = (100, 50, 25)
    window_weights: tuple[NotNegative, ...] = (0.8, 0.1, 0.1)
    null_audio: Share = 0.12
    no_style: Share = 0.15
    truncate: tuple[Share, Share] = (0.1, 0.15)
    previous_noise: NotNegative = 0.1
    own_previous: Share = 0.0
    copies: Count = 4
    loader_threads: Whole = 0
    validation_seconds: NotNegative = 90.0
    guidance_scale: float = 1.5
    preview_every: Whole = 0
    preview_portrait: str = ""
    preview_seconds: Positive = 4.0

    def __post_init__(self) -> None:
        """Checks the names of the loss weights, and that every window has a weight."""
        LossWeights(**self.loss_weights)
        lengths, weights = self.window_lengths, self.window_weights
        if len(lengths) != len(weights) or len(set(lengths)) != len(lengths) or sum(weights) <= 0:
            raise OptionError(
                "motion.window_lengths must be different lengths, motion.window_weights as many "
                f"numbers that are not all 0; not {list(lengths)} and {list(weights)}"
            )
