"""Recipes: YAML files of sections, each checked by pydantic against a dataclass of options."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass
from pydantic.dataclasses import is_pydantic_dataclass

from joyvasa_lib.documents import DocumentError, parse_yaml, read_yaml
from joyvasa_lib.errors import JoyVASAError, OptionError

Options = TypeVar("Options")
Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0.0)]
NotNegative = Annotated[float, Field(ge=0.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]

Recipe = dict[str, Any]
"""A whole YAML file: sections of options."""
_CONFIG = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
_WANTED = {
    "int_type": "be a whole number",
    "float_type": "be a number",
    "finite_number": "be a finite number",
    "bool_type": "be true or false",
    "string_type": "be text",
    "tuple_type": "be a list",
    "dict_type": "be a mapping",
    "literal_error": "be {expected}",
    "greater_than": "be more than {gt}",
    "greater_than_equal": "be at least {ge}",
    "less_than": "be less than {lt}",
    "less_than_equal": "be at most {le}",
    "too_long": "have at most {max_length} values",
    "too_short": "have at least {min_length} values",
}
"""What pydantic's kinds of errors ask for."""


def recipe(section: str) -> Callable[[type[Options]], type[Options]]:
    """Decorates a dataclass so that its values are checked when it is made.

    Types, ranges and choices are those of the annotations: ``Annotated[int, Field(ge=1)]``,
    ``Literal["l1", "l2"]``. Nothing is converted but whole numbers to floats.

    Args:
        section: what stands before the name of an option in messages.

    Raises:
        OptionError: from the dataclass, for an unknown name, another type or a value out of range.
    """

    def decorate(kind: type[Options]) -> type[Options]:
        frozen = kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
        checked: Any = checked_dataclass(config=_CONFIG, frozen=frozen)(kind)
        checked.__doc__ = kind.__doc__
        make = checked.__init__

        @functools.wraps(make)
        def init(self: Options, *values: Any, **named: Any) -> None:
            try:
                make(self, *values, **named)
            except ValidationError as error:
                raise _refusal(section, kind, error) from None

        checked.__init__ = init
        return checked  # type: ignore[no-any-return]

    return decorate


def read_recipe(path: str | Path, changes: Iterable[str] = ()) -> Recipe:
    """Reads a YAML file.

    Args:
        path: the file.
        changes: ``section.key=value``, the value written as in YAML, in place of the file's.

    Raises:
        OptionError: the file cannot be read, is no mapping of sections, or a change is no
            assignment.
    """
    try:
        found = read_yaml(Path(path))
    except OSError as error:
        raise OptionError(f"Cannot read the recipe {path} ({error}); check the path") from error
    except DocumentError as error:
        raise OptionError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(v, dict) for v in found.values()):
        raise OptionError(
            f"{path} is no recipe: it must hold sections such as 'loop:', see configs/"
        )
    for change in changes:
        name, assigned, value = change.partition("=")
        section, dot, key = name.strip().partition(".")
        if not (assigned and dot and section and key):
            raise OptionError(f"{change!r} changes nothing; write section.key=value")
        try:
            found.setdefault(section, {})[key] = parse_yaml(value)
        except DocumentError as error:
            raise OptionError(f"{change!r} is not valid YAML: {error}") from error
    return found


def take_section(found: Recipe, kind: type[Options], section: str) -> Options:
    """Returns one section of a recipe as a dataclass of options.

    Raises:
        OptionError: the section has an unknown key, lacks a required one, or holds a value of
            another type or out of range. The message names the key, the value and what is allowed.
    """
    make: Any = kind if is_pydantic_dataclass(kind) else recipe(section)(kind)
    # YAML has lists where options are tuples.
    values = found.get(section, {}).items()
    options: Options = make(**{k: tuple(v) if isinstance(v, list) else v for k, v in values})
    return options


def read_section(
    path: str | Path, kind: type[Options], section: str, changes: Iterable[str] = ()
) -> Options:
    """Reads one section of a YAML file; see :func:`read_recipe` and :func:`take_section`."""
    return take_section(read_recipe(path, changes), kind, section)


def _refusal(section: str, kind: type[Any], error: ValidationError) -> JoyVASAError:
    """The library's error for what pydantic found."""
    problems = error.errors()
    unknown = sorted(str(p["loc"][-1]) for p in problems if "unexpected" in p["type"])
    if unknown:
        known = [field.name for field in fields(kind)]
        return OptionError(f"Unknown keys {unknown} in {section!r}; known are {', '.join(known)}")
    told = []
    for problem in problems:
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, JoyVASAError):
            return cause
        name = ".".join([section, *(str(part) for part in problem["loc"] if part != "[key]")])
        if "missing" in problem["type"]:
            told.append(f"{name} must be given")
        else:
            wanted = _WANTED.get(problem["type"], problem["msg"])
            wanted = wanted.format(**problem.get("ctx", {}))
            told.append(f"{name} must {wanted}, not {problem['input']!r}")
    return OptionError("; ".join(told))
