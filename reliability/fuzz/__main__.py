"""``python -m reliability.fuzz``: thousands of hostile inputs, decided by a seed and an index.

    python -m reliability.fuzz [--inputs 6360] [--seed 0] [--out out/fuzz]
    python -m reliability.fuzz --stride 10 --quick     what `make test` runs
    python -m reliability.fuzz --only "image png" --inputs 500
    python -m reliability.fuzz --again 1234            one input, which says what becomes of it

A run that was stopped goes on where it was; OUT/report.json is its summary and OUT/faults holds
the inputs that found something. Ends with 1 where there are faults.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from reliability.fuzz.kinds import KINDS
from reliability.fuzz.report import Results, table
from reliability.fuzz.samples import make_samples
from reliability.fuzz.schedule import kind_of
from reliability.fuzz.watch import read_inputs


def main() -> int:
    """Runs what the arguments ask for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reliability.fuzz")
    parser.add_argument("--inputs", type=int, default=6360, help="how many indices from 0 on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stride", type=int, default=1, help="every so many of them")
    parser.add_argument("--quick", action="store_true", help="without kinds that take long")
    parser.add_argument("--only", default="", help="kinds whose names begin so")
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"))
    parser.add_argument("--again", type=int, help="the index of one input")
    parser.add_argument("--fresh", action="store_true", help="forget an earlier run")
    given = parser.parse_args()
    out = given.out.resolve()
    samples = make_samples(out / "samples")
    path = out / f"results-{given.seed}.jsonl"
    if given.fresh:
        path.unlink(missing_ok=True)
    results = Results(path)
    done = {line["index"] for line in results.inputs}
    wanted = [
        index
        for index in range(0, given.inputs, given.stride)
        if kind_of(given.seed, index).startswith(given.only)
        and (KINDS[kind_of(given.seed, index)].quick or not given.quick)
        and KINDS[kind_of(given.seed, index)].available
    ]
    if given.again is not None:
        wanted, done = [given.again], set()

    def tell(found: dict[str, object]) -> None:
        if given.again is None:
            results.add(found)
        if found.get("outcome") == "fault" or (given.again is not None and "index" in found):
            sys.stderr.write(json.dumps(found, indent=1).replace("\\n", "\n") + "\n")

    left = [index for index in wanted if index not in done]
    commands = any(not KINDS[kind_of(given.seed, index)].quick for index in left)
    read_inputs(left, given.seed, out, samples, commands=commands, report=tell)
    if given.again is not None:
        return 0
    summary = results.summary()
    (out / "report.json").write_text(json.dumps(summary, indent=1), "utf-8")
    print(table(summary))
    return 1 if summary["faults"] or summary["too_much_growth"] else 0


if __name__ == "__main__":
    sys.exit(main())
