"""What is installed for this project, from the metadata of the installed packages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

import places


def requirements(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for: the core, and extras."""
    text = (places.ROOT / "pyproject.toml").read_text("utf-8")
    lists = ("dependencies", *extras)
    blocks = [re.search(rf"^{name} = \[(.*?)\]$", text, re.MULTILINE | re.DOTALL) for name in lists]
    found = [line for block in blocks if block for line in re.findall(r'"([^"]+)"', block[1])]
    assert found and None not in blocks
    return [Requirement(line) for line in found]


def named(name: str) -> str:
    """A package's name in the one spelling that is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def everything(*extras: str) -> Iterator[metadata.Distribution]:
    """Every installed package that the core and extras need, at any remove."""
    todo, seen = [(one, "") for one in requirements(*extras)], set()
    while todo:
        requirement, extra = todo.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = named(requirement.name)
        wanted = {(name, one) for one in ("", *requirement.extras)}
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        if (name, "") not in seen:
            yield distribution
        inner = [Requirement(line) for line in distribution.requires or ()]
        todo += [(one, extra) for _, extra in wanted - seen for one in inner]
        seen |= wanted
