"""What a face does with the recordings of a corpus: a step that can be repeated.

The sound stays as it is; another animator, or another configuration of it, writes another folder.

Axis legend: ``t`` frames at 25 Hz, ``s`` steps at 50 Hz.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from joyvasa_lib.datasets.prepare.engines import run_jobs
from joyvasa_lib.datasets.speech_corpus.face.animate import animate
from joyvasa_lib.datasets.speech_corpus.face.speaker import draw_speaker
from joyvasa_lib.datasets.speech_corpus.recordings import MOTION_FOLDER, SPLITS
from joyvasa_lib.datasets.speech_corpus.speech_recording import read_recording
from joyvasa_lib.documents import DocumentError, read_object
from joyvasa_lib.errors import MediaError, OptionError
from joyvasa_lib.media.files import atomic_path
from joyvasa_lib.motion.data import FPS
from joyvasa_lib.recipes import Whole, recipe

ABOUT = "motion.json"


@recipe("face_motion")
@dataclass(frozen=True)
class FaceMotionConfig:
    """How faces move.

    Attributes:
        seed: of every random choice: how each speaker moves, and when.
    """

    seed: Whole = 0


def animate_corpus(
    config: FaceMotionConfig,
    corpus: str | Path,
    output: str | Path | None = None,
    workers: int = 1,
    restart: bool = False,
) -> Iterator[str]:
    """Makes the motion of every recording that has none yet.

    Args:
        config: how faces move.
        corpus: folder of the recordings.
        output: folder of the motion, ``corpus/motion`` if not given. A file has the name of its
            recording and holds ``values`` float32 [t, 59]; ``phonemes`` uint8 [s], the classes
            moved by the lead of the lips; and ``style`` float32 [t, 4], the speaker's dials
            (:data:`~joyvasa_lib.speech.style.DIALS`). ``motion.json`` says how they were made.
        workers: processes.
        restart: make all of them anew, as after a change of the animator.

    Yields:
        The name of each recording once its motion is there.

    Raises:
        MediaError: the folder is no corpus of recordings.
        MissingDependencyError: what the animator needs is not installed.
        OptionError: the folder holds motion of another configuration.
    """
    corpus = Path(corpus)
    output = motion_folder(corpus, output)
    output.mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = json.loads(json.dumps({"config": asdict(config)}))
    if restart:
        for path in [output / ABOUT, *output.glob("*-*.npz")]:
            path.unlink(missing_ok=True)
    _check_recipe(output, about["config"])
    with atomic_path(output / ABOUT) as temporary:
        temporary.write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    names = missing_motion(corpus, output)
    yield from run_jobs(partial(_make, config, corpus, output), names, workers)


def motion_folder(corpus: Path, output: str | Path | None) -> Path:
    """Returns where the motion of a corpus lies."""
    return corpus / MOTION_FOLDER if output is None else Path(output)


def missing_motion(corpus: Path, output: Path) -> list[str]:
    """Returns the names of the recordings without motion, those of validation first.

    Raises:
        MediaError: the folder is no corpus of recordings.
    """
    if not (corpus / "corpus.json").is_file():
        raise MediaError(f"{corpus} is no speech corpus; make one with: joyvasa train corpus")
    names = [
        path.stem for split in reversed(SPLITS) for path in sorted(corpus.glob(f"{split}-*.npz"))
    ]
    return [name for name in names if not (output / f"{name}.npz").exists()]


def _check_recipe(output: Path, wanted: dict[str, Any]) -> None:
    path = output / ABOUT
    if not path.exists():
        return
    try:
        made = read_object(path).get("config", {})
    except (OSError, DocumentError) as error:
        raise OptionError(f"{path} is damaged ({error}); choose another --output") from error
    for key in sorted(wanted.keys() | made.keys()):
        if made.get(key) != wanted.get(key):
            raise OptionError(
                f"{output} holds motion made with {key}={made.get(key)!r}, not "
                f"{wanted.get(key)!r}; choose another --output, or make it anew with --restart"
            )


def _make(config: FaceMotionConfig, corpus: Path, output: Path, name: str) -> str:
    split, number = name.split("-")
    rng = np.random.default_rng((config.seed, SPLITS.index(split), int(number)))
    recording = read_recording(corpus / f"{name}.npz")
    speaker = draw_speaker(rng, round(recording.seconds * FPS))
    values, steps = animate(recording, speaker, rng)
    with atomic_path(output / f"{name}.npz") as temporary, temporary.open("wb") as file:
        np.savez(file, values=values, phonemes=steps, style=speaker.dials)
    return name
