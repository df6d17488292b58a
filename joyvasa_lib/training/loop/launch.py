"""The command line of a recipe's module, for ``accelerate launch -m``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from joyvasa_lib.errors import JoyVASAError


def launch(
    train: Callable[..., Any], module: str, about: str | None, arguments: list[str] | None = None
) -> int:
    """Trains as the command line says; an error of the library is printed on one line.

    Args:
        train: takes the recipe, the run folder, ``resume`` and ``changes``.
        module: its name, for the help text.
        about: what it trains, for the help text.
        arguments: those of the command line if not given.

    Returns:
        The exit code: 0, or 2 after an error of the library.
    """
    parser = argparse.ArgumentParser(module, description=about)
    parser.add_argument("--config", required=True, type=Path, help="YAML recipe, see configs/")
    parser.add_argument("--run", required=True, type=Path, help="folder of the run")
    parser.add_argument("--restart", action="store_true", help="start the run anew")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value")
    given = parser.parse_args(arguments)
    try:
        train(given.config, given.run, resume=not given.restart, changes=given.set)
    except JoyVASAError as error:
        sys.stderr.write(f"joyvasa: {error}\n")
        return 2
    return 0
