"""One person's face over the frames of a video, and a steady square around it.

Axis legend: ``t`` frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.crop_geometry import FaceSquare, face_square
from joyvasa_lib.face.landmarks.detector import Face, FaceDetector, select_face
from joyvasa_lib.face.landmarks.mediapipe import SCHEME, MediaPipeFaceDetector
from joyvasa_lib.face.sampling import as_rgb, sample
from joyvasa_lib.face.shots import face_sample, likeness

Pixels = NDArray[np.uint8]

_SAME_PLACE = 1.0
"""Largest distance between its places in two frames, in widths of the face, of the same face."""
_WANDERS = 2.0
"""Speed at which a face may have moved while it was not seen, in its widths a second."""
_SETTLING = 2
"""Looks after which landmarks that were found do not depend on how they were found."""
_LOOK_AGAIN = 0.2
"""Seconds between searches for a lost face: a search takes a hundred times as long as following."""
_LOOSE, _TIGHT = 0.12, 0.03
"""How far the face may be off the square's centre, in sides: until it starts moving, and stops."""
_GLIDE = 0.12
"""Share of the remaining way that a moving square covers in a frame."""


def follow_person(
    frames: Iterable[Pixels],
    fps: float,
    *,
    which: str | int = "largest",
    detector: FaceDetector | None = None,
    known: NDArray[np.float32] | None = None,
) -> Iterator[tuple[Pixels, Face | None]]:
    """Each frame with the face of one person, None where it is not seen.

    The person is chosen in the first frame with a face, the one most like ``known`` if that is
    given; later the face nearest to where it was last seen is taken, if it can have got there.

    Args:
        frames: [h, w, 3] uint8 RGB.
        fps: frames a second.
        which: ``"largest"`` or the rank by size, in the first frame with a face.
        detector: finds faces; the bundled one by default, which also follows a face quickly.
        known: [e, n] samples of a person (:func:`~joyvasa_lib.face.shots.face_sample`), who is
            followed if among the first faces.

    Raises:
        NoFaceError: the first frame with faces lacks the one that was asked for.
        OptionError: ``which`` is neither ``"largest"`` nor a rank.
    """
    finder = detector or MediaPipeFaceDetector()
    follower = finder if isinstance(finder, MediaPipeFaceDetector) else None
    every = max(1, round(_LOOK_AGAIN * fps))
    last: Face | None = None
    missed = 0
    for frame in frames:
        face: Face | None = None
        if follower is not None and last is not None and not missed and last.scheme == SCHEME:
            face = follower.follow(frame, last)
        if face is None and (last is None or follower is None or missed % every == 0):
            found = finder.detect(frame)
            if last is None:
                face = _first(frame, found, which, known)
                if face is not None and follower is not None:
                    face = _settled(follower, frame, face)
            else:
                face = _nearest(found, last, _SAME_PLACE + _WANDERS * missed / fps)
        missed = 0 if face is not None else missed + 1
        last = face or last
        yield frame, face


def _first(
    frame: Pixels, found: list[Face], which: str | int, known: NDArray[np.float32] | None
) -> Face | None:
    """Whom to follow, among the faces of a frame."""
    if not found:
        return None
    if known is None or len(found) == 1:
        return select_face(found, which)
    return max(found, key=lambda face: likeness(face_sample(frame, face)[None], known))


def _settled(follower: MediaPipeFaceDetector, frame: Pixels, face: Face) -> Face:
    """A face that was found, seen as it will be in the frames after: from where its landmarks are.

    Landmarks that are found from a detector's box differ from those that are followed.
    """
    for _ in range(_SETTLING):
        face = follower.follow(frame, face) or face
    return face


def _nearest(faces: list[Face], last: Face, reach: float) -> Face | None:
    """The face nearest to where one was, within some widths of it."""
    width = float(max(last.box[2:] - last.box[:2]))

    def distance(face: Face) -> float:
        return float(np.hypot(*(_centre(face) - _centre(last)))) / width

    near = [face for face in faces if distance(face) <= reach]
    return min(near, key=distance) if near else None


def _centre(face: Face) -> NDArray[np.float32]:
    return np.asarray((face.box[:2] + face.box[2:]) / 2)


class SteadyCrop:
    """Cuts the same upright square from every frame, and moves it only when the face leaves.

    A square that followed each frame's landmarks would make what is read from it jitter. This one
    rests until the face is off its centre by an eighth of its side or has grown or shrunk as much,
    and then moves smoothly to it.

    Args:
        size: side of the crops in pixels.
        scale: side of the square over the larger side of the landmarks' box.
    """

    def __init__(self, size: int = 512, scale: float = 2.3) -> None:
        self.size = size
        self.scale = scale
        self._square: FaceSquare | None = None
        self._gliding = False

    def __call__(self, frame: Pixels, face: Face) -> FaceCrop:
        """The crop of the next frame.

        Raises:
            NoFaceError: the landmarks are not finite.
        """
        if not np.isfinite(face.landmarks).all():
            raise NoFaceError("The face's landmarks hold a number that is not finite")
        wanted = face_square(face.landmarks, face.scheme, scale=self.scale).upright()
        here = self._square = self._next(wanted)
        matrix = here.matrix(self.size)
        return FaceCrop(frame, sample(as_rgb(frame), matrix, self.size), matrix, face)

    def _next(self, wanted: FaceSquare) -> FaceSquare:
        here = self._square
        if here is None:
            return wanted
        grown = abs(np.log(wanted.side / here.side))
        off = max(float(np.hypot(*(wanted.centre - here.centre))) / here.side, grown)
        self._gliding = off > (_TIGHT if self._gliding else _LOOSE)
        if not self._gliding:
            return here
        return FaceSquare(
            here.centre + _GLIDE * (wanted.centre - here.centre),
            here.side * float(wanted.side / here.side) ** _GLIDE,
            0.0,
        )
