"""What a face detector is, and which of several faces is meant."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import NoFaceError, OptionError


@dataclass(frozen=True, eq=False)
class Face:
    """One face in an image.

    Attributes:
        box: [4] left, top, right, bottom in image pixels.
        landmarks: [n, 3] x, y in image pixels and z in the same scale, smaller is nearer.
        score: confidence in [0, 1].
        scheme: name of the landmark set, e.g. ``"mediapipe478"``.
        spread: [n] distance in image pixels by which looks at the face from squares of different
            sizes disagree about a landmark; None where it is not known.
    """

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    score: float
    scheme: str
    spread: NDArray[np.float32] | None = None

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return float((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]))


class FaceDetector(Protocol):
    """Finds faces; the bundled one, insightface and hand-given faces all look like this."""

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Faces of an RGB image [h, w, 3] uint8, largest first; empty if there is none."""
        ...


def select_face(faces: Sequence[Face], which: str | int = "largest") -> Face:
    """The face that is meant.

    Args:
        faces: largest first.
        which: ``"largest"`` or the rank by size, 0 for the largest.

    Raises:
        NoFaceError: there is no face, or fewer than asked for.
        OptionError: ``which`` is neither ``"largest"`` nor a rank.
    """
    rank = face_rank(which)
    if not faces:
        raise NoFaceError(
            "No face was found in the image; use an image with a visible face, or give its box "
            "or landmarks by hand"
        )
    if rank >= len(faces):
        raise NoFaceError(
            f"Face {rank} was asked for but the image has {len(faces)}; give "
            + ("0" if len(faces) == 1 else f"0 to {len(faces) - 1}, largest first,")
            + " or 'largest'"
        )
    return faces[rank]


def face_rank(which: str | int) -> int:
    """The rank by size of the face that is meant.

    Raises:
        OptionError: ``which`` is neither ``"largest"`` nor a whole number from 0.
    """
    if isinstance(which, str) and which == "largest":
        return 0
    written = isinstance(which, str) and which.isascii() and which.isdecimal()
    try:
        rank = int(which) if written else operator.index(which)  # type: ignore[arg-type]
    except TypeError:
        rank = -1
    if rank < 0 or isinstance(which, bool):
        raise OptionError(f"face must be 'largest' or a number from 0 on, not {which!r}")
    return rank
