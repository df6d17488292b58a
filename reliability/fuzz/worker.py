"""A process that reads inputs one after the other: ``python -m reliability.fuzz.worker``.

It is told an index on a line of standard input and answers with a line of JSON.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

from joyvasa_lib.budgets import set_budgets
from joyvasa_lib.errors import JoyVASAError
from reliability.fuzz.kinds import BUDGETS, KINDS, UnexpectedExit
from reliability.fuzz.requests import sound_request
from reliability.fuzz.sandbox import Sandbox
from reliability.fuzz.schedule import kind_of, make_input


class Worker:
    """Reads inputs within the budgets, in a folder of its own."""

    def __init__(self, seed: int, samples: Path, folder: Path) -> None:
        set_budgets(BUDGETS)
        self.seed, self.samples = seed, samples.resolve()
        self.sandbox = Sandbox(folder)

    def read(self, index: int) -> dict[str, Any]:
        """What became of an input: ``outcome`` is ``read``, ``refused`` or ``fault``."""
        name = kind_of(self.seed, index)
        kind = KINDS[name]
        case = make_input(self.seed, index, self.samples)
        self.sandbox.lay_out(case.files)
        gc.collect()
        before = start_of_peak()
        began = time.perf_counter()
        outcome, said, faults = "read", "", []
        try:
            kind.read(case, self.samples)
        except JoyVASAError as error:
            outcome, said = "refused", f"{type(error).__name__}: {error}"
            if not str(error).strip():
                faults.append("an error without a message")
        except MemoryError as error:
            faults.append(f"MemoryError: {error}")
        except UnexpectedExit as error:
            faults.append(str(error))
        except Exception:  # the one place whose purpose is to find what nobody expected
            faults.append(traceback.format_exc(limit=-6))
        seconds = time.perf_counter() - began
        taken = peak() - before
        if taken > kind.memory:
            faults.append(f"took {taken} bytes, more than {kind.memory}")
        faults += self.sandbox.check(outcome == "refused" or bool(faults))
        trim()
        return {
            "index": index,
            "kind": name,
            "outcome": "fault" if faults else outcome,
            "said": said[:300].encode("utf-8", "backslashreplace").decode(),
            "faults": faults,
            "seconds": round(seconds, 4),
            "memory": taken,
            "rest": resident(),
        }


def start_of_peak() -> int:
    """Forgets the largest size so far; the size now in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return resident()


def peak() -> int:
    """The largest size in bytes since :func:`start_of_peak`."""
    return _status("VmHWM")


def resident() -> int:
    """The size in bytes."""
    return _status("VmRSS")


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def trim() -> None:
    """Gives memory that is free back to the system, so that what is left is what is held."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def warm_up(samples: Path, commands: bool) -> None:
    """Loads what is loaded once in a process, so that no input is charged with it."""
    from joyvasa_lib.face.landmarks.manual import ManualFaceDetector
    from joyvasa_lib.media.image import load_image
    from joyvasa_lib.pretrained import load_checkpoint, load_motion_generator

    face = load_image(samples / "face.png")
    points = json.loads((samples / "landmarks-5.json").read_text())
    ManualFaceDetector(landmarks=points).detect(face)
    generator = load_checkpoint(samples / "checkpoint").generator
    assert generator is not None
    load_motion_generator(generator)
    if KINDS["request"].available:
        KINDS["request"].read(sound_request(samples), samples)
    if commands:
        load_once(samples)
    gc.collect()
    gc.freeze()  # what is there now needs no looking through after every input


def load_once(samples: Path) -> None:
    """Lets commands that ask for the bundled checkpoint get one that is loaded already."""
    from joyvasa_lib import JoyVASAPipeline

    pipe = JoyVASAPipeline.from_pretrained(device="cpu")
    load = JoyVASAPipeline.from_pretrained

    def once(source: Any = None, **options: Any) -> JoyVASAPipeline:
        bundled = source is None and options.get("device") in (None, "cpu")
        return pipe if bundled and not options.get("compat") else load(source, **options)

    JoyVASAPipeline.from_pretrained = once  # type: ignore[method-assign, assignment]
    encoded = pipe.encode(samples / "face.png")
    motion = pipe.generate_motion(samples / "sound.wav", num_inference_steps=1)
    pipe.render(encoded, motion, samples / "sound.wav").save("../warm.mp4")


def main() -> None:
    """Answers until standard input ends."""
    seed, samples, folder, commands = sys.argv[1:]
    warnings.simplefilter("ignore")
    answers = sys.stdout
    sys.stdout = sys.stderr  # nothing that is read may put a line between
    worker = Worker(int(seed), Path(samples), Path(folder))
    warm_up(worker.samples, commands == "commands")
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps(worker.read(int(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
