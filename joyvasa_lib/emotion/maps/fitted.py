"""``EmotionBasis``: the deformation of each action unit in any space, fitted to labelled motions.

The expression of a clip is modelled as a constant of the clip plus the sum of its action units'
deformations, each times the unit's intensity. The deformations are found by ridge regression (Hoerl
& Kennard 1970); the constant per clip allows for people with different faces. Leave-one-clip-out
cross-validation selects the ridge strength and measures the explained variance.

Axis legend: ``c`` clips, ``t`` frames of a clip, ``n`` action-unit components, ``k`` keypoints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.checkpoints.tensors import open_tensors
from joyvasa_lib.checks import checked_float
from joyvasa_lib.documents import parse_json
from joyvasa_lib.emotion.action_units import FACE_COMPONENTS, resolve_components
from joyvasa_lib.emotion.maps.linear import LinearUnitMap
from joyvasa_lib.errors import CheckpointError, MotionError
from joyvasa_lib.media.files import atomic_path
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import MotionSpace, get_space

Doubles = NDArray[np.float64]

FORMAT = "joyvasa-emotion-basis"
VERSION = 1
RIDGES: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Candidate strengths, relative to the mean variance of the units' intensities."""
_SMALLEST_SPREAD = 1e-3
"""Standard deviation below which an intensity counts as constant."""


@dataclass(frozen=True)
class BasisFit:
    """Report of a fit.

    Attributes:
        clips: number of labelled clips.
        frames: number of their frames.
        ridge: selected strength of the ridge.
        explained: variance of held-out clips that the basis explains (R²), pooled over clips.
        explained_by_clip: the same for each clip.
    """

    clips: int
    frames: int
    ridge: float
    explained: float
    explained_by_clip: tuple[float, ...]


class EmotionBasis(LinearUnitMap):
    """A linear map from action units to expression, fitted to labelled motions.

    Attributes:
        fit_report: the report of the fit.
    """

    def __init__(
        self, space: MotionSpace, units: tuple[str, ...], basis: ArrayLike, fit_report: BasisFit
    ) -> None:
        """Takes a finished basis; see :meth:`fit`."""
        super().__init__(space, units, basis)
        self.fit_report = fit_report

    @classmethod
    def fit(
        cls,
        motions: Sequence[Motion],
        action_units: Sequence[Mapping[str, ArrayLike]],
        *,
        ridge: float | None = None,
    ) -> EmotionBasis:
        """Fits a basis to motions with known action units.

        Args:
            motions: at least two clips of one space.
            action_units: for each clip the intensities [t] in [0, 1] of each unit, by name. All
                clips have the same units. ``AU12`` for both sides gives each side half.
            ridge: strength of the ridge, relative to the mean variance of the intensities; if
                None, the one of :data:`RIDGES` that explains held-out clips best.

        Raises:
            MotionError: too few clips or frames, different spaces, units or lengths, an intensity
                that is not a number in [0, 1], or a unit of constant intensity.
            OptionError: an unknown unit.
        """
        names, clips = _checked(motions, action_units)
        strengths = RIDGES
        if ridge is not None:
            strengths = (checked_float("ridge", ridge, above=0.0, error=MotionError),)
        scores = {strength: _leave_one_out(clips, strength) for strength in strengths}
        best = max(scores, key=lambda strength: scores[strength][0])
        whole, by_clip = scores[best]
        weights = _ridge([c.gram for c in clips], [c.cross for c in clips], best)
        rows: dict[str, Doubles] = {}
        for name, row in zip(names, weights, strict=True):
            components = resolve_components(name)
            rows |= {part: row.reshape(-1, 3) / len(components) for part in components}
        frames = sum(len(motion) for motion in motions)
        report = BasisFit(len(clips), frames, best, whole, by_clip)
        return cls(motions[0].space, tuple(rows), np.stack(list(rows.values())), report)

    def save(self, path: str | Path) -> Path:
        """Writes the basis as safetensors, atomically; returns its path.

        Raises:
            OutputError: the file cannot be written.
        """
        from safetensors.numpy import save_file

        report = self.fit_report
        metadata = {
            "format": FORMAT,
            "version": str(VERSION),
            "space": self.space.name,
            "units": json.dumps(self.units),
            "fit": json.dumps(vars(report)),
        }
        with atomic_path(path) as temporary:
            save_file({"basis": np.ascontiguousarray(self._basis)}, temporary, metadata=metadata)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> EmotionBasis:
        """Reads a basis that :meth:`save` wrote.

        Raises:
            CheckpointError: no such file, or it is damaged, of another kind or a newer version.
            MotionError: its motion space is not known.
        """
        from safetensors import SafetensorError

        path = Path(path)
        if not path.is_file():
            raise CheckpointError(f"There is no basis file {path}")
        try:
            with open_tensors(path, "numpy") as file:
                about = file.metadata() or {}
                if about.get("format") != FORMAT or set(file.keys()) != {"basis"}:
                    raise CheckpointError(
                        f"{path} is no basis of action units; make one with: "
                        "joyvasa train emotion-basis"
                    )
                if int(about["version"]) > VERSION:
                    raise CheckpointError(
                        f"{path} has basis format version {about['version']}; this library reads "
                        f"up to {VERSION}: upgrade joyvasa-lib"
                    )
                basis = file.get_tensor("basis")
            fit = parse_json(about["fit"])
            report = BasisFit(**{**fit, "explained_by_clip": tuple(fit["explained_by_clip"])})
            units = tuple(parse_json(about["units"]))
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} is not a readable basis: {error}") from error
        try:
            return cls(get_space(about["space"]), units, basis, report)
        except MotionError as error:
            raise MotionError(f"{path}: {error}") from error


