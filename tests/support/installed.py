"""What is installed for this project, from the metadata of the installed packages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

import places


def requirements(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for: the core, and extras with the extras that they name."""
    text = (places.ROOT / "pyproject.toml").read_text("utf-8")
    lists, found = ["dependencies", *extras], []
    for name in lists:
        block = re.search(rf"^{name} = \[(.*?)\]$", text, re.MULTILINE | re.DOTALL)
        assert block is not None, name
        for one in map(Requirement, re.findall(r'"([^"]+)"', block[1])):
            if one.name == "joyvasa-lib":
                lists += sorted(one.extras)
            else:
                found.append(one)
    assert found
    return found


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
