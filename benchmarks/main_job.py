"""Times every step of the main job on this machine: `make bench`, or

    python benchmarks/main_job.py [--json | --markdown] [--long-minutes MINUTES]

Steps that a fresh process pays for are measured in fresh processes. Nothing is asserted: targets,
shown beside, are for two cores with nothing else to do.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from joyvasa_lib.motion import Motion
    from joyvasa_lib.pipeline import EncodedPortrait, JoyVASAPipeline

SECONDS = 10.0
PACKAGES = ("joyvasa-lib", "torch", "numpy", "numba", "onnxruntime", "opencv-python-headless")


@dataclass(frozen=True)
class Result:
    """One measured number.

    Attributes:
        step: what was done.
        value: the number.
        unit: its unit.
        target: what is wanted, with its direction: "<= 3", ">= 25"; or empty.
    """

    step: str
    value: float
    unit: str
    target: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if not self.target:
            return None
        direction, bound = self.target.split()
        return self.value <= float(bound) if direction == "<=" else self.value >= float(bound)

    @property
    def text(self) -> str:
        digits = 0 if abs(self.value) >= 100 else 1 if abs(self.value) >= 10 else 2
        return f"{self.value:.{digits}f} {self.unit}"


def machine() -> dict[str, str]:
    """Name, processor and versions."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = lines[0].split(":", 1)[1].strip() if lines else cpu
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    about = {
        "machine": platform.node(),
        "processor": f"{cpu}, {usable} cores",
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    for name in PACKAGES:
        try:
            about[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            about[name] = "not installed"
    if hasattr(os, "getloadavg"):
        about["load before"] = f"{os.getloadavg()[0]:.1f}"
    return about


def clock(action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def peak_megabytes() -> float:
    """Most memory that this process has held.

    What getrusage tells on Linux counts the process that started this one until it was replaced.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        (peak,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024 / 1e6
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def assets() -> tuple[Path, Path]:
    """The bundled portrait and speech."""
    import joyvasa_lib

    folder = Path(joyvasa_lib.__file__).parent / "demo_assets"
    return folder / "astronaut.jpg", folder / "hello.flac"


def write_speech(folder: Path, seconds: float) -> Path:
    """The bundled sentence, repeated or cut to so many seconds, as a WAV file."""
    import numpy as np

    from joyvasa_lib.media.audio import SAMPLE_RATE, load_speech, write_wav

    waveform = load_speech(assets()[1]).waveform
    return write_wav(folder / "speech.wav", np.resize(waveform, round(seconds * SAMPLE_RATE)))


# What runs in a process of its own; each prints one JSON object.


def step_import() -> dict[str, float]:
    names = clock(lambda: __import__("joyvasa_lib"))  # its names load when they are used
    return {"import": names, "pipeline": names + clock(lambda: __import__("joyvasa_lib.pipeline"))}


def step_load() -> dict[str, float]:
    from joyvasa_lib.pipeline import JoyVASAPipeline

    started = time.perf_counter()
    pipe = JoyVASAPipeline.from_pretrained()
    _ = pipe.motion_generator
    loaded = time.perf_counter()
    portrait, speech = assets()
    prepared = pipe.encode(portrait)
    encoded = time.perf_counter()
    next(iter(pipe(prepared, speech).frames()))
    return {
        "load": loaded - started,
        "encode": encoded - loaded,
        "first frame": time.perf_counter() - loaded,
    }


def step_long(minutes: float) -> dict[str, float]:
    from joyvasa_lib.pipeline import JoyVASAPipeline

    pipe = JoyVASAPipeline.from_pretrained()
    prepared = pipe.encode(assets()[0])
    with tempfile.TemporaryDirectory() as folder:
        performance = pipe.perform(write_speech(Path(folder), 60.0 * minutes))
        for piece in performance:
            next(iter(pipe.render(prepared, piece).frames()))
    return {"megabytes": peak_megabytes(), "seconds": performance.seconds}


def step_animate(folder: Path) -> dict[str, float]:
    from joyvasa_lib.cli import main as joyvasa

    said = io.StringIO()
    command = ["joyvasa", "animate", str(assets()[0]), str(folder / "speech.wav"), "--json"]
    with patch("sys.argv", [*command, "-o", str(folder / "talking.mp4")]), redirect_stdout(said):
        try:
            joyvasa()
        except SystemExit as end:
            if end.code:
                raise
    return {"frames": json.loads(said.getvalue())["frames"], "megabytes": peak_megabytes()}


def in_fresh_process(step: str, *arguments: str, cold: bool = False) -> dict[str, float]:
    """The result of a step in a new interpreter; ``cold`` without compiled code from before."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder} if cold else dict(os.environ)
        done = subprocess.run(
            [sys.executable, __file__, "--step", step, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


# The table, from top to bottom.


def measure_starting() -> Iterator[Result]:
    imports = [in_fresh_process("import") for _ in range(3)]
    package, pipeline = (
        statistics.median(one[key] for one in imports) for key in ("import", "pipeline")
    )
    yield Result("import joyvasa_lib", package, "s", "<= 0.5")
    yield Result("import joyvasa_lib.pipeline", pipeline, "s")
    in_fresh_process("load")  # files in the cache of the system, code compiled
    warm, cold = in_fresh_process("load"), in_fresh_process("load", cold=True)
    yield Result("load both models, imports included", warm["load"], "s")
    yield Result("encode a portrait, first in the process", warm["encode"], "s")
    yield Result("first frame after load: encode, hear, render", warm["first frame"], "s", "<= 3")
    yield Result("load on a fresh installation", cold["load"], "s")
    yield Result("first frame after it", cold["first frame"], "s", "<= 3")


def measure_stages(pipe: JoyVASAPipeline, folder: Path) -> Iterator[Result]:
    from joyvasa_lib.media.audio import load_speech

    portrait, _ = assets()
    prepared = pipe.encode(portrait)
    yield Result("encode a portrait, warm", clock(lambda: pipe.encode(portrait)), "s")
    speech = load_speech(write_speech(folder, SECONDS))
    pipe.generate_motion(speech)
    seconds = statistics.median(clock(lambda: pipe.generate_motion(speech)) for _ in range(3))
    yield Result("motion, times faster than real time", SECONDS / seconds, "x", ">= 10")
    motion = pipe.generate_motion(speech)
    rates = {}
    for size in (256, 512):
        render, paste = _render_and_paste(pipe, prepared, motion[:100], size)
        rates[size] = 1000.0 / (render + paste)
        yield Result(f"render a frame, crop of {size}", render, "ms")
        yield Result(f"paste it back, crop of {size}", paste, "ms")
    yield Result("rendered and pasted frames a second at 256", rates[256], "/s", ">= 25")
    yield Result("rendered and pasted frames a second at 512", rates[512], "/s")
    frames = list(islice(pipe.render(prepared, motion).frames(), 100))
    yield Result("encode a frame as video, 512 x 512", _encode_video(frames, folder), "ms")


def _render_and_paste(
    pipe: JoyVASAPipeline, prepared: EncodedPortrait, motion: Motion, size: int
) -> tuple[float, float]:
    """Milliseconds a frame, the better of two rounds."""
    from joyvasa_lib.face.crop import crop_face
    from joyvasa_lib.face.paste_back import PasteBack

    crop = crop_face(prepared.crop.full_image, prepared.crop.face, size=size)
    portrait = pipe.portrait_model.encode(crop)
    paste = PasteBack(crop, portrait.mask)
    batches: list[NDArray[np.uint8]] = []

    def render() -> None:
        batches[:] = pipe.portrait_model.render(portrait, motion)

    rendering = min(clock(render) for _ in range(3))
    frames = [frame for batch in batches for frame in batch]
    pasting = min(clock(lambda: [paste(frame) for frame in frames]) for _ in range(2))
    return 1000.0 * rendering / len(frames), 1000.0 * pasting / len(frames)


def _encode_video(frames: list[NDArray[np.uint8]], folder: Path) -> float:
    from joyvasa_lib.media.video import VideoWriter

    def write() -> None:
        height, width = frames[0].shape[:2]
        with VideoWriter(folder / "frames.mp4", (width, height), 25.0) as writer:
            for frame in frames:
                writer.write(frame)

    return 1000.0 * clock(write) / len(frames)


def measure_command(folder: Path) -> Iterator[Result]:
    write_speech(folder, SECONDS)
    started = time.perf_counter()
    found = in_fresh_process("animate", "--folder", str(folder))
    wall = time.perf_counter() - started
    yield Result(f"joyvasa animate, {SECONDS:.0f} s of speech, all in all", wall, "s", "<= 30")
    yield Result("frames a second of it", found["frames"] / wall, "/s")
    yield Result("peak memory of it", found["megabytes"], "MB", "<= 1500")


def measure(long_minutes: float) -> Iterator[Result]:
    from joyvasa_lib.pipeline import JoyVASAPipeline

    yield from measure_starting()
    with tempfile.TemporaryDirectory() as folder:
        yield from measure_stages(JoyVASAPipeline.from_pretrained(), Path(folder))
        yield from measure_command(Path(folder))
    if long_minutes:
        found = in_fresh_process("long", "--long-minutes", str(long_minutes))
        name = f"peak memory for {long_minutes:g} minutes of speech"
        yield Result(name, found["megabytes"], "MB", "<= 1500")


def report(about: dict[str, str], results: list[Result], form: str) -> str:
    if form == "json":
        found = [{**asdict(result), "met": result.met} for result in results]
        return json.dumps({"machine": about, "results": found}, indent=1)
    marks = {None: "", True: "yes", False: "NO"}
    rows = [(one.step, one.text, one.target, marks[one.met]) for one in results]
    if form == "markdown":
        lines = ["| step | here | target | met |", "|---|---:|---:|---|"]
        lines += [f"| {' | '.join(row)} |" for row in rows]
        return "\n".join([*(f"- {key}: {value}" for key, value in about.items()), "", *lines])
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [f"{key:22} {value}" for key, value in about.items()] + [""]
    for step, value, target, met in rows:
        lines.append(
            f"{step:{widths[0]}}  {value:>{widths[1]}}  {target:>{widths[2]}}  {met}".rstrip()
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Times every step of the main job.")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_const", const="json", dest="form")
    form.add_argument("--markdown", action="store_const", const="markdown", dest="form")
    parser.add_argument(
        "--long-minutes",
        type=float,
        default=10.0,
        metavar="MINUTES",
        help="length of speech whose peak memory is measured; 0 leaves it out",
    )
    parser.add_argument(
        "--step", choices=("import", "load", "animate", "long"), help=argparse.SUPPRESS
    )
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        steps: dict[str, Callable[[], dict[str, float]]] = {
            "import": step_import,
            "load": step_load,
            "animate": lambda: step_animate(options.folder),
            "long": lambda: step_long(options.long_minutes),
        }
        sys.stdout.write(json.dumps(steps[options.step]()) + "\n")
        return
    about = machine()
    results = []
    for result in measure(options.long_minutes):
        results.append(result)
        sys.stderr.write(f"\r{result.step}: {result.text}\033[K")
        sys.stderr.flush()
    sys.stderr.write("\r\033[K")
    sys.stdout.write(report(about, results, options.form or "text") + "\n")


if __name__ == "__main__":
    main()
