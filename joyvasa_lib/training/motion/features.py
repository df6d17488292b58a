"""Speech features of recordings, computed once and kept on disk: memory holds none of them.

What is kept is known by its content: the speech network's weights and the recording's own samples.
Other weights or other data under the same name never meet features that are not theirs, and motion
that was made anew for the same sound does not cost its features.

Axis legend: ``n`` samples at 16 kHz, ``t`` frames at 25 Hz, ``a`` audio width.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from joyvasa_lib.media.files import atomic_path
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.speech.style import DIALS
from joyvasa_lib.training.encoder.augmentation import augment
from joyvasa_lib.training.encoder.features import encode, fingerprint, fingerprint_of, opened
from joyvasa_lib.training.motion.source import Recording, Take

_MOTION, _FEATURES = "motion", "features"
"""How the files of a copy begin; the second also names the features in the first's metadata."""


class Excerpt(NamedTuple):
    """Some frames of a copy of a recording.

    Attributes:
        features: float16 [t, a].
        values: float32 [t, c].
        closed: float32 [t].
        style: float32 [t, 4], NaN where it is not known.
    """

    features: NDArray[np.float16]
    values: NDArray[np.float32]
    closed: NDArray[np.float32]
    style: NDArray[np.float32]


class FeatureCache:
    """Copies of each recording with their features, computed when first asked for.

    Copy 0 is the recording itself, encoded in the longest windows; the others were heard through
    rooms, microphones and noise, are takes of their own where a recording has such, and are encoded
    in windows of any of the lengths. Each is two files, of which only what is asked for is read:
    the motion, and the features that it names. Several threads and processes may ask at once: a
    file appears whole, and two that make the same one make the same bytes.
    """

    def __init__(
        self,
        encoder: AudioEncoder,
        recordings: Sequence[Recording],
        copies: int,
        seed: int,
        folder: str | Path,
        windows: Mapping[int, float] | None = None,
        look_ahead: int = 25,
    ) -> None:
        """Prepares the cache; nothing is encoded yet.

        Args:
            encoder: the network, which must not change while the cache is used.
            recordings: what to encode.
            copies: of each recording.
            seed: of the augmentation.
            folder: where the copies are kept; those of other weights, recordings and seeds may lie
                in it, too.
            windows: how many frames are encoded at once, and how often as many; 100 if not given.
            look_ahead: frames of sound after them that they are encoded with.
        """
        self.windows, self.look_ahead = dict(windows or {100: 1.0}), look_ahead
        self.encoder, self.recordings, self.copies, self.seed = encoder, recordings, copies, seed
        self.folder = Path(folder) / f"{fingerprint(encoder)}-{seed}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._encoding = threading.Lock()
        self._digests: dict[int, str] = {}

    def length(self, index: int, copy: int) -> int:
        """Returns how many frames a copy of the recording ``index`` has."""
        return int(self._files(index, copy)[0].get_slice("values").get_shape()[0])

    def read(self, index: int, copy: int, start: int = 0, stop: int | None = None) -> Excerpt:
        """Returns frames ``start`` to ``stop``, or as far as they go, of a copy of a recording."""
        motion, features = self._files(index, copy)
        length = int(motion.get_slice("values").get_shape()[0])
        stop = length if stop is None else min(stop, length)
        files = {"features": features}
        return Excerpt(
            *(files.get(name, motion).get_slice(name)[start:stop] for name in Excerpt._fields)
        )

    def _files(self, index: int, copy: int) -> tuple[Any, Any]:
        """The motion and the features of a copy, opened; made if they are not there."""
        if (digest := self._digests.get(index)) is None:
            digest = self._digests[index] = fingerprint_of_take(self.recordings[index].load())
        path = self._path(_MOTION, index, digest, copy, self._heard(copy))
        if not path.exists():
            with self._encoding:
                if not path.exists():
                    self._write(path, index, copy)
        motion = opened(path)
        return motion, opened(self.folder / motion.metadata()[_FEATURES])

    def _path(self, kind: str, *known_by: object) -> Path:
        key = hashlib.sha256("\t".join(map(str, known_by)).encode()).hexdigest()[:24]
        return self.folder / f"{kind}-{key}.safetensors"

    def _heard(self, copy: int) -> str:
        """How a copy is encoded, as far as the recipe says."""
        return f"{self.windows if copy else max(self.windows)} {self.look_ahead}"

    def _write(self, path: Path, index: int, copy: int) -> None:
        recording = self.recordings[index]
        varied = recording.vary if copy else None
        take = varied(self._rng(index, copy)) if varied else recording.load()
        features = self._encoded(take, index, copy)
        frames = len(take.values)
        closed = np.zeros(frames, np.float32) if take.closed is None else take.closed
        style = take.style
        style = np.full((frames, len(DIALS)), np.nan, np.float32) if style is None else style
        parts = {"values": take.values, "closed": closed, "style": style}
        parts = {name: np.ascontiguousarray(value) for name, value in parts.items()}
        with atomic_path(path) as temporary:
            save_file(parts, temporary, {_FEATURES: features.name})

    def _encoded(self, take: Take, index: int, copy: int) -> Path:
        """The file with a copy's features, which are made if they are not there."""
        frames, window = len(take.values), self._window(index, copy)
        sound = fingerprint_of(take.waveform)
        # The augmentation is drawn by index, so the index is part of what the features are.
        path = self._path(_FEATURES, index, copy, sound, frames, window, self.look_ahead)
        if path.exists():
            return path
        waveform = augment(take.waveform, self._rng(index, copy, 1)) if copy else take.waveform
        features = encode(self.encoder, waveform, frames, window, self.look_ahead)
        with atomic_path(path) as temporary:
            save_file({"features": np.ascontiguousarray(features)}, temporary)
        return path

    def _window(self, index: int, copy: int) -> int:
        """Frames that a copy is encoded with at once."""
        if copy == 0:
            return max(self.windows)
        share = np.asarray(list(self.windows.values()))
        return int(self._rng(index, copy, 2).choice(list(self.windows), p=share / share.sum()))

    def _rng(self, *number: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, *number))


def fingerprint_of_take(take: Take) -> str:
    """Returns a short hash of what a recording holds: its samples, its motion, its closures."""
    return fingerprint_of(take.waveform, take.values, take.closed, take.style)
