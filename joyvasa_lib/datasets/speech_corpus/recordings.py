"""Speech with known motion: the recordings that stage two learns from.

Axis legend: ``n`` samples at 16 kHz, ``t`` frames at 25 Hz, ``s`` steps at 50 Hz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checkpoints import archives
from joyvasa_lib.documents import read_json
from joyvasa_lib.errors import MediaError


@dataclass(frozen=True)
class SpeechItem:
    """One recording.

    Attributes:
        name: unique name.
        waveform: int16 or float32 [n]; see :meth:`samples`.
        values: float32 [t, 59]: 52 blendshapes, scale, translation, rotation in degrees.
        phonemes: int64 [s], phoneme class of each 20 ms step; 0 is silence.
        speaker: whose voice.
    """

    name: str
    waveform: NDArray[np.int16] | NDArray[np.float32]
    values: NDArray[np.float32]
    phonemes: NDArray[np.int64]
    speaker: str = ""

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
    """A folder of recordings: ``train-*.npz``, ``valid-*.npz`` and ``corpus.json``.

    Each file holds ``waveform`` int16 [n], ``values`` float32 [t, 59] and ``phonemes`` uint8 [s];
    ``corpus.json`` names the phoneme classes and those that close the lips. Voices of validation
    files are never heard in training files.
    """

    def __init__(self, folder: str | Path) -> None:
        """Reads every recording.

        Args:
            folder: the corpus.

        Raises:
            MediaError: the folder is no corpus, or holds no recording for training.
        """
        self.folder = Path(folder)
        try:
            index = read_json(self.folder / "corpus.json")
            self.phonemes: tuple[str, ...] = tuple(index["phonemes"])
            self.closures: list[int] = [self.phonemes.index(name) for name in index["closures"]]
        except (OSError, ValueError, KeyError) as error:
            raise MediaError(
                f"{self.folder} is no speech corpus ({error}); make one with: joyvasa train corpus"
            ) from error
        self._items: dict[str, list[SpeechItem]] = {"train": [], "valid": []}
        self._seen: set[str] = set()
        self.refresh()
        if not self._items["train"]:
            raise MediaError(f"The speech corpus {self.folder} has no train-*.npz file")

    def items(self, split: str) -> list[SpeechItem]:
        """Recordings of a split, ``"train"`` or ``"valid"``."""
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
            self._items[split].append(_read_item(path))
            self._seen.add(path.stem)


def _read_item(path: Path) -> SpeechItem:
    try:
        with archives.open_archive(path) as archive:
            archives.check_unpacked(archive)
        with np.load(path, allow_pickle=False) as file:
            phonemes = file["phonemes"].astype(np.int64)
            return SpeechItem(path.stem, file["waveform"], file["values"], phonemes)
    except (OSError, KeyError, EOFError, MemoryError, *archives.FAULTS) as error:
        raise MediaError(f"{path} is no readable recording ({error}); remove it") from error
