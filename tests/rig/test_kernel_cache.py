"""Where compiled kernels are kept, and that kernels run where nothing can be kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from numba.core import caching

for locator in (caching.InTreeCacheLocator, caching.UserWideCacheLocator):
    locator.ensure_cache_path = lambda self: (_ for _ in ()).throw(PermissionError(self))
from joyvasa_lib.rig.compiled import njit
from kernel import added

assert added(2, 3) == 5
print("hits" if added.stats.cache_hits else "compiled", added.stats.cache_path)
"""
KERNEL = """
from joyvasa_lib.rig.compiled import njit

@njit(cache=True, nogil=True)
def added(a, b):
    return a + b
"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="folders of Unix")


def run(folder: Path, temporary: Path, program: str = PROGRAM) -> list[str]:
    (folder / "kernel.py").write_text(KERNEL)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder), *sys.path]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(temporary),
    }
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def test_what_cannot_be_kept_beside_the_code_is_kept_in_a_private_temporary_folder(
    tmp_path: Path,
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    first, place = run(tmp_path, temporary)
    assert first == "compiled"
    assert Path(place).is_relative_to(temporary)
    private = next(temporary.iterdir())
    assert private.stat().st_mode & 0o077 == 0
    assert run(tmp_path, temporary)[0] == "hits"


def test_a_temporary_folder_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    place = temporary / f"joyvasa-lib-{os.getuid()}"
    place.mkdir(parents=True)
    place.chmod(0o777)
    assert run(tmp_path, temporary) == ["compiled", "None"]
    assert list(place.iterdir()) == []


def test_a_link_in_the_place_of_the_temporary_folder_is_not_followed(tmp_path: Path) -> None:
    temporary, elsewhere = tmp_path / "temporary", tmp_path / "elsewhere"
    temporary.mkdir()
    elsewhere.mkdir(mode=0o700)
    (temporary / f"joyvasa-lib-{os.getuid()}").symlink_to(elsewhere)
    assert run(tmp_path, temporary) == ["compiled", "None"]
    assert list(elsewhere.iterdir()) == []


def test_a_full_disk_and_a_damaged_cache_do_not_stop_a_kernel(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    full = PROGRAM.replace(
        "from joyvasa_lib",
        "def full(*_):\n    raise OSError(28, 'No space left on device')\n"
        "caching.IndexDataCacheFile.save = full\nfrom joyvasa_lib",
        1,
    )
    assert run(tmp_path, kept, full)[0] == "compiled"
    assert run(tmp_path, kept)[0] == "compiled"
    for file in kept.rglob("*.nb?"):
        file.write_bytes(file.read_bytes()[:20])
    assert run(tmp_path, kept)[0] == "compiled"
