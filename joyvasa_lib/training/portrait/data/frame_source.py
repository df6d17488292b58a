"""What stage one learns from: clips of images of one face, whatever holds them.

:class:`PreparedFrames` reads what ``joyvasa prepare --crop`` wrote, :class:`HeadFrames` what
``joyvasa datasets head-frames`` rendered. For images of your own derive from
:class:`FrameSource`.

Axis legend: ``s`` side of an image, ``m`` = 468 points of the face mesh.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.heads.frames import FORMAT as HEADS_FORMAT
from joyvasa_lib.datasets.heads.frames import INDEX as HEADS_INDEX
from joyvasa_lib.datasets.prepared.dataset import PreparedSet
from joyvasa_lib.datasets.prepared.index import INDEX as PREPARED_INDEX
from joyvasa_lib.datasets.prepared.shards import decode_image, opened, read_about
from joyvasa_lib.documents import read_json
from joyvasa_lib.errors import MediaError
from joyvasa_lib.evaluation.track import in_head_frame
from joyvasa_lib.motion.keypoints import rotation_angles

Split = Literal["train", "valid"]
SPLITS: tuple[Split, Split] = ("train", "valid")
MESH, MESH_POINTS = "mediapipe468", 468
"""Mark-up of the landmarks, and their number."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a face.

    Attributes:
        image: uint8 [s, s, 3] RGB.
        landmarks: float32 [m, 3], the mesh's points in pixels of the image.
        rotation: float32 [3] pitch, yaw, roll of the head in degrees.
    """

    image: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    rotation: NDArray[np.float32]


@dataclass(frozen=True)
class FrameClip:
    """Images of one person in one place.

    Attributes:
        name: unique in its source.
        frames: how many.
        person: who, as far as known.
    """

    name: str
    frames: int
    person: str = ""


class FrameSource(ABC):
    """Clips to learn from and held-out ones."""

    name: str = ""

    @abstractmethod
    def clips(self, split: Split) -> Sequence[FrameClip]:
        """Clips of a split, always in the same order; those of one image are not used."""

    @abstractmethod
    def frame(self, clip: str, index: int) -> Frame:
        """Reads one image; called from several threads at once."""

    def card(self) -> dict[str, Any]:
        """What belongs into the run's data card; plain types."""
        about: dict[str, Any] = {"kind": type(self).__name__, "digest": self.digest}
        if self.name:
            about["name"] = self.name
        for split in SPLITS:
            clips = self.clips(split)
            people = {clip.person for clip in clips} - {""}
            about[split] = {
                "recordings": len(clips),
                "pictures": sum(clip.frames for clip in clips),
                "people": len(people) or "unknown",
            }
        shared = {c.person for c in self.clips("train")} & {c.person for c in self.clips("valid")}
        about["people_in_both"] = len(shared - {""})
        return about

    @cached_property
    def digest(self) -> str:
        """Short hash of the clips' names and lengths."""
        found = hashlib.sha256()
        for split in SPLITS:
            for clip in self.clips(split):
                found.update(f"{split}\t{clip.name}\t{clip.frames}\n".encode())
        return found.hexdigest()[:16]


class PreparedFrames(FrameSource):
    """The crops of a prepared set; the head's pose is that of the landmarks."""

    def __init__(self, folder: str | Path) -> None:
        """Reads the index.

        Raises:
            MediaError: the folder holds no finished set, or one without images.
        """
        self.set = PreparedSet(folder)
        self.name = self.set.folder.name
        if not self.set.index.crop:
            raise MediaError(
                f"The prepared set {folder} has no images; prepare the videos again into another "
                "folder with --crop 512"
            )
        self._clips = {
            split: [FrameClip(c.name, c.frames, c.person) for c in self.set.clips(split)]
            for split in SPLITS
        }

    def clips(self, split: Split) -> Sequence[FrameClip]:
        """Clips in the set's order."""
        return self._clips[split]

    def frame(self, clip: str, index: int) -> Frame:
        """Reads one crop.

        Raises:
            MediaError: it cannot be read, or its landmarks are not the face mesh's.
        """
        landmarks = self.set.landmarks(clip, index)
        if len(landmarks) < MESH_POINTS:  # the irises may follow
            raise MediaError(
                f"Clip {clip} has {len(landmarks)} landmarks, not the {MESH_POINTS} of the face "
                "mesh; prepare the set with joyvasa prepare"
            )
        landmarks = landmarks[:MESH_POINTS]
        _, turn = in_head_frame(landmarks.astype(np.float64))
        rotation = np.asarray(rotation_angles(turn), np.float32)
        return Frame(self.set.image(clip, index), landmarks, rotation)

    def card(self) -> dict[str, Any]:
        """The common part and how the set was made."""
        index = self.set.index
        return {**super().card(), "split_by": index.split_by, "recipe": index.recipe}


