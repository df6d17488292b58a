"""The tab "Live": the live page and the server behind it, as ``joyvasa serve`` has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from joyvasa_lib.integrations import server
from joyvasa_lib.integrations.server.app import create_app
from joyvasa_lib.integrations.server.limits import Limits
from joyvasa_lib.integrations.server.service import Service
from joyvasa_lib.integrations.server.web import FastAPI, FileResponse
from joyvasa_lib.pipeline import JoyVASAPipeline

LIVE = "/live/"
"""Address of the live page."""
PAGE = Path(server.__file__).parent / "page"


class Live:
    """Live avatars of an application."""

    def __init__(
        self, pipe: JoyVASAPipeline, folder: Path, limits: Limits, hosts: Iterable[str] | None
    ) -> None:
        """Serves nothing yet.

        Args:
            pipe: what makes avatars.
            folder: where portraits lie while they are needed.
            limits: how many, how large.
            hosts: names by which the application may be called; None for any.
        """
        self._stop: Callable[[], None] = lambda: None
        self._server = create_app(
            pipe, limits=limits, hosts=hosts, folder=folder, started=self._started
        )

    def mount(self, application: FastAPI) -> None:
        """Adds the page and the server to an application."""
        for path in PAGE.iterdir():
            name = "" if path.name == "index.html" else path.name
            application.get(f"{LIVE}{name}", include_in_schema=False)(_giving(path))
        application.mount(LIVE.rstrip("/"), self._server)

    @asynccontextmanager
    async def running(self, application: FastAPI) -> AsyncIterator[None]:
        """Runs while the application does; what is mounted is not told by itself."""
        async with self._server.router.lifespan_context(self._server):
            yield

    def stop(self) -> None:
        """Ends all avatars; may be called from any thread."""
        self._stop()

    def _started(self, service: Service) -> None:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(service.stop)

        self._stop = stop


def _giving(path: Path) -> Callable[[], FileResponse]:
    """What answers with a file, which may be shown in a frame of the same application."""
    headers = {"x-frame-options": "SAMEORIGIN", "x-content-type-options": "nosniff"}
    return lambda: FileResponse(path, headers=headers)
