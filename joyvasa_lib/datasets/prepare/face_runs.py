"""Follows the face through a segment of video: runs of one face, and what is seen in each.

A run ends where the face is lost, where the image is cut, and where the face becomes another's.

Axis legend: ``t`` frames, ``m`` mesh points.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.prepare.outcomes import Reason
from joyvasa_lib.evaluation.consistency import upright_face
from joyvasa_lib.evaluation.track import FaceTrack, FaceTracker
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector

Image = NDArray[np.uint8]

WAIT = 0.4
"""Seconds between two detections where there is no face: detecting costs more than following."""
CUT_LEVELS = 12.0
"""Mean change of a small grey image that is a cut; the real clips at hand stay below 1."""
JUMP = 0.1
"""Face sides by which a face cannot move between two frames; people's stays below 0.02."""
LIKENESS = 0.65
"""Correlation of a face with itself a second ago below which it may be another: that of a person
who speaks calmly stays above 0.8, two people's below 0.7."""
DETOUR = 0.12
"""Share of the faces in between, on average, that is no mixture of the first and the last face,
from which on one person moved from the one to the other: faces that open their mouths while they
turn reach 0.16 to 0.28, cuts and dissolves from one person to another stay below 0.11."""
SETTLED = 0.9
"""Correlation with itself a second later up to which the face after a change of person counts as a
mixture of two; in a dissolve one of two thirds has 0.9."""
SHARP_SIDE = 96
"""Pixels of the face's longer side at which detail is measured, so that all videos compare."""
_THUMB = 48
_FACE_THUMB = 20


@dataclass(frozen=True, eq=False)
class Run:
    """Consecutive frames of one face.

    Attributes:
        first: number of its first frame in the segment.
        began: what came before: ``None`` for the beginning of the segment.
        ended: what came after: ``None`` for the end of the segment.
        track: opening of the lips, lids, head rotation over the frames.
        landmarks: float32 [t, m, 3] in image pixels.
        sharpness: [t] detail of the face; see :func:`sharpness`.
    """

    first: int
    began: Reason | None
    ended: Reason | None
    track: FaceTrack
    landmarks: NDArray[np.float32]
    sharpness: NDArray[np.float64]

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.landmarks)

    @property
    def stop(self) -> int:
        """Number of the frame after its last."""
        return self.first + len(self)

    @property
    def sides(self) -> NDArray[np.float32]:
        """[t] larger side of the landmarks' box in pixels."""
        flat = self.landmarks[:, :, :2]
        return np.asarray((flat.max(axis=1) - flat.min(axis=1)).max(axis=1))


def find_runs(
    frames: Iterable[Image], fps: float, detector: MediaPipeFaceDetector | None = None
) -> tuple[list[Run], int]:
    """Follows the largest face as long as it lasts, then the largest there is then.

    Args:
        frames: [h, w, 3] uint8 RGB.
        fps: frames a second.
        detector: finds and follows faces.

    Returns:
        The runs in order, and the number of frames.
    """
    follower = _Follower(fps, detector or MediaPipeFaceDetector())
    count = 0
    for frame in frames:
        follower.add(count, frame)
        count += 1
    follower.close(None)
    return follower.runs, count


def sharpness(image: Image, face: Face) -> float:
    """Detail of a face: spread of the Laplacian over that of the brightness, at one size.

    Real faces have 0.25 and more; 0.11 is a blur of about 2 % of the face's side.
    """
    height, width = image.shape[:2]
    left, top = np.maximum(np.floor(face.box[:2]).astype(int), 0)
    right, bottom = np.minimum(np.ceil(face.box[2:]).astype(int), (width, height))
    if right - left < 8 or bottom - top < 8:
        return 0.0
    grey = cv2.cvtColor(np.ascontiguousarray(image[top:bottom, left:right]), cv2.COLOR_RGB2GRAY)
    factor = SHARP_SIDE / max(grey.shape)
    if factor < 1.0:
        grey = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    values = grey.astype(np.float32)
    return float(cv2.Laplacian(values, cv2.CV_32F).std() / max(float(values.std()), 1.0))


