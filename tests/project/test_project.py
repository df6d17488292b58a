"""The package as a whole: quick to import, honest about its version, typed, and complete."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata, resources

import pytest

import joyvasa_lib
import places

ROOT = places.ROOT

IMPORT = """
import sys
before = set(sys.modules)
import joyvasa_lib
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def test_importing_the_package_loads_no_other_package_and_says_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) - sys.stdlib_module_names == {"joyvasa_lib"}
    assert done.stderr == ""


def test_videos_are_measured_prepared_and_followed_without_torch() -> None:
    rooms = "joyvasa_lib.pipeline, joyvasa_lib.evaluation.evaluate"
    code = f"import sys, joyvasa_lib.datasets.prepare.segment_work, {rooms}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "joyvasa_lib.portrait.model" in loaded
    assert not loaded & {"torch", "diffusers", "transformers"}


def test_the_version_is_that_of_the_project_file() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    written = re.search(r'^version = "(.+)"$', project, flags=re.MULTILINE)
    assert written is not None
    assert joyvasa_lib.__version__ == written[1]


def test_the_version_is_that_of_the_installed_distribution() -> None:
    try:
        installed = metadata.version("joyvasa-lib")
    except metadata.PackageNotFoundError:
        pytest.skip("joyvasa-lib runs from its folder here and is not installed")
    assert joyvasa_lib.__version__ == installed


def test_the_version_has_an_entry_in_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {joyvasa_lib.__version__}" in changelog


def test_type_checkers_are_told_that_the_package_is_typed() -> None:
    assert resources.files("joyvasa_lib").joinpath("py.typed").is_file()


@pytest.mark.parametrize("name", joyvasa_lib.__all__)
def test_a_public_name_resolves(name: str) -> None:
    assert name in dir(joyvasa_lib)
    value = getattr(joyvasa_lib, name)
    assert name == "__version__" or value.__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = joyvasa_lib.Nonsense


def test_every_error_is_public_and_of_one_family() -> None:
    from joyvasa_lib import errors

    family = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert family <= set(joyvasa_lib.__all__)
    family.remove("Cancelled")  # what a callback raises to stop the work is no error
    assert all(issubclass(getattr(errors, name), errors.JoyVASAError) for name in family)
