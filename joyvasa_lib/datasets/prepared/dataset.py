"""A prepared training set on disk: shards of clips, and the index that says which shards count.

| file | what it holds |
|---|---|
| ``index.json`` | what the set is, which shards belong to it, statistics of its motion |
| ``train-00000.safetensors``, ``valid-00000.safetensors`` … | clips to learn from, and held-out ones |
| ``normalizer.json`` | statistics of the training motion (the template) for the denoiser |
| ``report.jsonl`` | the verdict on every stretch of every video, one JSON object a line |
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

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.prepared.shards import decode_image, opened, read_about, save_tensors
from joyvasa_lib.datasets.prepared.statistics import Moments
from joyvasa_lib.errors import MediaError
from joyvasa_lib.media.files import write_text
from joyvasa_lib.motion.data import FPS
from joyvasa_lib.motion.space import MotionSpace, get_space

FORMAT = "joyvasa-prepared"
VERSION = 1
INDEX = "index.json"

Split = Literal["train", "valid"]
SPLITS: tuple[Split, Split] = ("train", "valid")


@dataclass(frozen=True)
class ClipInfo:
    """What is known of a clip without reading it.

    Attributes:
        name: unique in the set.
        video: the file it was cut from, relative to the folder of videos, with ``/``.
        person: who speaks; clips of one person share it, as far as the folders tell.
        start: seconds from the beginning of the video.
        frames: length at 25 fps.
        face: median larger side of the face's box in the video, pixels.
        speech: share of frames with voice.
        lag_ms: milliseconds by which the lips come after the sound; None where the two agree too
            little to tell.
        agreement: correlation of lips and sound at that lag; None where there is none.
    """

    name: str
    video: str
    person: str
    start: float
    frames: int
    face: float
    speech: float
    lag_ms: float | None = None
    agreement: float | None = None

    @property
    def seconds(self) -> float:
        """Length."""
        return self.frames / FPS


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


@dataclass(frozen=True)
class ShardInfo:
    """A shard that belongs to a set.

    Attributes:
        file: its name in the folder.
        split: ``"train"`` or ``"valid"``.
        clips: how many clips.
        frames: of all of them.
        bytes: size of the file.
    """

    file: str
    split: Split
    clips: int
    frames: int
    bytes: int


@dataclass(frozen=True, eq=False)
class PreparedIndex:
    """What a set is.

    Attributes:
        space: name of the motion space.
        layout: ``"units"``: the expression part of ``values`` is the space's blendshapes;
            ``"expression"``: the flattened keypoint deformations [3 k].
        reference: what the pose is relative to: ``"source"`` (each clip's usual pose) or
            ``"absolute"`` (as extracted).
        channels: c.
        crop: side of the stored crops in pixels; 0 for a set without images.
        split_by: what never is in both splits: ``"person"``, ``"file"`` or ``"clip"``.
        recipe: the options it was made with.
        shards: in order of name.
        statistics: of the training frames.
    """

    space: str
    layout: str
    reference: str
    channels: int
    crop: int
    split_by: str
    recipe: dict[str, Any]
    shards: tuple[ShardInfo, ...]
    statistics: Moments

    @property
    def motion_space(self) -> MotionSpace:
        """The motion space.

        Raises:
            MotionError: it is not known here.
        """
        return get_space(self.space)

    def count(self, split: Split) -> tuple[int, float]:
        """Clips of a split, and their seconds together."""
        mine = [shard for shard in self.shards if shard.split == split]
        return sum(s.clips for s in mine), sum(s.frames for s in mine) / FPS

    def save(self, folder: Path) -> Path:
        """Writes ``index.json``, whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        about = {"format": FORMAT, "version": VERSION, "fps": FPS, **asdict(self)}
        about["statistics"] = self.statistics.to_dict()
        write_text(folder / INDEX, json.dumps(about, indent=1, ensure_ascii=False) + "\n")
        return folder / INDEX

    @classmethod
    def load(cls, folder: str | Path) -> PreparedIndex:
        """Reads ``index.json``.

        Raises:
            MediaError: the folder holds no finished set, or one of a newer version.
        """
        path = Path(folder) / INDEX
        try:
            about = json.loads(path.read_text("utf-8"))
            if about["format"] != FORMAT:
                raise ValueError(f"its format is {about['format']!r}")
            if about["version"] > VERSION:
                raise ValueError(f"version {about['version']} needs a newer joyvasa-lib")
            parts = {field.name: about[field.name] for field in fields(cls)}
            parts["shards"] = tuple(ShardInfo(**shard) for shard in about["shards"])
            parts["statistics"] = Moments.from_dict(about["statistics"], about["channels"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MediaError(
                f"{folder} is no prepared training set ({error}); make one with: joyvasa prepare"
            ) from error
        return cls(**parts)


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


_IMAGE_PARTS = ("pictures", "picture_ends", "landmarks")
