"""Licences: of everything that is installed, and of every file that the package brings along."""

from __future__ import annotations

import fnmatch
import re
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

import places
from installed import everything, named
from joyvasa_lib.media.decoding.ffmpeg import ffmpeg_path

ALLOWED = {
    "0bsd", "apache-2.0", "apache-2.0 with llvm-exception", "bsd", "bsd-2-clause", "bsd-3-clause",
    "bsl-1.0", "cc0-1.0", "cnri-python", "isc", "mit", "mit-0", "mit-cmu", "psf-2.0", "unlicense",
    "zlib",
    "mpl-2.0", # of whole files, which are used unchanged
}  # fmt: skip
EXCEPTIONS = {
    # Libraries of their own that are loaded, which the LGPL allows; anybody can replace them.
    "soxr": {"lgpl-2.1-or-later", "gnu lesser general public license v2 or later (lgplv2+)"},
    "num2words": {"gnu library or lesser general public license (lgpl)"},
    # Models that livekit-agents brings along, to be used with it alone; nothing here uses them.
    "livekit-local-inference": {"apache-2.0", "other/proprietary license"},
}
OF_EXTRAS = {"num2words", "livekit-local-inference"}
"""Not of the core, nor of what development takes without continuous integration's extras."""
OF_CUDA = ("nvidia-", "cuda-")
"""Come with torch's builds for CUDA alone; the page says under which terms."""
SPOKEN = {
    "apache": "apache-2.0", "apache 2.0": "apache-2.0", "apache 2.0 license": "apache-2.0",
    "apache software license": "apache-2.0", "apache license 2.0": "apache-2.0",
    "bsd license": "bsd", "3-clause bsd license": "bsd-3-clause",
    "bsd 2-clause license": "bsd-2-clause", "bsd 3-clause license": "bsd-3-clause",
    "cmu license (mit-cmu)": "mit-cmu",
    "isc license": "isc", "isc license (iscl)": "isc", "mit license": "mit", "psfl": "psf-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "mpl-2.0",
    "python software foundation license": "psf-2.0",
}  # fmt: skip
"""SPDX's names of licences that packages call otherwise."""
HEADINGS = {"mit license": "mit", "apache license, version 2.0": "apache-2.0"}
"""How licence files begin, and SPDX's names."""

NOTICE = (places.ROOT / "NOTICE").read_text("utf-8")
PACKAGE = places.ROOT / "joyvasa_lib"
OWN = ("*.py", "*.md", "py.typed", "*.html", "*.js", "*.css")
"""Files that are the project's own by what they are."""


def licences(distribution: metadata.Distribution) -> set[str]:
    """Every licence that a package names, in SPDX's words where they are known."""
    about = distribution.metadata
    classifiers = about.get_all("Classifier") or []
    last = [one.split(" :: ")[-1] for one in classifiers if one.startswith("License ::")]
    written = (about["License"] or "").strip().partition("\n")[0]
    if last and not about["License-Expression"]:
        words = {one.lower() for one in last}
    else:
        said = re.sub("[()]", "", about["License-Expression"] or written)
        words = {part.lower() for part in re.split(" (?:AND|OR) ", said)}
    if words == {""}:
        words = set(headings(distribution)) or words
    return {SPOKEN.get(word, word) for word in words}


def headings(distribution: metadata.Distribution) -> Iterator[str]:
    """Licences whose names stand at the head of a package's licence files."""
    for file in distribution.files or ():
        if re.search(r"dist-info/(licenses/)?licen[cs]e[^/]*$", str(file), re.IGNORECASE):
            head = " ".join(file.read_text("utf-8").split())[:500].lower()
            known = [one for one in HEADINGS if one in head]
            yield HEADINGS[known[0]] if known else f"unknown: {head[:50]}"


