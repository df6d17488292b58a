"""Activations that explain how a face has changed, given how this very face responds to each.

The most probable activations under Gaussian errors of the landmarks and a Gaussian prior, in
which the two sides of a face act together, within the bounds of a face.

Axis legend: ``t`` frames, ``f`` features of :func:`face_features`, ``u`` 52 blendshapes, ``k``
acted samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from joyvasa_lib.concurrency import steady_products
from joyvasa_lib.motion.blendshapes import BLENDSHAPES, REGIONS
from joyvasa_lib.portrait.compact.reading.features import Doubles, face_features, feature_noise
from joyvasa_lib.rig.fitting import NOT_FITTED, box_least_squares
from joyvasa_lib.rig.head_rig import Floats

MOST = 1.1
"""Largest activation that is read: what the compact preset renders at most."""
_SPREAD = {
    "browDown": 0.35,
    "browInnerUp": 0.35,
    "browOuterUp": 0.35,
    "cheekSquint": 0.04,
    "eyeBlink": 0.5,
    "eyeLookDown": 0.15,
    "eyeLookIn": 0.35,
    "eyeLookOut": 0.35,
    "eyeLookUp": 0.15,
    "eyeSquint": 0.25,
    "eyeWide": 0.2,
    "jawLeft": 0.08,
    "jawOpen": 0.3,
    "jawRight": 0.08,
    "mouthClose": 0.1,
    "mouthDimple": 0.1,
    "mouthFrown": 0.2,
    "mouthFunnel": 0.2,
    "mouthLeft": 0.1,
    "mouthLowerDown": 0.2,
    "mouthPress": 0.15,
    "mouthPucker": 0.35,
    "mouthRight": 0.1,
    "mouthRollLower": 0.12,
    "mouthRollUpper": 0.12,
    "mouthSmile": 0.35,
    "mouthStretch": 0.1,
    "mouthUpperUp": 0.15,
    "noseSneer": 0.1,
}
"""Standard deviation of each activation in talking faces; sides of a pair alike. Half of it for
stretched lips, which an opening jaw resembles."""
_SIDES, _EYES, _BROWS = 0.9, 0.95, 0.6
"""Correlation of the two sides of a pair, of both eyes' gaze, of inner and outer brows raised."""
_RIDGE = 1e-3
"""Ridge on a response: a blendshape that no sample shows has none."""
_MOST_GAIN = 2.0
"""Largest factor that makes good for what a reading lacks: beyond it noise would be magnified."""
_TURNING = 0.1
"""Variance of the part of a turn that is taken for an expression, in turns that were sampled."""
_ABSOLUTE = {"eyeBlinkLeft", "eyeBlinkRight", *REGIONS["mouth"]}
"""Blendshapes that may fall below what the first frame shows. A brow that falls again is read as
lowered: what the first frame shows of brows and eyes is the person's rest."""


@dataclass(frozen=True, eq=False)
class ActedSamples:
    """How one face responds.

    Attributes:
        first: [478, 3] landmarks of the face at rest, pixels.
        own: [u] activations that it shows at rest.
        landmarks: [k, 478, 3] landmarks as it acts, in the same image.
        acted: [k, u] change of the activations in each.
        turned: [j, 478, 3] landmarks as the head turns this way and that, the face at rest.
    """

    first: Floats
    own: Floats
    landmarks: Floats
    acted: Floats
    turned: Floats


