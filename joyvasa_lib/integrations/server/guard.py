"""``Guard``: keeps out what may not come in, before any of it is parsed.

A request's body is counted while it arrives, whatever its headers say; a name that is not the
server's, a page of another origin and a client without the token are turned away.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joyvasa_lib.integrations.server.answers import refusal
from joyvasa_lib.integrations.server.limits import Limits
from joyvasa_lib.integrations.server.metrics import Metrics
from joyvasa_lib.integrations.server.web import HTTPException, JSONResponse

_SAFE = {"GET", "HEAD", "OPTIONS"}
_RETRY = "5"
"""Seconds after which a client that found no room may try again."""
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]


class Guard:
    """ASGI middleware around everything.

    A live client's token is looked at by :meth:`knows`, since it is told in a message why it is
    refused; all else is answered here.
    """

    def __init__(
        self,
        app: Any,
        *,
        limits: Limits,
        metrics: Metrics,
        token: str | None,
        origins: Iterable[str],
        hosts: Iterable[str] | None,
    ) -> None:
        """Nobody has come yet.

        Args:
            app: what is guarded.
            limits: how much may come in.
            metrics: where answers are counted.
            token: what clients must know; None for nothing.
            origins: origins of other pages that may use the server, such as
                ``https://example.org``.
            hosts: names by which the server may be called; None for any.
        """
        self._app, self._limits, self._metrics, self._token = app, limits, metrics, token
        self._origins = {one.rstrip("/").lower() for one in origins}
        self._hosts = None if hosts is None else {one.lower() for one in hosts}
        self._arriving = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers, or hands on."""
        if scope["type"] == "websocket":
            if self._is_foreign(scope):
                await receive()
                await send({"type": "websocket.close", "code": 1008})  # an answer of status 403
                return
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def knows(self, scope: Any) -> bool:
        """Whether a client knows the token, by its header or by its address."""
        if self._token is None:
            return True
        said = _header(scope, b"authorization")
        scheme, _, value = said.partition(" ")
        given = [value.strip()] if scheme.lower() == "bearer" else []
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        given += query.get("token", [])
        wanted = self._token.encode()
        return any([hmac.compare_digest(one.encode(), wanted) for one in given])

    async def _http(self, scope: Any, receive: Any, send: Any) -> None:
        async def answer(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests.labels(str(message["status"])).inc()
                private = [(b"cache-control", b"no-store")] if _is_private(scope) else []
                message = {**message, "headers": [*message["headers"], *_HEADERS, *private]}
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            await refused(scope, receive, answer)
            return
        if scope["method"] in _SAFE or not _has_body(scope):
            await self._app(scope, receive, answer)
            return
        self._arriving += 1
        arriving = _Arriving(receive, self._limits, self._arrived)
        try:
            await self._app(scope, arriving, answer)
        finally:
            arriving.end()

    def _arrived(self) -> None:
        self._arriving -= 1

    def _refusal(self, scope: Any) -> JSONResponse | None:
        """The answer to what may not come in; None for what may."""
        if self._is_foreign(scope):
            return refusal(403, "Pages of this origin, or this name of the server, are not allowed")
        if _is_private(scope) and scope["method"] != "OPTIONS" and not self.knows(scope):
            found = refusal(401, "Give the server's token: Authorization: Bearer <token>")
            found.headers["www-authenticate"] = "Bearer"
            return found
        if scope["method"] in _SAFE or not _has_body(scope):
            return None
        length = _header(scope, b"content-length")
        if length.isdigit() and int(length) > self._limits.upload_bytes:
            return too_large(self._limits)
        if self._arriving >= self._limits.uploads:
            return refusal(503, "Too many uploads at once; try again", retry=_RETRY)
        return None

    def _is_foreign(self, scope: Any) -> bool:
        """Whether a page of another origin asks, or the server is called by a wrong name.

        A page elsewhere can send forms and open WebSockets to any address, the reader's own machine
        included; and can give that address a name of its own.
        """
        host = _header(scope, b"host").lower()
        if self._hosts is not None and _name(host) not in self._hosts:
            return True
        origin = _header(scope, b"origin").lower()
        if not origin or (scope["type"] == "http" and scope["method"] in _SAFE):
            return False
        return origin not in self._origins and _netloc(origin) != host


class _Arriving:
    """A body that arrives: how long it is, and since when."""

    def __init__(self, receive: Any, limits: Limits, arrived: Any) -> None:
        self._receive, self._limits, self._arrived = receive, limits, arrived
        self._bytes = 0
        self._open = True
        self._until = asyncio.get_running_loop().time() + limits.upload_seconds

    async def __call__(self) -> Any:
        if not self._open:
            return await self._receive()
        left = self._until - asyncio.get_running_loop().time()
        try:
            message = await asyncio.wait_for(self._receive(), max(left, 0.001))
        except asyncio.TimeoutError as error:
            most = self._limits.upload_seconds
            detail = f"The request took longer than {most} s to arrive"
            raise HTTPException(408, detail, {"connection": "close"}) from error
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._limits.upload_bytes:
            raise HTTPException(413, _too_large(self._limits), {"connection": "close"})
        if not message.get("more_body", False):
            self.end()
        return message

    def end(self) -> None:
        """Makes room for another one."""
        if self._open:
            self._open = False
            self._arrived()


def too_large(limits: Limits) -> JSONResponse:
    """The answer to a body that is too long."""
    return refusal(413, _too_large(limits))


def _too_large(limits: Limits) -> str:
    return f"The request is larger than the {limits.upload_mb} MB allowed (upload_mb)"


def _is_private(scope: Any) -> bool:
    """Whether the token is needed: not for the page, its files, and what describes the server."""
    path: str = scope["path"]
    return path.startswith("/v1/") or path == "/metrics"


def _has_body(scope: Any) -> bool:
    """Whether something more than headers comes."""
    return _header(scope, b"content-length") not in ("", "0") or bool(
        _header(scope, b"transfer-encoding")
    )


def _header(scope: Any, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _netloc(origin: str) -> str | None:
    """The host and port of an origin; None where it is no address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _name(host: str) -> str:
    """A host without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