@dataclass(frozen=True, eq=False)
class _Clip:
    """Centred sums of products over one clip, from which ridge regression is computed."""

    gram: Doubles  # [n, n] of intensities
    cross: Doubles  # [n, 3k] of intensities and expression
    spread: float  # of the expression


def _checked(
    motions: Sequence[Motion], tables: Sequence[Mapping[str, ArrayLike]]
) -> tuple[tuple[str, ...], list[_Clip]]:
    if len(motions) < 2 or len(motions) != len(tables):
        raise MotionError(
            "A basis needs at least two labelled clips, since each is tested on the others; got "
            f"{len(motions)} motions and {len(tables)} tables of action units"
        )
    space = motions[0].space
    names = tuple(tables[0])
    _check_names(names)
    clips = []
    for index, (motion, table) in enumerate(zip(motions, tables, strict=True)):
        if motion.space != space:
            raise MotionError(
                f"Clip {index} is of motion space {motion.space.name!r}, clip 0 of {space.name!r}"
            )
        if set(table) != set(names):
            raise MotionError(
                f"Clip {index} has the action units {', '.join(table) or 'none'}, clip 0 "
                f"{', '.join(names)}; every clip needs the same"
            )
        curves = np.stack([_checked_curve(table[n], n, index, len(motion)) for n in names], axis=1)
        expression = motion.expression.reshape(len(motion), -1).astype(np.float64)
        curves, expression = curves - curves.mean(0), expression - expression.mean(0)
        clips.append(
            _Clip(curves.T @ curves, curves.T @ expression, float(np.square(expression).sum()))
        )
    frames = sum(len(motion) for motion in motions)
    if frames < 2 * len(names) + len(motions):
        raise MotionError(
            f"{frames} frames are too few for {len(names)} action units in {len(motions)} clips; "
            f"at least {2 * len(names) + len(motions)} are needed"
        )
    changing = np.sqrt(np.diag(sum(c.gram for c in clips)) / frames) > _SMALLEST_SPREAD
    if not changing.all():
        still = ", ".join(np.array(names)[~changing])
        raise MotionError(
            f"The intensity of {still} is constant within each clip, so its effect cannot be "
            "fitted; leave it out"
        )
    return names, clips


def _check_names(names: tuple[str, ...]) -> None:
    if not names:
        raise MotionError("The clips have no action units; give intensities by name, such as AU12")
    taken: dict[str, str] = {}
    for name in names:
        for component in resolve_components(name):
            if component not in FACE_COMPONENTS:
                raise MotionError(f"{name} moves the head, not the face; leave it out")
            if component in taken:
                raise MotionError(f"{component} is given twice, by {taken[component]} and {name}")
            taken[component] = name


def _checked_curve(values: ArrayLike, name: str, clip: int, frames: int) -> Doubles:
    try:
        curve = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MotionError(f"The intensity of {name} in clip {clip} is not numbers") from error
    if curve.shape != (frames,):
        raise MotionError(
            f"The intensity of {name} in clip {clip} has shape {curve.shape}; the motion has "
            f"{frames} frames"
        )
    bad = ~((curve >= 0.0) & (curve <= 1.0))  # NaN too
    if bad.any():
        raise MotionError(
            f"The intensity of {name} in clip {clip} is {curve[bad][0]:g} in frame "
            f"{int(bad.argmax())}; intensities lie between 0 and 1 (those on FACS's scale of 5 are "
            "divided by 5)"
        )
    return curve


def _ridge(grams: Sequence[Doubles], crosses: Sequence[Doubles], strength: float) -> Doubles:
    """Deformations of the units [n, 3k]."""
    from scipy.linalg import solve

    gram = np.sum(grams, axis=0)
    penalty = strength * np.trace(gram) / len(gram) * np.eye(len(gram))
    return np.asarray(solve(gram + penalty, np.sum(crosses, axis=0), assume_a="pos"))


def _leave_one_out(clips: Sequence[_Clip], strength: float) -> tuple[float, tuple[float, ...]]:
    """R² of the clips, each under the basis of all others: pooled, and by clip."""
    errors = []
    for index, clip in enumerate(clips):
        others = [other for i, other in enumerate(clips) if i != index]
        weights = _ridge([c.gram for c in others], [c.cross for c in others], strength)
        explained = 2.0 * np.vdot(weights, clip.cross) - np.vdot(weights, clip.gram @ weights)
        errors.append(clip.spread - float(explained))
    spreads = np.array([clip.spread for clip in clips])
    by_clip = 1.0 - np.array(errors) / np.maximum(spreads, 1e-30)
    whole = 1.0 - sum(errors) / max(float(spreads.sum()), 1e-30)
    return float(whole), tuple(float(value) for value in by_clip)
