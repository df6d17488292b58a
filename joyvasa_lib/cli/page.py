"""``joyvasa app``: the page in the browser."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated

import typer

from joyvasa_lib.cli.options.groups import with_option_groups
from joyvasa_lib.cli.options.inputs import ModelOptions


@with_option_groups
def app(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 for any that is free.")] = 7860,
    open_to_all: Annotated[
        bool, typer.Option("--open-to-all", help="Listen for others, too; they need no password.")
    ] = False,
    browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    model: ModelOptions,
) -> None:
    """Serves a page for all of this on this computer, until Ctrl-C (extra: demo)."""
    from joyvasa_lib.integrations.app.start import start_app

    model.check()
    with start_app(model.load, host=host, port=port, open_to_all=open_to_all) as running:
        sys.stdout.write(f"{running.url} (Ctrl-C ends it)\n")
        sys.stdout.flush()
        if browser:
            import webbrowser

            webbrowser.open(running.url)
        with suppress(KeyboardInterrupt):
            running.wait()
