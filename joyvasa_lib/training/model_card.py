"""The model card of a run: what was trained, from what, on what, and how good it got."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Any

import yaml

from joyvasa_lib.training.run_folder import CARD, COMMAND, DATA_CARD, RunFolder, write_whole

LINES = {
    "sync_gain": "error with wrong speech over error with the right one",
    "wrong_audio_gain": "error with wrong speech over error with the right one",
    "mouth_error": "squared error of the mouth over the variance of the truth",
    "mouth_correlation": "correlation of the mouth's channels",
    "amplitude_ratio": "amplitude of the mouth against the truth",
    "velocity_ratio": "speed of the mouth against the truth",
    "head_amplitude_ratio": "amplitude of the head against the truth",
    "seam_jump": "change where windows meet, against elsewhere",
    "closure_over_chance": "lips closed on /p b m/, share above chance",
}
"""Metrics that the card shows, and what they are called in it."""


def write_model_card(
    files: RunFolder, base: str, options: dict[str, Any], space: str, layout: str
) -> Path:
    """Writes the run's ``README.md``; returns its path.

    Paths of this machine do not go into it, their last names do.

    Args:
        files: the run.
        base: what the weights started from, in words.
        options: every option, by section.
        space: name of the motion space.
        layout: of the motion.
    """
    about, data = files.read(COMMAND), files.read(DATA_CARD)
    text = f"""---
library_name: joyvasa-lib
tags: [talking-head, speech-driven-animation, motion]
---

# {files.path.name}

Speech to motion in the space `{space}` ({layout}), at 25 frames a second: a checkpoint of
joyvasa_lib. It started from {base}.

```python
from joyvasa_lib import JoyVASAPipeline

pipe = JoyVASAPipeline.from_pretrained("path/of/this/folder")
pipe("portrait.jpg", "speech.wav").save("talking.mp4")
```

## Data

{_data(data)}

## Metrics

On the held-out recordings; 1 is best for ratios and jumps.

{_metrics(files.metrics())}

## Training

joyvasa_lib {about.get("joyvasa_lib", "?")}, revision {about.get("revision", "unknown")}, torch
{about.get("torch", "?")}, {about.get("processes", 1)} process(es) on {about.get("device", "?")}.

```yaml
{yaml.safe_dump(_without_paths(options), sort_keys=False).rstrip()}
```

## Limits and use

What the recordings do not show the model cannot have learned: other voices, languages and
recording conditions than theirs are untested. The licence of the recordings and of the weights it
started from decides what these weights may be used for. Animate portraits only of people who agreed
to it, and do not present results as recordings.
"""
    write_whole(files.path / CARD, text)
    return files.path / CARD


def _data(card: dict[str, Any]) -> str:
    rows = ["| | recordings | minutes | people |", "|---|---|---|---|"]
    for split, name in (("train", "trained on"), ("valid", "held out")):
        part = card.get(split, {})
        minutes = part.get("seconds", 0.0) / 60.0
        rows.append(
            f"| {name} | {part.get('recordings', 0)} | {minutes:.1f} | {part.get('people', '?')} |"
        )
    table = "\n".join(rows)
    return (
        f"{card.get('kind', 'unknown')} `{card.get('name', '')}` ({card.get('digest')}):\n\n{table}"
    )


def _metrics(lines: list[dict[str, float]]) -> str:
    found = [line for line in lines if any(name.startswith("valid/") for name in line)]
    if not found:
        return "No validation yet."
    first, last = found[0], found[-1]
    rows = [
        f"| | step {first['step']} | step {last['step']} |",
        "|---|---|---|",
    ]
    for name, words in LINES.items():
        key = f"valid/{name}"
        if key in last:
            before = f"{first[key]:.3g}" if key in first else ""
            rows.append(f"| {words} | {before} | {last[key]:.3g} |")
    return "\n".join(rows)


def _without_paths(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_paths(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_paths(item) for item in value]
    return PurePath(value).name if isinstance(value, str) and value else value
