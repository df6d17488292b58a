"""How many live avatars `joyvasa serve` serves on this machine in real time.

    python benchmarks/serve.py [--clients N ...] [--seconds S] [--size PIXELS] [--job]

Starts a server in a process of its own and, for each number of clients, lets them all speak a
recording at once, each pushing it as fast as it sounds. Printed are, for the mean and the worst
client, frames a second, the share of frame periods that were dropped, the time to the first frame
that answers, the A/V offset's first percentile, and the cores and memory that the server took.
`--job` lets the server make a video meanwhile. Portraits and recordings are those in the folder
that JOYVASA_REAL_INPUTS names. Nothing is asserted; the load average that each run began with
stands beside it, and what else the machine does takes its part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from websockets.asyncio.client import connect

from joyvasa_lib.concurrency import cores
from joyvasa_lib.media.audio import load_speech

RATE, PIECE = 16000, 320
HEAD = (
    "| clients | load | frames/s | worst | dropped | worst | first frame | worst | A/V 1 % "
    "| cores | MiB |\n|---:|" + "---:|" * 10
)


@dataclass
class Seen:
    """What one client saw."""

    frames: int = 0
    periods: int = 0
    seconds: float = 0.0
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.frames / self.seconds

    @property
    def dropped(self) -> float:
        return 100.0 * (self.periods - self.frames) / self.periods


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", nargs="*", type=int, default=[1, 2, 3])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--job", action="store_true", help="make a video meanwhile")
    parser.add_argument("--portrait", default="photo_woman")
    parser.add_argument("--recording", default="jfk")
    options = parser.parse_args()
    real = os.environ.get("JOYVASA_REAL_INPUTS")
    if real is None:
        parser.error("set JOYVASA_REAL_INPUTS to a folder with speech and portraits in it")
    portrait = next((Path(real) / "portraits").glob(f"{options.portrait}.*"))
    recording = next((Path(real) / "speech").glob(f"{options.recording}.*"))
    sound = load_speech(recording).waveform[: round(options.seconds * RATE)]
    pcm = np.rint(sound * 32767).astype("<i2").tobytes()
    command = [sys.executable, "-m", "joyvasa_lib", "serve", "--port", "0", "--json"]
    command += ["--live-clients", str(max(options.clients)), "--live-size", str(options.size)]
    print(f"{platform.processor() or platform.machine()}, {cores()} cores, {options.size} pixels\n")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = json.loads(process.stdout.readline())["address"]
            image = {"image": portrait.read_bytes()}
            kept = httpx.post(f"{address}/v1/portraits", files=image, timeout=300).json()["id"]
            run(address, kept, pcm, 1, options.size)  # what is compiled is compiled
            print(HEAD)
            for count in options.clients:
                files = {**image, "audio": recording.read_bytes()}
                if options.job:
                    httpx.post(f"{address}/v1/jobs", files=files, timeout=300).raise_for_status()
                load, before = os.getloadavg()[0], spent(process.pid)
                started = time.monotonic()
                seen = run(address, kept, pcm, count, options.size)
                taken = (spent(process.pid) - before) / (time.monotonic() - started)
                row(count, load, seen, taken, memory(process.pid))
        finally:
            process.terminate()


def run(address: str, portrait: str, pcm: bytes, count: int, size: int) -> list[Seen]:
    """All clients at once."""

    async def all_of_them() -> list[Seen]:
        clients = [one(address, portrait, pcm, size) for _ in range(count)]
        return list(await asyncio.gather(*clients))

    return asyncio.run(all_of_them())


async def one(address: str, portrait: str, pcm: bytes, size: int) -> Seen:
    """A client that speaks once, and looks until it has been heard."""
    start = {"type": "start", "portrait": portrait, "sample_rate": RATE, "size": size}
    seen = Seen()
    async with connect(f"{address.replace('http', 'ws')}/v1/live", max_size=None) as socket:
        await socket.send(json.dumps(start))
        ready = json.loads(await socket.recv())
        if ready["type"] != "ready":
            raise SystemExit(ready["message"])
        for _ in range(25):
            await socket.recv()

        async def push() -> None:
            began = time.monotonic()
            for position in range(0, len(pcm), 2 * PIECE):
                due = began + position / 2 / RATE
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await socket.send(pcm[position : position + 2 * PIECE])
            await socket.send(json.dumps({"type": "flush"}))

        pushing = asyncio.create_task(push())
        began, ended = time.monotonic(), False
        while not ended:
            message = await socket.recv()
            (length,) = struct.unpack_from("<I", message)
            header = json.loads(message[4 : 4 + length])
            seen.frames += 1
            seen.periods += header["periods"]
            ended = header["utterance_end"]
        seen.seconds = time.monotonic() - began
        await pushing
        await socket.send(json.dumps({"type": "metrics"}))
        while isinstance(message, bytes):
            message = await socket.recv()
        seen.metrics = json.loads(message)
    return seen


def row(count: int, load: float, seen: list[Seen], taken: float, mib: float) -> None:
    """Prints a row."""
    rates, dropped = [one.rate for one in seen], [one.dropped for one in seen]
    first = [one.metrics["first_frame_ms"] for one in seen]
    behind = min(one.metrics["av_offset_p01_ms"] for one in seen)
    print(
        f"| {count} | {load:.1f} | {np.mean(rates):.1f} | {min(rates):.1f} "
        f"| {np.mean(dropped):.1f} % | {max(dropped):.1f} % "
        f"| {np.mean(first):.0f} ms | {max(first):.0f} ms | {behind:.0f} ms "
        f"| {taken:.2f} | {mib:.0f} |",
        flush=True,
    )


def spent(process: int) -> float:
    """Seconds of processors that a process took; NaN where the system does not say."""
    try:
        numbers = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def memory(process: int) -> float:
    """Resident MiB of a process; NaN where the system does not say."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
