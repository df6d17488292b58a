"""What is installed is what is said: the lock file, the threat model, the Makefile."""

from __future__ import annotations

import ast
import re

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import places
from installed import named, requirements

READY = (places.ROOT / "requirements-ci.txt").read_text("utf-8")
SOURCE = (places.ROOT / "requirements-ci-source.txt").read_text("utf-8")
SECURITY = (places.ROOT / "SECURITY.md").read_text("utf-8")
LINE = re.compile(r"([a-z0-9-]+)==(\S+) --hash=sha256:[0-9a-f]{64}")


def locked() -> dict[str, Version]:
    lines = [line for line in (READY + SOURCE).splitlines() if not line.startswith("#")]
    found = [LINE.fullmatch(line) for line in lines]
    assert None not in found, lines[found.index(None)]
    return {one[1]: Version(one[2]) for one in found if one}


def pinned() -> list[Requirement]:
    """What constraints.txt says."""
    text = (places.ROOT / "constraints.txt").read_text("utf-8")
    return [Requirement(line) for line in text.splitlines() if line and line[0] != "#"]


def test_the_lock_file_has_everything_that_is_asked_for_but_torch() -> None:
    """Mend it by `make lock`."""
    versions = locked()
    for requirement in requirements("ci"):
        name = named(requirement.name)
        if name == "torch":
            continue
        assert name in versions, requirement
        assert requirement.specifier.contains(versions[name], prereleases=True), requirement


def test_torch_is_fixed_by_its_version_alone() -> None:
    assert not [name for name in locked() if name.startswith(("torch", "nvidia", "cuda"))]
    assert [str(one) for one in pinned() if one.name == "torch"] == ["torch==2.13.0"]


def test_constraints_and_lock_file_agree() -> None:
    versions = locked()
    for constraint in pinned():
        name = named(constraint.name)
        assert name == "torch" or constraint.specifier.contains(versions[name]), constraint


def test_what_builds_and_installs_is_locked() -> None:
    assert {"hatchling", "editables", "uv", "setuptools", "cython", "numpy"} <= set(locked())


def test_nothing_is_locked_twice() -> None:
    lines = [line for line in (READY + SOURCE).splitlines() if not line.startswith("#")]
    assert len(lines) == len(locked()) > 200


@pytest.mark.parametrize("claim", sorted(set(re.findall(r"`(tests/[^`]+)`", SECURITY))))
def test_a_claim_of_the_threat_model_has_its_test(claim: str) -> None:
    path, _, name = claim.partition("::")
    tree = ast.parse((places.ROOT / path).read_text("utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_claim_of_the_threat_model_names_a_test_or_says_that_there_is_none() -> None:
    rows = re.findall(
        r"^\| (.+) \| (.+) \|$", SECURITY[SECURITY.index("## Threat") :], re.MULTILINE
    )
    claims = [row for row in rows if row[0] not in ("claim", "---") and set(row[0]) != {"-"}]
    assert len(claims) > 20
    for claim, shown in claims:
        assert "`tests/" in shown or shown.startswith("no test: "), claim


def test_the_supported_version_is_this_one() -> None:
    from joyvasa_lib import __version__

    assert f"| {__version__.rpartition('.')[0]} | yes |" in SECURITY


def test_the_page_names_commands_that_there_are() -> None:
    page = (places.ROOT / "docs" / "supply-chain.md").read_text("utf-8")
    makefile = (places.ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"^    make (?:LOCKED=1 )?([a-z]+)", page, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
