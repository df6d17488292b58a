"""The command ``joyvasa``. Heavy parts load inside the commands, so help appears at once."""

from __future__ import annotations

import errno
import signal
import sys
from contextlib import suppress
from typing import Any

import typer

from joyvasa_lib.cli import (
    animate,
    doctor,
    drive,
    emotion,
    evaluate,
    idle,
    inspect,
    live,
    page,
    serve,
    train,
)
from joyvasa_lib.cli.checkpoints import convert, download
from joyvasa_lib.cli.data import datasets, prepare
from joyvasa_lib.cli.output import print_anything
from joyvasa_lib.errors import JoyVASAError

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""click's, which some versions of typer bring along under a name of their own."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Makes a portrait talk, offline.",
)
app.command("animate")(animate.animate)
app.command("demo")(animate.demo)
app.command("motion")(animate.motion)
app.command("drive")(drive.drive)
app.command("idle")(idle.idle)
app.command("live")(live.live)
app.command("serve")(serve.serve)
app.command("app")(page.app)
app.command("edit")(emotion.edit)
app.command("emotions")(emotion.emotions)
app.command("inspect")(inspect.inspect)
app.command("doctor")(doctor.doctor)
app.command("evaluate")(evaluate.evaluate)
app.command("prepare")(prepare.prepare)
app.command("convert")(convert.convert)
app.add_typer(download.app, name="download")
app.add_typer(datasets.app, name="datasets")
app.add_typer(train.app, name="train")


def main() -> None:
    """Runs the command line and ends the process.

    Errors of the caller's making, a mistyped option among them, are one sentence and exit code 2;
    Ctrl-C is 130. Being terminated cleans up as Ctrl-C does, and is 143.
    """
    print_anything()
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        code = app(standalone_mode=False)
    except JoyVASAError as error:
        _say(str(error))
        code = 2
    except OSError as error:
        reason = _told(error)
        if not reason:
            raise
        _say(reason)
        code = 2
    except UsageError as error:
        code = _say_usage(error)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except SystemExit as ended:
        code = ended.code
    finally:
        signal.signal(signal.SIGTERM, before)
    if code in (130, 143):
        _say("stopped; no unfinished file was left behind")
    sys.exit(code or 0)


def _told(error: OSError) -> str:
    """What to do about a failure of the system that a caller can mend; "" for any other."""
    name = str(error.filename)
    if error.errno == errno.ENAMETOOLONG:
        return f"{name[:60]!r}... is longer than a file's name may be; shorten it"
    if error.errno in (errno.EACCES, errno.EPERM) and error.filename is not None:
        return f"{name!r} may not be used ({error.strerror}); change its permissions"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"A disk is full ({error.strerror}); free some space"
    return ""


def _say(message: str) -> None:
    """Writes one line where errors go; the exit code counts also where nobody can read it."""
    with suppress(AttributeError, OSError, ValueError):  # not there, broken, closed
        sys.stderr.write(f"joyvasa: {' '.join(message.split())}\n")


def _say_usage(error: Any) -> int:
    """Says what is wrong with the command line and where to read on; returns the exit code."""
    if type(error).__name__ == "NoArgsIsHelpError":  # whose message is the whole help
        error.show()
        return 2
    command = error.ctx.command_path if error.ctx else "joyvasa"
    _say(f"{error.format_message().rstrip('.?')}; see {command} --help")
    return 2
