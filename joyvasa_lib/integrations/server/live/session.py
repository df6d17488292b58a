"""``/v1/live``: one client with one avatar, which ends when the client does.

Two tasks share a connection. One takes messages; the other sends frames, and reads the next one
when the last is on its way: the avatar then gives one frame for all that were due meanwhile, with
their sound, so that a slow client sees fewer frames and nothing piles up.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from contextlib import AsyncExitStack, suppress
from typing import Any

from joyvasa_lib.errors import JoyVASAError, LiveError, MediaError, OptionError
from joyvasa_lib.integrations.server.live.messages import (
    Start,
    frame_message,
    read_message,
    read_start,
)
from joyvasa_lib.integrations.server.service import Service
from joyvasa_lib.integrations.server.web import WebSocket, WebSocketDisconnect
from joyvasa_lib.live.avatar import Avatar
from joyvasa_lib.speech.notation import read_style

DONE, LEAVING, REFUSED, FAILED, BUSY = 1000, 1001, 1008, 1011, 1013
"""Codes with which a connection is closed: as asked, by a server that stops, for what a client did,
for what the server could not, and for want of room (RFC 6455, section 7.4)."""
_FIRST = 10.0
"""Seconds in which the first message must come."""
_UTTERANCES, _WITHIN = 60, 30.0
"""Utterances that are ended in so many seconds at most; each takes memory, however short it is."""
_LONGEST_REASON = 120
"""Bytes of the reason of a close."""


class _End(Exception):
    """Ends a session, with the code of the close and what the client is told."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code, self.message = code, message


async def live(socket: WebSocket, service: Service, *, known: bool) -> None:
    """Talks with one client until one of both ends.

    Args:
        socket: a connection that is not accepted yet.
        service: what makes avatars.
        known: whether the client knows the server's token.
    """
    await socket.accept()
    try:
        try:
            if not known:
                raise _End(REFUSED, "Give the server's token: /v1/live?token=<token>")
            async with AsyncExitStack() as stack:
                await _talk(socket, service, stack)
        except JoyVASAError as error:
            raise _End(REFUSED, str(error)) from error
    except _End as end:
        with suppress(WebSocketDisconnect, RuntimeError):  # it is gone
            if end.message:
                await _tell(socket, {"type": "error", "message": end.message})
            await socket.close(end.code, _shortened(end.message))
    except WebSocketDisconnect:
        pass


async def _talk(socket: WebSocket, service: Service, stack: AsyncExitStack) -> None:
    try:
        first = await asyncio.wait_for(socket.receive(), _FIRST)
    except asyncio.TimeoutError as error:
        raise _End(REFUSED, f"No start message came for {_FIRST:g} s") from error
    if first["type"] == "websocket.disconnect":
        return
    if first.get("text") is None:
        raise OptionError("The first message is text: start")
    start = read_start(first["text"])
    limits = service.limits
    if start.size > limits.live_size:
        raise OptionError(f"size must be at most {limits.live_size} on this server")
    portrait = service.portraits[start.portrait]

    def begin() -> Avatar:
        return service.pipe.live(
            portrait.encoded(max_size=4096, crop_size=start.size),
            size=start.size,
            emotion=start.emotion or None,
            style=_style(start.style),
        )

    try:
        await stack.enter_async_context(service.live_slot())
    except LiveError as error:
        raise _End(BUSY, str(error)) from error
    avatar = await service.in_live(begin)
    stack.push_async_callback(_close, service, avatar)
    service.metrics.live_sessions.inc()
    await _Session(socket, service, avatar, start).run()


async def _close(service: Service, avatar: Avatar) -> None:
    """Ends an avatar, whatever happens to who waits for it."""
    service.metrics.live_dropped.inc(avatar.metrics.dropped)
    await asyncio.shield(service.in_live(avatar.close))


