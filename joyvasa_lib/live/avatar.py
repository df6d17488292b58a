"""``Avatar``: a portrait that takes part in a conversation, live.

Sound goes in as it comes, frames come out as they are due, each with the sound that is heard
while it is shown. The threads behind it are described in :mod:`~joyvasa_lib.live.engine`.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from joyvasa_lib.emotion.editor import EmotionEditor, EmotionSource
from joyvasa_lib.emotion.emotion import Emotion
from joyvasa_lib.errors import LiveError
from joyvasa_lib.live.engine import Engine
from joyvasa_lib.live.frame import LiveFrame
from joyvasa_lib.live.metrics import LiveMetrics
from joyvasa_lib.live.sound import checked_sound
from joyvasa_lib.live.styles import StyleRamp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from joyvasa_lib.speech.style import StyleLike

_SHORTEST_SLEEP, _LONGEST_SLEEP = 0.001, 0.02
"""Seconds between two looks of an ``async for``."""


class Avatar:
    """A live portrait; :meth:`~joyvasa_lib.pipeline.JoyVASAPipeline.live` makes it.

    Iterate it, with ``for`` or ``async for``, for frames without an end: it speaks what is pushed,
    listens to what is heard, and idles in between. Every method may be called from any thread and
    returns at once. Close it, or use it in a ``with`` block.

    Attributes:
        size: width and height of the frames in pixels.
        fps: frames a second.
        warnings: what makes a good result doubtful, one sentence each.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        size: tuple[int, int],
        fps: float,
        editor: Callable[[EmotionSource], EmotionEditor],
        styles: Callable[[StyleLike | None], None],
        warnings: tuple[str, ...] = (),
    ) -> None:
        """Takes over a running engine.

        Args:
            engine: the threads.
            size: width and height of the frames in pixels.
            fps: frames a second.
            editor: makes the editor of an emotion.
            styles: checks whether this checkpoint knows a style.
            warnings: what makes a good result doubtful.
        """
        self.size, self.fps, self.warnings = size, fps, warnings
        self._engine, self._editor, self._styles = engine, editor, styles
        self._reader: weakref.ref[_Reader] | None = None
        weakref.finalize(self, engine.stop).atexit = False

    def push_audio(self, samples: NDArray[Any] | bytes, sample_rate: int) -> None:
        """Says more: consecutive pieces of any length make an utterance.

        Args:
            samples: mono, [n]: floats in [-1, 1], integers over their type's range, or 16-bit
                little-endian samples as bytes. An empty piece changes nothing.
            sample_rate: samples a second, the same throughout an utterance.

        Raises:
            MediaError: they are not mono samples, not finite or far beyond 1, or more than ten
                minutes of sound would wait.
            OptionError: the rate is not a whole number from 2000 to 768000.
            LiveError: the avatar is closed or cannot go on, or the rate changes in an utterance.
        """
        self._engine.push(*checked_sound(samples, sample_rate))

    def flush(self) -> None:
        """Ends the utterance: what was pushed is said to its end, then the avatar rests.

        The next sound begins another utterance. An utterance to which nothing is added for 0.6
        seconds ends by itself.

        Raises:
            LiveError: the avatar is closed or cannot go on.
        """
        self._engine.flush()

    def interrupt(self) -> None:
        """Stops speaking: drops all sound that is not shown yet; the mouth rests within 200 ms.

        Raises:
            LiveError: the avatar is closed or cannot go on.
        """
        self._engine.interrupt()

    def listen(self, samples: NDArray[Any] | bytes, sample_rate: int) -> None:
        """Hears somebody else: the avatar looks at them, and nods after their phrases.

        Args:
            samples: see :meth:`push_audio`; what is heard is not part of any frame.
            sample_rate: samples a second.

        Raises:
            MediaError: see :meth:`push_audio`.
            OptionError: the rate is not a whole number from 2000 to 768000.
            LiveError: the avatar is closed or cannot go on.
        """
        self._engine.hear(*checked_sound(samples, sample_rate))

    def set_emotion(self, emotion: EmotionSource | None) -> None:
        """Feels something else from now on; the face goes over within 0.6 seconds.

        Args:
            emotion: text such as ``"happiness:0.7"``, an
                :class:`~joyvasa_lib.emotion.emotion.Emotion`, a timeline, whose time begins now, or
                an editor, whose liveliness has no meaning here; None for a neutral face.

        Raises:
            OptionError: the emotion is none.
            LiveError: the avatar is closed or cannot go on.
        """
        editor = self._editor(Emotion.neutral() if emotion is None else emotion)
        self._engine.change(lambda performer, _: performer.feel(editor))

    def set_style(self, style: StyleLike | None) -> None:
        """Speaks in another style from the next window of motion on.

        Args:
            style: ``"calm"``, ``"neutral"``, ``"lively"``, ``"presenter"``, or dials such as
                ``{"head": 0.5}``; None leaves it to the model.

        Raises:
            OptionError: the style is none, or this checkpoint knows no styles.
            LiveError: the avatar is closed or cannot go on.
        """
        self._styles(style)
        StyleRamp(style)  # checks now
        self._engine.change(lambda _, styles: styles.become(style))

    @property
    def waiting(self) -> float:
        """Seconds of sound that were pushed and are not shown yet."""
        return self._engine.waiting

    @property
    def metrics(self) -> LiveMetrics:
        """How well the avatar keeps up so far; also after it was closed."""
        return self._engine.metrics()

    def close(self) -> None:
        """Ends it, in the middle of a word too; readers come to their end. May be called again."""
        self._engine.close()

    def __enter__(self) -> Avatar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[LiveFrame]:
        return self._read()

    def __aiter__(self) -> AsyncIterator[LiveFrame]:
        return self._read()

    def _read(self) -> _Reader:
        """The one reader.

        Raises:
            LiveError: there is another one.
        """
        other = None if self._reader is None else self._reader()
        if other is not None and other.reading:
            raise LiveError(
                "Somebody else reads this avatar's frames; read them in one place and hand them "
                "on, or end the other loop first"
            )
        reader = _Reader(self, self._engine)
        self._reader = weakref.ref(reader)
        return reader


class _Reader:
    """Frames as they are due. Leaving the loop ends it; another one may follow."""

    def __init__(self, avatar: Avatar, engine: Engine) -> None:
        self._avatar, self._engine = avatar, engine  # an avatar lives as long as it is read
        self.reading = True

    def __iter__(self) -> _Reader:
        return self

    def __aiter__(self) -> _Reader:
        return self

    def __next__(self) -> LiveFrame:
        frame = self._engine.wait()
        if frame is None:
            self.reading = False
            raise StopIteration
        return frame

    async def __anext__(self) -> LiveFrame:
        while True:  # sleeping, so that a task that is cancelled has taken nothing
            taken = self._engine.take()
            if isinstance(taken, LiveFrame):
                return taken
            if taken is None:
                self.reading = False
                raise StopAsyncIteration
            await asyncio.sleep(min(max(taken, _SHORTEST_SLEEP), _LONGEST_SLEEP))

    def close(self) -> None:
        """Lets somebody else read."""
        self.reading = False
