"""Serves the page: on this computer alone, with files in a folder that goes with it."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from joyvasa_lib.budgets import budgets
from joyvasa_lib.checks import checked_int
from joyvasa_lib.concurrency import in_background
from joyvasa_lib.errors import OptionError
from joyvasa_lib.integrations.app.studio import Studio
from joyvasa_lib.integrations.server.limits import Limits
from joyvasa_lib.integrations.server.work.folder import work_folder
from joyvasa_lib.pipeline import JoyVASAPipeline

if TYPE_CHECKING:
    from joyvasa_lib.integrations.app.live import Live
    from joyvasa_lib.integrations.server.web import FastAPI

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Names by which this computer calls itself."""
PORT = 7860
_FOLDER = "GRADIO_TEMP_DIR"
_GRACE = 20.0
"""Seconds in which everything ends."""


class RunningApp:
    """The page, being served by a thread. Close it, or use it in a ``with`` block.

    Attributes:
        url: its address.
    """

    def __init__(
        self,
        url: str,
        server: Any,
        listening: socket.socket,
        stop: Callable[[], None],
        resources: ExitStack,
    ) -> None:
        """Starts to serve.

        Args:
            url: its address.
            server: uvicorn's.
            listening: what it listens on.
            stop: ends what goes on in it.
            resources: what is closed when nothing is served any longer.
        """
        self.url = url
        self._server, self._stop, self._resources = server, stop, resources
        self._ended = threading.Event()  # a join that is interrupted takes its thread for ended

        def run() -> None:
            try:
                server.run(sockets=[listening])
            finally:
                self._ended.set()

        threading.Thread(target=run, name="joyvasa-app", daemon=True).start()
        while not server.started and not self._ended.wait(0.01):
            pass

    def wait(self) -> None:
        """Returns when it is closed; Ctrl-C raises KeyboardInterrupt here."""
        while not self._ended.wait(0.5):
            pass

    def close(self) -> None:
        """Ends it, and removes all that was uploaded and made. May be called again."""
        log = logging.getLogger("uvicorn.error")
        level = log.level
        log.setLevel(logging.CRITICAL)  # that browsers are still there is no error
        self._stop()
        self._server.should_exit = True
        self._ended.wait(_GRACE)
        log.setLevel(level)
        self._resources.close()

    def __enter__(self) -> RunningApp:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def start_app(
    pipe: JoyVASAPipeline | Callable[[], JoyVASAPipeline] | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    open_to_all: bool = False,
) -> RunningApp:
    """Serves the page until it is closed.

    Args:
        pipe: the pipeline, or what loads it; the bundled checkpoint's by default.
        host: address to listen on.
        port: to listen on; 0 for any that is free.
        open_to_all: whether the address may be one by which others reach this computer; they can
            then make videos on it.

    Raises:
        MissingDependencyError: gradio is not installed.
        OptionError: the port is not a whole number from 0 to 65535, or is taken; there is no such
            address here; or others could use it, and nobody said that they may.
        CheckpointError: the pipeline cannot be loaded.
        OutputError: there is no place for uploads.
    """
    checked_int("port", port, least=0, most=65535)
    with ExitStack() as stack:
        folder = stack.enter_context(_gradio_folder())
        from joyvasa_lib.integrations.app import offline  # noqa: F401 - says what is missing
        from joyvasa_lib.integrations.app.live import Live
        from joyvasa_lib.integrations.server.run import LONGEST_MESSAGE, check_address, listen
        from joyvasa_lib.integrations.server.web import uvicorn

        own = check_address(host, None, open_to_all=True)
        if not (own or open_to_all):
            raise OptionError(
                f"On {host} others could use the page; say that they may: --open-to-all"
            )
        listening = stack.enter_context(listen(host, port))
        name = f"[{host}]" if ":" in host else host
        hosts = (*LOOPBACK, name) if own else None
        load = JoyVASAPipeline.from_pretrained if pipe is None else pipe
        loaded = load if isinstance(load, JoyVASAPipeline) else load()
        in_background(lambda: loaded.motion_generator, "joyvasa-app-load")
        studio = Studio(loaded, folder / "results")
        live = Live(loaded, folder / "portraits", Limits(), hosts)
        config = uvicorn.Config(
            _application(studio, live, hosts),
            log_level="warning",
            lifespan="on",
            timeout_graceful_shutdown=1,
            ws_max_size=LONGEST_MESSAGE,
            ws_per_message_deflate=False,  # JPEG is compressed already
        )

        def stop() -> None:
            studio.close()
            live.stop()

        url = f"http://{name}:{listening.getsockname()[1]}"
        return RunningApp(url, uvicorn.Server(config), listening, stop, stack.pop_all())


@contextmanager
def _gradio_folder() -> Iterator[Path]:
    """A folder for all that is uploaded and made, which gradio is told of; it goes at the end."""
    before = os.environ.get(_FOLDER)
    with work_folder() as folder:
        os.environ[_FOLDER] = str(folder)
        try:
            yield folder
        finally:
            if before is None:
                del os.environ[_FOLDER]
            else:
                os.environ[_FOLDER] = before


def _application(studio: Studio, live: Live, hosts: Sequence[str] | None) -> FastAPI:
    """What answers requests."""
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from joyvasa_lib.integrations.app import look
    from joyvasa_lib.integrations.app.live import LIVE
    from joyvasa_lib.integrations.app.offline import gr
    from joyvasa_lib.integrations.app.page import DEMO, build_page
    from joyvasa_lib.integrations.server.web import FastAPI

    application = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=live.running)
    live.mount(application)
    if hosts is not None:  # no page of another site that has its name point here
        application.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    return gr.mount_gradio_app(
        application,
        build_page(studio, LIVE),
        path="/",
        allowed_paths=[str(DEMO)],
        theme=look.theme(),
        css=look.CSS,
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        max_file_size=budgets().image_bytes,
    )
