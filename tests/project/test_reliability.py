"""The suites that try to break the library: a tenth of the inputs, a few kills, a short soak.

Also that they find what they are there for, and that the page about them is true.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import pytest

import places
from joyvasa_lib.budgets import Budgets
from reliability.fuzz import watch
from reliability.fuzz.kinds import KINDS
from reliability.fuzz.report import Results
from reliability.fuzz.schedule import ROUND, kind_of, make_input
from reliability.fuzz.watch import Watched

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="sizes are read from Linux' /proc"),
]
PAGE = places.ROOT / "docs" / "reliability.md"


def suite(name: str, out: Path, *arguments: str) -> str:
    """Runs a suite, which must find nothing; what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", f"reliability.{name}", "--out", str(out), *arguments],
        cwd=places.ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:] + done.stdout
    return done.stdout


def test_a_tenth_of_the_quick_inputs_finds_nothing(tmp_path: Path) -> None:
    suite("fuzz", tmp_path, "--stride", "10", "--quick")
    report = json.loads((tmp_path / "report.json").read_text())
    kinds = {name for name, kind in KINDS.items() if kind.quick and kind.available}
    quick = [i for i in range(0, 6360, 10) if kind_of(0, i) in kinds]
    assert report["inputs"] == len(quick) > 500
    assert report["faults"] == []
    assert set(report["kinds"]) == kinds


def test_commands_that_are_killed_leave_nothing_half_done(tmp_path: Path) -> None:
    told = suite("kill", tmp_path, "--only", "animate,batch,download,train,serve", "--kills", "5")
    rows = json.loads((tmp_path / "report.json").read_text())
    names = ["animate", "batch", "download", "train", *(["serve"] if find_spec("fastapi") else [])]
    assert [row["command"] for row in rows] == names
    assert all(row["kills"] >= 1 and row["faults"] == [] for row in rows), told


def test_a_process_that_renders_and_writes_often_does_not_grow(tmp_path: Path) -> None:
    suite("soak", tmp_path, "--only", "renders,videos", "--renders", "60", "--videos", "5")
    rows = json.loads((tmp_path / "report.json").read_text())
    assert [row["faults"] for row in rows] == [[], []]


# What the suites do


def test_an_input_depends_on_seed_and_index_alone(tmp_path: Path) -> None:
    for seed in (1, 2):
        one, other = [i for i in range(100) if kind_of(seed, i) == "notation"][:2]
        assert make_input(seed, one, tmp_path) == make_input(seed, one, tmp_path)
        assert make_input(seed, one, tmp_path) != make_input(seed, other, tmp_path)


def test_every_kind_has_its_share_of_each_round() -> None:
    assert ROUND == 106
    for start in (0, 7 * ROUND):
        found = [kind_of(3, index) for index in range(start, start + ROUND)]
        assert {name: found.count(name) for name in KINDS} == {
            name: kind.share for name, kind in KINDS.items()
        }


PLANTED = """
import json, os, sys
from dataclasses import replace
from pathlib import Path
from reliability.fuzz import worker
from reliability.fuzz.kinds import KINDS
from joyvasa_lib.errors import OptionError

def leave(case, samples):
    (Path("../out") / ".half").write_text("half")
    raise OptionError("refused")

def outside(case, samples):
    Path(sys.argv[2]).write_text("outside")

def large(case, samples):
    bytearray(10**9)

def change(case, samples):
    Path(case.name).write_text("changed")

def run(case, samples):
    os.system("true")

def wrong(case, samples):
    raise ValueError("raw")

def silent(case, samples):
    raise OptionError("")

reading = worker.Worker(0, Path(sys.argv[1]) / "samples", Path(sys.argv[1]) / "work")
index = next(i for i in range(100) if worker.kind_of(0, i) == "timeline")
sound = KINDS["timeline"]
for act in (sound.read, leave, outside, large, change, run, wrong, silent):
    KINDS["timeline"] = replace(sound, read=act)
    print(json.dumps([reading.read(index)["outcome"], reading.read(index)["faults"]]))
"""


def test_whatever_goes_wrong_with_an_input_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    for suffix in ("yaml", "json"):
        (tmp_path / "samples" / f"timeline.{suffix}").write_text("[]")
    done = subprocess.run(
        [sys.executable, "-c", PLANTED, str(tmp_path), str(tmp_path / "outside")],
        cwd=places.ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    sound, *planted = (json.loads(line) for line in done.stdout.splitlines())
    assert sound[1] == []
    expected = ["half appeared", "outside its folder", "took 9", "changed", "os.system",
                "ValueError: raw", "without a message"]  # fmt: skip
    for (outcome, faults), said in zip(planted, expected, strict=True):
        assert outcome == "fault"
        assert said in " ".join(faults)


STUB = """
import os, sys, time
print("ready", flush=True)
for line in sys.stdin:
    if line == "1\\n":
        os._exit(7)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("index", "said"), [(1, r"ended \(7\)"), (2, "still busy after 1 seconds")]
)
def test_a_worker_that_dies_or_hangs_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: int, said: str
) -> None:
    monkeypatch.setattr(watch, "LIMIT", 1.0)
    worker = Watched(0, tmp_path, tmp_path / "work", False, ("-c", STUB))
    try:
        found = worker.ask(index, 0)
    finally:
        worker.close()
    assert found["outcome"] == "fault" and found["ended"]
    assert re.search(said, found["faults"][0])


def test_a_run_goes_on_behind_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    results = Results(path)
    line = {"index": 4, "kind": "motion", "outcome": "read", "seconds": 0.1, "memory": 0}
    results.add(line)
    with path.open("a") as file:
        file.write('{"index": 5, "ki')
    again = Results(path)
    assert again.inputs == [line]
    again.add({**line, "index": 5})
    assert [one["index"] for one in Results(path).inputs] == [4, 5]


# The page


def test_the_page_names_every_budget_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert {name: int(number.replace(",", "")) for name, number in rows} == asdict(Budgets())


def test_the_page_names_every_kind_of_input_and_commands_that_exist() -> None:
    page = PAGE.read_text("utf-8")
    kinds = set(re.findall(r"^\| ([a-z0-9 ]+?) \| \d", page, re.MULTILINE))
    assert kinds >= set(KINDS)
    makefile = (places.ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"`make (\w+)`", page))
    assert {"fuzz", "kill", "soak", "test"} <= targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    for path in re.findall(r"`(tests/[\w/]+\.py)`", page):
        assert (places.ROOT / path).is_file(), path
