"""What a face detector is, and which of several faces is meant."""

from __future__ import annotations

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
        scheme: name of the landmark set, e.g. ``"mediapipe468"``.
    """

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    score: float
    scheme: str

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
    if isinstance(which, str):
        if which != "largest" and not which.isdigit():
            raise OptionError(f"face must be 'largest' or a number from 0 on, not {which!r}")
        which = 0 if which == "largest" else int(which)
    if which < 0:
        raise OptionError(f"face must be 'largest' or a number from 0 on, not {which}")
    if not faces:
        raise NoFaceError(
            "No face was found in the image; use an image with a visible face, or give its box "
            "or landmarks by hand"
        )
    if which >= len(faces):
        raise NoFaceError(
            f"Face {which} was asked for but the image has {len(faces)}; give "
            + ("0" if len(faces) == 1 else f"0 to {len(faces) - 1}, largest first,")
            + " or 'largest'"
        )
    return faces[which]
