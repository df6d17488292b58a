"""``EmotionBasis``: what each action unit does in any motion space, learned from labelled motions.

A clip's expression is its own rest plus the sum of its action units' deformations, each times the
unit's intensity. Ridge regression finds the deformations (Hoerl & Kennard 1970); clips have a rest
of their own each, so people of different faces go together. How strong the ridge is, and how much
of a clip never seen the basis explains, is decided by leaving out one clip at a time.

Axis legend: ``c`` clips, ``t`` frames of a clip, ``n`` action-unit components, ``k`` keypoints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.emotion.action_units import FACE_COMPONENTS, resolve_components
from joyvasa_lib.emotion.maps.linear import LinearUnitMap
from joyvasa_lib.errors import CheckpointError, MotionError
from joyvasa_lib.media.files import atomic_path
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import MotionSpace, get_space

Doubles = NDArray[np.float64]

FORMAT = "joyvasa-emotion-basis"
VERSION = 1
RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Strengths that are tried, in mean variances of the units' intensities."""
_SMALLEST_SPREAD = 1e-3
"""Standard deviation below which an intensity counts as constant."""


@dataclass(frozen=True)
class BasisFit:
    """How a basis was found.

    Attributes:
        clips: labelled clips.
        frames: their frames.
        ridge: strength of the ridge.
        explained: share of the variance of clips left out that the basis explains (R²), pooled.
        explained_by_clip: the same for each clip.
    """

    clips: int
    frames: int
    ridge: float
    explained: float
    explained_by_clip: tuple[float, ...]


class EmotionBasis(LinearUnitMap):
    """A linear map from action units to expression that was learned from labelled motions.

    Attributes:
        fit_report: how it was found.
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
        """Learns a basis from motions whose action units are known.

        Args:
            motions: at least two clips of one space.
            action_units: for each clip, the intensity [t] in [0, 1] of each unit, by name. Every
                clip names the same units. ``AU12`` of both sides gives each side half.
            ridge: strength of the ridge in mean variances of the intensities; the one of
                :data:`RIDGES` that explains most of clips left out, if None.

        Raises:
            MotionError: too few clips or frames, different spaces, units or lengths, an intensity
                that is not a number in [0, 1], or a unit that never changes.
            OptionError: an unknown unit.
        """
        names, clips = _checked(motions, action_units)
        strengths = RIDGES if ridge is None else (_checked_ridge(ridge),)
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
        """Writes the basis as safetensors, whole or not at all; returns its path.

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
        from safetensors import SafetensorError, safe_open

        path = Path(path)
        if not path.is_file():
            raise CheckpointError(f"There is no basis file {path}")
        try:
            with safe_open(path, framework="numpy") as file:
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
            fit = json.loads(about["fit"])
            report = BasisFit(**{**fit, "explained_by_clip": tuple(fit["explained_by_clip"])})
            units = tuple(json.loads(about["units"]))
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} is not a readable basis: {error}") from error
        try:
            return cls(get_space(about["space"]), units, basis, report)
        except MotionError as error:
            raise MotionError(f"{path}: {error}") from error


@dataclass(frozen=True, eq=False)
class _Clip:
    """Sums over one clip about its means: all that ridge regression needs of it."""

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
            f"The intensity of {still} never changes within a clip, so what it does cannot be "
            "learned; leave it out"
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


def _checked_ridge(ridge: float) -> float:
    if not (np.isfinite(ridge) and ridge > 0.0):
        raise MotionError(f"The ridge must be a positive number, not {ridge}")
    return float(ridge)


def _ridge(grams: Sequence[Doubles], crosses: Sequence[Doubles], strength: float) -> Doubles:
    """[n, 3k] deformation of each unit."""
    from scipy.linalg import solve

    gram = np.sum(grams, axis=0)
    penalty = strength * np.trace(gram) / len(gram) * np.eye(len(gram))
    return np.asarray(solve(gram + penalty, np.sum(crosses, axis=0), assume_a="pos"))


def _leave_one_out(clips: Sequence[_Clip], strength: float) -> tuple[float, tuple[float, ...]]:
    """R² of each clip under a basis of all others, pooled and by clip."""
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
