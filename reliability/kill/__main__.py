"""``python -m reliability.kill``: kills commands at random moments and looks at what is left.

    python -m reliability.kill [--kills 110] [--seed 0] [--out out/kill]
    python -m reliability.kill --only animate,train --kills 2

Each command first runs unbroken, for its length and its results. Then it is killed at moments
spread evenly at random over that length, four times in a row in the same folder, and then runs to
its end. Ends with 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from reliability.kill.attempts import Attempt, contents
from reliability.kill.scenarios import SCENARIOS, Scenario, results_of

IN_A_ROW = 4


def main() -> int:
    """Runs what the arguments ask for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reliability.kill")
    parser.add_argument("--kills", type=int, default=110, help="of all commands together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(SCENARIOS), help="commands, with commas")
    parser.add_argument("--out", type=Path, default=Path("out/kill"))
    given = parser.parse_args()
    names = [name for name in given.only.split(",") if SCENARIOS[name].available]
    whole = sum(SCENARIOS[name].share for name in names)
    load()
    rows = []
    for name in names:
        kills = max(1, round(given.kills * SCENARIOS[name].share / whole))
        place = given.out.resolve() / name
        shutil.rmtree(place, ignore_errors=True)
        rows.append(kill_often(name, SCENARIOS[name], kills, Random(f"{given.seed} {name}"), place))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        shutil.rmtree(place / "in")
    (given.out / "report.json").write_text(json.dumps(rows, indent=1), "utf-8")
    print(table(rows))
    return 1 if any(row["faults"] for row in rows) else 0


def load() -> None:
    """Loads what commands need, so that they are killed at work and not while they import."""
    from joyvasa_lib import JoyVASAPipeline
    from joyvasa_lib.datasets.prepare.segment_work import load_encoder
    from reliability.fuzz.samples import ASSETS

    pipe = JoyVASAPipeline.from_pretrained(device="cpu")
    load_checkpoint = JoyVASAPipeline.from_pretrained

    def once(source: Any = None, **options: Any) -> JoyVASAPipeline:
        return pipe if source is None else load_checkpoint(source, **options)

    JoyVASAPipeline.from_pretrained = once  # type: ignore[method-assign, assignment]
    encoded = pipe.encode(ASSETS / "astronaut.jpg")
    motion = pipe.generate_motion(ASSETS / "hello.flac", num_inference_steps=1)
    next(pipe.render(encoded, motion).frames())
    load_encoder("bundled")
    if SCENARIOS["serve"].available:
        import_module("joyvasa_lib.integrations.server.run")


def kill_often(
    name: str, scenario: Scenario, kills: int, random: Random, folder: Path
) -> dict[str, Any]:
    """Kills one command so many times; returns what was found."""
    inputs, log = folder / "in", folder / "log.txt"
    inputs.mkdir(parents=True)
    scenario.lay(inputs)
    hashes = contents(inputs)
    place = lay_out(scenario, folder)
    unbroken = Attempt(lambda: scenario.work(place), log)
    if (code := unbroken.wait()) != 0:
        raise RuntimeError(f"{name} ended with {code}; see {log}")
    whole, length = results_of(scenario, place), unbroken.seconds
    if not whole:
        raise RuntimeError(f"{name} made nothing")
    row: dict[str, Any] = {"command": name, "seconds": round(length, 2), "kills": 0, "faults": []}
    began, struck, finished, misses = time.monotonic(), 0, 0, 0
    while struck < kills:
        place = lay_out(scenario, folder)
        for _ in range(min(IN_A_ROW, kills - struck)):
            moment = random.uniform(0.0, length)
            attempt = Attempt(lambda: scenario.work(place), log)  # noqa: B023 - done at once
            if not attempt.kill_after(moment):
                misses += 1  # it had ended before
                continue
            struck += 1
            faults = scenario.faults(place, hashes, whole)
            if not attempt.left_alone():
                faults.append("a process that it started goes on")
            row["faults"] += [f"killed after {moment:.2f} s: {fault}" for fault in faults]
        last = Attempt(lambda: scenario.work(place), log)  # noqa: B023 - done at once
        if (code := last.wait()) != 0:
            row["faults"].append(f"after kills it ends with {code}; see {log}")
        row["faults"] += scenario.faults_at_end(place, whole)
        finished += 1
    row |= {"kills": struck, "finished": finished, "ended_before": misses,
            "took": round(time.monotonic() - began, 1)}  # fmt: skip
    return row


def lay_out(scenario: Scenario, folder: Path) -> Path:
    """An empty folder for results, but for what is there before."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    for name, data in scenario.kept.items():
        (out / name).write_bytes(data)
    return folder


def table(rows: list[dict[str, Any]]) -> str:
    """The results as a table in Markdown."""
    lines = ["| command | unbroken, s | kills | run to the end after | faults |",
             "| --- | --- | --- | --- | --- |"]  # fmt: skip
    for row in rows:
        cells = (row["command"], row["seconds"], row["kills"], row["finished"], len(row["faults"]))
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
