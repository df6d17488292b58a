"""What the denoiser is given, window by window."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.speech.diffusion import motion_diffusion
from joyvasa_lib.speech.diffusion.sampling import GuidedDenoiser
from joyvasa_lib.speech.motion_generator import MotionGenerator


def in_pieces(model: MotionGenerator, sound: NDArray[np.float32], **options: object) -> Motion:
    """Motion of speech that arrives in pieces."""
    pieces = [sound[start : start + 2777] for start in range(0, len(sound), 2777)]
    return Motion.concatenate(list(model.stream(pieces, **options)))


def heard_features(
    model: MotionGenerator,
    monkeypatch: pytest.MonkeyPatch,
    sound: NDArray[np.float32],
    **options: object,
) -> NDArray[np.float32]:
    """The speech features [t, d] that the denoiser is given for frame after frame."""
    seen: list[torch.Tensor] = []

    def watch(denoise: GuidedDenoiser, scheduler: object, steps: int, noise: torch.Tensor, *_):
        seen.append(denoise.audio[-1])
        return noise

    monkeypatch.setattr(motion_diffusion, "draw_window", watch)
    motion = model.generate(sound, **options)
    return torch.cat(seen)[: len(motion)].numpy()


def drawn_noise(
    model: MotionGenerator, monkeypatch: pytest.MonkeyPatch, **options: object
) -> list[torch.Tensor]:
    """The initial noise of each window of nine seconds."""
    seen: list[torch.Tensor] = []

    def watch(denoise: object, scheduler: object, steps: int, noise: torch.Tensor, *rest: object):
        seen.append(noise)
        return noise

    monkeypatch.setattr(motion_diffusion, "draw_window", watch)
    model.generate(np.zeros(9 * 16000, np.float32), **options)
    return seen
