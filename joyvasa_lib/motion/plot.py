"""A performance as an image: curves by region, head pose, action-unit heat map, audio envelope.

Axis legend: ``t`` frames, ``u`` blendshapes, ``k`` keypoints. Needs matplotlib; no display.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import MissingDependencyError, MotionError
from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.motion.blendshapes import ACTION_UNIT_NAMES, REGIONS
from joyvasa_lib.motion.data import MotionData

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curves = NDArray[np.float32]
Kind = Literal["curves", "heatmap", "action-units"]

_PANEL_INCHES = {"audio": 0.8, "head": 1.6, "curves": 1.6, "row": 0.14}
_QUIET = 0.01
"""Activation below which a blendshape does not appear in a plot."""


def plot_motion(
    motion: MotionData,
    waveform: NDArray[np.float32] | None = None,
    *,
    sample_rate: int = SAMPLE_RATE,
    kind: Kind = "curves",
    per_region: int = 6,
    width: float = 10.0,
) -> Figure:
    """A figure of a motion over time.

    Args:
        motion: at least one frame.
        waveform: [n] samples to draw the envelope of, or None.
        sample_rate: of the waveform, Hz.
        kind: ``"curves"`` draws the blendshapes of each region that move most, ``"heatmap"`` all
            that move, ``"action-units"`` the facial action units that they belong to, the stronger
            of two sides. In a space without blendshapes all three draw keypoint groups.
        per_region: largest number of curves in one panel.
        width: inches.

    Returns:
        A matplotlib figure that belongs to no window: save it with ``figure.savefig(path)``.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        MotionError: an empty motion, or unknown kind.
    """
    if kind not in ("curves", "heatmap", "action-units"):
        raise MotionError(f"kind must be 'curves', 'heatmap' or 'action-units', not {kind!r}")
    if len(motion) == 0:
        raise MotionError("A motion without frames cannot be plotted")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            f"Plotting needs a working matplotlib ({error}); try: pip install matplotlib"
        ) from error

    regions = _region_curves(motion, per_region if kind == "curves" else None)
    if kind == "action-units" and motion.space.has_blendshapes:
        regions = _action_units(motion)
    heat = kind != "curves" and bool(regions)
    rows = sum(len(curves) for curves in regions.values())
    heights = [_PANEL_INCHES["audio"]] if waveform is not None else []
    heights.append(_PANEL_INCHES["head"])
    if heat:
        heights.append(max(1.0, _PANEL_INCHES["row"] * rows))
    else:
        heights += [_PANEL_INCHES["curves"]] * len(regions)

    figure = Figure(figsize=(width, sum(heights) + 0.6), layout="constrained")
    panels = figure.subplots(
        len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )[:, 0]
    rest = iter(panels)
    if waveform is not None:
        _draw_envelope(next(rest), np.asarray(waveform, dtype=np.float32), sample_rate)
    seconds = ((np.arange(len(motion)) + 0.5) / motion.fps).astype(np.float32)
    _draw_head(next(rest), seconds, motion)
    if heat:
        _draw_heatmap(next(rest), motion.duration, regions)
    else:
        for panel, (region, curves) in zip(rest, regions.items(), strict=True):
            for name, values in curves.items():
                panel.plot(seconds, values, label=name, linewidth=1.0)
            _finish(panel, region)
    panels[-1].set_xlabel("seconds")
    panels[-1].set_xlim(0.0, motion.duration)
    return figure


def _region_curves(motion: MotionData, most: int | None) -> dict[str, dict[str, Curves]]:
    """Moving curves by region: activations, or distances of keypoints from their median."""
    result: dict[str, dict[str, Curves]] = {}
    if not motion.space.has_blendshapes:
        away = motion.expression - np.median(motion.expression, axis=0)
        distance = np.linalg.norm(away, axis=-1)
        for region, indices in motion.space.keypoint_groups.items():
            result[region] = {f"keypoint {i}": distance[:, i] for i in indices[:most]}
        return result
    activations, names = motion.blendshapes, motion.space.blendshape_names
    highest = np.abs(activations).max(axis=0)
    known = {name for members in REGIONS.values() for name in members}
    regions = {**REGIONS, "other": tuple(name for name in names if name not in known)}
    for region, members in regions.items():
        index = [i for i in motion.space.blendshape_indices(members) if highest[i] > _QUIET]
        chosen = set(sorted(index, key=lambda i: -float(activations[:, i].std()))[:most])
        if chosen:
            result[region] = {names[i]: activations[:, i] for i in index if i in chosen}
    return result


def _action_units(motion: MotionData) -> dict[str, dict[str, Curves]]:
    """Activation of the action units that move; of two sides the stronger."""
    activations, result = motion.blendshapes, {}
    for code, (name, members) in ACTION_UNIT_NAMES.items():
        index = motion.space.blendshape_indices(members)
        curve = activations[:, index].max(axis=1, initial=0.0)
        if curve.max() > _QUIET:
            result[f"{code} {name}"] = curve
    return {"action units": result} if result else {}


def _draw_envelope(panel: Any, waveform: Curves, sample_rate: int) -> None:
    """Largest magnitude in each hundredth of a second."""
    hop = max(1, sample_rate // 100)
    whole = np.pad(np.abs(waveform), (0, -len(waveform) % hop)).reshape(-1, hop)
    peak = whole.max(axis=1)
    seconds = (np.arange(len(peak)) + 0.5) * hop / sample_rate
    panel.fill_between(seconds, -peak, peak, color="0.6", linewidth=0.0)
    panel.set_yticks([])
    panel.set_ylabel("audio")


def _draw_head(panel: Any, seconds: Curves, motion: MotionData) -> None:
    for axis, name in enumerate(("pitch", "yaw", "roll")):
        panel.plot(seconds, motion.rotation[:, axis], label=name, linewidth=1.0)
    _finish(panel, "head, degrees")


def _draw_heatmap(panel: Any, duration: float, regions: dict[str, dict[str, Curves]]) -> None:
    names = [name for curves in regions.values() for name in curves]
    table = np.stack([values for curves in regions.values() for values in curves.values()])
    image = panel.imshow(
        table,
        aspect="auto",
        interpolation="nearest",
        extent=(0.0, duration, len(names) - 0.5, -0.5),
        vmin=0.0,
        vmax=1.0,
        cmap="magma",
    )
    panel.set_yticks(range(len(names)), names, fontsize=6)
    panel.figure.colorbar(image, ax=panel, label="activation", pad=0.01)


def _finish(panel: Any, label: str) -> None:
    panel.set_ylabel(label)
    panel.grid(alpha=0.3)
    panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7, frameon=False)
