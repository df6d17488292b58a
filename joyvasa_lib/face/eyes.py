"""Eyelids from pixels: in a blink the face mesh keeps its eyes open, the image does not.

Each eye is cut out upright and compared with its usual appearance. A blink covers iris and sclera
with skin, so the correlation falls and recovers within a fraction of a second; a change of gaze
lasts longer.

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
"""Seconds over which an eye has one usual appearance."""
DROP = 0.3
"""Least fall of correlation that counts as closed eyelids; a person's blink has 0.3 to 0.8."""


class EyeWatch:
    """Follows both eyes over the frames of a video.

    Args:
        fps: frames a second.
    """

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._similarity: list[Curve] = []
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
        similarity = np.concatenate([*self._similarity, np.zeros(0)])
        known = np.isfinite(similarity)
        if not known.any():
            return similarity
        filled = np.where(known, similarity, np.median(similarity[known]))
        around = max(3, round(2.0 * self._fps) | 1)
        usual = percentile_filter(filled, 75, size=around, mode="nearest")
        drop = np.maximum(usual - filled, 0.0)
        # A single frame is a cut or an error of the tracker, at 20 frames a second and more.
        calm = median_filter(drop, size=3, mode="nearest") if self._fps >= 20 else drop
        deepest = max(DROP, float(np.quantile(calm, 0.995)))
        return np.where(known, np.clip(drop / deepest, 0.0, 1.0), np.nan)

    def _compare(self) -> None:
        """Adds the correlation of the eyes seen so far with their median, and discards them."""
        if not self._eyes:
            return
        pixels = np.stack(self._eyes)[:, :, self._inside].astype(np.float64)  # [t, e, n]
        self._eyes = []
        seen = pixels.any(axis=(1, 2))
        similarity = np.full(len(pixels), np.nan)
        if seen.any():
            usual = np.median(pixels[seen], axis=0)
            a = pixels[seen] - pixels[seen].mean(axis=-1, keepdims=True)
            b = usual - usual.mean(axis=-1, keepdims=True)
            scale = np.sqrt(np.square(a).sum(-1) * np.square(b).sum(-1))
            similarity[seen] = ((a * b).sum(-1) / np.maximum(scale, 1e-9)).mean(axis=1)
        self._similarity.append(similarity)


def upright_eyes(frame: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
    """Grey images [e, h, w] of the eyes, corners at one height and :data:`SPAN` pixels apart."""
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
