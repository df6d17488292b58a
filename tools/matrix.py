"""Lint and quick tests on every supported Python of this machine, and with the lowest versions.

`make matrix` runs it. A Python is looked for by its name and among pyenv's. Each gets an
environment of its own under .venv-matrix; the one with the lowest versions that pyproject.toml
allows is of the Python that runs this. Packages come from where pip takes them: without a folder
of builds for the processor, the first run downloads torch with CUDA for each, some gigabytes.

    python tools/matrix.py [3.10 3.13 lowest ...]
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / ".venv-matrix"
MINORS = (10, 11, 12, 13)
TESTS = ("-m", "pytest", "-q", "-m", "not slow", "-n", "auto", "--maxprocesses", "4")
TOOLS = ("pytest", "pytest-xdist", "hypothesis", "matplotlib", "scikit-image")
"""What the tests take beside the core, at any version that fits."""


def interpreter(version: str) -> Path | None:
    """A Python of a version such as 3.10 that starts, or None."""
    found = [Path(path) for path in [shutil.which(f"python{version}")] if path]
    found += sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for path in found:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        if done.returncode == 0 and f"Python {version}." in done.stdout:
            return path
    return None


def run(*command: str | Path) -> bool:
    print("$", *command, flush=True)
    return subprocess.run(list(map(str, command)), cwd=ROOT, check=False).returncode == 0


def on(version: str) -> str:
    """What became of lint and quick tests on a Python."""
    python = interpreter(version)
    if python is None:
        return "no such Python here, nothing was run"
    options = (f"PYTHON={python}", f"VENV={PLACE / version}")
    if not run("make", "--no-print-directory", *options, "venv"):
        return "NOT INSTALLED"
    passed = [run("make", "--no-print-directory", *options, what) for what in ("lint", "quick")]
    return "lint and quick tests passed" if all(passed) else "FAILED"


def with_lowest() -> str:
    """What became of the quick tests with the lowest versions that are allowed."""
    place = PLACE / "lowest"
    python = place / "bin" / "python"
    lowest, torch = place / "constraints.txt", place / "torch.txt"
    if not run(sys.executable, "-m", "venv", place):
        return "NOT INSTALLED"
    pins = (ROOT / "constraints.txt").read_text("utf-8")
    torch.write_text("".join(re.findall(r"^torch==.*\n", pins, re.MULTILINE)), encoding="utf-8")
    resolve = (place / "bin" / "uv", "pip", "compile", "-q", "--python", python, "-c", torch)
    resolve += ("--resolution", "lowest-direct", "--no-header", "pyproject.toml", "-o", lowest)
    pip = (python, "-m", "pip", "install", "-q", "--no-compile")
    if not (run(*pip, "uv") and run(*resolve) and run(*pip, "-c", lowest, "-e", ".", *TOOLS)):
        return "NOT INSTALLED"
    passed = run(python, *TESTS)
    return "quick tests passed" if passed else "FAILED"


def main() -> None:
    wanted = sys.argv[1:] or [*(f"3.{minor}" for minor in MINORS), "lowest"]
    results = {one: with_lowest() if one == "lowest" else on(one) for one in wanted}
    for name, result in results.items():
        print(f"{name:8s}{result}")
    if any("NOT" in result or "FAILED" in result for result in results.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
