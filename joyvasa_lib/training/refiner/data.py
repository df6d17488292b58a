"""Batches of the patch pairs that ``joyvasa datasets heads`` writes.

Axis legend: ``n`` patches, ``c`` input channels, ``p`` side of a patch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.checkpoints.tensors import read_tensors
from joyvasa_lib.errors import OptionError
from joyvasa_lib.portrait.compact.refine.patch_guides import GUIDES

KINDS = ("mouth", "eye")
_MIRRORED = [GUIDES.index("rest_x"), GUIDES.index("motion_x")]


@dataclass(frozen=True, eq=False)
class PatchBatch:
    """One batch of one kind.

    Attributes:
        inputs: [n, c, p, p] what the generator sees.
        gate: [n, 1, p, p] where it may change pixels.
        truth: [n, 3, p, p] in [0, 1].
    """

    inputs: Tensor
    gate: Tensor
    truth: Tensor

    @property
    def composite(self) -> Tensor:
        """[n, 3, p, p] the input image."""
        return self.inputs[:, :3]

    @property
    def unseen(self) -> Tensor:
        """[n, 1, p, p] what the image does not show."""
        return self.inputs[:, 6:7]

    def to(self, device: torch.device) -> PatchBatch:
        """The batch on a device."""
        return PatchBatch(*(t.to(device) for t in (self.inputs, self.gate, self.truth)))


class PatchPairs:
    """All shards of one split, held as bytes."""

    def __init__(self, folder: str | Path, split: str) -> None:
        """Reads the shards.

        Args:
            folder: what ``joyvasa datasets heads`` wrote.
            split: ``"train"`` or ``"valid"``.

        Raises:
            OptionError: there is none.
        """
        paths = sorted(Path(folder).glob(f"{split}_*.safetensors"))
        if not paths:
            raise OptionError(
                f"{folder} holds no {split} shards; make them with: joyvasa datasets heads"
            )
        shards = [read_tensors(path, "numpy")[0] for path in paths]
        self._arrays: dict[str, list[dict[str, NDArray[np.generic]]]] = {
            kind: [
                {name: shard[f"{kind}/{name}"] for name in ("images", "guides", "gate")}
                for shard in shards
            ]
            for kind in KINDS
        }

    def count(self, kind: str) -> int:
        """Patches of a kind."""
        return sum(len(part["gate"]) for part in self._arrays[kind])

    def take(self, kind: str, rows: NDArray[np.integer]) -> PatchBatch:
        """The patches of the given numbers, as they are."""
        parts = self._arrays[kind]
        starts = np.cumsum([0, *(len(part["gate"]) for part in parts)])
        found = []
        for row in rows:
            shard = int(np.searchsorted(starts, row, side="right")) - 1
            found.append({k: v[row - starts[shard]] for k, v in parts[shard].items()})
        images = np.stack([f["images"] for f in found]).astype(np.float32) / 255.0
        guides = np.stack([f["guides"] for f in found]).astype(np.float32) / 127.0
        gate = np.stack([f["gate"] for f in found]).astype(np.float32) / 255.0
        inputs = np.concatenate([images[..., :6], guides], -1).transpose(0, 3, 1, 2)
        truth = images[..., 6:].transpose(0, 3, 1, 2)
        layout = torch.channels_last
        return PatchBatch(
            torch.from_numpy(np.ascontiguousarray(inputs)).contiguous(memory_format=layout),
            torch.from_numpy(gate[:, None]),
            torch.from_numpy(np.ascontiguousarray(truth)).contiguous(memory_format=layout),
        )

    def draw(self, kind: str, size: int, random: np.random.Generator) -> PatchBatch:
        """A random batch in random colours; mouths also mirrored."""
        batch = self.take(kind, random.integers(self.count(kind), size=size))
        batch = recolour(batch, random)
        return mirror(batch, random) if kind == "mouth" else batch


def recolour(batch: PatchBatch, random: np.random.Generator) -> PatchBatch:
    """Saturation, gain and offset per patch, alike for composite, source and truth."""
    n = len(batch.gate)
    colourful = np.where(random.random(n) < 0.2, 0.0, random.uniform(0.6, 1.2, n))
    saturation = torch.from_numpy(colourful.astype(np.float32))[:, None, None, None]
    gain = random.uniform(0.75, 1.25, (n, 1, 1, 1)) * random.uniform(0.92, 1.08, (n, 3, 1, 1))
    shift = random.uniform(-0.08, 0.08, (n, 1, 1, 1))
    gain_t = torch.from_numpy(gain.astype(np.float32))
    shift_t = torch.from_numpy(shift.astype(np.float32))

    def change(image: Tensor) -> Tensor:
        grey = image.mean(1, keepdim=True)
        return ((grey + saturation * (image - grey)) * gain_t + shift_t).clamp(0.0, 1.0)

    inputs = batch.inputs.clone()
    inputs[:, :3], inputs[:, 3:6] = change(inputs[:, :3]), change(inputs[:, 3:6])
    return PatchBatch(inputs, batch.gate, change(batch.truth))


def mirror(batch: PatchBatch, random: np.random.Generator) -> PatchBatch:
    """Half of the patches seen in a mirror."""
    flip = torch.from_numpy(random.random(len(batch.gate)) < 0.5)[:, None, None, None]
    turned = batch.inputs.flip(-1)
    turned[:, [6 + i for i in _MIRRORED]] *= -1.0
    return PatchBatch(
        torch.where(flip, turned, batch.inputs),
        torch.where(flip, batch.gate.flip(-1), batch.gate),
        torch.where(flip, batch.truth.flip(-1), batch.truth),
    )
