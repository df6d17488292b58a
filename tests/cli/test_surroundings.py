"""Commands in odd surroundings: signals, full and read-only disks, names and terminals.

Each runs as a process of its own, as a shell starts it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import places
from joyvasa_lib import Motion
from joyvasa_lib.media.video import probe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="signals and limits of Linux"),
]
HELLO, ASTRONAUT = places.DEMO / "hello.flac", places.DEMO / "astronaut.jpg"
JOYVASA = [sys.executable, "-m", "joyvasa_lib"]
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
"""A terminal that knows ASCII alone."""


@pytest.fixture
def motion(tmp_path: Path) -> Path:
    return Motion.neutral(4).save(tmp_path / "motion.safetensors")


def run(*arguments: object, program: str = "", **environment: str) -> subprocess.CompletedProcess:
    """The command; ``program`` runs before it in the same process."""
    start = [sys.executable, "-c", f"{program}\nfrom joyvasa_lib.cli import main\nmain()"]
    return subprocess.run(
        [*start, *map(os.fsencode, map(str, arguments))],
        cwd=places.ROOT, env={**os.environ, **environment}, capture_output=True,
    )  # fmt: skip


def sentence(done: subprocess.CompletedProcess, code: int) -> str:
    """The one line on standard error of a command that ended with this code."""
    said = done.stderr.decode()
    assert done.returncode == code, said
    assert said.startswith("joyvasa: ") and said.count("\n") == 1, said
    return str(said)


# Signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_a_video_is_made_leaves_one_line_and_the_old_video(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    (tmp_path / "talk.mp4").write_bytes(b"old")
    process = subprocess.Popen(
        [*JOYVASA, "animate", ASTRONAUT, HELLO, "-o", tmp_path / "talk.mp4", "--steps", "1"],
        cwd=places.ROOT, stderr=subprocess.PIPE, text=True,
        # What a shell starts in the background ignores SIGINT, and so do its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while len(list(tmp_path.iterdir())) == 1:  # until it writes
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == code
    assert said == "joyvasa: stopped; no unfinished file was left behind\n"
    assert [path.name for path in tmp_path.iterdir()] == ["talk.mp4"]
    assert (tmp_path / "talk.mp4").read_bytes() == b"old"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_the_command_still_loads_leaves_one_line(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    (tmp_path / "typer.py").write_text(
        f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(60)\n"
    )
    done = subprocess.run(
        [*JOYVASA, "emotions"], cwd=places.ROOT, capture_output=True, timeout=50,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{places.ROOT}"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert sentence(done, code) == "joyvasa: stopped\n"


# Disks

SMALL_FILES = (
    "import resource, sys; sys.dont_write_bytecode = True;"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))"
)
"""Nothing longer than 2000 bytes can be written, as on a full disk; no module is compiled, because
Python keeps what is cut off and fails on it ever after."""


def test_a_motion_that_does_not_fit_is_told_and_the_old_one_stays(
    tmp_path: Path, motion: Path
) -> None:
    (tmp_path / "new.safetensors").write_bytes(b"old")
    done = run("edit", motion, "--emotion", "fear", "-o", tmp_path / "new.safetensors",
               program=SMALL_FILES)  # fmt: skip
    assert "new.safetensors" in sentence(done, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "motion.safetensors", "new.safetensors"
    ]  # fmt: skip
    assert (tmp_path / "new.safetensors").read_bytes() == b"old"


def test_a_video_that_does_not_fit_is_told_and_leaves_nothing(tmp_path: Path, motion: Path) -> None:
    done = run("drive", ASTRONAUT, motion, "--crop", "-o", tmp_path / "talk.mp4",
               program=SMALL_FILES)  # fmt: skip
    assert "talk.mp4" in sentence(done, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["motion.safetensors"]


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no other file system")  # noqa: PTH112
def test_a_link_to_another_file_system_is_followed_and_stays(tmp_path: Path, motion: Path) -> None:
    other = Path(f"/dev/shm/joyvasa-test-{os.getpid()}")
    other.mkdir()
    try:
        (other / "old.safetensors").write_bytes(b"old")
        (tmp_path / "new.safetensors").symlink_to(other / "old.safetensors")
        done = run("edit", motion, "--emotion", "fear", "-o", tmp_path / "new.safetensors")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "new.safetensors").is_symlink()
        assert len(Motion.load(other / "old.safetensors")) == 4
        assert [path.name for path in other.iterdir()] == ["old.safetensors"]
    finally:
        for path in other.iterdir():
            path.unlink()
        other.rmdir()


def test_output_that_does_not_fit_is_told_in_a_line(motion: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [*JOYVASA, "emotions"]
        done = subprocess.run(command, cwd=places.ROOT, stdout=full, stderr=subprocess.PIPE)
    assert "disk is full" in sentence(done, 2)


LOCKED = """
import pathlib
stat = pathlib.Path.stat
def refused(path, **options):
    if "locked" in path.parts:
        raise PermissionError(13, "Permission denied", str(path))
    return stat(path, **options)
