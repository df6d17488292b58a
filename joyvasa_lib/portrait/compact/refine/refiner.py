"""Runs the generator on rendered frames: cut patches, refine those that changed, put them back.

Axis legend: ``b`` frames, ``s`` side of the frame, ``v`` vertices, ``p`` side of a patch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.checkpoints.modules import load_module
from joyvasa_lib.nn.dtypes import fast_dtype
from joyvasa_lib.portrait.compact.encode.appearance import Appearance
from joyvasa_lib.portrait.compact.encode.palette import LUMA
from joyvasa_lib.portrait.compact.refine.generator import PatchGenerator
from joyvasa_lib.portrait.compact.refine.patches import KINDS, OPEN_PIXELS, PatchCutter
from joyvasa_lib.rig.head_rig import HeadRig

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_SURROUNDINGS = 5
"""Pixels of a patch around one over which light is averaged."""
_DARK = 0.02
"""Luminance added to both sides of a ratio, so that it is bounded on dark pixels."""
_BRIGHTER = {"mouth": 1.12, "eye": 1.3}
"""Most by which a pixel may be brightened: lips of rendered heads are glossier than people's."""


class PatchRefiner:
    """Refines batches of frames of the compact preset."""

    def __init__(self, rig: HeadRig, generator: PatchGenerator) -> None:
        """Prepares the generator for inference.

        Args:
            rig: the head model.
            generator: the trained networks.
        """
        self._cutter = PatchCutter(rig)
        self.generator = generator.float().eval().to(memory_format=torch.channels_last)
        self.dtype = fast_dtype(torch.device("cpu"))

    @classmethod
    def from_pretrained(cls, rig: HeadRig, folder: str | Path) -> PatchRefiner:
        """Loads the generator of a checkpoint folder.

        Raises:
            CheckpointError: a file is missing, or keys or shapes differ; the message names them.
        """
        return cls(rig, load_module(PatchGenerator, folder))

    def __call__(
        self, frames: Bytes, vertices: Floats, appearance: Appearance, scale: float
    ) -> Bytes:
        """Refines frames in place and returns them.

        Args:
            frames: [b, s, s, 3] the procedural composites.
            vertices: [b, v, 3] the driven head in frame pixels.
            appearance: the image seen through the fitted head.
            scale: pixels of the image per rig unit.
        """
        for kind in KINDS:
            affine = self._cutter.affine(vertices, kind)
            guides, gate = self._cutter.guides(vertices, affine, appearance, kind, 0.25 * scale)
            rows = np.flatnonzero(gate.reshape(len(gate), -1).sum(1) > OPEN_PIXELS)
            if len(rows) == 0:
                continue
            composite = self._cutter.cut(frames[rows], affine[rows], kind)
            own = self._cutter.affine(appearance.vertices[None], kind)
            source = np.broadcast_to(
                self._cutter.cut(appearance.image[None], own, kind), composite.shape
            )
            change = self._change(composite, source, guides[rows], gate[rows], kind)
            for row, patch in zip(rows, change, strict=True):
                self._cutter.paste(frames[row], patch, affine[row], kind)
        return frames

    def _change(
        self, composite: Floats, source: Floats, guides: Floats, gate: Floats, kind: str
    ) -> Floats:
        """[n, p, p, 3] refined minus composite."""
        network = kind.partition("_")[0]
        stacked = np.concatenate([composite, source, guides], -1).transpose(0, 3, 1, 2)
        inputs = torch.from_numpy(stacked).contiguous(memory_format=torch.channels_last)
        half = self.dtype is torch.bfloat16
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            made = self.generator(inputs, torch.from_numpy(gate[:, None]), network)
        own, light = inputs[:, :3], inputs.new_tensor(LUMA)[:, None, None]
        before, after = ((image * light).sum(1, keepdim=True) for image in (own, made.image))
        # The generator learnt light and shape from rendered heads; the portrait keeps its colours.
        ratio = (after.clamp(min=0.0) + _DARK) / (before.clamp(min=0.0) + _DARK)
        ratio = ratio.clamp(max=_BRIGHTER[network])
        if network == "eye":  # eyelids keep their own shade: only edges and detail are refined
            ratio = ratio / _blurred(ratio)
        change = own * (ratio - 1.0)
        return np.asarray(change.permute(0, 2, 3, 1).numpy(), dtype=np.float32)


def _blurred(values: Tensor) -> Tensor:
    """[n, 1, p, p] mean of the surroundings of each pixel."""
    reach = _SURROUNDINGS
    for _ in range(2):
        padded = F.pad(values, (reach, reach, reach, reach), mode="replicate")
        values = F.avg_pool2d(padded, 2 * reach + 1, stride=1)
    return values
