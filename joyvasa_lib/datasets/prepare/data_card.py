"""The data card of a prepared set: what is in it, how it was made, what was left out."""

from __future__ import annotations

from collections.abc import Sequence

from joyvasa_lib._version import __version__
from joyvasa_lib.datasets.prepare.outcomes import Outcome, Reason, tally
from joyvasa_lib.datasets.prepared.index import PreparedIndex
from joyvasa_lib.motion.data import FPS

_FRONT = """---
license: other
task_categories:
- audio-to-audio
- image-to-video
tags:
- talking-head
- facial-motion
- joyvasa_lib
---
"""


def data_card(index: PreparedIndex, outcomes: Sequence[Outcome], notes: Sequence[str]) -> str:
    """Markdown, the same for the same set."""
    parts = [
        _FRONT,
        "# Talking clips with facial motion\n",
        f"Made from videos with joyvasa_lib {__version__} (`joyvasa prepare`). Fill in: whose "
        "videos these are, under which licence, and that the people in them agreed to this use.\n",
        "## Content\n",
        _content(index, outcomes),
        *(f"- {note}\n" for note in notes),
        "## Format\n",
        _format(index),
        "## What was left out\n",
        _left_out(outcomes),
        "## How it was made\n",
        "| option | value |\n|---|---|",
        *(f"| {name} | {value} |" for name, value in index.recipe.items()),
        "",
        _LIMITS,
    ]
    return "\n".join(parts)


def _content(index: PreparedIndex, outcomes: Sequence[Outcome]) -> str:
    rows = ["| split | clips | minutes |", "|---|---|---|"]
    for split in ("train", "valid"):
        clips, seconds = index.count(split)
        rows.append(f"| {split} | {clips} | {seconds / 60:.1f} |")
    kept = {outcome.video for outcome in outcomes if outcome.reason is Reason.KEPT}
    rows += ["", f"From {len(kept)} videos; held out by {index.split_by}.\n"]
    return "\n".join(rows)


def _format(index: PreparedIndex) -> str:
    what = {
        "units": f"blendshapes of space `{index.space}`",
        "expression": f"keypoint deformations of space `{index.space}`",
    }[index.layout]
    pose = {
        "source": "relative to the clip's median pose",
        "absolute": "as extracted",
    }[index.reference]
    images = f"crops of {index.crop} pixels as JPEG, with landmarks" if index.crop else "none"
    return (
        f"Safetensors shards; `index.json` names those that belong to the set. `values` [frames, "
        f"{index.channels}] at {FPS:g} fps: {what}, then scale, translation and rotation in "
        f"degrees, {pose}. `waveform`: int16, 16 kHz mono, 640 samples a frame. Images: "
        f"{images}. Statistics of the training motion are in `normalizer.json`; the outcome of "
        "every stretch of every video in `report.jsonl`. Read it with "
        "`joyvasa_lib.datasets.prepared.dataset.PreparedSet`.\n"
    )


def _left_out(outcomes: Sequence[Outcome]) -> str:
    rows = ["| reason | stretches | seconds | meaning |", "|---|---|---|---|"]
    for reason, found in tally(outcomes).items():
        if reason is not Reason.KEPT:
            seconds = f"{found.seconds:.1f}"
            rows.append(f"| {reason.value} | {found.count} | {seconds} | {reason.meaning} |")
    return "\n".join([*rows, ""]) if len(rows) > 2 else "Nothing.\n"


_LIMITS = """## Limits

- Motion is measured, not true: landmarks jitter, and a mouth hidden by a hand or a microphone is
  guessed.
- People are told apart by folders and files, not by a recognition network.
- Lips and audio are compared over each two minutes of a video. Less than about twenty seconds of
  speech seldom tell anything, and such clips are kept without a measured lag (`lag_ms` is null).
- Nothing here says whether a video is genuine or a person agreed to its use.
"""
