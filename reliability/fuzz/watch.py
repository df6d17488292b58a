"""Looks after workers: time and memory of each input, and a new worker for one that died."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from reliability import ROOT
from reliability.fuzz.kinds import FFMPEG_MEMORY
from reliability.fuzz.schedule import kind_of, make_input

LIMIT = 60.0
"""Seconds that an input may take. A few bytes should not keep anybody busy for longer."""
START_LIMIT = 300.0
LIVES = 1000
"""Inputs after which a worker is replaced, so that a run shows what a long life does."""
GROWTH = 64 * 2**20
"""Bytes that a worker may hold more after its first hundred inputs than at its end."""


class Watched:
    """A worker process and what was seen of it."""

    def __init__(
        self,
        seed: int,
        samples: Path,
        folder: Path,
        commands: bool,
        program: Sequence[str] = ("-m", "reliability.fuzz.worker"),
    ) -> None:
        """Starts it and waits until it is ready."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.rest: list[int] = []
        self._log = (folder / "log.txt").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, *program, str(seed), str(samples), str(folder),
             "commands" if commands else "files"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, cwd=ROOT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )  # fmt: skip
        self._answers: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        if self._answers.get(timeout=START_LIMIT) != b"ready\n":
            raise RuntimeError(f"A worker did not start; see {folder / 'log.txt'}")

    def ask(self, index: int, seed: int) -> dict[str, Any]:
        """What became of an input; a death and a time-out are faults."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"%d\n" % index)
        self._process.stdin.flush()
        began, decoding = time.monotonic(), 0
        while True:
            try:
                line = self._answers.get(timeout=0.02)
                break
            except queue.Empty:
                decoding = max(decoding, self._largest_child())
            if time.monotonic() - began > LIMIT:
                return self._ended(index, seed, f"still busy after {LIMIT:.0f} seconds")
        if not line:
            self._process.wait()
            return self._ended(index, seed, f"the process ended ({self._process.returncode})")
        found: dict[str, Any] = json.loads(line)
        found["decoding"] = decoding
        if decoding > FFMPEG_MEMORY:
            found["outcome"] = "fault"
            found["faults"].append(f"a decoder took {decoding} bytes, more than {FFMPEG_MEMORY}")
        self.rest.append(found["rest"])
        return found

    @property
    def grown(self) -> int:
        """Bytes by which what it holds between inputs grew since its first hundred."""
        if len(self.rest) < 200:
            return 0
        return _median(self.rest[-50:]) - _median(self.rest[100:150])

    def close(self) -> None:
        """Ends it."""
        if self._process.poll() is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()

    def _ended(self, index: int, seed: int, what: str) -> dict[str, Any]:
        log = (self.folder / "log.txt").read_bytes()[-3000:].decode("utf-8", "replace")
        self._process.kill()
        return {
            "index": index, "kind": kind_of(seed, index), "outcome": "fault", "said": "",
            "faults": [f"{what}\n{log}"], "seconds": 0.0, "memory": 0, "rest": 0, "ended": True,
        }  # fmt: skip

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(b"")

    def _largest_child(self) -> int:
        """Bytes that the largest process started by the worker has taken so far."""
        largest = 0
        for path in Path(f"/proc/{self._process.pid}/task").glob("*/children"):
            try:
                for child in path.read_text().split():
                    status = Path(f"/proc/{child}/status").read_text()
                    sizes = [s for s in status.splitlines() if s.startswith("VmHWM")]
                    name = status.split("\n", 1)[0]
                    if sizes and "ffmpeg" in name:  # not yet one, it has the worker's size
                        largest = max(largest, int(sizes[0].split()[1]) * 1024)
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended
        return largest


def read_inputs(
    indices: Iterable[int], seed: int, out: Path, samples: Path, *, commands: bool, report: Any
) -> None:
    """Has inputs read one after the other, and tells ``report`` what became of each."""
    worker, number = None, 0
    try:
        for index in indices:
            if worker is None:
                worker = Watched(seed, samples, out / "work" / str(os.getpid()), commands)
            found = worker.ask(index, seed)
            if found["outcome"] == "fault":
                keep_input(seed, index, samples, out / "faults")
            report(found)
            number += 1
            if found.get("ended") or number % LIVES == 0:
                report({"worker": number, "grown": worker.grown})
                worker.close()
                worker = None
    finally:
        if worker is not None:
            report({"worker": number, "grown": worker.grown})
            worker.close()


def keep_input(seed: int, index: int, samples: Path, folder: Path) -> Path:
    """Writes an input's files where they can be looked at."""
    case = make_input(seed, index, samples)
    place = folder / f"{seed}-{index}"
    for name, data in case.files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    place.mkdir(parents=True, exist_ok=True)
    (place / "case.txt").write_text(
        f"{case.name!r}\n{case.text!r}\n{case.arguments!r}\n{case.steps!r}\n"
    )
    return place


def _median(values: list[int]) -> int:
    return sorted(values)[len(values) // 2]
