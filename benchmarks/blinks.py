"""Blinks beside real ones: films of people who talk, and what a blink makes of their open eyes.

    python benchmarks/blinks.py [--folder FILMS] [--sheet sheet.png]

Of each film the frame with the deepest blink is compared with the nearest frame with open eyes,
on which the compact preset shuts them. For both eyes: how far the line of lashes lies below the
corners of the eye in its middle, and how much it sags between its own ends, in widths of the eye;
and the light of the eyelid above its lashes, and of the skin halfway to the brow, over that of the
cheek below it (CIE Lab L). Films without a blink are left out. The sheet shows open eyes, the real
blink and the drawn one.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.tracking import follow_person
from joyvasa_lib.media.image import save_image
from joyvasa_lib.media.video import read_video
from joyvasa_lib.motion import BLENDSHAPES
from joyvasa_lib.rig.regions import EYES

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]

BLINK = [BLENDSHAPES.index("eyeBlinkLeft"), BLENDSHAPES.index("eyeBlinkRight")]
SHUT, OPEN, NEAR = 0.45, 0.2, 12
"""Scores from which on eyes are shut and up to which they are open; frames between the two."""
CHEEKS = ((280, 330, 347, 346), (50, 101, 118, 117))
"""Points around a piece of the cheek below the person's left and right eye."""
COLUMNS, ROWS = np.linspace(-0.05, 1.0, 64), np.linspace(-0.15, 0.22, 38)
"""Where a line of lashes is looked for: from corner to corner and across, widths of the eye."""
_STEP = 2.0
"""L by which a path that goes a row up or down has to be darker."""


class Seen(NamedTuple):
    """A frame and its face."""

    frame: Pixels
    face: Face


class Eye(NamedTuple):
    """What is measured of a closed eye; see the module."""

    middle: float
    sag: float
    light: float
    above: float