class ExpressionReader:
    """Reads the expression of one person.

    Args:
        samples: how this person's face responds.
    """

    @steady_products()
    def __init__(self, samples: ActedSamples) -> None:
        self.own = samples.own.astype(np.float64)
        acted = samples.acted.astype(np.float64)
        features = face_features(samples.landmarks, samples.first)
        gram = acted.T @ acted + _RIDGE * np.eye(acted.shape[1])
        response = np.linalg.solve(gram, acted.T @ features)
        self._free = np.array([name not in NOT_FITTED for name in BLENDSHAPES])
        # What a turn of the head does to the features is no expression.
        turns = face_features(samples.turned, samples.first)
        noise = feature_noise(samples.first) + _TURNING * turns.T @ turns
        weighted = response @ np.linalg.inv(noise)
        self._weights = weighted[self._free]
        told = self._weights @ response[self._free].T
        prior = np.linalg.inv(_prior_covariance()[np.ix_(self._free, self._free)])
        self._gram = told + prior
        falls = np.array([name in _ABSOLUTE for name in BLENDSHAPES])
        self._lowest = np.where(falls, -self.own, 0.0)[self._free]
        self._highest = np.maximum(MOST - self.own, 0.0)[self._free]
        self._curves = self._measured_curves(self._most_probable(features), acted)

    @steady_products()
    def __call__(self, landmarks: Floats, first: Floats) -> Floats:
        """Activations [t, u] in [0, 1.1] of frames.

        Args:
            landmarks: [t, 478, 3] pixels.
            first: [478, 3] landmarks of the frame that shows the face as it was sampled.
        """
        change = self._most_probable(face_features(landmarks, first))
        for index, (read, acted) in self._curves.items():
            rises = change[:, index] > 0
            change[rises, index] = np.interp(change[rises, index], read, acted)
        return np.clip(self.own + change, 0.0, MOST).astype(np.float32)

    def _most_probable(self, features: Doubles) -> Doubles:
        """Change [t, u] of the activations, bounded by what a face can do."""
        change = np.zeros((len(features), len(BLENDSHAPES)))
        for row, right in zip(change, features @ self._weights.T, strict=True):
            row[self._free] = box_least_squares(self._gram, right, self._lowest, self._highest)
        return change

    def _measured_curves(self, read: Doubles, acted: Doubles) -> dict[int, tuple[Doubles, Doubles]]:
        """What was acted for what is read, for each blendshape, through the samples of pairs.

        A prior makes weak movements weaker, and faces do not respond in proportion.
        """
        curves = {}
        together = (np.abs(acted) > 1e-3).sum(1) > 1
        for index, name in enumerate(BLENDSHAPES):
            alone = name in _ALONE
            rows = np.flatnonzero((acted[:, index] > 0.02) & (together | alone))
            if not len(rows) or not self._free[index]:
                continue
            rows = rows[np.argsort(acted[rows, index])]
            done = acted[rows, index]
            seen = np.maximum.accumulate(np.maximum(read[rows, index], done / _MOST_GAIN))
            seen += 1e-6 * np.arange(len(seen))  # interpolation needs it to rise
            ends = np.array([MOST * seen[-1] / done[-1] + 1e-3, MOST])
            curves[index] = (
                np.concatenate([[0.0], seen, ends[:1]]),
                np.concatenate([[0.0], done, ends[1:]]),
            )
        return curves


_ALONE = {name for name in BLENDSHAPES if not name.endswith(("Left", "Right"))}


@lru_cache(maxsize=1)
def _prior_covariance() -> Doubles:
    """[u, u] covariance of activations in talking faces."""
    spread = np.array([_SPREAD.get(name, _SPREAD.get(_paired(name), 0.05)) for name in BLENDSHAPES])
    related = np.eye(len(spread))

    def relate(first: str, second: str, correlation: float) -> None:
        a, b = BLENDSHAPES.index(first), BLENDSHAPES.index(second)
        related[a, b] = related[b, a] = correlation

    for name in BLENDSHAPES:
        pair = _paired(name)
        if name.endswith("Left") and pair not in ("mouth", "jaw", "eyeLookIn", "eyeLookOut"):
            relate(name, pair + "Right", _SIDES)
    for side, other in (("Left", "Right"), ("Right", "Left")):
        relate("eyeLookIn" + side, "eyeLookOut" + other, _EYES)
        relate("browInnerUp", "browOuterUp" + side, _BROWS)
    values, vectors = np.linalg.eigh(related)
    related = (vectors * np.maximum(values, 1e-3)) @ vectors.T
    return np.asarray(related * spread[:, None] * spread)


def _paired(name: str) -> str:
    return name.removesuffix("Left").removesuffix("Right")
