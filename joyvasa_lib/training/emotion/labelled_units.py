"""Clips with labelled action units: a motion file and a table beside it.

``clip.safetensors`` is a motion; its action units are in ``clip.csv`` (a header and one line per
frame) or in ``clip.units.safetensors`` (one tensor [frames] per unit).
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.tensors import open_tensors
from joyvasa_lib.checks import checked_float
from joyvasa_lib.errors import MediaError
from joyvasa_lib.motion import Motion

TABLE_SUFFIX = ".units.safetensors"
_INTENSITY = re.compile(r"(AU\d+(?:_(?:left|right|upper|lower))?|MS(?:_(?:left|right))?)(?:_r)?$")
"""Columns of intensities; OpenFace names them AU12_r, and the columns of presence AU12_c."""


@dataclass(frozen=True, eq=False)
class LabelledClip:
    """One motion with its action units.

    Attributes:
        name: of the motion file.
        motion: the motion.
        units: intensities [t] in [0, 1] by name of the unit.
    """

    name: str
    motion: Motion
    units: dict[str, NDArray[np.float64]]


def read_labelled_clips(folder: str | Path, full_scale: float = 1.0) -> list[LabelledClip]:
    """Reads the labelled motions of a folder in order of name.

    Args:
        folder: motions, each with a table beside it; a motion without a table is an error.
        full_scale: value in the tables that stands for intensity 1, such as 5 where FACS letters
            are coded as 1 to 5.

    Raises:
        MediaError: no such folder, no motion in it, or a table is missing or unreadable.
        MotionError: a motion cannot be read.
        OptionError: ``full_scale`` is not positive.
    """
    folder = Path(folder).expanduser()
    full_scale = checked_float("full_scale", full_scale, above=0.0)
    if not folder.is_dir():
        raise MediaError(f"There is no folder {folder} with labelled motions")
    files = [p for p in folder.glob("*.safetensors") if not p.name.endswith(TABLE_SUFFIX)]
    if not files:
        raise MediaError(f"The folder {folder} holds no motion (*.safetensors)")
    clips = []
    for path in sorted(files):
        units = {name: curve / full_scale for name, curve in _read_table(path).items()}
        clips.append(LabelledClip(path.stem, Motion.load(path), units))
    return clips


def _read_table(motion: Path) -> dict[str, NDArray[np.float64]]:
    text, tensors = motion.with_suffix(".csv"), motion.with_name(motion.stem + TABLE_SUFFIX)
    if text.is_file() and tensors.is_file():
        raise MediaError(f"{motion} has two tables, {text.name} and {tensors.name}; remove one")
    if text.is_file():
        return _read_csv(text)
    if tensors.is_file():
        return _read_tensors(tensors)
    raise MediaError(
        f"{motion} has no action units beside it; write them to {text.name} or {tensors.name}"
    )


def _read_csv(path: Path) -> dict[str, NDArray[np.float64]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise MediaError(f"{path} is no table with a header of column names: {error}") from error
    columns = {i: m[1] for i, name in enumerate(header) if (m := _INTENSITY.match(name))}
    if not columns:
        raise MediaError(
            f"{path} has no column of an action unit, such as AU12 or AU6_left; it has "
            f"{', '.join(header)}"
        )
    if len(set(columns.values())) < len(columns):
        raise MediaError(f"{path} has an action unit in two columns: {', '.join(header)}")
    curves: dict[str, NDArray[np.float64]] = {}
    for index, name in columns.items():
        try:
            curves[name] = np.array([float(row[index]) for row in rows])
        except (IndexError, ValueError) as error:
            raise MediaError(
                f"Column {name} of {path} is not a number in every line: {error}"
            ) from error
    return curves


def _read_tensors(path: Path) -> dict[str, NDArray[np.float64]]:
    from safetensors import SafetensorError

    try:
        with open_tensors(path, "numpy") as file:
            return {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise MediaError(f"{path} is not a readable table of action units: {error}") from error