class _Follower:
    """Runs found so far, and the one that is open."""

    def __init__(self, fps: float, detector: MediaPipeFaceDetector) -> None:
        self.runs: list[Run] = []
        self._fps, self._detector = fps, detector
        self._thumb: NDArray[np.float32] | None = None
        self._run: _OpenRun | None = None
        self._next_detection = 0
        self._cause: Reason | None = None

    def add(self, number: int, frame: Image) -> None:
        thumb = _small(frame, _THUMB)
        before, self._thumb = self._thumb, thumb
        if before is not None and float(np.abs(thumb - before).mean()) > CUT_LEVELS:
            self.close(Reason.CUT)
            self._next_detection = number
        face = None
        if self._run is not None:
            face = self._detector.follow(frame, self._run.face)
            if face is None:
                self.close(Reason.FACE_LOST)
                self._next_detection = number
            elif self._run.jumps_to(face):
                self.close(Reason.CUT)
        if face is None and number >= self._next_detection:
            face = next(iter(self._detector.detect(frame)), None)
            self._next_detection = number + max(1, round(WAIT * self._fps))
        if face is None:
            return
        likeness = _likeness(frame, face)
        if self._run is not None and self._run.is_another(likeness):
            self.close(Reason.OTHER_PERSON)
        if self._run is None:
            self._run = _OpenRun(number, self._cause, self._fps)
        self._run.add(frame, face, likeness)

    def close(self, reason: Reason | None) -> None:
        """Ends the open run, if there is one."""
        if self._run is not None:
            # What came before a change of face is a mixture of two for up to a second.
            run = self._run.finished(reason, drop=reason is Reason.OTHER_PERSON)
            if run is not None:
                self.runs.append(run)
            self._run = None
        self._cause = reason


class _OpenRun:
    """A run that goes on."""

    def __init__(self, first: int, began: Reason | None, fps: float) -> None:
        self._first, self._began = first, began
        self._tracker = FaceTracker(fps)
        self._landmarks: list[NDArray[np.float32]] = []
        self._sharpness: list[float] = []
        self._recent: deque[NDArray[np.float32]] = deque(maxlen=round(fps))
        self._ago = round(fps)
        self._mixed = 0
        self.face: Face

    def add(self, frame: Image, face: Face, likeness: NDArray[np.float32]) -> None:
        self.face = face
        self._tracker.see(frame, face)
        self._landmarks.append(face.landmarks)
        self._sharpness.append(sharpness(frame, face))
        if self._began is Reason.OTHER_PERSON and len(self._recent) == self._ago:
            number = len(self._landmarks) - 1 - self._ago
            if number < self._ago and float(self._recent[0] @ likeness) < SETTLED:
                self._mixed = number + 1
        self._recent.append(likeness)

    def jumps_to(self, face: Face) -> bool:
        shift = face.landmarks[:, :2] - self.face.landmarks[:, :2]
        side = float(np.ptp(self.face.landmarks[:, :2], axis=0).max())
        return float(np.linalg.norm(shift, axis=1).mean()) > JUMP * side

    def is_another(self, likeness: NDArray[np.float32]) -> bool:
        if len(self._recent) < self._ago or float(self._recent[0] @ likeness) >= LIKENESS:
            return False
        return detour([*self._recent, likeness]) < DETOUR

    def finished(self, ended: Reason | None, drop: bool) -> Run | None:
        keep = slice(self._mixed, len(self._landmarks) - (self._ago if drop else 0))
        if keep.stop <= keep.start:
            return None
        track = self._tracker.track()
        track = FaceTrack(
            track.fps, track.aperture[keep], track.eyelids[keep], track.rotation[keep]
        )
        return Run(
            self._first + self._mixed,
            self._began,
            ended,
            track,
            np.stack(self._landmarks[keep]),
            np.array(self._sharpness[keep]),
        )


def _small(frame: Image, side: int) -> NDArray[np.float32]:
    small = cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)


def detour(faces: Sequence[NDArray[np.float32]]) -> float:
    """How far faces between a first and a last are from mixtures of the two: mean in [0, 1].

    Args:
        faces: vectors [n] of length 1, in their order.
    """
    path = np.stack(faces, axis=1).astype(np.float64)
    ends, _ = np.linalg.qr(path[:, [0, -1]])
    return float(1.0 - np.square(ends.T @ path).sum(0).mean())


def _likeness(frame: Image, face: Face) -> NDArray[np.float32]:
    """The upright face as a short vector of mean 0 and length 1: its product is a correlation."""
    upright, _ = upright_face(frame, face)
    inner = upright[len(upright) // 8 : -len(upright) // 8, len(upright) // 8 : -len(upright) // 8]
    values = _small(np.ascontiguousarray(inner), _FACE_THUMB).ravel()
    values -= values.mean()
    return values / max(float(np.linalg.norm(values)), 1e-6)
