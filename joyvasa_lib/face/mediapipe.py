"""The bundled face detector: MediaPipe's detector and 468-point mesh in onnxruntime."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.face.detector import Face

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_ASSETS = Path(__file__).parent / "assets"
_SIDE = 256
"""Input side of the detector."""
_MESH_SIDE = 192
_MESH_SCALE = 1.35
"""Side of the mesh's square crop over the larger side of the landmarks' box."""
_LEFT_EYE, _RIGHT_EYE = 263, 33
_TILTS = (0.0, 30.0, -30.0)


@lru_cache(maxsize=2)
def _session(name: str) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
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


def _overlap(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one box [4] with others [n, 4]."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    union = np.prod(box[2:] - box[:2]) + areas - shared
    return np.asarray(shared / np.maximum(union, 1e-9), dtype=np.float32)


def merge_boxes(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], threshold: float = 0.3
) -> list[tuple[NDArray[np.float32], float]]:
    """Weighted non-maximum suppression: overlapping boxes become their score-weighted mean.

    Args:
        boxes: [n, m] with left, top, right, bottom in the first four columns.
        scores: [n] in [0, 1].
        threshold: intersection over union from which two boxes are one face.
    """
    order = np.argsort(-scores)
    merged = []
    while len(order):
        same = _overlap(boxes[order[0], :4], boxes[order, :4]) >= threshold
        same[0] = True
        group = order[same]
        weight = scores[group] / scores[group].sum()
        merged.append((weight @ boxes[group], float(scores[order[0]])))
        order = order[~same]
    return merged


class MediaPipeFaceDetector:
    """Finds faces of people, paintings, statues and many drawn characters.

    Args:
        min_score: detector confidence below which nothing counts as a face.
    """

    def __init__(self, min_score: float = 0.5) -> None:
        self.min_score = min_score

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Faces with 468 landmarks, largest first.

        A picture in which nothing is found is tried again with a margin around it (a face that
        fills the frame) and tilted by 30 degrees both ways.

        Args:
            image: [h, w, 3] uint8 RGB.
        """
        height, width = image.shape[:2]
        for margin in (0.0, 0.5):
            for tilt in _TILTS:
                faces = self._detect_once(image, margin * max(height, width), tilt)
                if faces:
                    return sorted(faces, key=lambda face: -face.area)
        return []

    def landmarks(
        self, image: NDArray[np.uint8], box: NDArray[np.float32], roll_degrees: float = 0.0
    ) -> Face:
        """The 468 landmarks of the face in a given box, whatever their confidence.

        Args:
            image: [h, w, 3] uint8 RGB.
            box: [4] left, top, right, bottom in pixels, brow to chin and ear to ear.
            roll_degrees: clockwise tilt of the face in the picture.
        """
        box = np.asarray(box, dtype=np.float32)
        centre = (box[:2] + box[2:]) / 2
        side = float(max(box[2:] - box[:2])) * 1.5
        return self._mesh(image, centre, side, float(np.deg2rad(roll_degrees)))

    def _detect_once(self, image: NDArray[np.uint8], margin: float, tilt: float) -> list[Face]:
        height, width = image.shape[:2]
        angle = np.deg2rad(tilt)
        extent = max(height, width) * (1.25 if tilt else 1.0) + 2 * margin
        scale = _SIDE / extent
        turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        shift = _SIDE / 2 - turn @ np.array([width / 2, height / 2])
        shrunk = image
        if scale < 0.5:  # area-average first: a bilinear warp alone would alias
            half = max(1.0, 0.5 / scale)
            size = (max(1, round(width / half)), max(1, round(height / half)))
            shrunk = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            turn_small = turn * np.array([width / size[0], height / size[1]])
        else:
            turn_small = turn
        matrix = np.concatenate([turn_small, shift[:, None]], 1)
        letterbox = cv2.warpAffine(shrunk, matrix, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR)
        tensor = (letterbox.astype(np.float32) / 127.5 - 1.0)[None]
        regressors, logits = _session("mediapipe_face_detection_256.onnx").run(
            ["regressors", "classificators"], {"input": tensor}
        )
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits.reshape(-1), -80, 80)))
        keep = scores >= self.min_score
        if not keep.any():
            return []
        raw = regressors.reshape(-1, 16)[keep]
        centre = raw[:, :2] + anchors()[keep] * _SIDE
        eyes = (raw[:, 4:8].reshape(-1, 2, 2) + (anchors()[keep] * _SIDE)[:, None]).reshape(-1, 4)
        half_size = raw[:, 2:4] / 2
        rows = np.concatenate([centre - half_size, centre + half_size, eyes], 1)
        inverse = np.linalg.inv(turn)
        faces = []
        for row, score in merge_boxes(rows, scores[keep]):
            middle = inverse @ ((row[:2] + row[2:4]) / 2 - shift)
            side = float(max(row[2:4] - row[:2])) / scale
            right, left = inverse @ (row[4:6] - shift), inverse @ (row[6:8] - shift)
            roll = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
            face = self._mesh(image, middle, side * 1.5, roll)
            # The mesh says itself when there is no face under it.
            if face.score > 0.5:
                faces.append(Face(face.box, face.landmarks, score * face.score, face.scheme))
        return faces

    def _mesh(
        self, image: NDArray[np.uint8], centre: NDArray[np.floating], side: float, roll: float
    ) -> Face:
        points, presence = _run_mesh(image, centre, side, roll)
        for _ in range(2):  # the mesh is more exact on a crop cut by its own landmarks
            eyes = points[_LEFT_EYE] - points[_RIGHT_EYE]
            low, high = points[:, :2].min(0), points[:, :2].max(0)
            side = float(max(high - low)) * _MESH_SCALE
            points, presence = _run_mesh(
                image, (low + high) / 2, side, float(np.arctan2(eyes[1], eyes[0]))
            )
        box = np.concatenate([points[:, :2].min(0), points[:, :2].max(0)])
        score = 1.0 / (1.0 + np.exp(-np.clip(presence, -80.0, 80.0)))
        return Face(box.astype(np.float32), points, float(score), "mediapipe468")


def _run_mesh(
    image: NDArray[np.uint8], centre: NDArray[np.floating], side: float, roll: float
) -> tuple[NDArray[np.float32], float]:
    scale = _MESH_SIDE / max(side, 8.0)
    cos, sin = np.cos(roll) * scale, np.sin(roll) * scale
    turn = np.array([[cos, sin], [-sin, cos]])
    shift = _MESH_SIDE / 2 - turn @ np.asarray(centre, dtype=np.float64)
    source, matrix = image, turn
    if scale < 0.5:
        factor = max(1, round(0.5 / scale))
        size = (max(1, image.shape[1] // factor), max(1, image.shape[0] // factor))
        source = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        matrix = turn * np.array([image.shape[1] / size[0], image.shape[0] / size[1]])
    crop = cv2.warpAffine(
        source,
        np.concatenate([matrix, shift[:, None]], 1),
        (_MESH_SIDE, _MESH_SIDE),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    points, presence = _session("mediapipe_face_mesh_468.onnx").run(
        ["conv2d_20", "conv2d_30"], {"input_1": (crop.astype(np.float32) / 255.0)[None]}
    )
    local = points.reshape(468, 3)
    picture = (local[:, :2] - shift) @ np.linalg.inv(turn).T
    landmarks = np.concatenate([picture, local[:, 2:] / scale], 1).astype(np.float32)
    return landmarks, float(presence.ravel()[0])
