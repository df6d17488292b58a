"""What is acted on portraits is read again from their frames: correlation and size of each channel.

    python benchmarks/reading.py [--folder PORTRAITS] [--only NAME ...] [--frames 72]

Jaw, blink, brows up and down, smile, pucker and gaze are acted one after the other and then
together, rendered, and read from the frames as ``extract_motion`` does. A reading is right where
its correlation with what was acted is high and its size (slope over what was acted) near 1.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.errors import JoyVASAError
from joyvasa_lib.motion import BLENDSHAPES
from joyvasa_lib.portrait.video_motion import watch

FPS = 25.0
CHANNELS = {
    "jaw": ({"jawOpen": 0.35}, 0.95),
    "blink": ({"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}, 0.95),
    "brows up": ({"browInnerUp": 0.8, "browOuterUpLeft": 0.8, "browOuterUpRight": 0.8}, 0.9),
    "brows down": ({"browDownLeft": 0.8, "browDownRight": 0.8}, 0.9),
    "smile": ({"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7}, 0.9),
    "pucker": ({"mouthPucker": 0.8}, 0.8),
    "gaze": ({"eyeLookOutLeft": 0.6, "eyeLookInRight": 0.6}, 0.8),
}
"""What is acted at its most, and the correlation that is asked for."""
MOST, LEAST = 1.25, 0.8
"""Sizes between which a reading is right."""


def performance(n_frames: int) -> tuple[Motion, NDArray[np.float32]]:
    """A motion of [t] frames, and the activation [t, channels] of each channel.

    Each channel has a turn of its own; in the last third all move, at speeds of their own.
    """
    alone = max(6, 2 * n_frames // 3 // len(CHANNELS))
    curves = np.zeros((n_frames, len(CHANNELS)), np.float32)
    together = np.arange(n_frames - alone * len(CHANNELS))
    for number in range(len(CHANNELS)):
        turn = slice(alone * number, alone * (number + 1))
        curves[turn, number] = np.sin(np.pi * np.arange(alone) / alone) ** 2
        wave = 0.5 - 0.5 * np.cos(2 * np.pi * together / (9.0 + 2.3 * number))
        curves[alone * len(CHANNELS) :, number] = 0.7 * wave
    # Brows go up or down, lips are drawn apart or together.
    for first, second in ((2, 3), (4, 5)):
        both = curves[alone * len(CHANNELS) :]
        lower = np.argmin(both[:, [first, second]], axis=1)
        both[np.arange(len(both)), np.array([first, second])[lower]] = 0.0
    blendshapes = np.zeros((n_frames, len(BLENDSHAPES)), np.float32)
    for number, (activations, _) in enumerate(CHANNELS.values()):
        for name, value in activations.items():
            blendshapes[:, BLENDSHAPES.index(name)] += value * curves[:, number]
    zeros = np.zeros((n_frames, 3), np.float32)
    turn = zeros.copy()
    turn[:, 1] = 3.0 * np.sin(np.arange(n_frames) / 7.0)
    motion = Motion.from_blendshapes(blendshapes, rotation=turn, translation=zeros, fps=FPS)
    return motion, curves


def read(motion: Motion) -> NDArray[np.float64]:
    """[t, channels] activations of a motion, as shares of what is acted at most."""
    columns = []
    for activations, _ in CHANNELS.values():
        index = [BLENDSHAPES.index(name) for name in activations]
        most = np.array(list(activations.values()))
        columns.append((motion.blendshapes[:, index] / most).mean(axis=1))
    read = np.stack(columns, axis=1).astype(np.float64)
    gaze = list(CHANNELS).index("gaze")
    other = [BLENDSHAPES.index(name) for name in ("eyeLookInLeft", "eyeLookOutRight")]
    read[:, gaze] -= motion.blendshapes[:, other].mean(axis=1) / 0.6
    return read


def main() -> None:
    """Prints a line for each portrait and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument("--frames", type=int, default=90)
    options = parser.parse_args()
    real = os.environ.get("JOYVASA_REAL_INPUTS")
    folder = options.folder or (Path(real) / "portraits" if real else None)
    images = sorted(folder.iterdir()) if folder else []
    demo = Path(__file__).parents[1] / "joyvasa_lib" / "demo_assets"
    images = [*sorted(demo.glob("astronaut.jpg")), *images]
    if options.only:
        images = [path for path in images if path.stem in options.only]
    pipe = JoyVASAPipeline.from_pretrained()
    motion, curves = performance(options.frames)
    print(f"{'portrait':28s}" + "".join(f"{name:>14s}" for name in CHANNELS) + "   s")
    rows = []
    for path in images:
        start = time.perf_counter()
        try:
            frames = pipe.render(path, motion, paste_back=False).frames()
            found = read(watch(pipe.portrait_model, frames, FPS))
        except JoyVASAError as error:
            print(f"{path.name:28s}{error}")
            continue
        row = []
        for number in range(len(CHANNELS)):
            a, b = curves[:, number] - curves[:, number].mean(), found[:, number]
            b = b - b.mean()
            r = float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-9))
            row.append((r, float((a * b).sum() / (a * a).sum())))
        rows.append(row)
        shown = "".join(f"   {r:5.2f} /{size:5.2f}" for r, size in row)
        print(f"{path.name:28s}{shown}   {time.perf_counter() - start:.0f}", flush=True)
    table = np.array(rows)
    for name, value in (("median", np.median(table, 0)), ("lowest", table.min(0))):
        print(f"{name:28s}" + "".join(f"   {r:5.2f} /{size:5.2f}" for r, size in value))
    asked = np.array([bound for _, bound in CHANNELS.values()])
    met = (table[..., 0] >= asked) & (table[..., 1] >= LEAST) & (table[..., 1] <= MOST)
    print(f"{'met':28s}" + "".join(f"{f'{row.sum()} of {len(row)}':>14s}" for row in met.T))


if __name__ == "__main__":
    main()
