"""LivePortrait's 203 landmarks, from the ``landmark.onnx`` that the user brings.

The official pipeline finds 106 landmarks, crops by them and runs this network; its eye and lip
ratios are defined on these points. Source: the published code of arXiv 2407.03168.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.onnx_file import check_onnx
from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.face.crop_geometry import apply_matrix, face_square
from joyvasa_lib.face.landmarks.detector import Face, FaceDetector
from joyvasa_lib.face.sampling import as_rgb, sample

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_SIDE = 224
_SCALE, _SHIFT = 1.5, (0.0, -0.1)
_COUNT = 203


class LivePortraitLandmarks:
    """A detector whose faces get 203 landmarks in place of their own.

    Args:
        path: ``landmark.onnx`` of the official files.
        detector: finds the faces; its landmarks may be of any known set.

    Raises:
        CheckpointError: the file is missing or is not that network.
    """

    def __init__(self, path: str | os.PathLike[str], detector: FaceDetector) -> None:
        self.detector = detector
        self._session = _load(Path(path))

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Faces with 203 landmarks, in the order of the wrapped detector.

        Args:
            image: [h, w, 3] uint8 RGB; grey and alpha are allowed.

        Raises:
            MediaError: it is not an image of 8-bit pixels.
        """
        return [self.refine(image, face) for face in self.detector.detect(image)]

    def refine(self, image: NDArray[np.uint8], face: Face) -> Face:
        """One face with 203 landmarks [203, 3] in image pixels; z is 0.

        Args:
            image: [h, w, 3] uint8 RGB; grey and alpha are allowed.
            face: with landmarks of any known set.
        """
        square = face_square(face.landmarks, face.scheme, scale=_SCALE, shift=_SHIFT)
        matrix = square.matrix(_SIDE)
        crop = sample(as_rgb(image), matrix, _SIDE, border="black", method="bilinear")
        pixels = crop.astype(np.float32).transpose(2, 0, 1)[None] / 255.0
        output = np.asarray(self._session.run(None, {"input": pixels})[2])
        points = apply_matrix(np.linalg.inv(matrix), output.reshape(_COUNT, 2) * _SIDE)
        flat = np.concatenate([points, np.zeros((_COUNT, 1))], 1).astype(np.float32)
        box = np.concatenate([flat[:, :2].min(0), flat[:, :2].max(0)])
        return Face(box, flat, face.score, "liveportrait203")


def _load(path: Path) -> InferenceSession:
    import onnxruntime

    if not path.is_file():
        raise CheckpointError(
            f"{path} is not there; bring landmark.onnx from the official LivePortrait files"
        )
    check_onnx(path)
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions have no common base
        raise CheckpointError(f"{path} cannot be read as an ONNX network ({error})") from error
    inputs = [one.name for one in session.get_inputs()]
    if inputs != ["input"] or len(session.get_outputs()) < 3:
        raise CheckpointError(
            f"{path} is not LivePortrait's landmark network: it takes {', '.join(inputs)} and "
            f"gives {len(session.get_outputs())} results, not 'input' and three"
        )
    return session
