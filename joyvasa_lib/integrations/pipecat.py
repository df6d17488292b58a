"""Pipecat: an avatar between the speech synthesiser and the output (extra ``pipecat``).

Sound that a synthesiser makes goes to the avatar; images come out without a pause, and the sound
again as it is spoken. Other frames that come behind unsaid sound wait for their turn, as they would
in an output transport.
"""

from __future__ import annotations

import asyncio
from typing import Any

from joyvasa_lib.errors import JoyVASAError, MissingDependencyError
from joyvasa_lib.integrations.playout import Playout, mono
from joyvasa_lib.live.avatar import Avatar
from joyvasa_lib.live.frame import LiveFrame
from joyvasa_lib.live.metrics import LiveMetrics

try:
    from pipecat.frames.frames import (
        CancelFrame,
        EndFrame,
        Frame,
        InputAudioRawFrame,
        InterruptionFrame,
        OutputImageRawFrame,
        OutputTransportReadyFrame,
        StartFrame,
        SystemFrame,
        TTSAudioRawFrame,
        TTSStoppedFrame,
    )
    from pipecat.processors.frame_processor import FrameDirection
    from pipecat.services.ai_service import AIService
    from pipecat.services.settings import ServiceSettings
    from pipecat.transports.base_output import BaseOutputTransport
except ImportError as error:
    raise MissingDependencyError(
        f"Pipecat needs pipecat-ai ({error}); install it with pip install 'joyvasa-lib[pipecat]'"
    ) from error

_LOOK = 0.02
"""Seconds between two looks whether all is said, at the end of a pipeline."""


class AvatarVideoService(AIService):
    """Gives a face to what a Pipecat pipeline says; place it behind the speech synthesiser.

    It takes ``TTSAudioRawFrame`` and gives ``OutputImageRawFrame`` and ``TTSAudioRawFrame`` as the
    avatar speaks. ``TTSStoppedFrame`` is held until the sound before it was spoken, and so is any
    other frame but system frames and those with a presentation time. ``InterruptionFrame`` stops
    the avatar and drops what was held. ``InputAudioRawFrame`` that passes is what the avatar
    listens to. Images begin when the output transport is ready, or with ``StartFrame`` where none
    follows. An avatar that fails is reported as an error, and speech goes on without it.

    Attributes:
        avatar: the avatar, for ``set_emotion`` and others; it stays its owner's to close.
    """

    def __init__(self, avatar: Avatar, **options: Any) -> None:
        """Takes an avatar.

        Args:
            avatar: of :meth:`~joyvasa_lib.pipeline.JoyVASAPipeline.live`; nobody else reads it.
            **options: of Pipecat's ``AIService``, such as ``name``.
        """
        super().__init__(settings=ServiceSettings(model=None), **options)
        self.avatar = avatar
        self._playout: Playout[Frame] = Playout(avatar)
        self._reading: asyncio.Task[None] | None = None
        self._awaited = False  # whether an utterance's first frame is measured

    @property
    def live_metrics(self) -> LiveMetrics:
        """Time to first frame, dropped frames, A/V offset and others, so far."""
        return self.avatar.metrics

    def can_generate_metrics(self) -> bool:
        """Yes: the time from an utterance's first sound to its first frame is its TTFB."""
        return True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Takes a frame of the pipeline.

        Args:
            frame: any.
            direction: where it goes.
        """
        await super().process_frame(frame, direction)
        down = direction == FrameDirection.DOWNSTREAM
        if isinstance(frame, InterruptionFrame):
            await self._interrupt(frame, direction)
        elif isinstance(frame, TTSAudioRawFrame) and down:
            await self._say(frame)
        elif isinstance(frame, SystemFrame | EndFrame) or not down:
            await self.push_frame(frame, direction)
            if isinstance(frame, InputAudioRawFrame):
                await self._listen(frame)
            elif isinstance(frame, OutputTransportReadyFrame) or (
                isinstance(frame, StartFrame) and not self._transport_follows()
            ):
                self._read()
        else:
            await self._hold(frame)

    async def stop(self, frame: EndFrame) -> None:
        """Ends after everything was said.

        Args:
            frame: the end of the pipeline.
        """
        await super().stop(frame)
        if self._speaks():
            self._playout.end()
        while self._speaks() and self._playout.unsaid:
            await asyncio.sleep(_LOOK)
        await self._stop_reading()

    async def cancel(self, frame: CancelFrame) -> None:
        """Ends at once.

        Args:
            frame: the end of the pipeline.
        """
        await super().cancel(frame)
        await self._stop_reading()

    async def cleanup(self) -> None:
        """Lets go of the avatar, which stays open."""
        await super().cleanup()
        await self._stop_reading()

    async def _say(self, frame: TTSAudioRawFrame) -> None:
        """Lets the avatar speak; without it, speech passes."""
        self._read()
        if self._speaks():
            if not self._playout.unsaid and not self._awaited:
                self._awaited = True
                await self.start_ttfb_metrics()
            try:
                await self._playout.push(frame.audio, frame.sample_rate, frame.num_channels)
            except JoyVASAError as error:
                await self.push_error(str(error), exception=error)
            else:
                return
        await self.push_frame(frame)

    async def _hold(self, frame: Frame) -> None:
        """Passes a frame on when what came before it was said."""
        if not self._speaks():
            await self.push_frame(frame)
            return
        stopped = isinstance(frame, TTSStoppedFrame)
        if stopped:
            self._playout.end()
        if self._playout.unsaid and (stopped or not frame.pts):
            self._playout.hold(frame)
        else:
            await self.push_frame(frame)

    async def _interrupt(self, frame: InterruptionFrame, direction: FrameDirection) -> None:
        held = self._playout.clear()
        self._awaited = False
        await self.push_frame(frame, direction)
        for one in held:
            if not one.interruptible:
                await self.push_frame(one)

    async def _listen(self, frame: InputAudioRawFrame) -> None:
        if self._speaks():
            self.avatar.listen(mono(frame.audio, frame.num_channels), frame.sample_rate)

    async def _show(self) -> None:
        """Gives the avatar's frames to the pipeline until it is closed or fails."""
        try:
            async for frame in self.avatar:
                await self._give(frame)
        except JoyVASAError as error:
            await self.push_error(str(error), exception=error)
        for held in self._playout.clear():
            await self.push_frame(held)

    async def _give(self, frame: LiveFrame) -> None:
        """One frame: its sound, its image, and what was held until then."""
        due, turn = self._playout.show(frame), self._playout.turn
        if frame.utterance_start and self._awaited:
            self._awaited = False
            await self.stop_ttfb_metrics()
        if len(frame.audio) and turn == self._playout.turn:
            await self.push_frame(TTSAudioRawFrame(frame.pcm16(), frame.sample_rate, 1))
        height, width = frame.image.shape[:2]
        await self.push_frame(OutputImageRawFrame(frame.image.tobytes(), (width, height), "RGB"))
        for held in due:
            if turn == self._playout.turn or not held.interruptible:
                await self.push_frame(held)

    def _transport_follows(self) -> bool:
        """Whether an output transport comes behind, which says when it is ready for images."""
        following = self.next
        while following is not None and not isinstance(following, BaseOutputTransport):
            following = following.next
        return following is not None

    def _speaks(self) -> bool:
        """Whether somebody reads the avatar."""
        return self._reading is not None and not self._reading.done()

    def _read(self) -> None:
        """Begins to show the avatar, once."""
        if self._reading is None:
            self._reading = self.create_task(self._show())

    async def _stop_reading(self) -> None:
        if self._speaks():
            await self.cancel_task(self._reading)
