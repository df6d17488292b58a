"""What motion training learns from: recordings of speech with known motion, whatever holds them.

:class:`PreparedSource` reads what ``joyvasa prepare`` wrote, :class:`CorpusSource` the synthetic
speech corpus. For data of your own derive from :class:`MotionSource` and say what its recordings
are; ``examples/custom_dataset.py`` does it.

Axis legend: ``n`` samples at 16 kHz, ``t`` frames at 25 Hz, ``c`` values of a frame.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.prepared.dataset import PreparedSet
from joyvasa_lib.datasets.prepared.statistics import Moments
from joyvasa_lib.datasets.speech_corpus.recordings import SpeechCorpus, SpeechItem
from joyvasa_lib.datasets.speech_corpus.silence import with_silence
from joyvasa_lib.errors import MediaError, OptionError
from joyvasa_lib.motion.data import FPS, Reference
from joyvasa_lib.motion.motion import Motion
from joyvasa_lib.motion.space import COMPACT_SPACE_NAME, get_space
from joyvasa_lib.speech.diffusion.normalizer import SMALLEST_SCALE, MotionNormalizer

Split = Literal["train", "valid"]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Take:
    """What one recording holds.

    Attributes:
        waveform: float32 [n] in [-1, 1], 16 kHz mono.
        values: float32 [t, c]: blendshapes or flattened expression, scale, translation, rotation in
            degrees.
        closed: float32 [t], 1 where the lips must touch because of what is said; None where
            nobody knows.
        style: float32 [t, 4], how the person speaks
            (:data:`~joyvasa_lib.speech.style.DIALS`); None where nobody knows.
    """

    waveform: Floats
    values: Floats
    closed: Floats | None = None
    style: Floats | None = None


@dataclass(frozen=True)
class Recording:
    """One recording, read when it is needed.

    Attributes:
        name: unique in its source.
        frames: t.
        load: reads it; called again and again, from several threads at once.
        person: who speaks, as far as known.
        vary: another take of it, which may be longer; None where there is no other.
    """

    name: str
    frames: int
    load: Callable[[], Take]
    person: str = ""
    vary: Callable[[np.random.Generator], Take] | None = None


def values_of(motion: Motion, layout: str = "units") -> Floats:
    """Returns a motion as the numbers that training works on, float32 [t, c].

    Args:
        motion: at 25 fps.
        layout: ``"units"``: blendshapes first; ``"expression"``: the flattened deformation first.

    Raises:
        MotionError: the motion's space has no blendshapes.
    """
    face = motion.blendshapes if layout == "units" else motion.expression.reshape(len(motion), -1)
    parts = [face, motion.scale, motion.translation, motion.rotation]
    return np.concatenate(parts, axis=1).astype(np.float32)


class MotionSource(ABC):
    """Recordings to learn from and held-out ones.

    Attributes:
        space_name: motion space of the recordings.
        layout: ``"units"`` or ``"expression"``, as in :class:`MotionNormalizer`.
        reference: what poses are relative to: ``"source"`` or ``"absolute"``.
    """

    space_name: str = COMPACT_SPACE_NAME
    layout: str = "units"
    reference: Reference = "source"

    @abstractmethod
    def recordings(self, split: Split) -> Sequence[Recording]:
        """Recordings of a split, always in the same order. Nothing large should be read here."""

    def statistics(self) -> Moments:
        """Statistics of the training frames, which are read for it one recording at a time."""
        takes = (recording.load() for recording in self.recordings("train"))
        parts = (Moments.of(take.values) for take in takes)
        return Moments.merged(parts, self.face_channels + 7)

    @property
    def face_channels(self) -> int:
        """Values of a frame that are the face's; seven of the head's pose follow them."""
        space = get_space(self.space_name)
        return len(space.blendshape_names) if self.layout == "units" else 3 * space.keypoint_count

    def normalizer(self) -> MotionNormalizer:
        """Statistics that bring the training frames to mean 0 and spread 1."""
        moments = self.statistics()
        return MotionNormalizer(
            moments.mean.astype(np.float32),
            np.maximum(moments.spread, SMALLEST_SCALE).astype(np.float32),
            self.layout,
            self.space_name,
            FPS,
            self.reference,
        )

    def card(self) -> dict[str, Any]:
        """What belongs into the run's data card; plain types."""
        about: dict[str, Any] = {"kind": type(self).__name__, "digest": self.digest}
        for split in ("train", "valid"):
            recordings = self.recordings(split)
            seconds = sum(recording.frames for recording in recordings) / FPS
            people = {recording.person for recording in recordings} - {""}
            about[split] = {
                "recordings": len(recordings),
                "seconds": round(seconds, 2),
                "people": len(people) or "unknown",
            }
        return about

    @cached_property
    def digest(self) -> str:
        """Short hash of the recordings' names and lengths."""
        found = hashlib.sha256()
        for split in ("train", "valid"):
            for recording in self.recordings(split):
                found.update(f"{split}\t{recording.name}\t{recording.frames}\n".encode())
        return found.hexdigest()[:16]


