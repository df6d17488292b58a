"""A short check on the oldest Python with the lowest versions, and on the newest with the newest.

`make smoke` runs it, and continuous integration does beside the other tests. Each Python gets an
environment of its own under .venv-matrix, made by uv, where every module is imported, a video is
made, and quick tests of checkpoints, motion and documents run. `make matrix` does more.

torch comes from PyPI, with CUDA where it is built so: five gigabytes for both.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
import sys
from pathlib import Path

from matrix import PLACE, ROOT, TOOLS, interpreter, run

WITH = (("3.10", "lowest-direct"), ("3.13", "highest"))
UV = (Path(sys.executable).parent / "uv", "pip")
GIGABYTES = 12
"""Free space below which nothing is installed."""
CUT = (
    "import sys; from joyvasa_lib.media.audio import load_speech, write_wav; "
    "write_wav(sys.argv[2], load_speech(sys.argv[1]).waveform[8000:24000])"
)
"""A second of speech from a file to a WAV file."""
DEMO = ROOT / "joyvasa_lib" / "demo_assets"
TESTS = (
    "tests/checkpoints", "tests/motion", "tests/project/test_project.py", "tests/test_checks.py",
    "tests/test_concurrency.py", "tests/test_documents.py",
)  # fmt: skip


def import_everything() -> None:
    """Every module but those whose extra is not installed, and every public name."""
    import joyvasa_lib
    from joyvasa_lib.errors import MissingDependencyError

    modules = pkgutil.walk_packages(joyvasa_lib.__path__, "joyvasa_lib.")
    names, absent = [one.name for one in modules if not one.name.endswith("__main__")], set()
    for name in names:
        try:
            importlib.import_module(name)
        except (ModuleNotFoundError, MissingDependencyError) as error:
            absent.add(getattr(error.__cause__ or error, "name", str(error)).partition(".")[0])
    for name in joyvasa_lib.__all__:
        getattr(joyvasa_lib, name)
    print(len(names), "modules, without what needs", *sorted(absent))
    if len(names) < 300 or absent & {"joyvasa_lib", "numpy", "scipy", "torch", "transformers"}:
        sys.exit(1)


def install(version: str, resolution: str, interpreter: Path, place: Path) -> bool:
    python, pins = place / "bin" / "python", place / "pins.txt"
    if not run(UV[0], "venv", "-q", "--clear", "--python", interpreter, place):
        return False
    resolve = ("compile", "-q", "--resolution", resolution, "--no-header", "--no-annotate")
    if resolution == "highest":  # but for what constraints.txt fixes, torch among it
        resolve += ("-c", ROOT / "constraints.txt")
    resolve += ("--python", python, "pyproject.toml", "-o", pins)
    tools = [tool for tool in TOOLS if tool != "pytest-xdist"]
    into = ("install", "-q", "--python", python, "-c", pins, "-e", ".", *tools)
    return run(*UV, *resolve) and run(*UV, *into)


def check(place: Path) -> bool:
    python, words, video = place / "bin" / "python", place / "words.wav", place / "talk.mp4"
    speak = ("-m", "joyvasa_lib", "animate", DEMO / "astronaut.jpg", words, "-o", video)
    return (
        run(python, __file__, "imports")
        and run(python, "-c", CUT, DEMO / "hello.flac", words)
        and run(python, *speak)
        and video.stat().st_size > 10_000
        and run(python, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *TESTS)
    )


def on(version: str, resolution: str) -> str:
    """What became of a Python."""
    python = interpreter(version)
    if python is None:
        return "no such Python here, nothing was run"
    PLACE.mkdir(exist_ok=True)
    if shutil.disk_usage(PLACE).free < GIGABYTES * 10**9:
        return f"less than {GIGABYTES} GB are free here, nothing was run"
    place = PLACE / f"smoke-{version}"
    if not install(version, resolution, python, place):
        return "NOT INSTALLED"
    return "passed" if check(place) else "FAILED"


def main() -> None:
    if sys.argv[1:] == ["imports"]:
        return import_everything()
    os.environ.update(OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="1")
    results = {f"{one}, {how}": on(one, how) for one, how in WITH}
    for name, result in results.items():
        print(f"smoke: {name}: {result}")
    if any("NOT" in result or "FAILED" in result for result in results.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
