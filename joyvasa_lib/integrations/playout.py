"""``Playout``: what an agent has pushed to an avatar, and how much of it has been shown.

Agents wait to be told that something was said to its end. An avatar's sound is bit for bit what was
pushed, so samples are counted: what is held back is due when as many samples were shown as had been
pushed before it. All calls come from one event loop; only :meth:`Playout.push` ever waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Generic, TypeVar

import numpy as np

from joyvasa_lib.errors import LiveError
from joyvasa_lib.live.avatar import Avatar
from joyvasa_lib.live.frame import LiveFrame

T = TypeVar("T")

MOST_WAITING = 60.0
"""Seconds of sound that wait in an avatar at most; who pushes more waits, too."""
SILENT = 1.5
"""Seconds without sound, frame by frame, after which sound that was not shown never will be.

An utterance shorter than half a frame is not shown. What an avatar has decided and not shown is
less than this: ``pacing.AWAY``.
"""
_LOOK = 0.02
"""Seconds between two looks at how much sound waits."""


class Playout(Generic[T]):
    """Counts samples, and holds items until everything that was pushed before them is shown."""

    def __init__(self, avatar: Avatar) -> None:
        """Nothing was pushed yet.

        Args:
            avatar: speaks; it stays its owner's to close.
        """
        self._avatar = avatar
        self._held: deque[tuple[int, T]] = deque()  # samples pushed before, what is held
        self._pushed = self._shown = 0
        self._silent = 0  # frames without sound, one after the other
        self.turn = 0
        """Interruptions so far."""
        self._rate = 0
        self._rest = b""  # of a sample whose other bytes follow

    @property
    def unsaid(self) -> bool:
        """Whether something is still to be shown, or held."""
        return self._pushed > self._shown or bool(self._held)

    async def push(self, pcm: bytes, sample_rate: int, channels: int = 1) -> bool:
        """Says more; returns False where an interruption came before there was room for it.

        Waits while a minute of sound is unsaid.

        Args:
            pcm: 16-bit little-endian samples; channels are interleaved, and averaged.
            sample_rate: samples a second. Another one than before begins another utterance.
            channels: how many.

        Raises:
            MediaError: see :meth:`~joyvasa_lib.live.avatar.Avatar.push_audio`.
            OptionError: the rate is not a whole number from 2000 to 768000.
            LiveError: the avatar is closed or cannot go on.
        """
        turn = self.turn
        while self._avatar.waiting > MOST_WAITING:
            await asyncio.sleep(_LOOK)
            if turn != self.turn:
                return False
        if sample_rate != self._rate:
            self.end()
            self._rate = sample_rate
        data = self._rest + pcm
        whole = len(data) - len(data) % (2 * channels)
        data, self._rest = data[:whole], data[whole:]
        self._avatar.push_audio(mono(data, channels), sample_rate)
        self._pushed += whole // (2 * channels)
        return True

    def end(self) -> None:
        """Ends the utterance; as :meth:`clear`, it asks nothing of an avatar that is closed."""
        self._rest = b""
        with contextlib.suppress(LiveError):
            self._avatar.flush()

    def hold(self, item: T) -> None:
        """Keeps an item until everything that was pushed so far is shown."""
        self._held.append((self._pushed, item))

    def show(self, frame: LiveFrame) -> list[T]:
        """Items that are due after a frame, which the avatar has just given out."""
        self._shown += len(frame.audio)
        silent = not frame.speaking and not self._avatar.waiting
        self._silent = self._silent + 1 if silent else 0
        if self._silent >= SILENT * self._avatar.fps:
            self._shown = self._pushed
        due = []
        while self._held and self._held[0][0] <= self._shown:
            due.append(self._held.popleft()[1])
        return due

    def clear(self) -> list[T]:
        """Interrupts the avatar; returns what was held.

        An avatar that is closed or cannot go on has nothing to say either: that is no error here,
        and the agent, which waits for an answer, is not left without one.
        """
        self.turn += 1
        with contextlib.suppress(LiveError):
            self._avatar.interrupt()
        dropped = [item for _, item in self._held]
        self._held.clear()
        self._pushed = self._shown = self._silent = 0
        self._rest = b""
        return dropped


def mono(pcm: bytes, channels: int) -> bytes:
    """The mean of interleaved channels of 16-bit little-endian samples."""
    if channels == 1:
        return pcm
    samples = np.frombuffer(pcm, "<i2").reshape(-1, channels)
    return np.rint(samples.mean(axis=1)).astype("<i2").tobytes()