def main() -> None:
    """Prints a line for each film, and the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--sheet", type=Path, default=None)
    options = parser.parse_args()
    real = os.environ.get("JOYVASA_REAL_INPUTS")
    folder = options.folder or (Path(real) / "talking" if real else None)
    if folder is None:
        parser.error("give --folder, or the environment variable JOYVASA_REAL_INPUTS")
    pipe = JoyVASAPipeline.from_pretrained()
    closed = np.zeros((1, len(BLENDSHAPES)), np.float32)
    closed[:, BLINK] = 1.0
    blink = Motion.from_blendshapes(closed)
    rows, tiles = [], []
    names = ("line", "sag", "light", "light above")
    print("| film | " + " | ".join(f"{name}, real | drawn" for name in names) + " |")
    print("|---|" + 2 * len(names) * "---:|")
    for film in sorted(folder.iterdir()):
        found = deepest_blink(film)
        if found is None:
            continue
        opened, shut = found
        frame = np.asarray(next(iter(pipe.render(opened.frame, blink).frames())))
        drawn = next((Seen(f, face) for f, face in follow_person([frame], 25.0) if face), None)
        if drawn is None:
            continue
        rows.append(np.mean([eyes(shut), eyes(drawn)], axis=1))
        print(f"| {film.name} | {in_cells(rows[-1])} |", flush=True)
        shown = (opened.frame, shut.frame, drawn.frame)
        tiles.append(np.hstack([tile(one, opened.face) for one in shown]))
    print(f"| mean of {len(rows)} | {in_cells(np.mean(rows, axis=0))} |")
    if options.sheet is not None and tiles:
        save_image(options.sheet, np.vstack(tiles))


def deepest_blink(film: Path) -> tuple[Seen, Seen] | None:
    """The nearest frame with open eyes, and the one with the deepest blink; None without."""
    reader = read_video(film)
    seen = [
        Seen(np.asarray(frame), face)
        for frame, face in follow_person(reader, reader.fps)
        if face is not None
    ]
    scores = np.array([blendshape_scores(one.face.landmarks)[BLINK].mean() for one in seen])
    if not len(scores) or scores.max() < SHUT:
        return None
    deepest = int(scores.argmax())
    away = np.abs(np.arange(len(seen)) - deepest).astype(float)
    away[scores > OPEN] = np.inf
    return None if away.min() > NEAR else (seen[int(away.argmin())], seen[deepest])


def eyes(seen: Seen) -> list[Eye]:
    """Both eyes."""
    lab = cv2.cvtColor(seen.frame.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    points = seen.face.landmarks[:, :2].astype(np.float64)
    found = []
    for eye, cheek in zip(EYES, CHEEKS, strict=True):
        ends = points[eye.outer_corner], points[eye.inner_corner]
        line, light, above = lash_line(lab[..., 0], *ends, points[list(eye.brow_bottom)])
        mask = np.zeros(lab.shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.rint(points[list(cheek)]).astype(np.int32)], 1)
        sag = -0.25 * float(np.polyfit(COLUMNS, line, 2)[0])
        lit = float(lab[mask > 0, 0].mean())
        found.append(Eye(float(line[len(line) // 2]), sag, light - lit, above - lit))
    return found


def lash_line(
    light: NDArray[np.float32], outer: Floats, inner: Floats, brow: Floats
) -> tuple[Floats, float, float]:
    """The darkest path [columns], widths below the corners of an eye, and the light above it.

    That of the eyelid, and that between 0.4 and 0.7 of the way to the brow's lower edge [n, 2].
    """
    along = inner - outer
    width = float(np.hypot(*along))
    down = np.array([-along[1], along[0]]) * (1.0 if along[0] > 0 else -1.0)
    where = outer + COLUMNS[:, None, None] * along + ROWS[None, :, None] * down
    soft = cv2.GaussianBlur(light, (0, 0), max(0.3, 0.01 * width))
    x, y = (where[..., axis].astype(np.float32) for axis in range(2))
    level = cv2.remap(soft, x, y, cv2.INTER_LINEAR).astype(np.float64)
    cost, origin = level[0], []
    for column in level[1:]:
        padded = np.pad(cost, 1, constant_values=np.inf)
        reached = np.stack([padded[:-2] + _STEP, padded[1:-1], padded[2:] + _STEP])
        best = reached.argmin(0)
        origin.append(best + np.arange(len(best)) - 1)
        cost = column + reached.min(0)
    path = [int(cost.argmin())]
    for column in reversed(origin):
        path.append(int(column[path[-1]]))
    line = ROWS[path[::-1]]
    above = (ROWS[None] < line[:, None] - 0.06) & (ROWS[None] > line[:, None] - 0.16)
    middle = slice(16, -16)
    axes = np.stack([along, down]) / width**2
    over = (brow - outer) @ axes.T
    over = over[np.argsort(over[:, 0])]
    way = np.interp(COLUMNS, over[:, 0], over[:, 1]) - line
    where = outer + COLUMNS[:, None, None] * along
    shares = np.linspace(0.4, 0.7, 8)
    where = where + (line[:, None] + shares * way[:, None])[..., None] * down
    x, y = (where[middle, :, axis].astype(np.float32) for axis in range(2))
    high = cv2.remap(soft, x, y, cv2.INTER_LINEAR)
    return line, float(np.median(level[middle][above[middle]])), float(np.median(high))


def tile(frame: Pixels, face: Face) -> Pixels:
    """[240, 480, 3] the eyes of a frame."""
    points = face.landmarks[[eye.outer_corner for eye in EYES], :2]
    left, right = points[:, 0].min(), points[:, 0].max()
    reach = (right - left) / 2
    top = max(0, round(float(points[:, 1].mean() - 0.7 * reach)))
    piece = frame[top : top + round(1.4 * reach), max(0, round(left - 0.4 * reach)) :]
    piece = piece[:, : round(2.8 * reach)]
    return np.asarray(cv2.resize(piece, (480, 240), interpolation=cv2.INTER_CUBIC), np.uint8)


def in_cells(row: Floats) -> str:
    """Real and drawn numbers, in the order of the columns."""
    real, drawn = row
    texts = [f"{a:.2f} | {b:.2f}" for a, b in zip(real[:2], drawn[:2], strict=True)]
    texts += [f"{a:.0f} | {b:.0f}" for a, b in zip(real[2:], drawn[2:], strict=True)]
    return " | ".join(texts)


if __name__ == "__main__":
    main()
