"""What is read from a face in a still image, and how far it can be trusted.

Axis legend: ``n`` landmarks, ``u`` 52 blendshapes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.lip_contrast import lip_contrast
from joyvasa_lib.face.landmarks.mediapipe import SCHEME, MediaPipeFaceDetector
from joyvasa_lib.rig.regions import EYES, INNER_LIP_MIDDLES, LIPS, OUTER_EYE_CORNERS, Indices

_SURE = 12.0
"""Presence logit from which a face is read well: photographs, paintings and statues reach 14 to 25,
a face behind a mask 9."""
_STEADY_LIPS, _STEADY_LIDS = 0.009, 0.01
"""Largest disagreements about landmarks that are seen, in distances of the outer eye corners: .002
to .008 on lips of portraits, .009 to .013 on mouths opened wide, .010 to .19 on lips behind masks,
scarves and hands; .002 to .007 on eyelids, .0097 on those of a face seen from the side."""
_LIPS_SEEN = 0.2
"""Least contrast of lips that are seen: .5 to 1.5 on portraits, .32 on blurred ones, at most .12 on
what covers them."""
_WIDE_OPEN = 0.18
"""Opening of the lips, distances of the outer eye corners, from which on they are so far apart that
closed ones are made up: .34 and .23 on shouts, .1 and less on people who laugh or speak."""


@dataclass(frozen=True, eq=False)
class FaceReading:
    """A face of a still image.

    Attributes:
        face: the face; its landmarks are the best of several looks.
        scores: [u] scores of blendshapes in [0, 1], in the order of
            :data:`~joyvasa_lib.motion.blendshapes.BLENDSHAPES`; None where the landmarks were given
            by hand without irises.
        presence: logit that there is a face; None for landmarks that were given by hand.
        lips: contrast of the lips, see
            :func:`~joyvasa_lib.face.landmarks.lip_contrast.lip_contrast`; None as for ``presence``.
    """

    face: Face
    scores: NDArray[np.float32] | None = None
    presence: float | None = None
    lips: float | None = None

    def disagreement(self, region: Indices) -> float:
        """Root-mean-square disagreement of the looks about some landmarks.

        In distances of the outer eye corners; 0 where only one look was taken.
        """
        if self.face.spread is None:
            return 0.0
        spread = self.face.spread[list(region)].astype(np.float64)
        return float(np.sqrt(np.square(spread).mean())) / self._apart(OUTER_EYE_CORNERS)

    def _apart(self, two: Indices) -> float:
        """Distance of two landmarks, pixels."""
        one, other = self.face.landmarks[list(two), :2].astype(np.float64)
        return max(float(np.hypot(*(other - one))), 1e-9)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before this face is animated, one sentence each."""
        told = []
        if self.lips is not None and self.lips < _LIPS_SEEN:
            told.append(
                "No lips are seen where the mouth should be (a mask, a scarf or a hand may cover "
                "it): a mouth would be drawn on what covers it; give an image with a visible mouth"
            )
        elif self.disagreement(LIPS) > _STEADY_LIPS:
            told.append(
                "The lips could not be located reliably (a hand, a mask or a very wide open mouth "
                "may be in the way): the mouth may be drawn in the wrong place; give an image with "
                "a visible mouth, or the landmarks by hand"
            )
        elif self.presence is not None and self._apart(
            INNER_LIP_MIDDLES
        ) > _WIDE_OPEN * self._apart(OUTER_EYE_CORNERS):
            told.append(
                "The mouth is wide open in the image: closed lips have to be made up, and may look "
                "wrong; give an image with lips closed or slightly parted"
            )
        if self.disagreement(EYES[0].lids + EYES[1].lids) > _STEADY_LIDS:
            told.append(
                "The eyelids could not be located reliably: blinks may be drawn in the wrong "
                "place; give an image with visible eyes, or the landmarks by hand"
            )
        if not told and self.presence is not None and self.presence < _SURE:
            told.append(
                "The face is hardly recognised as one (turned far, covered, or not a person's): "
                "look at the result, and give the landmarks by hand if it is wrong"
            )
        return tuple(told)


def read_face(image: NDArray[np.uint8], face: Face, detector: object = None) -> FaceReading:
    """Reads a face of a still image closely.

    Args:
        image: [h, w, 3] uint8 RGB.
        face: the face.
        detector: what found it; only what :class:`MediaPipeFaceDetector` found is looked at again.

    Raises:
        MediaError: it is not an image of 8-bit pixels.
    """
    if face.scheme != SCHEME:
        return FaceReading(face)
    if not isinstance(detector, MediaPipeFaceDetector):
        return FaceReading(face, blendshape_scores(face.landmarks))
    close, presence = detector.look_closely(image, face)
    lips = lip_contrast(image, close.landmarks)
    return FaceReading(close, blendshape_scores(close.landmarks), presence, lips)
