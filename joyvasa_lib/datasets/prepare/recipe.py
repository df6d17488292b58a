"""What decides the content of a prepared set."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from joyvasa_lib.checks import checked_choice, checked_float, checked_int
from joyvasa_lib.errors import OptionError

LOWEST_FPS = 20.0
"""Frames a second; slower images miss whole lip closures, which last 60 to 100 ms."""

SplitBy = Literal["person", "file", "clip"]


@dataclass(frozen=True)
class PrepareRecipe:
    """How videos become clips. A set is continued with the recipe that it was begun with.

    Attributes:
        encoder: portrait model whose motion extractor reads the frames: ``"bundled"`` or the
            folder of a checkpoint.
        crop: side of the crops that are stored for portrait training, pixels; 0 stores none.
        split_by: what never is in both splits. ``"person"``: the first folder on a video's path;
            ``"file"``; ``"clip"``. Where there is only one, the next finer one is taken.
        validation: share of the frames that is held out, in [0, 0.5].
        min_seconds: shortest clip.
        max_seconds: longest clip; longer ones are divided into equal parts.
        min_face: least median of the larger side of the landmarks' box, pixels of the video.
        min_sharpness: least median detail of the face; see
            :func:`~joyvasa_lib.datasets.prepare.face_runs.sharpness`.
        max_yaw: largest turn to a side, degrees.
        max_pitch: largest nod up or down, degrees.
        min_speech: least share of frames in which somebody speaks.
        max_lag_ms: largest shift between lips and audio, milliseconds.
        face_hz: expression faster than this, in hertz, counts as jitter and is smoothed away
            without a lag (Whittaker 1923); 0 keeps it.
        head_hz: the same for the pose of the head, which moves more slowly than the lips.
        shard_mb: size at which a shard is full, megabytes.

    Raises:
        OptionError: a value is not allowed.
    """

    encoder: str = "bundled"
    crop: int = 0
    split_by: SplitBy = "file"
    validation: float = 0.1
    min_seconds: float = 2.0
    max_seconds: float = 20.0
    min_face: float = 80.0
    min_sharpness: float = 0.11
    max_yaw: float = 50.0
    max_pitch: float = 40.0
    min_speech: float = 0.2
    max_lag_ms: float = 150.0
    face_hz: float = 8.0
    head_hz: float = 3.0
    shard_mb: float = 256.0

    def __post_init__(self) -> None:
        """Checks the values."""
        checked_choice("split_by", self.split_by, get_args(SplitBy))
        if self.crop != 0:
            checked_int("crop, where it is not 0,", self.crop, least=64, most=1024)
        for name in ("face_hz", "head_hz"):
            if (value := getattr(self, name)) != 0.0:
                most = math.nextafter(LOWEST_FPS / 2, 0.0)
                checked_float(f"{name}, where it is not 0,", value, least=0.5, most=most)
        ranges = {
            "validation": (0.0, 0.5),
            "min_seconds": (0.4, 60.0),
            "max_seconds": (2.0 * self.min_seconds, 120.0),
            "min_face": (24.0, 4096.0),
            "min_sharpness": (0.0, 1.0),
            "max_yaw": (0.0, 90.0),
            "max_pitch": (0.0, 90.0),
            "min_speech": (0.0, 1.0),
            "max_lag_ms": (40.0, 600.0),
            "shard_mb": (1.0, 100_000.0),
        }
        for name, (least, most) in ranges.items():
            checked_float(name, getattr(self, name), least=least, most=most)

    @property
    def crop_side(self) -> int:
        """Side of the crops that the motion extractor sees, pixels."""
        return self.crop or 256

    def check_same(self, made: dict[str, Any], where: str) -> None:
        """Refuses to continue what was begun with other values.

        Raises:
            OptionError: a value differs.
        """
        for field in fields(self):
            mine = getattr(self, field.name)
            if made.get(field.name) != mine:
                raise OptionError(
                    f"{where} was begun with {field.name}={made.get(field.name)!r}, not {mine!r}; "
                    "use the same value or another folder"
                )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)