pathlib.Path.stat = refused
"""
"""Nothing in a folder of this name may be looked at; who tests as root may everything."""


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", "locked/a.mp4"),
        ("edit", "locked/a.safetensors", "--emotion", "fear", "-o", "new.safetensors"),
        ("convert", "locked/published", "new"),
    ],
)
def test_a_folder_that_may_not_be_read_is_told_in_a_line(command: tuple[str, ...]) -> None:
    assert "locked" in sentence(run(*command, program=LOCKED), 2)


# Names and terminals


def test_names_outside_ascii_are_read_written_and_printed_in_an_ascii_terminal(
    tmp_path: Path, motion: Path
) -> None:
    motion = motion.rename(tmp_path / "grüße 顔.safetensors")
    new = tmp_path / "größer.safetensors"
    done = run("edit", motion, "--emotion", "fear", "-o", new, **ASCII)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == f"{new}: 4 frames\n"
    assert len(Motion.load(new)) == 4
    missing = run("edit", tmp_path / "não.safetensors", "--emotion", "fear", "-o", new, **ASCII)
    assert "não.safetensors" in sentence(missing, 2)


@pytest.mark.parametrize(
    "command",
    [("prepare", "{}", "set"), ("evaluate", "{}"), ("edit", "motion", "--checkpoint", "{}")],
)
def test_a_name_that_is_too_long_is_told_in_a_line(
    tmp_path: Path, motion: Path, command: tuple[str, ...]
) -> None:
    arguments = [str(motion) if part == "motion" else part.format("a" * 300) for part in command]
    if "edit" in command:
        arguments += ["--emotion", "fear", "-o", str(tmp_path / "new.safetensors")]
    assert "is longer than a file's name may be" in sentence(run(*arguments), 2)


def test_tables_are_printed_in_an_ascii_terminal() -> None:
    done = run("emotions", **ASCII)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"happiness" in done.stdout and b"?" in done.stdout


def test_a_name_that_is_no_text_is_printed_as_it_is(tmp_path: Path, motion: Path) -> None:
    name = os.fsdecode(b"\xff.safetensors")
    for encoding in ("utf-8", "ascii"):
        done = run("edit", motion, "--emotion", "fear", "-o", tmp_path / name,
                   PYTHONIOENCODING=f"{encoding}:strict")  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert b"\xff.safetensors: 4 frames" in done.stdout


# Processors


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinities of Linux")
def test_a_portrait_is_driven_on_one_processor(tmp_path: Path, motion: Path) -> None:
    one = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])"
    done = run("drive", ASTRONAUT, motion, "--crop", "-o", tmp_path / "talk.mp4", program=one)
    assert done.returncode == 0, done.stderr
    assert probe(tmp_path / "talk.mp4", count_frames=True).n_frames == 4
