"""Lids from pixels: the face mesh keeps its eyes open in a blink, the image does not.

Each eye is cut out upright and compared with how it usually looks. A blink covers iris and sclera
with skin, so the likeness falls and comes back within a fraction of a second; a new gaze stays.

Axis legend: ``t`` frames, ``e`` eyes, ``h`` and ``w`` pixels of an eye.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, percentile_filter

from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.rig.regions import EYE_CORNERS

Curve = NDArray[np.float64]

WIDTH, HEIGHT = 48, 32
SPAN = 32
"""Pixels between the corners of an upright eye."""
BLOCK = 10.0
"""Seconds over which an eye has one usual look."""
DROP = 0.3
"""Least fall of likeness, in correlation, that counts as closed lids; people's is 0.3 to 0.8."""


class EyeWatch:
    """Follows both eyes over the frames of a video.

    Args:
        fps: frames a second.
    """

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._likeness: list[Curve] = []
        self._eyes: list[NDArray[np.uint8]] = []
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        middle = ((x - (WIDTH - 1) / 2) / 15) ** 2 + ((y - (HEIGHT - 1) / 2) / 7) ** 2
        self._inside = middle < 1.0

    def see(self, frame: NDArray[np.uint8], face: Face | None) -> None:
        """Takes the next frame [h, w, 3] with its face, if it has one."""
        blank = np.zeros((2, HEIGHT, WIDTH), np.uint8)
        self._eyes.append(blank if face is None else upright_eyes(frame, face))
        if len(self._eyes) >= BLOCK * self._fps:
            self._compare()

    def closure(self) -> Curve:
        """[t] mean of both eyes, 0 open as usual to 1 closed; NaN where there was no face."""
        self._compare()
        likeness = np.concatenate([*self._likeness, np.zeros(0)])
        known = np.isfinite(likeness)
        if not known.any():
            return likeness
        filled = np.where(known, likeness, np.median(likeness[known]))
        around = max(3, round(2.0 * self._fps) | 1)
        usual = percentile_filter(filled, 75, size=around, mode="nearest")
        drop = np.maximum(usual - filled, 0.0)
        # A single frame is a cut or a slip of the tracker, at 20 frames a second and more.
        calm = median_filter(drop, size=3, mode="nearest") if self._fps >= 20 else drop
        deepest = max(DROP, float(np.quantile(calm, 0.995)))
        return np.where(known, np.clip(drop / deepest, 0.0, 1.0), np.nan)

    def _compare(self) -> None:
        """Likeness of the eyes seen so far to their median look, and forgets them."""
        if not self._eyes:
            return
        pixels = np.stack(self._eyes)[:, :, self._inside].astype(np.float64)  # [t, e, n]
        self._eyes = []
        seen = pixels.any(axis=(1, 2))
        likeness = np.full(len(pixels), np.nan)
        if seen.any():
            usual = np.median(pixels[seen], axis=0)
            a = pixels[seen] - pixels[seen].mean(axis=-1, keepdims=True)
            b = usual - usual.mean(axis=-1, keepdims=True)
            scale = np.sqrt(np.square(a).sum(-1) * np.square(b).sum(-1))
            likeness[seen] = ((a * b).sum(-1) / np.maximum(scale, 1e-9)).mean(axis=1)
        self._likeness.append(likeness)


def upright_eyes(frame: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
    """Grey images [e, h, w] of the eyes, corners on a level and :data:`SPAN` pixels apart."""
    eyes = []
    for first, second in EYE_CORNERS:
        a, b = (face.landmarks[point, :2].astype(np.float64) for point in (first, second))
        x, y = (b - a) * SPAN / max(float(np.square(b - a).sum()), 1e-9)
        turn = np.array([[x, y], [-y, x]])
        shift = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2]) - turn @ ((a + b) / 2)
        eye = cv2.warpAffine(
            frame,
            np.concatenate([turn, shift[:, None]], axis=1),
            (WIDTH, HEIGHT),
            flags=cv2.INTER_AREA,
            borderMode=cv2.BORDER_REPLICATE,
        )
        eyes.append(cv2.cvtColor(eye, cv2.COLOR_RGB2GRAY))
    return np.asarray(np.stack(eyes), np.uint8)
