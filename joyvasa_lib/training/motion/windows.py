"""A batch of pairs of windows as the denoiser sees it, and everything random about it.

Axis legend: ``b`` batch, ``l`` frames of a window, ``p`` previous frames, ``c`` motion channels,
``d`` width of the denoiser.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.training.motion.batches import MotionBatch, truncate


class Draws(NamedTuple):
    """Everything random about one batch; first windows come before second ones.

    Attributes:
        previous_noise: [b, p, c], of spread 1.
        dropped: bool [2 b, 1, 1], windows without speech.
        step: int64 [2 b], diffusion steps, 1..T.
        noise: [2 b, l, c].
        own: bool [b, 1, 1], rows whose second window goes on from the model's own first one.
        unstyled: bool [b, 1, 1], rows whose speaking style is taken as unknown.
    """

    previous_noise: Tensor
    dropped: Tensor
    step: Tensor
    noise: Tensor
    own: Tensor
    unstyled: Tensor


class Windows(NamedTuple):
    """What both windows of each row are given and compared with; first windows come first.

    ``clips`` [2b, l, c] truth, zero behind the truncation; ``speech`` [2b, l, d]; ``valid``
    [2b, l]; ``prev_motion`` [2b, p, c] and ``prev_audio`` [2b, p, d] as the network sees them;
    ``previous`` [b, p, c] what the second window's loss takes for the end of the first; ``own``
    [b, 1, 1] where that is the model's own; ``style`` [2b, l, d] what the speaking style adds to
    ``speech``, None of a network without styles.
    """

    clips: Tensor
    speech: Tensor
    valid: Tensor
    prev_motion: Tensor
    prev_audio: Tensor
    previous: Tensor
    own: Tensor
    style: Tensor | None

    @classmethod
    def of(
        cls, batch: MotionBatch, denoiser: MotionDenoiser, draws: Draws, previous_noise: float
    ) -> Windows:
        """Cuts a batch into its windows; second ones go on from the truth."""
        b, frames = len(batch.motion), batch.motion.shape[1] // 2
        p = int(denoiser.config.n_prev_motions)
        end = batch.end.T.reshape(-1)
        clips, raw, valid = (
            truncate(torch.cat([part[:, :frames], part[:, frames:]]), end)
            for part in (batch.motion, batch.audio, batch.valid)
        )
        previous = batch.motion[:, frames - p : frames]
        noisy_previous = previous + previous_noise * draws.previous_noise
        heard = denoiser.audio_feature_map(batch.audio[:, frames - p : frames]).detach()
        known = ~(batch.style.isnan().any(dim=2, keepdim=True) | draws.unstyled)
        style = denoiser.style_feature(batch.style.nan_to_num(), ~known)
        both = None
        if style is not None:
            heard = heard + style[:, frames - p : frames].detach()
            both = torch.cat([style[:, :frames], style[:, frames:]])
        return cls(
            clips,
            denoiser.audio_feature_map(raw),
            valid,
            torch.cat([denoiser.start_motion_feat.expand(b, -1, -1), noisy_previous]),
            torch.cat([denoiser.start_audio_feat.expand(b, -1, -1), heard.float()]),
            previous,
            torch.zeros_like(draws.own),
            both,
        )

    def going_on_from(self, made: Tensor, batch: MotionBatch, draws: Draws) -> Windows:
        """Lets the second window of some rows go on from ``made`` [b, l, c] instead of the truth.

        Where the first window was truncated, its end is not worth going on from. Rows that do go
        on from it are not asked to mend it: only what they add counts, and how it joins.
        """
        b, frames, p = len(made), made.shape[1], self.previous.shape[1]
        own = draws.own & (batch.end[:, 0] == frames)[:, None, None]
        end = made[:, -p:]
        given = torch.where(own, end, self.prev_motion[b:])
        return self._replace(
            prev_motion=torch.cat([self.prev_motion[:b], given]),
            previous=torch.where(own, end, self.previous),
            own=own,
        )
