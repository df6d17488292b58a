"""Timeline files.

A timeline file is YAML or JSON: a list of keyframes, alone or under the key ``keyframes``::

    keyframes:
      - {time: 0.0, emotion: neutral}
      - {time: 1.2, emotion: "happiness:0.8", easing: ease-out}
      - {time: 3.0, emotion: {happiness: 0.3, AU1: 0.2}}
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joyvasa_lib.documents import DocumentError, read_json, read_yaml
from joyvasa_lib.emotion.keyframes.curve import Keyframe, KeyframeCurve
from joyvasa_lib.emotion.notation import print_emotion
from joyvasa_lib.errors import OptionError
from joyvasa_lib.media.files import check_readable, write_text

_KEYS = ("time", "emotion", "easing")


def load_keyframes(path: str | os.PathLike[str]) -> KeyframeCurve:
    """Reads a timeline file.

    Raises:
        MediaError: there is no such file, or it may not be read.
        OptionError: the file does not hold a timeline; the message says where.
    """
    source = check_readable(path, "timeline")
    try:
        # YAML does not allow tabs for indentation, JSON does.
        content = read_json(source) if source.suffix == ".json" else read_yaml(source)
    except (OSError, DocumentError) as error:
        raise OptionError(
            f"{source} cannot be read as a timeline: {' '.join(str(error).split())}"
        ) from error
    try:
        return keyframes_of(content)
    except OptionError as error:
        raise OptionError(f"{source}: {error}") from error


def keyframes_of(content: Any) -> KeyframeCurve:
    """The keyframes in a file's parsed content.

    Raises:
        OptionError: the content is not a timeline; the message says where.
    """
    rows = content
    if isinstance(content, Mapping):
        if unknown := sorted(str(key) for key in content if key != "keyframes"):
            raise OptionError(f"A timeline has only the key 'keyframes', not {unknown[0]!r}")
        rows = content.get("keyframes")
    if not isinstance(rows, list):
        raise OptionError(
            "A timeline is a list of keyframes such as {time: 1.2, emotion: 'happiness:0.8'}"
        )
    return KeyframeCurve(tuple(_keyframe(number, row) for number, row in enumerate(rows, 1)))


def _keyframe(number: int, row: Any) -> Keyframe:
    try:
        if not isinstance(row, Mapping):
            raise OptionError(f"it is {row!r}, not a table with time and emotion")
        if unknown := sorted(str(key) for key in row if key not in _KEYS):
            raise OptionError(f"it has the key {unknown[0]!r}; keys are {', '.join(_KEYS)}")
        if missing := [key for key in ("time", "emotion") if key not in row]:
            raise OptionError(f"it has no {missing[0]}")
        emotion = row["emotion"]
        if isinstance(emotion, Mapping):
            emotion = ",".join(f"{name}:{level}" for name, level in emotion.items()) or "neutral"
        return Keyframe(row["time"], emotion, row.get("easing", "smooth"))
    except OptionError as error:
        raise OptionError(f"Keyframe {number}: {error}") from error


def save_keyframes(curve: KeyframeCurve, path: str | os.PathLike[str]) -> Path:
    """Writes a timeline file atomically; returns its path.

    Raises:
        OutputError: the file cannot be written.
    """
    import yaml

    rows = [
        {"time": one.time, "emotion": print_emotion(one.emotion), "easing": one.easing}
        for one in curve.keyframes
    ]
    content = {"keyframes": rows}
    target = Path(path)
    if target.suffix == ".json":
        text = json.dumps(content, indent=2) + "\n"
    else:
        text = yaml.safe_dump(content, sort_keys=False)
    write_text(target, text)
    return target
