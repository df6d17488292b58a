"""LiveKit Agents: an avatar as the ``VideoGenerator`` of an ``AvatarRunner`` (extra ``livekit``).

The runner publishes a video and an audio track, hands on what the agent says, and tells the agent
what was played. Everything here happens in its event loop; the avatar works in threads of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import JoyVASAError, MissingDependencyError
from joyvasa_lib.integrations.playout import Playout, mono
from joyvasa_lib.live.avatar import Avatar
from joyvasa_lib.live.frame import LiveFrame
from joyvasa_lib.live.metrics import LiveMetrics

try:
    from livekit import rtc
    from livekit.agents.voice.avatar import AudioSegmentEnd, AvatarOptions, VideoGenerator
except ImportError as error:
    raise MissingDependencyError(
        f"LiveKit needs livekit-agents ({error}); install it with "
        "pip install 'joyvasa-lib[livekit]'"
    ) from error

Item: TypeAlias = "rtc.VideoFrame | rtc.AudioFrame | AudioSegmentEnd"


class AvatarVideoGenerator(VideoGenerator):
    """Gives an avatar's frames to a LiveKit room, and what the agent says to the avatar.

    Hand it to ``AvatarRunner`` together with its :attr:`options`. Video frames never stop, so that
    people see somebody before the first word and in every pause.

    A frame that is a little late must not be heard as a gap: sound that follows a frame without
    sound begins with one frame period of silence, which stays ahead in the track's queue, and
    images are one frame later, so that both meet.

    Attributes:
        avatar: the avatar, for ``set_emotion`` and others; it stays its owner's to close.
        sample_rate: samples a second of the audio frames given out.
    """

    def __init__(self, avatar: Avatar, sample_rate: int = 24000) -> None:
        """Takes an avatar.

        Args:
            avatar: of :meth:`~joyvasa_lib.pipeline.JoyVASAPipeline.live`; nobody else reads it.
            sample_rate: samples a second of the track; sound of another rate is resampled.
        """
        self.avatar, self.sample_rate = avatar, sample_rate
        self._playout: Playout[AudioSegmentEnd] = Playout(avatar)
        self._due: deque[Item] = deque()
        self._resampler: tuple[int, Any] | None = None  # and the rate that it takes
        self._open = False  # whether a segment has begun
        self._silent = True  # whether the frame before had no sound
        self._later: NDArray[np.uint8] | None = None  # the image that is shown next

    @property
    def options(self) -> AvatarOptions:
        """Size, frame rate and sound of the tracks, as ``AvatarRunner`` asks for them."""
        width, height = self.avatar.size
        return AvatarOptions(
            video_width=width,
            video_height=height,
            video_fps=self.avatar.fps,
            audio_sample_rate=self.sample_rate,
            audio_channels=1,
        )

    @property
    def metrics(self) -> LiveMetrics:
        """Time to first frame, dropped frames, A/V offset and others, so far."""
        return self.avatar.metrics

    async def push_audio(self, frame: rtc.AudioFrame | AudioSegmentEnd) -> None:
        """Says more, or ends the segment, whose end is given out when it has been shown.

        Waits while more than a minute of speech is unsaid.

        Args:
            frame: sound of any rate and number of channels, or the end of a segment.

        Raises:
            LiveError: the avatar is closed or cannot go on.
        """
        if isinstance(frame, AudioSegmentEnd):
            taken = await self._push(self._flushed())
            if self._open and taken:  # else it is of a segment that was cleared
                self._playout.end()
                self._playout.hold(frame)
            self._open = False
            return
        self._open = True
        frame = _mono(frame)
        if self._resampler is not None and self._resampler[0] != frame.sample_rate:
            await self._push(self._flushed())
        if frame.sample_rate == self.sample_rate:
            await self._push([frame])
            return
        if self._resampler is None:
            resampler = rtc.AudioResampler(frame.sample_rate, self.sample_rate, num_channels=1)
            self._resampler = frame.sample_rate, resampler
        await self._push(self._resampler[1].push(frame))

    def clear_buffer(self) -> None:
        """Stops speaking at once; ends of segments that were not reached are not given out."""
        self._open, self._resampler = False, None
        self._playout.clear()
        self._due = deque(item for item in self._due if isinstance(item, rtc.VideoFrame))

    def listen(self, frame: rtc.AudioFrame) -> None:
        """Hears somebody else, such as the user's track: the avatar attends to them, and nods.

        Args:
            frame: sound of any rate and number of channels.

        Raises:
            LiveError: the avatar is closed or cannot go on.
        """
        self.avatar.listen(bytes(_mono(frame).data), frame.sample_rate)

    def __aiter__(self) -> AsyncIterator[Item]:
        return _Items(self._next, aiter(self.avatar))

    async def _push(self, frames: list[rtc.AudioFrame]) -> bool:
        """Says frames of the track's rate; False if they were interrupted before they had room."""
        for frame in frames:
            if not await self._playout.push(bytes(frame.data), frame.sample_rate):
                return False
        return True

    def _flushed(self) -> list[rtc.AudioFrame]:
        """The last sound of the resampler, which is let go."""
        if self._resampler is None:
            return []
        _, resampler = self._resampler
        self._resampler = None
        return list(resampler.flush())

    async def _next(self, frames: AsyncIterator[LiveFrame]) -> Item:
        """The next item of what is due.

        Where the avatar ends or fails, ends of segments that are never reached come first, so that
        an agent that waits for them goes on.
        """
        while not self._due:
            try:
                self._take(await anext(frames))
            except (StopAsyncIteration, JoyVASAError):
                self._due.extend(self._playout.clear())
                if not self._due:
                    raise
        return self._due.popleft()

    def _take(self, frame: LiveFrame) -> None:
        """Adds what an avatar's frame holds to what is due."""
        image = frame.image if self._later is None else self._later
        self._later = frame.image
        height, width = image.shape[:2]
        kind = rtc.VideoBufferType.RGB24
        self._due.append(rtc.VideoFrame(width, height, kind, image.tobytes()))
        if len(frame.audio):
            cushion = round(frame.sample_rate / self.avatar.fps) if self._silent else 0
            pcm = bytes(2 * cushion) + frame.pcm16()
            self._due.append(rtc.AudioFrame(pcm, frame.sample_rate, 1, len(pcm) // 2))
        self._silent = not len(frame.audio)
        self._due.extend(self._playout.show(frame))


class _Items:
    """Items as they are due. An object instead of an async generator: to cancel it loses none."""

    def __init__(
        self,
        following: Callable[[AsyncIterator[LiveFrame]], Awaitable[Item]],
        frames: AsyncIterator[LiveFrame],
    ) -> None:
        self._following, self._frames = following, frames

    def __aiter__(self) -> _Items:
        return self

    async def __anext__(self) -> Item:
        return await self._following(self._frames)


def _mono(frame: rtc.AudioFrame) -> rtc.AudioFrame:
    """A frame of audio with one channel."""
    if frame.num_channels == 1:
        return frame
    sound = mono(bytes(frame.data), frame.num_channels)
    return rtc.AudioFrame(sound, frame.sample_rate, 1, len(sound) // 2)
