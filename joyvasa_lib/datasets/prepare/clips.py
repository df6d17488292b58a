"""From chosen frames to clips: a crop that stands still, the motion in it, and the audio.

Axis legend: ``t`` frames of the clip, ``m`` landmarks, ``n`` samples, ``c`` channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.prepare.checks.candidates import Candidate
from joyvasa_lib.datasets.prepare.checks.sync import Sync
from joyvasa_lib.datasets.prepare.recipe import PrepareRecipe
from joyvasa_lib.datasets.prepare.videos import Segment
from joyvasa_lib.datasets.prepared.clips import Clip, Images
from joyvasa_lib.datasets.prepared.index import ClipInfo
from joyvasa_lib.datasets.prepared.shards import decode_image, encode_image
from joyvasa_lib.face.crop import FaceCrop, crop_square, square_around
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.mediapipe import SCHEME
from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.data import FPS, SAMPLES_PER_FRAME
from joyvasa_lib.motion.driving.pose import relative_motion
from joyvasa_lib.motion.operations.gains import BLINK_BLENDSHAPES
from joyvasa_lib.motion.space import MotionSpace
from joyvasa_lib.portrait.model import PortraitModel

Image = NDArray[np.uint8]


def layout_of(space: MotionSpace) -> str:
    """How ``values`` of a space are laid out; see ``PreparedIndex``."""
    return "units" if space.has_blendshapes else "expression"


def channels_of(space: MotionSpace) -> int:
    """Number of channels of ``values``."""
    width = len(space.blendshape_names) if space.has_blendshapes else 3 * space.keypoint_count
    return width + 7


def make_clips(
    frames: Iterable[Image],
    candidates: Sequence[Candidate],
    audio: NDArray[np.int16],
    model: PortraitModel,
    recipe: PrepareRecipe,
    segment: Segment,
    sync: Sync | None,
) -> Iterator[Clip]:
    """Makes the clips of a segment while its frames are decoded once more.

    Args:
        frames: [h, w, 3] of the whole segment.
        candidates: what to make, in order, none overlapping.
        audio: int16 [n] of the whole segment, 16 kHz.
        model: reads the motion.
        recipe: the options.
        segment: where the frames come from.
        sync: of the segment.
    """
    waiting = iter(candidates)
    clip = _OpenClip(first, recipe) if (first := next(waiting, None)) else None
    for number, frame in enumerate(frames):
        if clip is None:
            return
        clip.add(number, frame)
        if number + 1 == clip.candidate.stop:
            yield clip.clip(audio, model, segment, sync)
            clip = _OpenClip(following, recipe) if (following := next(waiting, None)) else None


class _OpenClip:
    """A clip while its frames go by."""

    def __init__(self, candidate: Candidate, recipe: PrepareRecipe) -> None:
        self.candidate, self.recipe = candidate, recipe
        self.points = candidate.run.landmarks[candidate.rows]
        self.square = square_around(self.points)
        self.crops: list[Image] = []

    def add(self, number: int, frame: Image) -> None:
        if self.candidate.first <= number < self.candidate.stop:
            face = _face(self.points[number - self.candidate.first])
            crop = crop_square(frame, face, self.square, self.recipe.crop_side)
            self.crops.append(encode_image(crop.image))

    def clip(
        self, audio: NDArray[np.int16], model: PortraitModel, segment: Segment, sync: Sync | None
    ) -> Clip:
        rate = segment.video.rate
        landmarks = self._landmarks()
        motion = _motion(self.candidate, self.crops, landmarks, model, self.recipe, rate)
        values = _values(motion)
        start = self.candidate.first / rate
        return Clip(
            self._info(segment, len(values), sync),
            _audio_of(audio, start, len(values)),
            values,
            self._images(landmarks, len(values), rate) if self.recipe.crop else None,
        )

    def _info(self, segment: Segment, frames: int, sync: Sync | None) -> ClipInfo:
        candidate = self.candidate
        seconds = segment.start + candidate.first / segment.video.rate
        return ClipInfo(
            name=f"{segment.video.key}-{round(1000 * seconds):08d}",
            video=segment.video.name,
            person=segment.video.person,
            start=round(seconds, 3),
            frames=frames,
            face=round(float(np.median(candidate.run.sides[candidate.rows])), 1),
            speech=round(candidate.speech, 3),
            lag_ms=None if sync is None or sync.lag_ms is None else round(sync.lag_ms, 1),
            agreement=None if sync is None else round(sync.agreement, 3),
        )

    def _images(self, landmarks: NDArray[np.float32], frames: int, rate: float) -> Images:
        """The crop that is shown at the time of each frame at 25 fps."""
        shown = np.round(np.arange(frames) * rate / FPS).astype(int)
        shown = np.minimum(shown, len(self.crops) - 1)
        data = [self.crops[index] for index in shown]
        ends = np.cumsum([len(part) for part in data], dtype=np.int64)
        return Images(np.concatenate(data), ends, landmarks[shown])

    def _landmarks(self) -> NDArray[np.float32]:
        """[t, m, 3] in crop pixels."""
        points = self.points.astype(np.float64)
        matrix = self.square.matrix(self.recipe.crop_side)
        flat = points[..., :2] @ matrix[:2, :2].T + matrix[:2, 2]
        return np.concatenate([flat, points[..., 2:] * matrix[0, 0]], axis=-1).astype(np.float32)


def _audio_of(audio: NDArray[np.int16], start: float, frames: int) -> NDArray[np.int16]:
    """Samples [640 t] from a time in seconds on; silence where the audio ends earlier."""
    first, count = round(start * SAMPLE_RATE), SAMPLES_PER_FRAME * frames
    part = audio[first : first + count]
    return np.pad(part, (0, count - len(part)))


def _motion(
    candidate: Candidate,
    crops: Sequence[Image],
    landmarks: NDArray[np.float32],
    model: PortraitModel,
    recipe: PrepareRecipe,
    rate: float,
) -> Motion:
    """Motion at 25 fps; blinks, which a face mesh misses, as the eyes' pixels show them."""

    def crop(index: int) -> FaceCrop:
        image = decode_image(crops[index])
        return FaceCrop(image, image, np.eye(3), _face(landmarks[index]))

    # The first crop decides what belongs to the person and what to the expression.
    order = [calmest(candidate), *range(len(crops))]
    motion = model.extract_motion((crop(index) for index in order), rate)[1:]
    for part, cutoff in (("expression", recipe.face_hz), ("pose", recipe.head_hz)):
        if cutoff:
            motion = motion.smooth("whittaker", parts=(part,), cutoff=cutoff)
    if motion.space.has_blendshapes:
        blendshapes = motion.blendshapes.copy()
        blink = motion.space.blendshape_indices(BLINK_BLENDSHAPES)
        lids = candidate.run.track.eyelids[candidate.rows].astype(np.float32)
        blendshapes[:, blink] = np.maximum(blendshapes[:, blink], lids[:, None])
        motion = relative_motion(
            motion.with_blendshapes(blendshapes), pivot=model.pivot, reference=usual_pose(motion)
        )
    return motion.retime(fps=FPS)


