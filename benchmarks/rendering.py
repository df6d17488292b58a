"""Closed eyes and closed lips of portraits: numbers for each, and a sheet to look at.

    python benchmarks/rendering.py [--folder PORTRAITS] [--sheet sheet.png] [--size 512]

Eyes are shut and lips are closed on every portrait, and the frames are read again. Asked for:
blink scores of at least 0.6, a line of lashes with at least half the contrast that it has on the
image, a closed eyelid within 6 (CIE Lab) of the open one's colour, lips that are at most 0.02
distances of the eye corners apart. The sheet shows, for each portrait, both eyes (image, half
closed, closed) and the mouth (image, closed, a little open, open).
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import JoyVASAError
from joyvasa_lib.evaluation.expression import measure_face
from joyvasa_lib.face.crop import FaceCrop, crop_face
from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.reading import read_face
from joyvasa_lib.media.image import load_image, save_image
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.rig.regions import EYES, OUTER_EYE_CORNERS

Pixels = NDArray[np.uint8]

BLINK = ("eyeBlinkLeft", "eyeBlinkRight")
SHUT, LASHES, COLOUR, CLOSED = 0.6, 0.5, 6.0, 0.02
"""What is asked for: blink score, share of the lashes' contrast, colour difference, aperture."""
_TILE = 200
"""Pixels of one tile of the sheet."""
_SKIN = (0.16, 0.30)
"""Widths of the eye above the eyelid's edge in which the skin above the lashes is."""


def acted(**activations: float) -> Motion:
    """One frame."""
    values = np.zeros((1, len(BLENDSHAPES)), np.float32)
    for name, value in activations.items():
        values[0, BLENDSHAPES.index(name)] = value
    return Motion.from_blendshapes(values)


