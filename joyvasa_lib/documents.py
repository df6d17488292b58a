"""JSON and YAML files, read within budgets.

What a file can do to whoever reads it is bounded before it happens: its length, how deeply its
values are nested, and how large a YAML file becomes when its aliases are followed. YAML makes plain
values only; what else it names is refused.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from joyvasa_lib.budgets import budgets

DEEPEST = 64
"""Levels of lists and mappings inside each other; what walks through them stays on its stack."""
_MOST_DIGITS = 300
"""Of a whole number; as many as the largest float has."""
_LONGEST_REASON = 300
_YAML_FAULTS = (ValueError, TypeError, AttributeError, LookupError, OverflowError)
"""What PyYAML raises for impossible dates, numbers and tags."""


class DocumentError(ValueError):
    """A document cannot be read; the message says why, and whoever knows the file names it."""


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        OSError: the file cannot be read.
        DocumentError: it is no JSON in UTF-8, too long or too deeply nested.
    """
    return parse_json(_read(path, "json_bytes"))


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file: names with values.

    Raises:
        OSError: the file cannot be read.
        DocumentError: as :func:`read_json`, or the value is not an object.
    """
    found = read_json(path)
    if not isinstance(found, dict):
        raise DocumentError(f"it holds a {type(found).__name__} instead of an object {{...}}")
    return found


def parse_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        DocumentError: it is no JSON, too long or too deeply nested.
    """
    _check_length(len(text), "json_bytes")
    nested = text.count("[") + text.count("{")
    most = budgets().json_values
    if nested + text.count(",") > most:
        raise DocumentError(f"it has more than the {most} values allowed (json_values)")
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise DocumentError(_too_deep()) from error
    except ValueError as error:
        raise DocumentError(str(error)) from error
    if nested > DEEPEST:
        _check_depth(value)
    return value


def read_yaml(path: Path) -> Any:
    """The value in a YAML file.

    Raises:
        OSError: the file cannot be read.
        DocumentError: as :func:`parse_yaml`.
    """
    return parse_yaml(_read(path, "yaml_bytes"))


def parse_yaml(text: str) -> Any:
    """The value of a YAML text; ``1e-4`` is a number, as in YAML 1.2.

    Raises:
        DocumentError: it is no YAML, names anything but plain values, is too long or too deeply
            nested, or its aliases unfold to more than the budget.
    """
    _check_length(len(text), "yaml_bytes")
    loader: Any = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check_aliases(node)
        return loader.construct_document(node)
    except DocumentError:
        raise
    except RecursionError as error:
        raise DocumentError(_too_deep()) from error
    except yaml.YAMLError as error:
        raise DocumentError(" ".join(str(error).split())[:_LONGEST_REASON]) from error
    except _YAML_FAULTS as error:
        raise DocumentError(
            f"a value in it is not of its kind ({str(error)[:_LONGEST_REASON]})"
        ) from error
    finally:
        if loader is not None:
            loader.dispose()


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, but ``1e-4`` is a number, as in YAML 1.2."""

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        """Begins a ``[`` or ``{``, whose number PyYAML's time grows with squared."""
        if self.flow_level >= DEEPEST:
            raise DocumentError(_too_deep())
        super().fetch_flow_collection_start(token)

    def construct_whole(self, node: yaml.ScalarNode) -> int:
        """A whole number; of one of many digits PyYAML's time grows with the square."""
        if len(node.value) > _MOST_DIGITS:
            raise DocumentError(f"a number in it has {len(node.value)} digits")
        return int(self.construct_yaml_int(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def _read(path: Path, budget: str) -> str:
    """A text file of which no more is read than the budget allows."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise DocumentError("it is a pipe, socket or device, not an ordinary file")
    most = getattr(budgets(), budget)
    with path.open("rb") as file:
        data = file.read(most + 1)
    _check_length(len(data), budget)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(str(error)) from error


def _check_length(length: int, budget: str) -> None:
    most = getattr(budgets(), budget)
    if length > most:
        raise DocumentError(f"it is longer than the {most} bytes allowed ({budget})")


def _too_deep() -> str:
    return f"its values are nested more than {DEEPEST} levels deep"


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        inner = [item for item in level if isinstance(item, list | dict)]
        level = [x for item in inner for x in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return
    raise DocumentError(_too_deep())


def _check_aliases(root: yaml.Node) -> None:
    """Refuses nodes that hold themselves, and more of them than the budget once unfolded."""
    most = budgets().yaml_values
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()
    stack: list[tuple[yaml.Node, bool]] = [(root, False)]
    while stack:
        node, done = stack.pop()
        inner = _inside(node)
        if done:
            open_nodes.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes[id(child)] for child in inner)
            if sizes[id(node)] > most:
                raise DocumentError(
                    f"with its aliases it has more than the {most} values allowed (yaml_values)"
                )
        elif id(node) in open_nodes:
            raise DocumentError("a value in it holds itself")
        elif id(node) not in sizes:
            open_nodes.add(id(node))
            if len(open_nodes) > DEEPEST:
                raise DocumentError(_too_deep())
            stack.append((node, True))
            stack += [(child, False) for child in inner]


def _inside(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
