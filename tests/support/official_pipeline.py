"""Small material for pipelines of the published files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from joyvasa_lib.motion.keypoints import rotation_matrix

STEPS = 2
"""Denoising steps: the networks are pseudo-random, so few do."""
CAT_POINTS = [
    [171, 134], [222, 122], [306, 126], [256, 124], [240, 180],
    [205, 215], [275, 215], [240, 210], [240, 230],
]  # fmt: skip
"""Two corners of each eye, the nose, the corners of the mouth, upper and lower lip."""


def template(tmp_path: Path, n_frames: int = 2) -> Path:
    turn = rotation_matrix(np.array([[0.0, 4.0 * i, 0.0] for i in range(n_frames)]))
    frames = [
        {
            "scale": np.full((1, 1), 1.4, np.float32), "R": turn[i][None].astype(np.float32),
            "exp": np.zeros((1, 21, 3), np.float32), "t": np.zeros((1, 3), np.float32),
        }
        for i in range(n_frames)
    ]  # fmt: skip
    path = tmp_path / "driving.pkl"
    path.write_bytes(pickle.dumps({"n_frames": n_frames, "output_fps": 30, "motion": frames}))
    return path