@pytest.mark.parametrize(
    "extras", [(), ("dev", "docs", "c2pa"), ("ci",)], ids=["core", "development", "all"]
)
def test_everything_that_is_installed_has_a_licence_that_is_allowed(
    extras: tuple[str, ...],
) -> None:
    found = {named(one.name): licences(one) for one in everything(*extras)}
    assert len(found) > 30
    free = {name: words for name, words in found.items() if not name.startswith(OF_CUDA)}
    odd = {name: words for name, words in free.items() if not words <= ALLOWED}
    assert all(words <= EXCEPTIONS.get(name, set()) for name, words in odd.items()), odd
    if extras == ("ci",):
        assert odd.keys() >= EXCEPTIONS.keys() - OF_EXTRAS, odd
    else:
        assert odd.keys() == EXCEPTIONS.keys() - OF_EXTRAS, odd


def test_of_what_tells_no_licence_its_file_is_read(tmp_path: Path) -> None:
    for head, expected in [
        ("MIT License\n\nCopyright", {"mit"}),
        ("Copyright\n\nunder the Apache License, \nVersion 2.0 (the", {"apache-2.0"}),
        ("Everything is forbidden.", {"unknown: everything is forbidden."}),
    ]:
        place = tmp_path / "odd-1.dist-info"
        (place / "licenses").mkdir(parents=True, exist_ok=True)
        (place / "METADATA").write_text("Name: odd\nVersion: 1\n")
        (place / "RECORD").write_text("odd-1.dist-info/licenses/LICENSE,,\n")
        (place / "licenses" / "LICENSE").write_text(head)
        assert licences(metadata.PathDistribution(place)) == expected


def test_licences_that_are_not_allowed_would_be_seen() -> None:
    for about, expected in [
        ({"License-Expression": "MIT AND GPL-3.0-or-later"}, "gpl-3.0-or-later"),
        ({"License": "GPL\nmore"}, "gpl"),
        ({"Classifier": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"},
         "gnu general public license v3 (gplv3)"),
        ({}, ""),
    ]:  # fmt: skip
        assert expected in licences(fake(**about)) - ALLOWED


def fake(**about: str) -> metadata.Distribution:
    """A package that is not installed."""

    class Fake(metadata.Distribution):
        def read_text(self, filename: str) -> str:
            return "".join(f"{key}: {value}\n" for key, value in about.items())

        def locate_file(self, path: object) -> object:
            raise NotImplementedError

    return Fake()  # type: ignore[abstract]


def test_soxr_and_ffmpeg_are_named_with_their_licences() -> None:
    """The two that are not permissive: one is loaded, the other is a program of its own."""
    told = subprocess.run([ffmpeg_path(), "-L"], capture_output=True, text=True, check=True).stdout
    page = (places.ROOT / "docs" / "supply-chain.md").read_text("utf-8")
    if "GNU General Public License" in told:
        assert re.search(r"ffmpeg.*GNU General Public License", page, re.DOTALL)
    assert re.search(r"soxr\*\* .*Lesser General Public License", page)
    assert re.search(r"NVIDIA.*proprietary", page, re.DOTALL)
    assert all(f"**{name}**" in page for name in EXCEPTIONS)
    assert "imageio-ffmpeg" in NOTICE and "soxr" in NOTICE


def bundled() -> list[str]:
    """Files of the package that are neither its code nor its words, as NOTICE would name them."""
    known = subprocess.run(
        ["git", "ls-files", "joyvasa_lib"], cwd=places.ROOT, capture_output=True, text=True
    )
    if known.returncode:
        pytest.skip("the files of the package are listed by git, and this is no clone")
    names = known.stdout.split()
    own = [name for name in names if any(fnmatch.fnmatch(name, f"*{one}") for one in OWN)]
    return sorted(set(names) - set(own))


def test_every_bundled_file_is_in_the_notice() -> None:
    named_there = re.findall(r"joyvasa_lib/[\w/*.-]*[\w*]", NOTICE)
    assert named_there
    files = bundled()
    missing = [f for f in files if not any(fnmatch.fnmatch(f, pattern) for pattern in named_there)]
    assert missing == []
    idle = [one for one in named_there if not fnmatch.filter(files, one)]
    assert idle == []
