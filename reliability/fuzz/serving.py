"""A server that requests are read by: the application with quick parts, without a socket.

What a client sends is handed to the application as a server hands it on; uvicorn itself, which
takes HTTP and WebSocket apart, is not among what is tried.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

from joyvasa_lib.errors import JoyVASAError, OutputError
from reliability.fuzz.conversations import PORTRAIT, Talk
from reliability.fuzz.inputs import Case
from reliability.fuzz.requests import JOB, TOKEN, Request

_LONGEST = 30.0
"""Seconds in which a request or conversation must have ended."""
_MOMENT = 0.3
"""Seconds for which a client waits for a message."""
_BUSY = 503


class UnexpectedAnswer(Exception):
    """An answer that no client should get, an error in the log, or something left behind."""


def read_requests(case: Case, samples: Path) -> None:
    """Hands a case's requests to a server.

    Raises:
        JoyVASAError: the damaged request was refused.
        UnexpectedAnswer: something is wrong.
    """
    folder = Path(tempfile.gettempdir()) / "served"
    log = _Log()
    logging.getLogger().addHandler(log)
    try:
        refused = asyncio.run(_serve(case, samples, folder))
        gc.collect()  # tasks whose error nobody looked at say so
        if log.lines:
            raise UnexpectedAnswer("in the log: " + "\n".join(log.lines)[-3000:])
        left = [path.name for path in folder.rglob("*")]
        if left:
            raise UnexpectedAnswer(f"the server has ended and left {left}")
    finally:
        logging.getLogger().removeHandler(log)
        shutil.rmtree(folder, ignore_errors=True)
    if refused:
        raise JoyVASAError(refused)


async def _serve(case: Case, samples: Path, folder: Path) -> str:
    """Why the first request that was refused was; empty where none was."""
    app = _app(samples, folder, bool(case.text))
    refused = ""
    async with app.router.lifespan_context(app):
        client = _Client(app, folder)
        for step in case.steps:
            told = await (client.ask(step) if isinstance(step, Request) else client.talk(step))
            refused = refused or told
        service = app.state.service
        for job in service.jobs.all():
            await asyncio.wait_for(job.finished.wait(), _LONGEST)
        if service.live_used:
            raise UnexpectedAnswer("a live avatar goes on without its client")
        owned = {job.folder for job in service.jobs.all()}
        owned |= {kept[2] for kept in service.portraits._kept.values()}
        left = {path for path in service._folder.iterdir()} - owned
        if left:
            raise UnexpectedAnswer(f"uploads of nobody were left: {sorted(left)}")
    return refused


class _Client:
    """Asks and talks, and remembers ids."""

    def __init__(self, app: Any, folder: Path) -> None:
        self._app, self._folder = app, str(folder).encode()
        self._ids = {JOB: "none", PORTRAIT: "none"}

    async def ask(self, step: Request) -> str:
        """Why it was refused; empty where it was not."""
        pieces = [self._named(piece) for piece in step.body]
        headers = list(step.headers)
        if sum(map(len, pieces)) and not any(name == b"content-length" for name, _ in headers):
            headers.append((b"content-length", str(sum(map(len, pieces))).encode()))
        arriving: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": number + 1 < len(pieces)}
            for number, piece in enumerate(pieces or [b""])
        ]
        if step.gone is not None:
            arriving = [{**one, "more_body": True} for one in arriving[: step.gone]]
            arriving.append({"type": "http.disconnect"})
        scope = self._scope("http", step.path, headers) | {"method": step.method, "scheme": "http"}
        sent: list[dict[str, Any]] = []
        done = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if arriving:
                return arriving.pop(0)
            if step.gone is None:
                await done.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                done.set()

        await self._run(scope, receive, send, step)
        return self._judge(step, sent)

    def _judge(self, step: Request, sent: list[dict[str, Any]]) -> str:
        where = f"{step.method} {step.path[:80]}"
        starts = [one["status"] for one in sent if one["type"] == "http.response.start"]
        body = b"".join(one.get("body", b"") for one in sent)
        if len(starts) != 1:
            if step.gone is not None and not starts:
                return "the client went"
            raise UnexpectedAnswer(f"{where}: {len(starts)} answers")
        (status,) = starts
        if status >= 500 and status != _BUSY:
            raise UnexpectedAnswer(f"{where}: {status} {body[:500]!r}")
        if self._folder in body or b"Traceback" in body:
            raise UnexpectedAnswer(f"{where}: {status} tells of the server: {body[:500]!r}")
        if status in (201, 202):
            name = JOB if status == 202 else PORTRAIT
            self._ids[name] = _field(body, "id")
        if status < 400:
            return ""
        return f"{where}: {status} {_field(body, 'detail') if body[:1] == b'{' else ''}"

    async def talk(self, step: Talk) -> str:
        """Why the conversation was ended; empty where the client ended it."""
        said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        said.put_nowait({"type": "websocket.connect"})
        sent: list[dict[str, Any]] = []
        news = asyncio.Event()
        closed = False

        async def receive() -> dict[str, Any]:
            return await said.get()

        async def send(message: dict[str, Any]) -> None:
            nonlocal closed
            if closed:
                raise OSError("the client is gone")
            sent.append(message)
            closed = message["type"] == "websocket.close"
            news.set()

        async def speak() -> None:
            nonlocal closed
            for message in step.messages:
                if closed:
                    break
                if isinstance(message, int):
                    await _more(sent, news, message)
                else:
                    if isinstance(message, str):
                        message = {"text": self._named(message.encode()).decode()}
                    else:
                        message = {"bytes": message}
                    said.put_nowait({"type": "websocket.receive", **message})
                    await asyncio.sleep(0)
            said.put_nowait({"type": "websocket.disconnect", "code": 1006})
            closed = True

        scope = self._scope("websocket", step.path, list(step.headers))
        scope |= {"scheme": "ws", "subprotocols": []}
        talking = asyncio.ensure_future(speak())
        try:
            await self._run(scope, receive, send, step)
        finally:
            talking.cancel()
        closes = [one for one in sent if one["type"] == "websocket.close"]
        for one in closes:
            if one.get("code") == 1011:
                raise UnexpectedAnswer(f"the server failed: {one}")
        if any(self._folder in str(one).encode() for one in sent):
            raise UnexpectedAnswer("a message tells of the server's folder")
        ended = [one for one in closes if one.get("code") != 1000]
        return f"closed with {ended[0].get('code')}: {ended[0].get('reason')}" if ended else ""

    async def _run(
        self, scope: dict[str, Any], receive: Callable[..., Any], send: Any, step: Any
    ) -> None:
        try:
            await asyncio.wait_for(self._app(scope, receive, send), _LONGEST)
        except asyncio.TimeoutError as error:
            raise UnexpectedAnswer(f"after {_LONGEST} s it goes on: {step!r:.500}") from error

    def _scope(self, kind: str, path: str, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
        for name, value in self._ids.items():
            path = path.replace(name, value)
        path, _, query = path.partition("?")
        return {
            "type": kind, "asgi": {"version": "3.0"}, "http_version": "1.1", "root_path": "",
            "path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(),
            "headers": headers, "client": ("127.0.0.1", 9), "server": ("127.0.0.1", 8000),
            "extensions": {}, "state": {},
        }  # fmt: skip

    def _named(self, data: bytes) -> bytes:
        for name, value in self._ids.items():
            data = data.replace(name.encode(), value.encode())
        return data


async def _more(sent: list[Any], news: asyncio.Event, number: int) -> None:
    """Waits for so many further messages, a moment at most."""
    wanted = len(sent) + number
    with suppress(asyncio.TimeoutError):
        while len(sent) < wanted:
            news.clear()
            await asyncio.wait_for(news.wait(), _MOMENT)


def _field(body: bytes, name: str) -> str:
    return str(json.loads(body)[name])


class _Log(logging.Handler):
    """Errors that are logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or record.exc_info:
            self.lines.append(self.format(record))