def calmest(candidate: Candidate) -> int:
    """The frame of a candidate that shows the face as it is: lips closed, eyes open, to the front.

    Each counts in what speech usually makes of it: a tenth of the eyes' distance, ten degrees, a
    whole blink.
    """
    track, rows = candidate.run.track, candidate.rows
    turn = np.linalg.norm(track.rotation[rows, :2], axis=1) / 10.0
    unrest = track.aperture[rows] / 0.1 + turn + track.eyelids[rows]
    return int(unrest.argmin())


def usual_pose(motion: Motion) -> Motion:
    """One frame with the median pose of a motion: what counts as the head at rest."""
    middle = {
        name: np.median(getattr(motion, name), axis=0, keepdims=True)
        for name in ("rotation", "translation", "scale")
    }
    return replace(motion[:1], **middle)


def _values(motion: Motion) -> NDArray[np.float32]:
    face = (
        motion.blendshapes
        if motion.space.has_blendshapes
        else motion.expression.reshape(len(motion), -1)
    )
    parts = [face, motion.scale, motion.translation, motion.rotation]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _face(landmarks: NDArray[np.float32]) -> Face:
    flat = landmarks[:, :2]
    box = np.concatenate([flat.min(axis=0), flat.max(axis=0)])
    return Face(box, landmarks, 1.0, SCHEME)
