"""Options of motion generation as text: what somebody types for a style, or for head angles."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from joyvasa_lib.errors import OptionError

if TYPE_CHECKING:
    from joyvasa_lib.speech.style import StyleLike


def read_style(said: str, name: str = "style") -> StyleLike | None:
    """A style by its name, or by dials with their values; None for an empty text.

    Args:
        said: such as ``lively`` or ``head=0.5,smile=1.5``.
        name: the option, as the caller wrote it.

    Raises:
        OptionError: a dial's value is no number.
    """
    if "=" not in said:
        return cast("StyleLike", said) if said else None
    dials = {}
    for part in said.split(","):
        dial, _, value = part.partition("=")
        try:
            dials[dial.strip()] = float(value)
        except ValueError as error:
            raise OptionError(
                f'{name} is a name, or dials such as "head=0.5,smile=1.5"; not {said!r}'
            ) from error
    return dials


def read_axes(said: str, name: str) -> float | tuple[float, ...]:
    """One number, or as many as are given for pitch, yaw and roll.

    Args:
        said: such as ``1`` or ``1,0.5,1``.
        name: the option, as the caller wrote it.

    Raises:
        OptionError: what must be numbers is not.
    """
    try:
        numbers = tuple(float(part) for part in said.split(","))
    except ValueError as error:
        raise OptionError(
            f"{name} is one number, or pitch,yaw,roll such as 1,0.5,1; not {said!r}"
        ) from error
    return numbers if len(numbers) > 1 else numbers[0]


def read_pose(said: str, name: str) -> tuple[float, ...]:
    """Pitch, yaw and roll in degrees.

    Args:
        said: such as ``0,-5,0``.
        name: the option, as the caller wrote it.

    Raises:
        OptionError: what must be numbers is not.
    """
    numbers = read_axes(said, name)
    return numbers if isinstance(numbers, tuple) else (numbers,)
