"""Faces through the ``insightface`` package, with model files that the user brings.

The package's code is MIT. **Its model packs (buffalo_l and others) are for non-commercial research
only**, so this library neither ships nor downloads them and never uses them unasked.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.onnx_file import check_onnx
from joyvasa_lib.errors import CheckpointError, MissingDependencyError, OptionError
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.sampling import as_rgb

_LICENCE = (
    "InsightFace's model packs are licensed for non-commercial research only; for anything else "
    "use the bundled detector"
)
_LANDMARKS = "landmark_2d_106"
_RESULTS = ("insightface106", "mediapipe478")


class InsightFaceDetector:
    """Detection (SCRFD) and 106 landmarks as the official LivePortrait pipeline has them.

    Args:
        folder: holds the pack's ``.onnx`` files, at least the detector (``det_10g.onnx``) and
            the landmark network (``2d106det.onnx``); nothing is ever downloaded. Its licence is
            the user's to keep: non-commercial research only.
        min_score: confidence, in (0, 1), below which nothing counts as a face.
        detection_size: side of the detector's input in pixels, a multiple of 32.
        result: ``"insightface106"``, or ``"mediapipe478"`` to lay the bundled mesh on the faces
            that were found, which the bundled preset needs.
        providers: execution providers of onnxruntime.

    Raises:
        MissingDependencyError: the package is not installed or does not load.
        CheckpointError: the folder or one of the two networks is missing or unreadable.
        OptionError: an option's value is not allowed.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        min_score: float = 0.5,
        detection_size: int = 512,
        result: str = "insightface106",
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        if not 0.0 < min_score < 1.0:
            raise OptionError(f"min_score must lie between 0 and 1, not {min_score}")
        if detection_size < 64 or detection_size % 32:
            raise OptionError(
                f"detection_size must be a multiple of 32 from 64 on, not {detection_size}"
            )
        if result not in _RESULTS:
            raise OptionError(f"result must be one of {', '.join(_RESULTS)}, not {result!r}")
        self.result = result
        zoo, self._record = _load_package()
        path = Path(folder)
        files = sorted(path.glob("*.onnx")) if path.is_dir() else []
        if not files:
            raise CheckpointError(
                f"{path} is not a folder with InsightFace's .onnx files; unpack a model pack such "
                f"as buffalo_l there. {_LICENCE}"
            )
        models = _load_models(zoo, files, list(providers))
        for task, example in (("detection", "det_10g.onnx"), (_LANDMARKS, "2d106det.onnx")):
            if task not in models:
                raise CheckpointError(
                    f"{path} has no network for {task} (such as {example}), only "
                    f"{', '.join(file.name for file in files)}"
                )
        self._detector, self._landmarks = models["detection"], models[_LANDMARKS]
        gpu = 0 if any("CUDA" in provider for provider in providers) else -1
        side = (detection_size, detection_size)
        self._detector.prepare(gpu, input_size=side, det_thresh=min_score)
        self._landmarks.prepare(gpu)

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """Faces with 106 or 478 landmarks, largest first.

        Args:
            image: [h, w, 3] uint8 RGB; grey and alpha are allowed.

        Raises:
            MediaError: it is not an image of 8-bit pixels.
        """
        rgb = as_rgb(image)
        bgr = np.ascontiguousarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        boxes, _ = self._detector.detect(bgr)
        faces = []
        for row in np.asarray(boxes, dtype=np.float32).reshape(-1, 5):
            if self.result == "mediapipe478":
                mesh = MediaPipeFaceDetector().landmarks(rgb, row[:4])
                faces.append(Face(mesh.box, mesh.landmarks, float(row[4]), mesh.scheme))
                continue
            flat = np.asarray(self._landmarks.get(bgr, self._record(bbox=row[:4])))[:, :2]
            points = np.concatenate([flat, np.zeros((len(flat), 1))], 1).astype(np.float32)
            faces.append(Face(row[:4].copy(), points, float(row[4]), "insightface106"))
        return sorted(faces, key=lambda face: -face.area)


def _load_package() -> tuple[ModuleType, Any]:
    """The package's model loader and its record of a face."""
    try:
        from insightface import model_zoo
        from insightface.app.common import Face as Record
    except Exception as error:  # a half-installed package fails in many ways
        raise MissingDependencyError(
            f"The insightface package cannot be imported ({error}); install it with pip install "
            f"'joyvasa-lib[insightface]' and bring a model pack. {_LICENCE}"
        ) from error
    return model_zoo, Record


def _load_models(zoo: ModuleType, files: list[Path], providers: list[str]) -> dict[str, Any]:
    """The pack's networks by task; of several for one task the first by name."""
    models: dict[str, Any] = {}
    for file in files:
        check_onnx(file)
        try:
            model = zoo.get_model(str(file), providers=providers)
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise CheckpointError(
                f"{file} cannot be read as an ONNX network ({error}); copy it again"
            ) from error
        task = getattr(model, "taskname", None)
        if task is not None:
            models.setdefault(str(task), model)
    return models