class _Session:
    """A client and an avatar."""

    def __init__(self, socket: WebSocket, service: Service, avatar: Avatar, start: Start) -> None:
        self._socket, self._service, self._avatar = socket, service, avatar
        self._start = start
        self._listens = False
        self._open = False  # whether something was said since the last end
        self._ends: deque[float] = deque(maxlen=_UTTERANCES)  # when utterances were ended

    async def run(self) -> None:
        """Until one of both ends."""
        width, height = self._avatar.size
        await _tell(
            self._socket,
            {
                "type": "ready",
                "width": width,
                "height": height,
                "fps": self._avatar.fps,
                "sample_rate": self._start.sample_rate,
                "warnings": list(self._avatar.warnings),
            },
        )
        stopping = self._service.stopping.wait()
        tasks = [asyncio.ensure_future(one) for one in (self._take(), self._show(), stopping)]
        seconds = self._service.limits.live_seconds
        try:
            done, _ = await asyncio.wait(
                tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        if not done:
            raise _End(DONE, f"The conversation has lasted {seconds} s, as long as is allowed")
        errors = [one for one in ended if isinstance(one, Exception)]
        for error in errors:
            if isinstance(error, JoyVASAError):
                raise _End(FAILED, str(error)) from error
            raise error
        if self._service.stopping.is_set():
            raise _End(LEAVING, "The server stops")
        raise _End(DONE)

    async def _show(self) -> None:
        """Sends frames until the avatar ends."""
        index, quality = 0, self._start.quality
        stalled = self._service.limits.live_stalled
        async for frame in self._avatar:
            number, shown = index, frame
            data = await self._service.in_live(lambda: frame_message(shown, number, quality))  # noqa: B023
            try:
                await asyncio.wait_for(self._socket.send_bytes(data), stalled)
            except asyncio.TimeoutError as error:
                raise _End(REFUSED, f"No frame was taken for {stalled} s") from error
            self._service.metrics.live_frames.inc()
            index += 1

    async def _take(self) -> None:
        """Takes messages until the client closes."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", DONE))
            try:
                data, text = message.get("bytes"), message.get("text")
                if data is not None:
                    self._hear(data)
                elif text is not None and not await self._obey(read_message(text)):
                    return
            except LiveError:
                raise
            except JoyVASAError as error:
                await _tell(self._socket, {"type": "error", "message": str(error)})

    def _hear(self, data: bytes) -> None:
        """Sound, which is said or heard.

        Raises:
            MediaError: half of a sample is missing, or too much sound waits.
            LiveError: the avatar cannot go on.
        """
        rate = self._start.sample_rate
        if self._listens:
            self._avatar.listen(data, rate)
            return
        most = self._service.limits.live_waiting
        if self._avatar.waiting + len(data) / 2 / rate > most:
            raise MediaError(
                f"More than {most} s of speech would wait; this piece is not said; send it later"
            )
        self._avatar.push_audio(data, rate)
        self._open = True

    def _flush(self) -> None:
        """Ends the utterance.

        Raises:
            MediaError: too many were ended in a short time.
            LiveError: the avatar cannot go on.
        """
        if not self._open:
            return
        now = asyncio.get_running_loop().time()
        if len(self._ends) == _UTTERANCES and now - self._ends[0] < _WITHIN:
            raise MediaError(
                f"More than {_UTTERANCES} utterances in {_WITHIN:g} s; this one is not ended yet"
            )
        self._avatar.flush()
        self._ends.append(now)
        self._open = False

    async def _obey(self, message: dict[str, Any]) -> bool:
        """An order; whether the conversation goes on.

        Raises:
            OptionError: there is no such order, or its value is not allowed.
            MediaError: too many utterances were ended in a short time.
            LiveError: the avatar cannot go on.
        """
        avatar, kind, value = self._avatar, message["type"], message.get("value")
        if kind in ("say", "listen"):
            self._listens = kind == "listen"
        elif kind == "flush":
            self._flush()
        elif kind == "interrupt":
            avatar.interrupt()
            self._ends.clear()
        elif kind == "emotion":
            if value is not None and (not isinstance(value, str) or len(value) > 500):
                raise OptionError("The value of emotion is a text of at most 500 characters")
            await self._service.in_live(lambda: avatar.set_emotion(value or None))
        elif kind == "style":
            avatar.set_style(_style(value))
        elif kind == "metrics":
            told = {**avatar.metrics.to_dict(), "waiting": avatar.waiting}
            await _tell(self._socket, {"type": "metrics", **told})
        elif kind == "close":
            return False
        else:
            raise OptionError(
                f"There is no message {kind[:40]!r}; there are say, listen, flush, interrupt, "
                "emotion, style, metrics and close"
            )
        return True


async def _tell(socket: WebSocket, message: dict[str, Any]) -> None:
    """Sends a text message: of ASCII alone, since a client's text may hold half a character."""
    await socket.send_text(json.dumps(message, separators=(",", ":")))


def _style(value: Any) -> Any:
    """A style as a client writes it.

    Raises:
        OptionError: it is neither text, nor dials, nor nothing.
    """
    if isinstance(value, str):
        return read_style(value[:200])
    if value is None or (isinstance(value, dict) and len(value) < 20):
        return value or None
    raise OptionError('The value of style is a name, dials such as {"head": 0.5}, or null')


def _shortened(message: str) -> str:
    return message.encode(errors="replace")[:_LONGEST_REASON].decode(errors="ignore")
