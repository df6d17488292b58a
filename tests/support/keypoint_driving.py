"""The parity material of driving LivePortrait's keypoints: source, motion and networks."""

from __future__ import annotations

import numpy as np
from fixtures.fill import fill_state_dict, load_manifest

import places
from joyvasa_lib.motion import LIVEPORTRAIT_21, Motion
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.motion.driving.source_keypoints import GROUPS, SourceKeypoints

PARITY = np.load(places.PARITY / "driving_rules.npz")
GEOMETRY = np.load(places.PARITY / "geometry.npz")
NETS = {
    name: fill_state_dict(manifest)
    for name, manifest in load_manifest(
        places.FIXTURES / "manifests" / "stitching_retargeting_module.json"
    ).items()
}
MOUTH = list(GROUPS["mouth"])


def mlp(name: str, x: np.ndarray) -> np.ndarray:
    weights = NETS[name]
    layers = sorted({int(key.split(".")[1]) for key in weights})
    for layer in layers:
        x = x @ weights[f"mlp.{layer}.weight"].T + weights[f"mlp.{layer}.bias"]
        x = x if layer == layers[-1] else np.maximum(x, 0)
    return x


def with_source(x_s: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.concatenate([np.tile(x_s.reshape(1, 63), (len(rows), 1)), rows], axis=1)


def stitch(x_s: np.ndarray, x: np.ndarray) -> np.ndarray:
    out = mlp("retarget_shoulder", with_source(x_s, x.reshape(len(x), 63)))
    stitched = x + out[:, :63].reshape(-1, 21, 3)
    stitched[..., :2] += out[:, None, 63:]
    return stitched


def lip(x_s: np.ndarray, condition: np.ndarray) -> np.ndarray:
    return mlp("retarget_mouth", with_source(x_s, condition)).reshape(-1, 21, 3)


def eye(x_s: np.ndarray, condition: np.ndarray) -> np.ndarray:
    return mlp("retarget_eye", with_source(x_s, condition)).reshape(-1, 21, 3)


def angles(prefix: str) -> np.ndarray:
    return np.concatenate([PARITY[f"{prefix}/{name}"] for name in ("pitch", "yaw", "roll")], axis=1)


SOURCE = SourceKeypoints(
    keypoints=PARITY["source/kp"][0],
    expression=PARITY["source/exp"][0],
    rotation=angles("source")[0],
    translation=PARITY["source/t"][0],
    scale=PARITY["source/scale"][0],
)
DRIVING = Motion(
    expression=PARITY["driving/exp"],
    rotation=angles("driving"),
    translation=PARITY["driving/t"],
    scale=PARITY["driving/scale"],
    fps=25.0,
    space=LIVEPORTRAIT_21,
    reference="absolute",
)
BARE = DrivingOptions(stitching=False)
"""Nothing is added to what the motion does."""
