"""``serve``: listens on an address until the process is told to end."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType

from joyvasa_lib.budgets import set_budgets
from joyvasa_lib.checks import checked_int
from joyvasa_lib.errors import OptionError
from joyvasa_lib.integrations.server.app import create_app
from joyvasa_lib.integrations.server.limits import Limits
from joyvasa_lib.integrations.server.service import Service
from joyvasa_lib.integrations.server.web import uvicorn
from joyvasa_lib.integrations.server.work.uploads import server_budgets
from joyvasa_lib.pipeline import JoyVASAPipeline

LONGEST_MESSAGE = 2**20
"""Bytes of a WebSocket message: half a minute of speech."""
_SEND_BUFFER = 2**18
"""Bytes that the system keeps for a client who is slow: about a third of a second of live frames.

Left to itself it keeps megabytes, and a slow client sees what was said seconds ago."""
_GRACE = 10
"""Seconds that answers have to end when the server stops."""


def check_address(host: str, token: str | None, *, open_to_all: bool) -> bool:
    """Whether an address is this machine's own alone; refuses another one without a token.

    Args:
        host: where the server listens.
        token: what clients must know.
        open_to_all: whether everybody who reaches the machine may use it.

    Raises:
        OptionError: others could use the server, and nobody said that they may; or the token is
            empty or not of plain characters.
    """
    if token is not None and not (token and token.isascii() and token.isprintable()):
        raise OptionError("A token is a text of printable ASCII characters")
    try:
        own = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        own = False
    if not own and token is None and not open_to_all:
        raise OptionError(
            f"On {host} others can reach the server: set a token (JOYVASA_TOKEN), or allow "
            "everybody with --open-to-all"
        )
    return own


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; what comes waits until the server runs.

    Args:
        host: name or address.
        port: 0 for any that is free.

    Raises:
        OptionError: nobody can listen there.
    """
    checked_int("port", port, least=0, most=65535)  # larger ones would become others
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            listener.bind(address)
            listener.listen(128)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise OptionError(
            f"Cannot listen on {host}, port {port} ({error}); choose another --host or --port"
        ) from error
    return listener


def serve(
    pipe: JoyVASAPipeline,
    listener: socket.socket,
    *,
    own: bool,
    limits: Limits | None = None,
    token: str | None = None,
    origins: Iterable[str] = (),
    folder: Path | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> None:
    """Serves until the process gets SIGINT or SIGTERM; then ends jobs and avatars.

    Sets the budgets of the process to the limits.

    Args:
        pipe: what makes videos and avatars; loaded once, for all.
        listener: see :func:`listen`.
        own: whether the address is this machine's own alone. Then the server answers only to
            its own names, so that no page elsewhere gives this address another one.
        limits: how much; the defaults if None.
        token: what clients must know.
        origins: origins of other pages that may use the server.
        folder: where uploads lie.
        announce: is given the server's address once it answers.

    Raises:
        OutputError: the folder cannot be used.
    """
    host, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    server = make_server(
        pipe,
        limits=limits or Limits(),
        token=token,
        origins=origins,
        hosts=("localhost", "127.0.0.1", "[::1]", name) if own else None,
        folder=folder,
        started=lambda _: announce(f"http://{name}:{port}"),
    )
    set_budgets(server_budgets(limits or Limits()))
    try:
        server.run(sockets=[listener])
    finally:
        set_budgets(None)


def make_server(
    pipe: JoyVASAPipeline,
    *,
    limits: Limits,
    token: str | None = None,
    origins: Iterable[str] = (),
    hosts: Iterable[str] | None = None,
    folder: Path | None = None,
    started: Callable[[Service], None] = lambda _: None,
) -> Server:
    """A server that does not run yet.

    Args:
        pipe: what makes videos and avatars.
        limits: how much.
        token: what clients must know.
        origins: origins of other pages that may use the server.
        hosts: names by which the server may be called; None for any.
        folder: where uploads lie.
        started: is given what the application works with, once it runs.
    """

    def begin(service: Service) -> None:
        server.stop = _stop_of(service)
        started(service)

    app = create_app(
        pipe,
        limits=limits,
        token=token,
        origins=origins,
        hosts=hosts,
        folder=folder,
        started=begin,
    )
    server = Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,  # addresses may hold the token
            server_header=False,
            limit_concurrency=limits.connections,
            timeout_graceful_shutdown=_GRACE,
            ws_max_size=LONGEST_MESSAGE,
            ws_per_message_deflate=False,  # JPEG is compressed, and small messages may not grow
            ws_ping_interval=10,
            ws_ping_timeout=10,
        )
    )
    return server


class Server(uvicorn.Server):
    """Tells the application that it ends before answers are waited for."""

    stop: Callable[[], None] = staticmethod(lambda: None)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Takes a signal."""
        self.stop()
        super().handle_exit(sig, frame)


def _stop_of(service: Service) -> Callable[[], None]:
    """What stops a service, from a signal's handler, too."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(service.stop)

    return stop
