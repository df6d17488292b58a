"""``create_app``: the server as an ASGI application, for any server that runs those."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from joyvasa_lib._version import __version__
from joyvasa_lib.errors import JoyVASAError
from joyvasa_lib.integrations.server.answers import refusal, status_of
from joyvasa_lib.integrations.server.guard import Guard
from joyvasa_lib.integrations.server.limits import Limits
from joyvasa_lib.integrations.server.live.session import live
from joyvasa_lib.integrations.server.metrics import Metrics
from joyvasa_lib.integrations.server.reference import reference
from joyvasa_lib.integrations.server.routes import router
from joyvasa_lib.integrations.server.service import Service
from joyvasa_lib.integrations.server.web import (
    CORSMiddleware,
    FastAPI,
    HTMLResponse,
    JSONResponse,
    Request,
    RequestValidationError,
    StaticFiles,
    WebSocket,
)
from joyvasa_lib.integrations.server.work.folder import work_folder
from joyvasa_lib.integrations.server.work.jobs import QueueFull
from joyvasa_lib.pipeline import JoyVASAPipeline

_PAGE = Path(__file__).parent / "page"
_RETRY = "10"
"""Seconds after which a client that found the queue full may try again."""
_ABOUT = (
    "Makes portraits talk: videos by HTTP, live avatars by WebSocket at /v1/live. "
    "Results are synthetic; say so where they are shown."
)


def create_app(
    pipe: JoyVASAPipeline,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    origins: Iterable[str] = (),
    hosts: Iterable[str] | None = None,
    folder: Path | None = None,
    started: Callable[[Service], None] = lambda _: None,
) -> FastAPI:
    """The application. It reads other people's files: see the page on them about budgets.

    Args:
        pipe: what makes videos and avatars.
        limits: how much the server does; the defaults if None.
        token: what clients must know; None where everybody may come.
        origins: origins of other pages that may use the server.
        hosts: names by which the server may be called; None for any.
        folder: where uploads lie; a folder of this user's own if None.
        started: is given what the application works with, once it runs.

    Raises:
        MissingDependencyError: the extra ``server`` is not installed; on import of this module.
    """
    most = limits or Limits()
    metrics = Metrics()
    allowed = tuple(origins)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with work_folder(folder) as place:
            service = Service(pipe, most, metrics, place)
            app.state.service = service
            started(service)
            try:
                yield
            finally:
                await service.close()

    app = FastAPI(
        title="joyvasa serve",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    state = app.state
    metrics.watch("joyvasa_jobs_waiting", "Jobs that wait.", lambda: state.service.jobs.waiting)
    metrics.watch("joyvasa_jobs_running", "Jobs at work.", lambda: state.service.jobs.running)
    metrics.watch("joyvasa_portraits", "Portraits kept.", lambda: len(state.service.portraits))
    metrics.watch("joyvasa_live_clients", "Live avatars.", lambda: state.service.live_used)
    app.include_router(router)
    app.add_exception_handler(JoyVASAError, _explain)
    app.add_exception_handler(QueueFull, _queue_full)
    app.add_exception_handler(RequestValidationError, _explain_form)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(reference(app.openapi()))

    guards: list[Guard] = []

    @app.websocket("/v1/live")
    async def talk(socket: WebSocket) -> None:
        await live(socket, app.state.service, known=guards[0].knows(socket.scope))

    if (_PAGE / "index.html").is_file():
        app.mount("/", StaticFiles(directory=_PAGE, html=True))

    def guard(inner: Any) -> Guard:
        guards[:] = [
            Guard(inner, limits=most, metrics=metrics, token=token, origins=allowed, hosts=hosts)
        ]
        return guards[0]

    app.add_middleware(guard)
    if allowed:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=allowed,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["authorization"],
        )
    return app


async def _explain(_: Request, error: Exception) -> JSONResponse:
    """What a client sent cannot be used, or the server cannot do it: in one line."""
    return refusal(status_of(error), " ".join(str(error).split()))


async def _queue_full(_: Request, error: Exception) -> JSONResponse:
    return refusal(503, "Too many jobs wait; try again later", retry=_RETRY)


async def _explain_form(_: Request, error: Any) -> JSONResponse:
    """A form field that is missing or wrong: the first of them, in one line."""
    first = error.errors()[0]
    where = ".".join(str(one) for one in first["loc"] if one != "body")
    return refusal(422, f"{where}: {first['msg']}" if where else str(first["msg"]))
