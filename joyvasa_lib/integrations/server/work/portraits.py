"""``Portraits``: encoded portraits that clients come back to, each under a name nobody guesses."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from joyvasa_lib.errors import OptionError
from joyvasa_lib.integrations.server.limits import Limits
from joyvasa_lib.integrations.server.work.uploads import named
from joyvasa_lib.pipeline import JoyVASAPipeline
from joyvasa_lib.portrait.encoded import EncodedPortrait

_VARIANTS = 3
"""Encodings of one image that are kept: for videos, and for live frames of two sizes."""


class KeptPortrait:
    """An image, encoded for every size that was asked for; any thread may ask."""

    def __init__(self, pipe: JoyVASAPipeline, path: Path, face: str) -> None:
        """Nothing is read yet.

        Args:
            pipe: what encodes it.
            path: the image.
            face: which face, see :meth:`~joyvasa_lib.pipeline.JoyVASAPipeline.encode`.
        """
        self._pipe, self._path, self._face = pipe, path, face
        self._encoded: OrderedDict[tuple[int | None, int | None], EncodedPortrait] = OrderedDict()
        self._lock = threading.Lock()

    def encoded(
        self, *, max_size: int | None = None, crop_size: int | None = None
    ) -> EncodedPortrait:
        """The portrait for frames of a size; see :meth:`JoyVASAPipeline.encode`.

        Raises:
            MediaError: the image cannot be read.
            NoFaceError: there is no face, or not the one that was asked for.
        """
        key = (max_size, crop_size)
        with self._lock:
            found = self._encoded.get(key)
            if found is None:
                if not self._path.exists():
                    raise _unknown()
                with named(self._path, "image"):
                    found = self._pipe.encode(
                        self._path, face=self._face, max_size=max_size, crop_size=crop_size
                    )
                self._encoded[key] = found
                if len(self._encoded) > _VARIANTS:
                    self._encoded.popitem(last=False)
            self._encoded.move_to_end(key)
            return found


class Portraits:
    """The newest and most used portraits. Used in one thread, the event loop's."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        """None is kept yet.

        Args:
            limits: how many, and how long.
            clock: seconds that only grow.
        """
        self._limits, self._clock = limits, clock
        self._kept: OrderedDict[str, tuple[float, KeptPortrait, Path]] = OrderedDict()

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._kept)

    def add(self, portrait: KeptPortrait, folder: Path) -> str:
        """Keeps one; returns its name.

        Args:
            portrait: the portrait.
            folder: what is removed when it goes.
        """
        name = secrets.token_urlsafe(24)
        self._kept[name] = (self._clock(), portrait, folder)
        while len(self._kept) > self._limits.portraits:
            self.remove(next(iter(self._kept)))
        return name

    def __getitem__(self, name: str) -> KeptPortrait:
        """The portrait of a name, which stays longer for it.

        Raises:
            OptionError: it is unknown, or no longer kept.
        """
        self.sweep()
        found = self._kept.get(name)
        if found is None:
            raise _unknown()
        self._kept[name] = (self._clock(), *found[1:])
        self._kept.move_to_end(name)
        return found[1]

    def remove(self, name: str) -> bool:
        """Forgets one; whether it was there."""
        found = self._kept.pop(name, None)
        if found is not None:
            shutil.rmtree(found[2], ignore_errors=True)
        return found is not None

    def sweep(self) -> None:
        """Forgets those that nobody used for long."""
        before = self._clock() - self._limits.portrait_seconds
        for name in [name for name, (used, *_) in self._kept.items() if used < before]:
            self.remove(name)


def _unknown() -> OptionError:
    return OptionError("This portrait is not kept (any longer); send the image again")
