"""Clips of a prepared set, and the shards that hold them.

Axis legend: ``t`` frames at 25 fps, ``n`` samples, ``c`` channels, ``m`` landmarks, ``s`` side of
the crop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.prepared.index import FORMAT, VERSION, ClipInfo
from joyvasa_lib.datasets.prepared.shards import opened, read_about, save_tensors
from joyvasa_lib.datasets.prepared.statistics import Moments
from joyvasa_lib.errors import MediaError

_IMAGE_PARTS = ("pictures", "picture_ends", "landmarks")
"""Names of a clip's images in a shard."""


@dataclass(frozen=True, eq=False)
class Images:
    """The crops of a clip.

    Attributes:
        data: uint8 [bytes], JPEG after JPEG.
        ends: int64 [t], where each ends.
        landmarks: float32 [t, m, 3] in crop pixels.
    """

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]
    landmarks: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Clip:
    """One stretch of one person talking.

    Attributes:
        info: what it is.
        waveform: int16 [n], 16 kHz mono, n = 640 t.
        values: float32 [t, c], expression part, scale, translation, rotation in degrees; see
            :attr:`PreparedIndex.layout`.
        images: the crops, where the set has them.
    """

    info: ClipInfo
    waveform: NDArray[np.int16]
    values: NDArray[np.float32]
    images: Images | None = None

    def tensors(self) -> dict[str, NDArray[Any]]:
        """What a shard stores, by name."""
        parts: dict[str, NDArray[Any]] = {"waveform": self.waveform, "values": self.values}
        if (crops := self.images) is not None:
            parts |= zip(_IMAGE_PARTS, (crops.data, crops.ends, crops.landmarks), strict=True)
        return {
            f"{self.info.name}/{part}": np.ascontiguousarray(array) for part, array in parts.items()
        }

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in a shard."""
        return sum(array.nbytes for array in self.tensors().values())


@dataclass(frozen=True, eq=False)
class ShardHeader:
    """What the header of a shard says.

    Attributes:
        clips: in order.
        moments: statistics of their values.
    """

    clips: tuple[ClipInfo, ...]
    moments: Moments


def write_shard(
    path: Path, clips: Sequence[Clip], channels: int, more: Mapping[str, Any] | None = None
) -> int:
    """Writes a shard, whole or not at all; returns its size in bytes.

    Args:
        path: the file.
        clips: what it holds.
        channels: c.
        more: what else its header says.

    Raises:
        OutputError: it cannot be written, for example because the disk is full.
    """
    moments = Moments.merged((Moments.of(clip.values) for clip in clips), channels)
    about = {
        "format": FORMAT,
        "version": VERSION,
        "channels": channels,
        "clips": [asdict(clip.info) for clip in clips],
        "moments": moments.to_dict(),
        **(more or {}),
    }
    tensors: dict[str, NDArray[Any]] = {}
    for clip in clips:
        tensors |= clip.tensors()
    return save_tensors(path, tensors, about)


def read_header(path: Path) -> ShardHeader:
    """Reads the header of a shard.

    Raises:
        MediaError: it is none.
    """
    about = read_about(path)
    try:
        clips = tuple(ClipInfo(**clip) for clip in about["clips"])
        return ShardHeader(clips, Moments.from_dict(about["moments"], about["channels"]))
    except (KeyError, TypeError, ValueError) as error:
        raise MediaError(f"{path} is no shard of a prepared set ({error!r})") from error


def read_clip(path: Path, info: ClipInfo, images: bool = False) -> Clip:
    """Reads one clip of a shard.

    Args:
        path: the shard.
        info: the clip.
        images: whether with its crops; the shard must have them then.

    Raises:
        MediaError: the shard cannot be read.
    """
    file, name = opened(path), info.name
    crops = None
    if images:
        parts = (file.get_tensor(f"{name}/{part}") for part in _IMAGE_PARTS)
        crops = Images(*parts)
    return Clip(info, file.get_tensor(f"{name}/waveform"), file.get_tensor(f"{name}/values"), crops)