def across_edge(
    image: Pixels,
    edge: NDArray[np.floating],
    lower: NDArray[np.floating],
    reach: tuple[float, float],
) -> NDArray[np.float32]:
    """Lab colours [columns, samples, 3] above an eyelid's edge.

    Args:
        image: [h, w, 3] RGB.
        edge: [n, 2] the edge from corner to corner, pixels.
        lower: [n, 2] the other eyelid's, which tells where above is.
        reach: from where to where, widths of the eye.
    """
    across = edge[-1] - edge[0]
    width = float(np.hypot(*across))
    normal = np.array([across[1], -across[0]]) / width
    if normal @ (edge[len(edge) // 2] - lower[len(lower) // 2]) < 0:
        normal = -normal
    share = np.linspace(0.25, 0.75, 15)
    done = np.linspace(0.0, 1.0, len(edge))
    columns = np.stack([np.interp(share, done, edge[:, axis]) for axis in range(2)], 1)
    steps = np.linspace(*reach, 16) * width
    where = (columns[:, None] + steps[:, None] * normal).astype(np.float32)
    lab = cv2.cvtColor(image.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    return np.asarray(
        cv2.remap(lab, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


def eyelid(
    image: Pixels,
    edge: NDArray[np.floating],
    lower: NDArray[np.floating],
    below: float,
    skin: float,
    lashes: float = 0.03,
) -> tuple[float, NDArray[np.float32]]:
    """Contrast of the lashes with the skin above them, and the colour [3] of the eyelid in Lab.

    The eyelid's colour is that of the lighter half of the strip above its edge: lashes are darker.

    Args:
        image: [h, w, 3] RGB.
        edge: [n, 2] edge of the upper eyelid.
        lower: [n, 2] the other eyelid's.
        below: widths of the eye below the edge down to which lashes are looked for.
        skin: widths of the eye up to which the strip goes: to the crease of an open eye.
        lashes: widths of the eye from the edge to the strip.
    """
    above = np.median(across_edge(image, edge, lower, _SKIN)[..., 0])
    dark = np.median(across_edge(image, edge, lower, (-below, 0.12))[..., 0].min(1))
    strip = across_edge(image, edge, lower, (lashes, skin)).reshape(-1, 3)
    light = strip[strip[:, 0] >= np.median(strip[:, 0])]
    return max(float(above - dark), 0.0), np.median(light, axis=0)


def lash_line(
    image: Pixels, lower: NDArray[np.floating], upper: NDArray[np.floating]
) -> NDArray[np.floating]:
    """[n, 2] where the lashes of a closed eye lie: near the open one's lower edge, in parallel.

    Args:
        image: [h, w, 3] RGB of the closed eye.
        lower: [n, 2] edge of the open eye's lower eyelid.
        upper: [n, 2] and of its upper one.
    """
    reach = (-0.08, 0.12)
    light = across_edge(image, lower, 2 * lower - upper, reach)[..., 0]
    up = float(np.median(np.linspace(*reach, light.shape[1])[light.argmin(1)]))
    across = lower[-1] - lower[0]
    normal = np.array([across[1], -across[0]])
    return lower + up * (normal if normal @ (upper - lower).sum(0) > 0 else -normal)


class Row:
    """What is measured on one portrait."""

    def __init__(
        self, model: CompactPortraitModel, detector: MediaPipeFaceDetector, crop: FaceCrop
    ) -> None:
        started = time.perf_counter()
        portrait = model.encode(crop)
        self.seconds = time.perf_counter() - started

        def frame(**activations: float) -> Pixels:
            return np.asarray(next(iter(model.render(portrait, acted(**activations))))[0])

        half, shut = (frame(**dict.fromkeys(BLINK, value)) for value in (0.5, 1.0))
        mouths = [frame(jawOpen=value) for value in (0.0, 0.3, 0.6)]
        read = self._read(detector, shut)
        self.own = self._scores(crop.landmarks)
        self.blink = np.full(2, np.nan) if read is None else self._scores(read)
        self.lashes, self.colour = [], []
        for eye in EYES:
            upper, lower = (crop.landmarks[list(i), :2] for i in (eye.upper_lid, eye.lower_lid))
            crease = crop.landmarks[eye.crease[3], :2] - crop.landmarks[eye.upper_lid[4], :2]
            visible = float(np.hypot(*crease) / np.hypot(*(upper[0] - upper[-1])))
            before, skin = eyelid(crop.image, upper, lower, 0.02, max(visible, 0.08))
            line = lash_line(shut, lower, upper)
            after, closed = eyelid(shut, line, 2 * line - upper, 0.08, 0.35, 0.08)
            self.lashes.append(after / max(before, 1e-3))
            self.colour.append(float(np.linalg.norm(skin - closed)))
        read = self._read(detector, mouths[0])
        self.aperture = np.nan if read is None else measure_face(read).aperture
        self.tiles = self._tiles(crop, [crop.image, half, shut], [crop.image, *mouths])

    @property
    def right(self) -> list[bool]:
        """Whether each of the four numbers is as asked for; blinks of readable open eyes only."""
        return [
            bool((self.blink >= SHUT).all()),
            min(self.lashes) >= LASHES,
            max(self.colour) <= COLOUR,
            bool(self.aperture <= CLOSED),
        ]

    @staticmethod
    def _read(detector: MediaPipeFaceDetector, image: Pixels) -> NDArray[np.float32] | None:
        faces = detector.detect(image)
        return detector.look_closely(image, faces[0])[0].landmarks if faces else None

    @staticmethod
    def _scores(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
        return blendshape_scores(landmarks)[[BLENDSHAPES.index(name) for name in BLINK]]

    @staticmethod
    def _tiles(crop: FaceCrop, eyes: list[Pixels], mouths: list[Pixels]) -> Pixels:
        left, right = crop.landmarks[list(OUTER_EYE_CORNERS), :2]
        distance = float(np.hypot(*(right - left)))
        places = [crop.landmarks[list(eye.lids), :2].mean(0) for eye in (EYES[1], EYES[0])]
        mouth = crop.landmarks[[0, 17, 61, 291], :2].mean(0)

        def tile(image: Pixels, place: NDArray[np.floating], side: float) -> Pixels:
            factor = _TILE / side
            matrix = np.array([[factor, 0, 0], [0, factor, 0]])
            matrix[:, 2] = _TILE / 2 - factor * place
            return np.asarray(cv2.warpAffine(image, matrix, (_TILE, _TILE), flags=cv2.INTER_CUBIC))

        seen = [tile(image, place, 0.5 * distance) for image in eyes for place in places]
        seen += [tile(image, mouth, 1.0 * distance) for image in mouths]
        return np.concatenate(seen, 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    real = os.environ.get("JOYVASA_REAL_INPUTS")
    parser.add_argument("--folder", type=Path, default=Path(real) / "portraits" if real else None)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--size", type=int, default=512)
    options = parser.parse_args()
    if options.folder is None:
        parser.error("name a folder of portraits: --folder, or JOYVASA_REAL_INPUTS")
    model, detector = CompactPortraitModel.from_pretrained(), MediaPipeFaceDetector()
    rows: dict[str, Row] = {}
    print("| portrait | blink (own) | lashes kept | lid colour | lips apart | encoding s |")
    print("|---|---|---|---|---|---|")
    for path in sorted(options.folder.iterdir()):
        try:
            image = load_image(path)
            face = read_face(image, detector.detect(image)[0], detector).face
            row = rows[path.name] = Row(model, detector, crop_face(image, face, size=options.size))
        except (JoyVASAError, IndexError):
            print(f"| {path.name} | no image of a face | | | | |")
            continue
        blink = " ".join(f"{value:.2f}" for value in row.blink)
        own = " ".join(f"{value:.2f}" for value in row.own)
        lashes = " ".join(f"{value:.2f}" for value in row.lashes)
        colour = " ".join(f"{value:.1f}" for value in row.colour)
        print(
            f"| {path.name} | {blink} ({own}) | {lashes} | {colour} | {row.aperture:.3f} "
            f"| {row.seconds:.2f} |",
            flush=True,
        )
    if rows:
        kept = np.array([row.right for row in rows.values()]).sum(0)
        print(
            f"\nof {len(rows)}: blink {kept[0]}, lashes {kept[1]}, colour {kept[2]}, lips {kept[3]}"
        )
    if options.sheet is not None and rows:
        save_image(options.sheet, np.concatenate([row.tiles for row in rows.values()], 0))


if __name__ == "__main__":
    main()
