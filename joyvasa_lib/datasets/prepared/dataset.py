"""A prepared training set on disk: shards of clips, and the index that says which shards count.

| file | what it holds |
|---|---|
| ``index.json`` | what the set is, which shards belong to it, statistics of its motion |
| ``train-00000.safetensors``, ``valid-00000.safetensors`` … | clips to learn from, and held-out ones |
| ``normalizer.json`` | statistics of the training motion (the template) for the denoiser |
| ``report.jsonl`` | the outcome of every stretch of every video, one JSON object a line |
| ``README.md`` | the data card |

A shard holds, for each clip ``NAME``, these tensors; ``ClipInfo`` of each is JSON in its header:

| tensor | |
|---|---|
| ``NAME/waveform`` | int16 [n], 16 kHz mono, n = 640 t |
| ``NAME/values`` | float32 [t, c], motion at 25 fps: expression part, scale, translation, rotation |
| ``NAME/landmarks`` | float32 [t, m, 3] face landmarks in crop pixels; only with images |
| ``NAME/pictures`` | uint8 [bytes], one JPEG of the crop after the other; only with images |
| ``NAME/picture_ends`` | int64 [t], where each JPEG ends; only with images |

Axis legend: ``t`` frames at 25 fps, ``n`` samples, ``c`` channels, ``m`` landmarks, ``s`` side of
the crop.
"""  # noqa: E501 (a table)

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.prepared.clips import Clip, read_clip, read_header
from joyvasa_lib.datasets.prepared.index import SPLITS, ClipInfo, PreparedIndex, Split
from joyvasa_lib.datasets.prepared.shards import decode_image, opened
from joyvasa_lib.errors import MediaError


class PreparedSet:
    """A prepared set, read clip by clip: only what is known of the clips is kept in memory.

    Args:
        folder: what ``joyvasa prepare`` wrote.

    Raises:
        MediaError: the folder holds no finished set, or a shard is missing or was cut off.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.index = PreparedIndex.load(self.folder)
        self._clips: dict[Split, list[ClipInfo]] = {split: [] for split in SPLITS}
        self._where: dict[str, tuple[Path, ClipInfo]] = {}
        for shard in self.index.shards:
            path = self.folder / shard.file
            if not path.is_file() or path.stat().st_size != shard.bytes:
                raise MediaError(
                    f"The shard {path} is missing or incomplete; copy it again or prepare the set "
                    "again"
                )
            for clip in read_header(path).clips:
                self._clips[shard.split].append(clip)
                self._where[clip.name] = path, clip

    def clips(self, split: Split) -> Sequence[ClipInfo]:
        """The clips of a split, in order."""
        return self._clips[split]

    def read(self, name: str, images: bool = False) -> Clip:
        """Reads one clip from disk.

        Args:
            name: of the clip.
            images: whether with its crops, where the set has them.

        Raises:
            KeyError: there is no such clip.
            MediaError: the shard cannot be read.
        """
        path, clip = self._where[name]
        return read_clip(path, clip, images and self.index.crop > 0)

    def image(self, name: str, frame: int) -> NDArray[np.uint8]:
        """Reads one crop [s, s, 3] uint8 RGB of a clip, without the others.

        Raises:
            KeyError: there is no such clip.
            IndexError: the clip has no such frame.
            MediaError: the set has no images, or the shard cannot be read.
        """
        if not self.index.crop:
            raise MediaError(
                f"{self.folder} has no images; prepare it with --crop 256 for portrait training"
            )
        file = opened(self._where[name][0])
        ends = file.get_tensor(f"{name}/picture_ends")
        if not 0 <= frame < len(ends):
            raise IndexError(f"clip {name} has {len(ends)} frames, no frame {frame}")
        start = 0 if frame == 0 else int(ends[frame - 1])
        return decode_image(file.get_slice(f"{name}/pictures")[start : int(ends[frame])])

    def landmarks(self, name: str, frame: int | None = None) -> NDArray[np.float32]:
        """Reads the landmarks [t, m, 3] of a clip in crop pixels, or [m, 3] of one frame alone.

        Raises:
            KeyError: there is no such clip.
            MediaError: the set has no images.
        """
        if not self.index.crop:
            raise MediaError(
                f"{self.folder} has no images and landmarks; prepare it with --crop 256"
            )
        file = opened(self._where[name][0])
        if frame is None:
            return np.asarray(file.get_tensor(f"{name}/landmarks"), np.float32)
        return np.asarray(file.get_slice(f"{name}/landmarks")[frame : frame + 1], np.float32)[0]
