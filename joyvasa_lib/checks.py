"""Checks of option values, each once for the whole library.

Every function returns the value it was given, converted where that loses nothing, or raises an
error of the library that names the option, the value and what is allowed.
"""

from __future__ import annotations

import errno
import math
import operator
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from joyvasa_lib.errors import JoyVASAError, OptionError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


def checked_float(
    name: str,
    value: Any,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float | None = None,
    error: type[JoyVASAError] = OptionError,
) -> float:
    """A finite number as a float.

    Args:
        name: the option, as the caller wrote it.
        value: what was given.
        least: smallest value allowed.
        most: largest value allowed.
        above: the value must be larger than this.
        error: what is raised.

    Raises:
        JoyVASAError: of the kind ``error``: not a number, not finite, or out of range.
    """
    wanted = _range(least, most, above)
    if isinstance(value, bool | str | bytes):
        raise error(f"{name} must be a number{wanted}, not {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as problem:
        raise error(f"{name} must be a number{wanted}, not {value!r}") from problem
    if not math.isfinite(number) or not least <= number <= most:
        raise error(f"{name} must be a number{wanted}, not {value!r}")
    if above is not None and not number > above:
        raise error(f"{name} must be a number{wanted}, not {value!r}")
    return number


def checked_int(
    name: str,
    value: Any,
    *,
    least: int | None = None,
    most: int | None = None,
    error: type[JoyVASAError] = OptionError,
) -> int:
    """A whole number as an int; 2.5 is refused, and so are 2.0 and "2".

    Args:
        name: the option, as the caller wrote it.
        value: what was given.
        least: smallest value allowed.
        most: largest value allowed.
        error: what is raised.

    Raises:
        JoyVASAError: of the kind ``error``: not a whole number, or out of range.
    """
    wanted = _range(-math.inf if least is None else least, math.inf if most is None else most)
    if isinstance(value, bool):
        raise error(f"{name} must be a whole number{wanted}, not {value!r}")
    try:
        number = operator.index(value)
    except TypeError as problem:
        raise error(f"{name} must be a whole number{wanted}, not {value!r}") from problem
    if (least is not None and number < least) or (most is not None and number > most):
        raise error(f"{name} must be a whole number{wanted}, not {value!r}")
    return number


def checked_choice(
    name: str, value: T, choices: Iterable[T], *, error: type[JoyVASAError] = OptionError
) -> T:
    """One of a few allowed values.

    Raises:
        JoyVASAError: of the kind ``error``: any other value.
    """
    allowed = tuple(choices)
    try:
        if value in allowed:
            return value
    except (TypeError, ValueError):  # an array, say, that cannot be compared
        pass
    shown = ", ".join(repr(choice) for choice in allowed)
    raise error(f"{name} must be one of {shown}, not {value!r}")


def checked_path(name: str, value: Any, *, error: type[JoyVASAError] = OptionError) -> Path:
    """Text or a path as a Path; whether anything is there is not asked.

    Raises:
        JoyVASAError: of the kind ``error``: anything else, or what no file can be called; an empty
            text, too, which would be the current folder.
    """
    if isinstance(value, str | os.PathLike) and os.fspath(value):
        try:
            path = Path(value)
            path.lstat()
        except TypeError:  # of bytes
            pass
        except ValueError as no_name:
            raise error(f"{name} cannot be called {str(value)!r} ({no_name})") from no_name
        except OSError as refusal:
            if refusal.errno == errno.ENAMETOOLONG:
                raise error(
                    f"{name} cannot be called {str(value)[:60]!r}...; it is longer than a file's "
                    "name may be; shorten it"
                ) from refusal
            return path
        else:
            return path
    raise error(f"{name} must be given as a path, not {value!r}")


def checked_device(device: Any = None) -> torch.device:
    """A torch device that is there.

    Args:
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` or a ``torch.device``; the GPU if
            there is one for None.

    Raises:
        OptionError: it is unknown or not there.
    """
    import torch

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        known = torch.device(device)
        if known.type == "meta":
            raise RuntimeError("it holds no numbers")
        torch.empty(0, device=known)
    except (RuntimeError, AssertionError, TypeError, ValueError, NotImplementedError) as error:
        raise OptionError(
            f"Device {str(device)!r} cannot be used here ({str(error).splitlines()[0]}); use 'cpu'"
        ) from error
    return known


def _range(least: float, most: float, above: float | None = None) -> str:
    if above is not None:
        return f" above {above:g}" + ("" if most == math.inf else f" and at most {most:g}")
    if least == -math.inf and most == math.inf:
        return ""
    if most == math.inf:
        return f" of at least {least:g}"
    return f" of at most {most:g}" if least == -math.inf else f" from {least:g} to {most:g}"
