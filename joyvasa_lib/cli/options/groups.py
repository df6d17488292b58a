"""Groups of options: a command takes a dataclass, the command line has an option for each field."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, get_type_hints

import typer


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Spreads the arguments of a command that are dataclasses over its command line.

    Args:
        command: a function for typer. Of an argument whose type is a dataclass, every field
            becomes an option; the field's ``Annotated`` type says which, as for an argument, or its
        metadata ``help`` what it is for.

    Returns:
        The command with keyword arguments alone: its own, and the fields of its groups.
    """
    own = inspect.signature(command, eval_str=True).parameters.values()
    groups: dict[str, Any] = {p.name: p.annotation for p in own if is_dataclass(p.annotation)}
    parameters: list[inspect.Parameter] = []
    for parameter in own:
        if parameter.name in groups:
            parameters += _parameters(groups[parameter.name])
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    signature = inspect.Signature(parameters)

    @functools.wraps(command)
    def spread(**given: Any) -> None:
        bound = signature.bind(**given)
        bound.apply_defaults()
        values = dict(bound.arguments)
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    spread.__signature__ = signature  # type: ignore[attr-defined]
    spread.__annotations__ = {p.name: p.annotation for p in parameters}
    return spread


def _parameters(group: Any) -> list[inspect.Parameter]:
    """One keyword argument for each field of a dataclass."""
    types = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=_annotation(types[field.name], field.metadata),
        )
        for field in fields(group)
    ]


def _annotation(kind: Any, metadata: Mapping[str, Any]) -> Any:
    """The type of an option; with the help of a dataclass that knows nothing of command lines."""
    return Annotated[kind, typer.Option(help=metadata["help"])] if "help" in metadata else kind
