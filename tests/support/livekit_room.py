"""LiveKit's room, replaced by one that keeps what is published; needs the extra ``livekit``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from livekit.agents.voice.avatar import AvatarRunner, QueueAudioOutput

from joyvasa_lib.integrations.livekit import AvatarVideoGenerator
from joyvasa_lib.live.avatar import Avatar


def spoken(pcm: bytes, rate: int = 24000) -> bytes:
    """Sound without the frame periods of silence with which it begins after a pause."""
    return pcm.replace(bytes(2 * (rate // 25)), b"")


class Room(rtc.EventEmitter[str]):
    """A room that keeps the tracks that are published in it."""

    def __init__(self) -> None:
        super().__init__()
        self.tracks: list[str] = []
        self.local_participant = SimpleNamespace(publish_track=self._publish)

    def isconnected(self) -> bool:
        return True

    async def _publish(self, track: Any, options: Any) -> Any:
        self.tracks.append(track.name)

        async def subscribed() -> None:
            return None

        return SimpleNamespace(wait_for_subscription=subscribed)


class Recorder:
    """What goes into the sources of the tracks, which are LiveKit's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.images: list[rtc.VideoFrame] = []
        self.heard = b""
        self.room = Room()
        show, play = rtc.VideoSource.capture_frame, rtc.AudioSource.capture_frame

        def captured(source: Any, frame: rtc.VideoFrame, **options: Any) -> None:
            self.images.append(frame)
            show(source, frame, **options)

        async def heard(source: Any, frame: rtc.AudioFrame) -> None:
            self.heard += bytes(frame.data)
            await play(source, frame)

        monkeypatch.setattr(rtc.VideoSource, "capture_frame", captured)
        monkeypatch.setattr(rtc.AudioSource, "capture_frame", heard)

    @asynccontextmanager
    async def running(self, avatar: Avatar) -> AsyncIterator[QueueAudioOutput]:
        """The agent's end of a runner."""
        generator = AvatarVideoGenerator(avatar)
        output = QueueAudioOutput(sample_rate=generator.sample_rate, wait_playback_start=True)
        runner = AvatarRunner(
            self.room,  # type: ignore[arg-type]
            audio_recv=output,
            video_gen=generator,
            options=generator.options,
        )
        await runner.start()
        try:
            yield output
        finally:
            await runner.aclose()

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            await asyncio.sleep(0.01)

    async def greeted(self, give_a_face: Callable[..., Any], *close_later: Any) -> None:
        """A session that says a word through the face it is given, and ends."""
        session = SimpleNamespace(output=SimpleNamespace(audio=None))
        await give_a_face(session, self.room, *close_later)
        pcm = np.full(7200, 3000, "<i2").tobytes()
        await session.output.audio.capture_frame(rtc.AudioFrame(pcm, 24000, 1, 7200))
        session.output.audio.flush()
        end = await session.output.audio.wait_for_playout()
        assert end.playback_position > 0.29 and spoken(self.heard) == pcm
        assert self.images and self.room.tracks == ["avatar_audio", "avatar_video"]
