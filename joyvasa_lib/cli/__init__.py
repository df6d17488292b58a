"""The command ``joyvasa``. Heavy parts load inside the commands, so help appears at once."""

from __future__ import annotations

import sys

import typer

from joyvasa_lib.cli import animate, datasets, doctor, evaluate, train
from joyvasa_lib.errors import JoyVASAError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Makes a portrait talk, offline.",
)
app.command("animate")(animate.animate)
app.command("demo")(animate.demo)
app.command("motion")(animate.motion)
app.command("doctor")(doctor.doctor)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(datasets.app, name="datasets")
app.add_typer(train.app, name="train")


def main() -> None:
    """Runs the command line; errors of the caller's making end with exit code 2."""
    try:
        app()
    except JoyVASAError as error:
        sys.stderr.write(f"joyvasa: {' '.join(str(error).split())}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("joyvasa: stopped; no file was left behind\n")
        sys.exit(130)
