"""Motion files of every kind: this library's, and LivePortrait's driving templates.

A template is a pickle: ``n_frames``, ``output_fps``, ``motion`` (for each frame ``scale`` [1, 1],
``R`` or ``R_d`` [1, 3, 3], ``exp`` [1, 21, 3], ``t`` [1, 3]) and, in later versions, how far eyes
and lips are open (``c_eyes_lst``, ``c_lip_lst``, earlier ``c_d_eyes_lst``, ``c_d_lip_lst``).

Axis legend: ``t`` frames.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.file_kind import PICKLE, SAFETENSORS, TORCH_ZIP
from joyvasa_lib.checkpoints.unpickle import read_checkpoint
from joyvasa_lib.errors import CheckpointError, MotionError
from joyvasa_lib.motion import LIVEPORTRAIT_21, Motion
from joyvasa_lib.motion.arrays import numbers
from joyvasa_lib.motion.keypoints import rotation_angles, rotation_matrix

Floats = NDArray[np.float32]

_RATIOS = {"eyes": ("c_eyes_lst", "c_d_eyes_lst"), "lips": ("c_lip_lst", "c_d_lip_lst")}
_NOT_A_ROTATION = 1e-2
"""Largest entry of ``R R^T - 1`` that rounding explains."""


@dataclass(frozen=True, eq=False)
class MotionTemplate:
    """A driving template.

    Attributes:
        motion: of the space ``liveportrait-21``, ``reference="absolute"``.
        eye_ratios: [t, 2] how far the driving eyes are open, where the template has them.
        lip_ratios: [t, 1] how far the driving lips are open, where the template has them.
    """

    motion: Motion
    eye_ratios: Floats | None = None
    lip_ratios: Floats | None = None


def load_template(path: str | os.PathLike[str]) -> MotionTemplate:
    """Reads a LivePortrait driving template.

    Raises:
        CheckpointError: the file is missing, damaged, or no pickle of plain data.
        MotionError: it is a pickle, but of something else; the message names what is missing.
    """
    source = Path(path).expanduser()
    content = read_checkpoint(source)
    try:
        return _template(content)
    except MotionError as error:
        raise MotionError(f"{source} is not a LivePortrait driving template: {error}") from error


def load_motion_file(path: str | os.PathLike[str]) -> Motion | None:
    """The motion in a file of either kind, told by its content; None where it is neither.

    Raises:
        CheckpointError: it is a pickle, but damaged or not of plain data.
        MotionError: it is safetensors or a pickle, but no motion.
    """
    source = Path(path).expanduser()
    kind = motion_file_kind(source)
    if kind == SAFETENSORS:
        return Motion.load(source)
    return load_template(source).motion if kind == PICKLE else None


def motion_file_kind(path: Path) -> str | None:
    """``SAFETENSORS`` or ``PICKLE`` where a file may hold a motion, else None."""
    from joyvasa_lib.checkpoints.file_kind import file_kind

    if path.suffix.lower() == ".safetensors":
        return SAFETENSORS  # and let its reader say what is wrong with it
    if path.suffix.lower() in (".pkl", ".pickle"):
        return PICKLE
    try:
        kind = file_kind(path)
    except CheckpointError:
        return None
    return kind if kind in (SAFETENSORS, PICKLE) else (PICKLE if kind == TORCH_ZIP else None)


def _template(content: Any) -> MotionTemplate:
    if not isinstance(content, dict) or not isinstance(content.get("motion"), list):
        keys = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise MotionError(f"it has no list 'motion' of frames, but {keys or 'nothing'}")
    frames = content["motion"]
    n_frames = content.get("n_frames", len(frames))
    if not frames or n_frames != len(frames):
        raise MotionError(f"it says {n_frames} frames and has {len(frames)}")
    matrix = _stack(frames, ("R", "R_d"), (3, 3))
    if np.abs(matrix @ np.swapaxes(matrix, 1, 2) - np.eye(3)).max() > _NOT_A_ROTATION:
        raise MotionError("its matrices R are no rotations")
    rotation = rotation_angles(matrix.astype(np.float64))
    if np.abs(rotation_matrix(rotation) - matrix).max() > _NOT_A_ROTATION:
        raise MotionError("its matrices R are mirrored")
    motion = Motion(
        expression=_stack(frames, ("exp",), (21, 3)),
        rotation=rotation.astype(np.float32),
        translation=_stack(frames, ("t",), (3,)),
        scale=_stack(frames, ("scale",), (1,)),
        fps=_number(content.get("output_fps", 25)),
        space=LIVEPORTRAIT_21,
        reference="absolute",
    )
    ratios = {}
    for name, width in (("eyes", 2), ("lips", 1)):
        found = [content[key] for key in _RATIOS[name] if content.get(key) is not None]
        ratios[name] = _rows(found[0], name, len(frames), width) if found else None
    return MotionTemplate(motion, ratios["eyes"], ratios["lips"])


def _stack(frames: list[Any], names: tuple[str, ...], shape: tuple[int, ...]) -> Floats:
    """[t, ...] one quantity of every frame; a leading axis of 1 is left out."""
    rows = []
    for index, frame in enumerate(frames):
        found = [frame[name] for name in names if isinstance(frame, dict) and name in frame]
        if not found:
            raise MotionError(f"frame {index} has no {' or '.join(names)}")
        rows.append(_shaped(found[0], f"{names[0]} of frame {index}", shape))
    return np.stack(rows)


def _shaped(value: Any, name: str, shape: tuple[int, ...]) -> Floats:
    array = numbers(name, value)
    if array.size != int(np.prod(shape)):
        raise MotionError(f"{name} has shape {array.shape}, not {shape}")
    return array.reshape(shape)


def _rows(values: Any, name: str, n_frames: int, width: int) -> Floats:
    if not isinstance(values, list) or len(values) != n_frames:
        raise MotionError(f"the ratios of the {name} are not one for each of {n_frames} frames")
    return np.stack([_shaped(value, f"a ratio of the {name}", (width,)) for value in values])


def _number(value: Any) -> float:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "iuf":
        raise MotionError(f"output_fps is {value!r}, no number")
    return float(array.reshape(()))
