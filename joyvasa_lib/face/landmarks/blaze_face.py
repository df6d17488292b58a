"""MediaPipe's face detector: rough places of faces in one square view of an image.

A single-shot detector over a fixed grid of anchors (BlazeFace, Bazarevsky et al. 2019,
arXiv 1907.05047), here the 256-pixel one, which finds faces from about a fortieth of the view on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.concurrency import processors
from joyvasa_lib.face.sampling import sample, upright_matrix

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_ASSETS = Path(__file__).parent / "assets"
_SIDE = 256
"""Input side of the network."""


@dataclass(frozen=True, eq=False)
class View:
    """A square of an image to look at, in image pixels, turned clockwise by radians."""

    centre: NDArray[np.float64]
    side: float
    angle: float = 0.0


@dataclass(frozen=True, eq=False)
class Candidate:
    """Where a face may be.

    Attributes:
        centre: [2] x, y in image pixels.
        side: of the square from brows to chin, in image pixels.
        roll: radians by which the face is turned clockwise.
        score: confidence in [0, 1].
    """

    centre: NDArray[np.float64]
    side: float
    roll: float
    score: float


@lru_cache(maxsize=4)
def onnx_session(name: str) -> InferenceSession:
    """One of the bundled networks, loaded once."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(2, processors())
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        str(_ASSETS / name), options, providers=["CPUExecutionProvider"]
    )


@lru_cache(maxsize=1)
def anchors() -> NDArray[np.float32]:
    """[896, 2] anchor centres x, y in [0, 1]: 16 x 16 cells of two, then 8 x 8 cells of six."""
    rows = []
    for grid, count in ((16, 2), (8, 6)):
        centre = (np.arange(grid) + 0.5) / grid
        y, x = np.meshgrid(centre, centre, indexing="ij")
        rows.append(np.repeat(np.stack([x.ravel(), y.ravel()], 1), count, 0))
    return np.concatenate(rows).astype(np.float32)


def box_overlap(box: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float32]:
    """[n] intersection over union of one box [4] with others [n, 4]."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    union = np.prod(box[2:] - box[:2]) + areas - shared
    return np.asarray(shared / np.maximum(union, 1e-9), dtype=np.float32)


def merge_boxes(
    boxes: NDArray[np.floating], scores: NDArray[np.floating], threshold: float = 0.3
) -> list[tuple[NDArray[np.floating], float]]:
    """Weighted non-maximum suppression: overlapping boxes become their score-weighted mean.

    Args:
        boxes: [n, m] with left, top, right, bottom in the first four columns.
        scores: [n] in [0, 1].
        threshold: intersection over union from which two boxes are one face.

    Returns:
        Rows [m] with their best score, best first.
    """
    order = np.argsort(-scores, kind="stable")
    merged = []
    while len(order):
        same = box_overlap(boxes[order[0], :4], boxes[order, :4]) >= threshold
        same[0] = True
        group = order[same]
        weight = scores[group] / scores[group].sum()
        merged.append((weight @ boxes[group], float(scores[order[0]])))
        order = order[~same]
    return merged


def find_candidates(image: NDArray[np.uint8], view: View, min_score: float) -> list[Candidate]:
    """Faces in one view of an image, best first.

    Args:
        image: [h, w, 3] uint8 RGB.
        view: where to look.
        min_score: confidence below which nothing counts.
    """
    matrix = upright_matrix(view.centre, view.side, view.angle, _SIDE)
    seen = sample(image, matrix, _SIDE, border="black")
    regressors, logits = onnx_session("mediapipe_face_detection_256.onnx").run(
        ["regressors", "classificators"], {"input": (seen.astype(np.float32) / 127.5 - 1.0)[None]}
    )
    scores = 1.0 / (1.0 + np.exp(-np.clip(logits.reshape(-1), -80.0, 80.0)))
    keep = scores >= min_score
    if not keep.any():
        return []
    raw = regressors.reshape(-1, 16)[keep]
    origin = anchors()[keep] * _SIDE
    centre, half = raw[:, :2] + origin, raw[:, 2:4] / 2
    eyes = (raw[:, 4:8].reshape(-1, 2, 2) + origin[:, None]).reshape(-1, 4)
    rows = np.concatenate([centre - half, centre + half, eyes], 1)
    inverse = np.linalg.inv(matrix)
    found = []
    for row, score in merge_boxes(rows, scores[keep]):
        middle, right, left = (
            np.stack([(row[:2] + row[2:4]) / 2, row[4:6], row[6:8]]) @ inverse[:2, :2].T
            + inverse[:2, 2]
        )
        roll = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
        side = float(max(row[2:4] - row[:2])) * view.side / _SIDE
        found.append(Candidate(middle, side, roll, score))
    return found
