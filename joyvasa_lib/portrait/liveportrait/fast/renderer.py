"""W and G as one function: a portrait and driving keypoints become frames.

Axis legend: ``b`` frames, ``k`` keypoints, ``s`` side of a frame.
"""

from __future__ import annotations

import torch
from torch import Tensor

from joyvasa_lib.portrait.liveportrait.fast.generator import FastGenerator
from joyvasa_lib.portrait.liveportrait.fast.warping import FastWarping, WarpSource
from joyvasa_lib.portrait.liveportrait.generator import SpadeGenerator
from joyvasa_lib.portrait.liveportrait.warping import WarpingNetwork


class FastRenderer:
    """Frames of one portrait after another, with all weights ready for one device and dtype."""

    def __init__(
        self,
        warping: WarpingNetwork,
        generator: SpadeGenerator,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        """Prepares the weights; the networks themselves are not kept.

        Args:
            warping: W.
            generator: G.
            device: where to compute.
            dtype: of the convolutions; positions are float32 always.
        """
        like = torch.empty(0, device=device, dtype=dtype)
        self.like = like
        self.warping = FastWarping(warping, like)
        self.generator = FastGenerator(generator, like)

    def prepare(self, volume: Tensor, keypoints: Tensor) -> WarpSource:
        """What every frame of a portrait shares; see :meth:`FastWarping.prepare`."""
        return self.warping.prepare(volume, keypoints)

    def image(self, source: WarpSource, driving: Tensor) -> Tensor:
        """Images [b, 3, s, s] in [0, 1] for driving keypoints [b, k, 3] float32."""
        warped = self.warping(source, driving)
        return self.generator(warped.feature.permute(0, 2, 3, 1))


def to_pixels(image: Tensor) -> Tensor:
    """Images [b, 3, s, s] in [0, 1] as uint8 [b, s, s, 3], rounded."""
    levels = image.permute(0, 2, 3, 1).clamp(0.0, 1.0) * 255.0
    return (levels + 0.5).to(torch.uint8)
