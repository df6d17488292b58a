"""Writes requirements-ci*.txt: what continuous integration installs, each file with its SHA-256.

Run it by `make lock` with the Python and on the kind of machine that continuous integration has.
pip resolves the extra `ci` within constraints.txt and reports which files it would take. torch and
what CUDA builds of it bring along are left out: machines differ in the build that they take.
Packages without a file for this machine are built from source, with what is locked here: they
stand in a file of their own, which is installed after the other.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
READY = ROOT / "requirements-ci.txt"
SOURCE = ROOT / "requirements-ci-source.txt"
BUILD = ("hatchling", "editables", "uv")
"""What installing takes, of this project itself and of the rest."""
NOT_LOCKED = re.compile(r"joyvasa-lib|torch|triton|(nvidia|cuda)-.+")
HEADER = """\
# What continuous integration installs {what}: every file with its SHA-256.
# Made by `make lock` for CPython {python} on {platform}; not edited by hand.
"""


def resolve() -> list[dict[str, Any]]:
    """What pip would install from PyPI into an empty environment."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed"]
    command += ["--report", "-", "-c", "constraints.txt", ".[ci]", *BUILD]
    # Mirrors and folders of this machine are not asked: others do not have them.
    own = {name: value for name, value in os.environ.items() if not name.startswith("PIP_FIND")}
    environment = {**own, "PIP_CONFIG_FILE": os.devnull}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE)
    return list(json.loads(done.stdout)["install"])


def line(found: dict[str, Any]) -> str | None:
    """A package with its version and hash; None for what is not locked."""
    name = re.sub(r"[-_.]+", "-", found["metadata"]["name"]).lower()
    if NOT_LOCKED.fullmatch(name):
        return None
    digest = found["download_info"]["archive_info"]["hashes"]["sha256"]
    return f"{name}=={found['metadata']['version']} --hash=sha256:{digest}"


def write(target: Path, what: str, found: list[dict[str, Any]]) -> None:
    lines = sorted(filter(None, map(line, found)))
    python = ".".join(map(str, sys.version_info[:2]))
    header = HEADER.format(
        what=what, python=python, platform=f"{sys.platform} {os.uname().machine}"
    )
    target.write_text(header + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{target.name}: {len(lines)} packages")


def main() -> None:
    found = resolve()
    ready = [one for one in found if one["download_info"]["url"].endswith(".whl")]
    write(READY, "beside torch", ready)
    write(SOURCE, "from source", [one for one in found if one not in ready])


if __name__ == "__main__":
    main()
