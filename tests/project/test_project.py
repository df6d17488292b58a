"""The package as a whole: quick to import, honest about its version, typed, and complete."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata, resources
from statistics import median

import pytest

import joyvasa_lib
import places

ROOT = places.ROOT

HEAVY = ("cv2", "diffusers", "matplotlib", "numba", "numpy", "onnxruntime", "torch", "transformers")

IMPORT = f"""
import sys, time
start = time.perf_counter()
import joyvasa_lib
print(time.perf_counter() - start)
print(*[name for name in {HEAVY} if name in sys.modules])
"""


def import_in_a_fresh_interpreter() -> tuple[float, str, str]:
    """Seconds it took, the heavy modules it loaded, and what it said on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    seconds, heavy = done.stdout.split("\n")[:2]
    return float(seconds), heavy, done.stderr


def test_importing_the_package_is_fast_light_and_silent() -> None:
    runs = [import_in_a_fresh_interpreter() for _ in range(3)]
    assert median(seconds for seconds, _, _ in runs) < 0.5
    assert {heavy for _, heavy, _ in runs} == {""}
    assert {said for _, _, said in runs} == {""}


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
    assert all(issubclass(getattr(errors, name), errors.JoyVASAError) for name in family)
