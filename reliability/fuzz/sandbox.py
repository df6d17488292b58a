"""The folder that an input is read in, and what must hold there and everywhere else afterwards."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import joyvasa_lib

KEPT = b"what was there before"
_STARTS_PROGRAMS = ("os.system", "os.exec", "os.posix_spawn", "os.startfile", "pty.spawn")
_CHANGES = {
    "os.rename": (0, 1), "os.remove": (0,), "os.rmdir": (0,), "os.mkdir": (0,), "os.link": (1,),
    "os.symlink": (1,), "os.truncate": (0,), "os.chmod": (0,), "shutil.rmtree": (0,),
    "shutil.move": (0, 1), "shutil.copyfile": (1,),
}  # fmt: skip
"""Events of Python's audit and which of their arguments are paths that change."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ALLOWED = ("/dev/null", "/dev/shm", "/proc/self")
_COMPILED = str(Path(joyvasa_lib.__file__).parent)


class Sandbox:
    """A folder with ``in`` (the input), ``out`` (results), ``home`` and ``tmp``.

    Everything this process opens to write, renames, removes or starts is watched.
    """

    def __init__(self, folder: Path) -> None:
        """Makes the folder, and lets home and temporary files be in it."""
        self.folder = folder.resolve()
        self.inside, self.out = self.folder / "in", self.folder / "out"
        self.offences: list[str] = []
        self._watching = False
        self._before: dict[str, bytes] = {}
        for name in ("home", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        os.environ["HOME"] = str(self.folder / "home")
        os.environ["TMPDIR"] = tempfile.tempdir = str(self.folder / "tmp")
        self.lay_out({})
        self._watching = False
        sys.addaudithook(self._watch)

    def lay_out(self, files: dict[str, bytes]) -> None:
        """Begins with nothing but an input, and an older result in ``out``."""
        self._watching = False
        for folder in (self.inside, self.out):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        for name, data in files.items():
            path = self.inside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        for name in ("talk.mp4", "motion.safetensors", "image.png"):
            (self.out / name).write_bytes(KEPT)
        os.chdir(self.inside)
        self.offences = []
        self._before = self._contents()
        self._watching = True

    def check(self, refused: bool) -> list[str]:
        """What is wrong afterwards: foreign files touched, leftovers, an input that changed.

        Args:
            refused: whether the input was refused, so that nothing may have appeared.
        """
        self._watching = False
        now = self._contents()
        found = list(self.offences)
        for name in sorted(now.keys() | self._before.keys()):
            if now.get(name) == self._before.get(name):
                continue
            change = "changed" if name in now and name in self._before else (
                "appeared" if name in now else "is gone"
            )  # fmt: skip
            result = name.startswith("out/") and not Path(name).name.startswith(".")
            if refused or not result:
                found.append(f"{name} {change}")
            elif not now.get(name):
                found.append(f"{name} is empty")
        return found

    def _contents(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else b"folder"
            for place in (self.inside, self.out, self.folder / "home", self.folder / "tmp")
            for path in place.rglob("*")
        }

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = isinstance(flags, int) and flags & _WRITES
            if (writes or (isinstance(mode, str) and set(mode) & set("wax+"))) and not isinstance(
                path, int
            ):
                self._note(event, path)
        elif event in _CHANGES:
            for number in _CHANGES[event]:
                self._note(event, arguments[number])
        elif event == "subprocess.Popen":
            if "ffmpeg" not in Path(os.fsdecode(arguments[0])).name:
                self.offences.append(f"started {arguments[0]}")
        elif event in _STARTS_PROGRAMS or event == "socket.connect":
            self.offences.append(f"{event} {arguments[:1]}")

    def _note(self, event: str, path: Any) -> None:
        if isinstance(path, int) or path is None:
            return
        place = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - links are not followed
        own = place.startswith((str(self.folder), *_ALLOWED))
        compiled = place.startswith(_COMPILED) and "__pycache__" in place
        if not own and not compiled:
            self.offences.append(f"{event} of {place}, outside its folder")
