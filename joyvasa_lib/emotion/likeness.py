"""How much of each basic emotion is in an emotion.

Axis legend: ``t`` frames, ``n`` components of an emotion, ``b`` basic emotions.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from joyvasa_lib.emotion.curve import Curve
from joyvasa_lib.emotion.prototypes import BASIC

_SHARPNESS = 8
"""Exponent of the similarity to basic emotions. It makes fear move as fear, although its vector has
a similarity of three quarters to surprise."""


@lru_cache(maxsize=1)
def _directions() -> Curve:
    """Basic emotions [b, n], of unit length."""
    vectors = np.stack([one.emotion.vector for one in BASIC.values()])
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def likeness(vectors: Curve) -> Curve:
    """Shares [t, b] of the basic emotions in emotions [t, n], in the order of ``BASIC``.

    They follow the cosine similarity and sum to 1, or to 0 where none is similar.
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = np.maximum(vectors @ _directions().T, 0.0) / np.maximum(length, 1e-9)
    weight = similarity**_SHARPNESS
    return np.asarray(weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-9))
