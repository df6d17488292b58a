"""Which clips are held out: whole persons, whole files, or the end of the one file there is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from joyvasa_lib.datasets.prepare.recipe import SplitBy
from joyvasa_lib.datasets.prepared.index import ClipInfo, Split

LEVELS: tuple[SplitBy, ...] = ("person", "file", "clip")
_OVERSHOOT = 1.5
"""Factor on the wanted share up to which a group may still be held out whole."""


def split_level(clips: Sequence[ClipInfo], wanted: SplitBy) -> SplitBy:
    """The level asked for, or the next finer one at which there are two groups at least."""
    finer = LEVELS[LEVELS.index(wanted) :]
    return next((level for level in finer if len({_group(c, level) for c in clips}) > 1), wanted)


def assign_splits(
    clips: Sequence[ClipInfo],
    level: SplitBy,
    share: float,
    fixed: Mapping[str, Split] | None = None,
) -> dict[str, Split]:
    """The split of every clip.

    Groups are taken in an order that depends on their names alone, as long as they fit into the
    share; of a single recording the end is taken. Where none fits, the smallest is held out. At
    least one group stays for training.

    Args:
        clips: all of them.
        level: what stays together.
        share: of the frames, to hold out.
        fixed: splits of clips, by name, that are decided already; their groups follow them.

    Returns:
        ``"train"`` or ``"valid"`` for each clip's name.
    """
    size: dict[str, int] = {}
    for clip in clips:
        size[_group(clip, level)] = size.get(_group(clip, level), 0) + clip.frames
    splits: dict[str, Split] = {}
    for clip in clips:
        if fixed and clip.name in fixed:
            splits[_group(clip, level)] = fixed[clip.name]
    wanted = share * sum(size.values())
    held = sum(size[group] for group, split in splits.items() if split == "valid")
    new = [group for group in _order(clips, level) if group not in splits]
    for group in new:
        fits = held + size[group] <= _OVERSHOOT * wanted and held < wanted
        splits[group] = "valid" if fits else "train"
        held += size[group] if fits else 0
    if share > 0 and held == 0 and len(size) > 1 and new:
        splits[min(new, key=lambda group: size[group])] = "valid"
    if "train" not in splits.values() and new:
        splits[max(new, key=lambda group: size[group])] = "train"
    decided = fixed or {}
    return {clip.name: decided.get(clip.name, splits[_group(clip, level)]) for clip in clips}


def _group(clip: ClipInfo, level: SplitBy) -> str:
    return {"person": clip.person, "file": clip.video, "clip": clip.name}[level]


def _order(clips: Sequence[ClipInfo], level: SplitBy) -> list[str]:
    """Groups in the order in which they are tried."""
    if level == "clip":
        late_first = sorted(clips, key=lambda clip: (-clip.start, clip.video))
        return [clip.name for clip in late_first]
    groups = {_group(clip, level) for clip in clips}
    return sorted(groups, key=lambda group: hashlib.sha256(group.encode()).digest())
