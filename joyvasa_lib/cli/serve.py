"""``joyvasa serve``: videos by HTTP and live avatars by WebSocket."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from joyvasa_lib.cli.options.groups import with_option_groups
from joyvasa_lib.cli.options.inputs import ModelOptions
from joyvasa_lib.cli.output import Reporting
from joyvasa_lib.integrations.server.limits import Limits


@with_option_groups
def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 for any that is free.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(envvar="JOYVASA_TOKEN", help="What clients must know; needed for --host."),
    ] = None,
    open_to_all: Annotated[
        bool, typer.Option("--open-to-all", help="Listen for others without a token.")
    ] = False,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(help="Origin of another web page that may use it; may be repeated."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where uploads and results lie while they are needed.")
    ] = None,
    limits: Limits,
    model: ModelOptions,
    reporting: Reporting,
) -> None:
    """Serves videos and live avatars to programs and browsers (extra: server)."""
    # Before anything computes: several avatars share the cores better than the threads of one do.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from joyvasa_lib.integrations.server import run
    from joyvasa_lib.integrations.server.work.folder import work_folder

    model.check()
    own = run.check_address(host, token, open_to_all=open_to_all)
    with work_folder(folder):
        pass  # it can be used
    with run.listen(host, port) as listener:
        pipe = model.load()
        _ = pipe.motion_generator  # now, and not when the first client waits

        def announce(address: str) -> None:
            live = limits.live_slots
            reporting.close(
                f"{address}: {limits.jobs} jobs and {live} live avatars at once; Ctrl-C ends it",
                {"address": address, "jobs": limits.jobs, "live_clients": live},
            )

        run.serve(
            pipe,
            listener,
            own=own,
            limits=limits,
            token=token,
            origins=allow_origin or (),
            folder=folder,
            announce=announce,
        )
