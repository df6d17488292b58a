"""Which parts of the runs of a segment may become clips, and why the others may not.

Axis legend: ``t`` frames of the segment, ``m`` mesh points.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.prepare.face_runs import Run
from joyvasa_lib.datasets.prepare.outcomes import Reason
from joyvasa_lib.datasets.prepare.recipe import PrepareRecipe
from joyvasa_lib.evaluation.curves import runs as runs_of

ROAM = 0.75
"""Face sides by which the face may wander within a clip: its crop holds all of it."""
GROW = 1.6
"""Factor by which the face's size may change within a clip."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """Frames of a run that may become a clip.

    Attributes:
        run: of which.
        first: number of its first frame in the segment.
        stop: number of the frame after its last.
        speech: share of frames in which somebody speaks.
    """

    run: Run
    first: int
    stop: int
    speech: float

    def __len__(self) -> int:
        """Number of frames."""
        return self.stop - self.first

    @property
    def rows(self) -> slice:
        """Its rows in the run's curves."""
        return slice(self.first - self.run.first, self.stop - self.run.first)


@dataclass(frozen=True)
class Refusal:
    """Frames that do not become a clip.

    Attributes:
        first: number of the first frame in the segment.
        stop: number of the frame after the last.
        reason: why.
        detail: the number that decided.
    """

    first: int
    stop: int
    reason: Reason
    detail: str = ""


def choose(
    runs: Sequence[Run], speech: NDArray[np.bool_], recipe: PrepareRecipe, fps: float
) -> tuple[list[Candidate], list[Refusal]]:
    """Goes through a segment; every frame is in exactly one candidate or refusal.

    Args:
        runs: of one face each, in order.
        speech: [t] frames in which somebody speaks.
        recipe: the limits.
        fps: frames a second.
    """
    candidates: list[Candidate] = []
    refusals = list(_between(runs, len(speech)))
    for run in runs:
        for part in _usable(run, recipe, fps):
            if isinstance(part, Refusal):
                refusals.append(part)
                continue
            candidate = Candidate(run, *part, float(speech[slice(*part)].mean()))
            problem = _problem(candidate, recipe)
            if problem is None:
                candidates.append(candidate)
            else:
                refusals.append(Refusal(*part, *problem))
    return candidates, sorted(refusals, key=lambda refusal: refusal.first)


def _between(runs: Sequence[Run], count: int) -> Iterator[Refusal]:
    """The frames that are in no run."""
    ends = [(0, None), *((run.stop, run.ended) for run in runs)]
    starts = [*(run.first for run in runs), count]
    for (stop, ended), first in zip(ends, starts, strict=True):
        if first > stop:
            mixed = ended is Reason.OTHER_PERSON
            yield Refusal(stop, first, Reason.OTHER_PERSON if mixed else Reason.NO_FACE)


def _usable(run: Run, recipe: PrepareRecipe, fps: float) -> Iterator[tuple[int, int] | Refusal]:
    """Parts of a run of allowed length in which the face stays in view, and the rest."""
    pitch, yaw = np.abs(run.track.rotation[:, 0]), np.abs(run.track.rotation[:, 1])
    away = (yaw > recipe.max_yaw) | (pitch > recipe.max_pitch)
    for start, stop in runs_of(away):
        aside, tilted = yaw[start:stop].max(), pitch[start:stop].max()
        detail = f"{aside:.0f} degrees to a side, {tilted:.0f} up or down"
        yield Refusal(run.first + start, run.first + stop, Reason.TURNED_AWAY, detail)
    for start, stop in runs_of(~away):
        before = run.began if start == 0 else Reason.TURNED_AWAY
        after = run.ended if stop == len(run) else Reason.TURNED_AWAY
        bounds = _where_it_stays(run, start, stop)
        for begin, end in pairwise(bounds):
            causes = after if end == stop else None, before if begin == start else None
            yield from _divided(run.first + begin, run.first + end, causes, recipe, fps)


def _divided(
    first: int, stop: int, causes: Sequence[Reason | None], recipe: PrepareRecipe, fps: float
) -> Iterator[tuple[int, int] | Refusal]:
    """Equal parts of allowed length; a refusal, for the first cause there is, of what is short."""
    if stop - first < round(recipe.min_seconds * fps):
        reason = next((cause for cause in causes if cause), Reason.TOO_SHORT)
        yield Refusal(first, stop, reason, f"{(stop - first) / fps:.2f} s")
        return
    parts = -(-(stop - first) // int(recipe.max_seconds * fps))
    edges = np.round(np.linspace(first, stop, parts + 1)).astype(int).tolist()
    yield from pairwise(edges)


def _where_it_stays(run: Run, start: int, stop: int) -> list[int]:
    """Rows at which to divide a run so that one square holds the face between any two."""
    flat = run.landmarks[start:stop, :, :2]
    low, high = flat.min(axis=1), flat.max(axis=1)
    centre, side = (low + high) / 2.0, (high - low).max(axis=1)
    bounds, begin = [start], 0
    lowest, highest, least, most = centre[0], centre[0], side[0], side[0]
    for row in range(1, stop - start):
        lowest, highest = np.minimum(lowest, centre[row]), np.maximum(highest, centre[row])
        least, most = min(least, side[row]), max(most, side[row])
        if (highest - lowest).max() > ROAM * side[begin] or most > GROW * least:
            bounds.append(start + row)
            begin = row
            lowest, highest, least, most = centre[row], centre[row], side[row], side[row]
    return [*bounds, stop]


def _problem(candidate: Candidate, recipe: PrepareRecipe) -> tuple[Reason, str] | None:
    side = float(np.median(candidate.run.sides[candidate.rows]))
    if side < recipe.min_face:
        return Reason.TOO_SMALL, f"{side:.0f} pixels"
    detail = float(np.median(candidate.run.sharpness[candidate.rows]))
    if detail < recipe.min_sharpness:
        return Reason.BLURRED, f"detail {detail:.3f}"
    if candidate.speech < recipe.min_speech:
        return Reason.NO_SPEECH, f"voice in {100 * candidate.speech:.0f} % of the frames"
    return None
