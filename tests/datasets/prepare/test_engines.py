"""Where work runs: the same results on every engine, bounded, and never left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from joyvasa_lib.datasets.prepare.engines import AHEAD, run_jobs
from joyvasa_lib.errors import JoyVASAError, MissingDependencyError, OptionError, OutputError


def square(number: int) -> int:
    return number * number


def one_thread(name: str) -> str:
    return os.environ.get(name, "")


def refuse(number: int) -> int:
    if number == 3:
        raise OutputError("the disk is full")
    return number


def die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_is_done_once(workers: int) -> None:
    assert sorted(run_jobs(square, range(20), workers)) == [n * n for n in range(20)]


@pytest.mark.parametrize("workers", [1, 2])
def test_jobs_are_taken_only_as_there_is_room(workers: int) -> None:
    taken = 0

    def jobs() -> Iterator[int]:
        nonlocal taken
        for number in range(30):
            taken += 1
            yield number

    for done, _ in enumerate(run_jobs(square, jobs(), workers), start=1):
        assert taken <= done + AHEAD * workers


def test_workers_use_one_thread_each_and_this_process_as_many_as_before() -> None:
    before = dict(os.environ)
    assert list(run_jobs(one_thread, ["OMP_NUM_THREADS"], 2)) == ["1"]
    assert dict(os.environ) == before


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_job_raises_ends_the_run(workers: int) -> None:
    with pytest.raises(OutputError, match="disk is full"):
        list(run_jobs(refuse, range(100), workers))
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_worker_that_dies_is_one_clear_error() -> None:
    with pytest.raises(JoyVASAError, match="fewer workers"):
        list(run_jobs(die, range(10), 2))
    assert multiprocessing.active_children() == []


def test_stopping_early_leaves_no_worker() -> None:
    results = run_jobs(square, range(1000), 2)
    next(results)
    results.close()
    assert multiprocessing.active_children() == []


def test_workers_end_when_the_process_that_started_them_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, threading
            from joyvasa_lib.datasets.prepare.engines import run_jobs

            def wait(number):
                os.write(1, f"{os.getpid()}\\n".encode())
                threading.Event().wait()

            if __name__ == "__main__":
                list(run_jobs(wait, range(4), 2))
            """
        )
    )
    child = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert len({child.stdout.readline() for _ in range(2)}) == 2  # both work
    child.kill()
    # The pipe ends when no worker holds it any more; the limit is for workers that live on.
    assert child.communicate(timeout=600)[0] == ""


def test_impossible_options_are_refused() -> None:
    with pytest.raises(OptionError, match="workers"):
        list(run_jobs(square, [1], 0))
    with pytest.raises(OptionError, match="engine"):
        list(run_jobs(square, [1], 1, "cloud"))


def test_ray_does_every_job_once_on_two_workers_and_passes_errors_on() -> None:
    ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error",
        runtime_env={"env_vars": {"PYTHONPATH": path}},
    )  # fmt: skip
    try:
        assert sorted(run_jobs(square, range(9), 2, "ray")) == [n * n for n in range(9)]
        assert ray.is_initialized()  # a connection that was there is left alone
        with pytest.raises(OutputError, match="disk is full"):
            list(run_jobs(refuse, range(9), 2, "ray"))
    finally:
        ray.shutdown()


def test_without_ray_the_engine_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match="joyvasa-lib\\[ray\\]"):
        list(run_jobs(square, [1], 2, "ray"))
