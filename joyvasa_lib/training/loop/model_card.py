"""The model card of a run: what was trained, from what, on what, and how good it got."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Any

import yaml

from joyvasa_lib.training.loop.run_folder import CARD, COMMAND, DATA_CARD, RunFolder, write_whole

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


PORTRAIT_LINES = {
    "l1": "error of the made image, 8-bit levels",
    "l1_of_source": "the same of the source taken for it",
    "face_l1": "the first in the face alone",
    "face_l1_of_source": "the second in the face alone",
    "psnr": "peak signal-to-noise ratio, decibels",
    "ssim": "structural similarity",
    "keypoint_error": "keypoints of the made against the true image, pixels of a crop of 256",
    "guide_error": "guided keypoints against landmarks, pixels of a crop of 256",
    "rotation_error": "head rotation against the data, degrees",
    "shoulders": "change below the chin, stitched, 8-bit levels",
    "shoulders_unstitched": "the same without stitching",
    "eyes": "opening of the eyes against the wanted one",
    "eyes_before": "the same without retargeting",
    "lips": "opening of the lips against the wanted one",
    "lips_before": "the same without retargeting",
    "probe_explained": "share of the openings that the probe explains",
}
"""The same for networks of stage one."""


def write_portrait_card(
    files: RunFolder, base: str, judges: str, options: dict[str, Any], speech: bool
) -> Path:
    """Writes the ``README.md`` of a run of preset liveportrait; returns its path.

    Args:
        files: the run.
        base: what the weights started from, in words.
        judges: what the images were compared by, a sentence or two.
        options: every option, by section.
        speech: whether stage two is in the checkpoint.
    """
    about, data = files.read(COMMAND), files.read(DATA_CARD)
    shared = data.get("people_in_both", 0)
    note = f"\n\n{shared} people are in both: the numbers flatter." if shared else ""
    use = (
        'pipe("portrait.jpg", "speech.wav").save("talking.mp4")'
        if speech
        else 'pipe.drive("portrait.jpg", "somebody.mp4").save("driven.mp4")'
    )
    text = f"""---
library_name: joyvasa-lib
tags: [talking-head, portrait-animation]
---

# {files.path.name}

Portrait animation by implicit keypoints, in the structure of LivePortrait: a checkpoint of
joyvasa_lib. It started from {base}.

{judges}

```python
from joyvasa_lib import JoyVASAPipeline

pipe = JoyVASAPipeline.from_pretrained("path/of/this/folder")
{use}
```

## Data

{_data(data, "images")}{note}

## Metrics

On held-out pairs of images of one clip, one made from the other.

{_metrics(files.metrics(), PORTRAIT_LINES)}

## Training

joyvasa_lib {about.get("joyvasa_lib", "?")}, revision {about.get("revision", "unknown")}, torch
{about.get("torch", "?")}, {about.get("processes", 1)} process(es) on {about.get("device", "?")}.

```yaml
{yaml.safe_dump(_without_paths(options), sort_keys=False).rstrip()}
```

## Limits and use

What the images do not show the networks cannot have learned. The licence of the images and of
the weights it started from decides what these weights may be used for. Animate portraits only of
people who agreed to it, and do not present results as recordings.
"""
    write_whole(files.path / CARD, text)
    return files.path / CARD


def _data(card: dict[str, Any], unit: str = "minutes") -> str:
    rows = [f"| | recordings | {unit} | people |", "|---|---|---|---|"]
    for split, name in (("train", "trained on"), ("valid", "held out")):
        part = card.get(split, {})
        minutes = f"{part.get('seconds', 0.0) / 60.0:.1f}"
        amount = minutes if unit == "minutes" else part.get("pictures", 0)  # the file's key
        rows.append(
            f"| {name} | {part.get('recordings', 0)} | {amount} | {part.get('people', '?')} |"
        )
    table = "\n".join(rows)
    return (
        f"{card.get('kind', 'unknown')} `{card.get('name', '')}` ({card.get('digest')}):\n\n{table}"
    )


def _metrics(lines: list[dict[str, float]], named: dict[str, str] = LINES) -> str:
    found = [line for line in lines if any(name.startswith("valid/") for name in line)]
    if not found:
        return "No validation yet."
    first, last = found[0], found[-1]
    rows = [
        f"| | step {first['step']} | step {last['step']} |",
        "|---|---|---|",
    ]
    for name, words in named.items():
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
