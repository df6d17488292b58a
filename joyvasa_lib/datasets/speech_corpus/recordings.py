"""Speech with known motion: the recordings that stage two learns from.

Axis legend: ``n`` samples at 16 kHz, ``t`` frames at 25 Hz, ``s`` steps at 50 Hz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checkpoints import archives
from joyvasa_lib.documents import read_object
from joyvasa_lib.errors import MediaError

SPLITS: tuple[str, ...] = ("train", "valid", "valid_language")
"""Recordings to learn from, of held-out voices, and of held-out languages in held-out voices."""
MOTION_FOLDER = "motion"


@dataclass(frozen=True)
class SpeechItem:
    """One recording.

    Attributes:
        name: unique name.
        waveform: int16 or float32 [n]; see :meth:`samples`.
        values: float32 [t, 59]: 52 blendshapes, scale, translation, rotation in degrees.
        phonemes: int64 [s], phoneme class of each 20 ms step; 0 is silence.
        style: float32 [t, 4], how the person speaks
            (:data:`~joyvasa_lib.speech.style.DIALS`); None where it is not known.
        speaker: whose voice, "" where nobody speaks or it is not known.
        language: whose words, "" where nobody speaks or it is not known.
        engine: what speaks, "" where it is not known.
    """

    name: str
    waveform: NDArray[np.int16] | NDArray[np.float32]
    values: NDArray[np.float32]
    phonemes: NDArray[np.int64]
    style: NDArray[np.float32] | None = None
    speaker: str = ""
    language: str = ""
    engine: str = ""

    @property
    def blendshapes(self) -> NDArray[np.float32]:
        """Blendshapes [t, 52]."""
        return self.values[:, :52]

    def samples(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Samples ``start`` to ``stop`` of the waveform as float32 in [-1, 1]."""
        part = self.waveform[start:stop]
        factor = 1.0 / 32768.0 if part.dtype == np.int16 else 1.0
        return part.astype(np.float32) * np.float32(factor)

    def closed(self, closures: Sequence[int]) -> NDArray[np.float32]:
        """Returns 1 on frames [t] in which a lip-closing phoneme is spoken, 0 elsewhere."""
        closed = np.isin(self.phonemes, closures).astype(np.float32)
        closed = np.pad(closed, (0, max(0, 2 * len(self.values) - len(closed))))
        return closed[: 2 * len(self.values)].reshape(-1, 2).max(axis=1)


class SpeechCorpus:
    """A folder of recordings, and the motion of a face with them.

    ``train-*.npz``, ``valid-*.npz`` and ``valid_language-*.npz`` hold the sound, as
    :func:`~.speech_recording.write_recording` says; ``motion/`` holds what a face does with each,
    as :func:`~.corpus_motion.animate_corpus` wrote it. A corpus of the older kind has both in one
    file: ``waveform`` int16 [n], ``values`` float32 [t, 59] and ``phonemes`` uint8 [s].
    ``corpus.json`` names the phoneme classes and those that close the lips. Voices of validation
    files are never heard in training files, nor are the languages of ``valid_language``.

    Everything is read into memory: about 140 MB for an hour. Recordings without motion are left
    out; :meth:`refresh` takes them in once they have it.
    """

    def __init__(self, folder: str | Path, motion: str | Path | None = None) -> None:
        """Reads every recording.

        Args:
            folder: the corpus.
            motion: folder of the motion, ``folder/motion`` if not given.

        Raises:
            MediaError: the folder is no corpus, or holds no recording with motion for training.
        """
        self.folder = Path(folder)
        self.motion = self.folder / MOTION_FOLDER if motion is None else Path(motion)
        try:
            index = read_object(self.folder / "corpus.json")
            self.phonemes: tuple[str, ...] = tuple(index["phonemes"])
            self.closures: list[int] = [self.phonemes.index(name) for name in index["closures"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MediaError(
                f"{self.folder} is no speech corpus ({error}); make one with: joyvasa train corpus"
            ) from error
        self._items: dict[str, list[SpeechItem]] = {split: [] for split in SPLITS}
        self._seen: set[str] = set()
        self.refresh()
        if self._items["train"]:
            return
        if any(self.folder.glob("train-*.npz")):
            raise MediaError(
                f"No recording of the speech corpus {self.folder} has motion in {self.motion}; "
                f"make it with: joyvasa train animate --corpus {self.folder}"
            )
        raise MediaError(f"The speech corpus {self.folder} has no train-*.npz file")

    def items(self, split: str) -> list[SpeechItem]:
        """Recordings of a split: ``"train"``, ``"valid"`` or ``"valid_language"``."""
        return self._items[split]

    def refresh(self) -> None:
        """Reads files that have appeared since.

        Raises:
            MediaError: one is damaged, or above a budget.
        """
        for path in sorted(self.folder.glob("*-*.npz")):
            split = path.name.split("-")[0]
            if path.stem in self._seen or split not in self._items or ".tmp" in path.name:
                continue
            item = _read_item(path, self.motion / path.name)
            if item is not None:
                self._items[split].append(item)
                self._seen.add(path.stem)


def _read_item(path: Path, motion: Path) -> SpeechItem | None:
    """Sound and motion of a recording; None if it has no motion yet."""
    arrays = _read_arrays(path, ("waveform", "values", "phonemes", *_ABOUT))
    if "values" not in arrays:
        if not motion.exists():
            return None
        arrays |= _read_arrays(motion, ("values", "phonemes", "style"))
    for name in ("waveform", "values", "phonemes"):
        if name not in arrays:
            raise MediaError(f"{path} is no readable recording (no {name!r} in it); remove it")
    about = {name: str(arrays[name]) for name in _ABOUT if name in arrays}
    return SpeechItem(
        path.stem,
        arrays["waveform"],
        arrays["values"],
        arrays["phonemes"].astype(np.int64),
        arrays.get("style"),
        about.get("voice", ""),
        about.get("language", ""),
        about.get("engine", ""),
    )


def _read_arrays(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Those of the arrays that a file has."""
    try:
        with archives.open_archive(path) as archive:
            archives.check_unpacked(archive)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names if name in file}
    except (OSError, KeyError, EOFError, MemoryError, ValueError, *archives.FAULTS) as error:
        raise MediaError(f"{path} is no readable recording ({error}); remove it") from error


_ABOUT = ("voice", "language", "engine")
