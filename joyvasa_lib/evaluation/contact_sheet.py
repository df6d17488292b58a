"""Contact sheets: one portrait with every emotion and every action unit, on one image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.emotion.action_units import ACTION_UNITS
from joyvasa_lib.emotion.emotion import Emotion
from joyvasa_lib.emotion.prototypes import BASIC, COMPOUND
from joyvasa_lib.pipeline import EncodedPortrait, JoyVASAPipeline

Pixels = NDArray[np.uint8]

LEVELS = (0.25, 0.5, 0.75, 1.0)
CELL = 168
"""Side of a cell in pixels."""
_LABEL = 18
_AROUND_FACE = 1.2
"""Side of the square shown in a cell, relative to the larger side of the face."""
_OPPOSED_SIDES = ("AU30", "MS")
"""Units whose two sides cancel each other."""

Cell = tuple[str, Emotion]


def emotion_cells(names: Iterable[str] = (*BASIC, *COMPOUND)) -> list[Cell]:
    """Each named emotion at four levels."""
    return [(f"{name} {level:g}", Emotion.named(name, level)) for name in names for level in LEVELS]


def unit_cells() -> list[Cell]:
    """Each action unit at intensity 1; sides that cancel each other separately."""
    cells = []
    for unit in ACTION_UNITS:
        names = unit.components if unit.code in _OPPOSED_SIDES else (unit.code,)
        cells += [(f"{name} {unit.name.lower()}", Emotion.units({name: 1.0})) for name in names]
    return cells


def contact_sheet(
    pipe: JoyVASAPipeline,
    portrait: EncodedPortrait,
    groups: Sequence[Sequence[Cell]] | None = None,
    *,
    columns: int = 8,
    progress: Callable[[int], None] | None = None,
) -> Pixels:
    """One portrait with many emotions, each labelled.

    Args:
        pipe: the pipeline that renders.
        portrait: result of its ``encode``.
        groups: labelled emotions; each group starts a new row. By default every emotion at four
            levels, then every unit.
        columns: cells per row.
        progress: called with the number of cells done after each.

    Returns:
        [h, w, 3] uint8 RGB. The first cell shows the portrait unchanged.
    """
    groups = groups or [emotion_cells(), unit_cells()]
    window = face_window(portrait)
    rows: list[Pixels] = []
    done = 0
    for number, group in enumerate(groups):
        cells = [("the portrait", Emotion.neutral()), *group] if number == 0 else list(group)
        drawn = []
        for label, emotion in cells:
            frame = pipe.edit(portrait, emotion, paste_back=False)
            drawn.append(labelled(frame[window], label))
            done += 1
            if progress is not None:
                progress(done)
        if number == 0 and len(group) % columns == 0:  # keeps the levels of an emotion in one row
            blank = np.full_like(drawn[0], 255)
            drawn[1:1] = [blank] * (columns - 1)
        rows += in_rows(drawn, columns)
    return np.concatenate(rows)


def labelled(image: Pixels, label: str, size: int = CELL) -> Pixels:
    """An image [h, w, 3] as a cell [size + 18, size, 3] with a line of text above."""
    cell = np.full((size + _LABEL, size, 3), 255, np.uint8)
    cell[_LABEL:] = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    cv2.putText(cell, label, (3, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
    return cell


def in_rows(cells: Sequence[Pixels], columns: int) -> Iterator[Pixels]:
    """Rows of cells of one size, the last row filled with white."""
    for start in range(0, len(cells), columns):
        row = list(cells[start : start + columns])
        row += [np.full_like(row[0], 255)] * (columns - len(row))
        yield np.concatenate(row, axis=1)


def face_window(portrait: EncodedPortrait) -> tuple[slice, slice]:
    """Rows and columns of a square of the crop around the face."""
    points = portrait.crop.landmarks[:, :2]
    side = portrait.portrait.size
    scale = side / portrait.crop.size
    low, high = points.min(axis=0) * scale, points.max(axis=0) * scale
    wanted = min(side, round(float((high - low).max()) * _AROUND_FACE))
    left, top = np.clip(np.round((low + high - wanted) / 2).astype(int), 0, side - wanted)
    return slice(int(top), int(top) + wanted), slice(int(left), int(left) + wanted)