class CorpusSource(MotionSource):
    """The synthetic speech corpus: phonemes are known, and so where lips must touch.

    Its recordings begin and end with speech; their other takes have silence around it.
    """

    def __init__(self, corpus: SpeechCorpus) -> None:
        """Wraps a corpus, which is in memory."""
        self.corpus = corpus
        self._recordings = {split: self._wrap(split) for split in ("train", "valid")}

    def recordings(self, split: Split) -> Sequence[Recording]:
        """Recordings in the corpus's order."""
        return self._recordings[split]

    def normalizer(self) -> MotionNormalizer:
        """Statistics of all training frames."""
        frames = [item.values for item in self.corpus.items("train")]
        return MotionNormalizer.fit(np.concatenate(frames))

    def card(self) -> dict[str, Any]:
        """The common part and the folder's name."""
        return {**super().card(), "name": self.corpus.folder.name}

    def _wrap(self, split: str) -> list[Recording]:
        closures = self.corpus.closures

        def load(item: SpeechItem) -> Take:
            return Take(item.samples(), item.values, item.closed(closures), item.style)

        def vary(item: SpeechItem, rng: np.random.Generator) -> Take:
            return load(with_silence(item, rng))

        return [
            Recording(
                item.name, len(item.values), partial(load, item), item.speaker, partial(vary, item)
            )
            for item in self.corpus.items(split)
        ]


class PreparedSource(MotionSource):
    """A prepared set of videos: read from its shards clip by clip, whatever its size."""

    def __init__(self, folder: str | Path) -> None:
        """Reads the index.

        Raises:
            MediaError: the folder holds no finished set, or none to learn from.
        """
        self.set = PreparedSet(folder)
        index = self.set.index
        self.space_name, self.layout = index.space, index.layout
        self.reference = "absolute" if index.reference == "absolute" else "source"
        self._recordings = {split: self._wrap(split) for split in ("train", "valid")}
        if not self._recordings["train"]:
            raise MediaError(f"The prepared set {folder} has no clip for training")

    def normalizer(self) -> MotionNormalizer:
        """Statistics that the set has of itself."""
        found = MotionNormalizer.from_pretrained(self.set.folder)
        return replace(found, reference=self.reference)

    def recordings(self, split: Split) -> Sequence[Recording]:
        """Clips in the set's order."""
        return self._recordings[split]

    def card(self) -> dict[str, Any]:
        """The common part and how the set was made."""
        index = self.set.index
        return {
            **super().card(),
            "name": self.set.folder.name,
            "split_by": index.split_by,
            "recipe": index.recipe,
        }

    def _wrap(self, split: Split) -> list[Recording]:
        return [
            Recording(clip.name, clip.frames, partial(self._load, clip.name), clip.person)
            for clip in self.set.clips(split)
        ]

    def _load(self, name: str) -> Take:
        clip = self.set.read(name)
        return Take(clip.waveform.astype(np.float32) / np.float32(32768.0), clip.values)


def open_source(data: str, corpus: str) -> MotionSource:
    """The recordings of a recipe.

    Args:
        data: folder of a prepared set, or "".
        corpus: folder of the synthetic speech corpus, or "".

    Raises:
        OptionError: neither or both are given.
        MediaError: the folder does not hold what it should.
    """
    if bool(data) == bool(corpus):
        raise OptionError(
            "Give one of motion.data (a folder that 'joyvasa prepare' wrote) and motion.corpus"
        )
    return PreparedSource(data) if data else CorpusSource(SpeechCorpus(corpus))
