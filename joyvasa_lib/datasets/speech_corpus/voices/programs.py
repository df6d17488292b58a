"""Runs an engine in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.speech_corpus.extra import missing_program

_SECONDS = 120.0
"""Time in which every answer is there; an engine takes less than a second."""


def ask(engine: str, request: dict[str, Any]) -> tuple[dict[str, Any], NDArray[np.int16]]:
    """Returns the answer of ``{engine}_program.py`` and its samples, int16 [n].

    Raises:
        MissingDependencyError: the engine is not installed, or ends with an error.
    """
    program = Path(__file__).with_name(f"{engine}_program.py")
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(program)],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise missing_program(_PACKAGE[engine], error) from error
    if done.returncode != 0:
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = told[-1] if told else f"it ended with code {done.returncode}"
        raise missing_program(_PACKAGE[engine], reason)
    head, _, sound = done.stdout.partition(b"\n")
    answer: dict[str, Any] = json.loads(head)
    return answer, np.frombuffer(sound, np.int16)


_PACKAGE = {"espeak": "espeak-ng", "flite": "flite"}