@cache
def _app(samples: Path, folder: Path, guarded: bool) -> Any:
    """An application, with or without a token."""
    from joyvasa_lib.integrations.server.app import create_app
    from joyvasa_lib.integrations.server.limits import Limits

    limits = Limits(upload_mb=1, speech_seconds=60, size=256, steps=20, live_size=256,
                    live_waiting=5, queue=4, live_clients=1)  # fmt: skip
    token = TOKEN if guarded else None
    return create_app(_pipe(samples), limits=limits, token=token, folder=folder)


@cache
def _pipe(samples: Path) -> Any:
    """Reads real files and checks real options; its motion, videos and avatars are quick ones."""
    from web_server import QuickPipe

    class Pipe(QuickPipe):
        def __init__(self) -> None:
            super().__init__()
            self.motion_generator = _generator(samples)

        def encode(self, image: Path, **options: Any) -> Any:
            self.encoded.clear()
            return super().encode(image, **options)

        def perform(self, speech: Any, *, progress: Callable[[int], None], **_: Any) -> Any:
            for number, _block in enumerate(speech.blocks()):
                progress(number)
            return _Performance()

        def editor(self, editor: Any, _: Any) -> Any:
            return editor

        def render(self, *_: Any, **__: Any) -> Any:
            return SimpleNamespace(n_frames=2, save=_save)

    return Pipe()


def _generator(samples: Path) -> Any:
    from joyvasa_lib.pretrained import load_checkpoint, load_motion_generator

    stage = load_checkpoint(samples / "checkpoint").generator
    assert stage is not None
    return load_motion_generator(stage)


class _Performance:
    def with_gains(self, **_: float) -> _Performance:
        return self

    def edit(self, _: Any) -> _Performance:
        return self


def _save(path: Path, *, progress: Callable[[int], None]) -> None:
    try:
        path.write_bytes(b"a video")
    except OSError as error:
        raise OutputError(f"Cannot write {path}") from error
    progress(2)
