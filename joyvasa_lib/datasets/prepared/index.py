"""What is known of a prepared set without reading its clips: ``index.json`` and its parts.

Axis legend: ``c`` channels, ``k`` keypoints.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from joyvasa_lib.datasets.prepared.statistics import Moments
from joyvasa_lib.documents import read_object
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
        lag_ms: milliseconds by which the lips come after the audio; None where the two agree too
            little to tell.
        agreement: correlation of lips and audio at that lag; None where there is none.
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
            about = read_object(path)
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