class HeadFrames(FrameSource):
    """Rendered heads, whose pose is known."""

    def __init__(self, folder: str | Path) -> None:
        """Reads the shards' headers.

        Raises:
            MediaError: the folder holds no rendered heads, or not yet all of them.
        """
        self.folder = Path(folder)
        about = _about_heads(self.folder)
        if about is None:
            raise MediaError(f"{folder} holds no rendered heads")
        self.name = self.folder.name
        self._clips: dict[Split, list[FrameClip]] = {split: [] for split in SPLITS}
        self._where: dict[str, Path] = {}
        for split in SPLITS:
            for path in sorted(self.folder.glob(f"{split}-*.safetensors")):
                shard = read_about(path)
                if shard.get("format") != HEADS_FORMAT:
                    raise MediaError(f"{path} is no shard of rendered heads; choose another folder")
                for name in shard["heads"]:
                    self._clips[split].append(FrameClip(name, int(shard["frames"]), name))
                    self._where[name] = path
        found = [len(self._clips[split]) for split in SPLITS]
        if found != [about.get("heads"), about.get("valid_heads")]:
            raise MediaError(
                f"{folder} has {sum(found)} heads and is not finished; run joyvasa datasets "
                "head-frames again with the same options"
            )

    def clips(self, split: Split) -> Sequence[FrameClip]:
        """Heads in order of their seeds."""
        return self._clips[split]

    def frame(self, clip: str, index: int) -> Frame:
        """Reads one image."""
        file = opened(self._where[clip])
        ends = file.get_tensor(f"{clip}/picture_ends")
        start = 0 if index == 0 else int(ends[index - 1])
        data = file.get_slice(f"{clip}/pictures")[start : int(ends[index])]
        landmarks, rotation = (
            np.asarray(file.get_slice(f"{clip}/{part}")[index : index + 1], np.float32)[0]
            for part in ("landmarks", "rotation")
        )
        return Frame(decode_image(data), landmarks, rotation)


def open_frames(folder: str | Path) -> FrameSource:
    """The clips of a folder: a prepared set with crops, or rendered heads.

    Raises:
        MediaError: the folder is neither, or has nothing to learn from or to hold out.
    """
    path = Path(folder).expanduser()
    source: FrameSource
    if (path / PREPARED_INDEX).is_file():
        source = PreparedFrames(path)
    elif _about_heads(path) is not None:
        source = HeadFrames(path)
    else:
        raise MediaError(
            f"{path} holds no images to learn from; make them with: joyvasa prepare VIDEOS "
            f"{path} --crop 512, or: joyvasa datasets head-frames {path}"
        )
    check_frames(source, str(path))
    return source


def check_frames(source: FrameSource, where: str = "the source") -> None:
    """Refuses a source in which a split has no clip of two images.

    Raises:
        MediaError: there is nothing to learn from, or nothing is held out.
    """
    for split, lack in (("train", "to learn from"), ("valid", "held out")):
        if not any(clip.frames > 1 for clip in source.clips(split)):  # type: ignore[arg-type]
            raise MediaError(f"No clip of {where} is {lack}; prepare more videos")


def _about_heads(folder: Path) -> dict[str, Any] | None:
    """The index of a set of rendered heads; None where there is none."""
    try:
        about = read_json(folder / HEADS_INDEX)
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) and about.get("format") == HEADS_FORMAT else None
