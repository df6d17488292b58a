"""``python -m reliability.fuzz.guided``: inputs that reach what no input before them reached.

    python -m reliability.fuzz.guided timeline [--seconds 300] [--seed 0] [--out out/fuzz/guided]

atheris (``pip install atheris``; for Linux and some Pythons) notes which branches of this library
an input takes, and changes inputs that took new ones further. It begins with 200 damaged samples of
the kind. Any exception but the library's own, 2 GB or 60 seconds end the run with a code other than
0; the input is then in OUT, whose folder of that kind makes the next run go on where this one was.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from random import Random

GUIDED = ("landmarks", "motion", "notation", "pickle", "template", "timeline")
"""Kinds whose input is one file, or a text, that this library takes apart itself."""
_BEGINNING = 200
_MEGABYTES, _SECONDS = 2048, 60


def main() -> None:
    """Reads the command line, and runs until time is up or something is found."""
    parser = argparse.ArgumentParser(prog="python -m reliability.fuzz.guided")
    parser.add_argument("kind", choices=GUIDED)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/fuzz/guided"))
    given = parser.parse_args()
    try:
        atheris = import_module("atheris")
    except ImportError:
        sys.exit("atheris is not installed; try: pip install atheris")
    out = given.out.resolve()
    samples, corpus, work = (out / name for name in ("samples", given.kind, f"{given.kind}-work"))
    for folder in (corpus, work / "in", work / "out"):
        folder.mkdir(parents=True, exist_ok=True)

    with atheris.instrument_imports(include=["joyvasa_lib"]):  # and what reading imports
        from joyvasa_lib.budgets import set_budgets
        from joyvasa_lib.errors import JoyVASAError
        from reliability.fuzz.inputs import Case
        from reliability.fuzz.kinds import BUDGETS, KINDS
        from reliability.fuzz.samples import make_samples
        from reliability.fuzz.schedule import input_of

        make_samples(samples)
        set_budgets(BUDGETS)
        kind = KINDS[given.kind]
        numbers = (Random(f"{given.seed}/{n}") for n in range(_BEGINNING))
        made = [input_of(given.kind, random, samples) for random in numbers]
        name = made[0].name

        def read(data: bytes) -> None:
            if name:
                Path(name).write_bytes(data)
                case = Case(name, {name: data})
            else:
                case = Case(text=data.decode("utf-8", "replace"))
            with suppress(JoyVASAError):
                kind.read(case, samples)

        os.chdir(work / "in")
        for number, case in enumerate(made):
            beginning = case.files[case.name] if case.name else case.text.encode()
            (corpus / f"made-{number}").write_bytes(beginning)
            read(beginning)

    limits = [
        f"-max_total_time={given.seconds}", f"-rss_limit_mb={_MEGABYTES}", f"-timeout={_SECONDS}",
        f"-seed={given.seed + 1}", f"-artifact_prefix={out}/{given.kind}-", "-print_final_stats=1",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *limits, str(corpus)], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
