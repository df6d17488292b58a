"""One run of a command in a forked process, to its end or to a moment at which it is killed."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

_GONE = 30.0
"""Seconds after a kill within which the processes that were started must have ended, too."""


class Attempt:
    """A child of this process that does some work in a process group of its own."""

    def __init__(self, work: Callable[[], object], log: Path) -> None:
        """Begins the work; what it prints is put behind ``log``."""
        self.began = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            _do(work, log)
        self.seconds = 0.0

    def wait(self) -> int:
        """Its exit code, when it has ended; negative where a signal ended it."""
        _, status = os.waitpid(self.pid, 0)
        self.seconds = time.monotonic() - self.began
        return os.waitstatus_to_exitcode(status)

    def kill_after(self, seconds: float) -> bool:
        """Kills it so long after its start; whether it was still at work."""
        end = self.began + seconds
        while time.monotonic() < end:
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                break
            time.sleep(min(0.01, max(0.0, end - time.monotonic())))
        os.kill(self.pid, signal.SIGKILL)
        return self.wait() == -signal.SIGKILL

    def left_alone(self) -> bool:
        """Whether everything that it started has ended, within some seconds."""
        end = time.monotonic() + _GONE
        while time.monotonic() < end:
            try:
                os.killpg(self.pid, 0)
            except ProcessLookupError:
                return True
            time.sleep(0.05)
        return False


def _do(work: Callable[[], object], log: Path) -> None:
    code = 99
    try:
        os.setpgid(0, 0)
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        work()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run_command(*arguments: object) -> None:
    """``joyvasa`` with these arguments, in this process."""
    from joyvasa_lib.cli import main

    sys.argv = ["joyvasa", *map(str, arguments)]
    main()


def contents(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, by its path in there."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
