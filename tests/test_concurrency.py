"""Counting processors, loading once, work in the background, forked children."""

from __future__ import annotations

import copy
import logging
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import scipy.linalg  # noqa: F401  # it has an OpenBLAS of its own
from threadpoolctl import threadpool_info, threadpool_limits

from joyvasa_lib import concurrency
from joyvasa_lib.concurrency import (
    Loaded,
    Lock,
    in_background,
    processor_quota,
    processors,
    steady_products,
)
from joyvasa_lib.rig.threads import for_each_frame

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.mark.parametrize(("value", "count"), [("4", 4), ("4,2", 4), (" 3 , 1", 3), ("1", 1)])
def test_the_first_number_of_omp_num_threads_counts(
    value: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert processors() == count


@pytest.mark.parametrize("value", ["many", "0", "-2", "2.5", "²", "4;2"])
def test_other_values_are_ignored_and_logged(
    value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(3)), raising=False)
    monkeypatch.setattr(concurrency, "processor_quota", lambda *_: math.inf)
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert processors() == 3
    assert value in caplog.text


@pytest.mark.parametrize(("quota", "count"), [(1.5, 2), (0.1, 1), (math.inf, 3), (16.0, 3)])
def test_a_quota_below_the_affinity_mask_limits_threads(
    quota: float, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(3)), raising=False)
    monkeypatch.setattr(concurrency, "processor_quota", lambda *_: quota)
    assert processors() == count


@pytest.mark.parametrize(
    ("files", "membership", "quota"),
    [
        ({"cpu.max": "150000 100000"}, "0::/", 1.5),
        ({"cpu.max": "max 100000"}, "0::/", math.inf),
        ({"a/cpu.max": "400000 100000", "a/b/cpu.max": "max 100000"}, "0::/a/b", 4.0),
        ({"a/cpu.max": "200000 100000", "a/b/cpu.max": "300000 100000"}, "0::/a/b", 2.0),
        (
            {"cpu/a/cpu.cfs_quota_us": "50000", "cpu/a/cpu.cfs_period_us": "100000"},
            "5:memory:/x\n4:cpu,cpuacct:/a",
            0.5,
        ),
        (
            {"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
            "4:cpu,cpuacct:/host/path",
            math.inf,
        ),
        ({"cpu.max": "nonsense"}, "0::/", math.inf),
        ({}, "", math.inf),
    ],
)
def test_the_quota_of_a_control_group_is_the_smallest_of_it_and_those_above(
    files: dict[str, str], membership: str, quota: float, tmp_path: Path
) -> None:
    for name, text in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    (tmp_path / "groups").write_text(membership)
    assert processor_quota(tmp_path / "root", tmp_path / "groups") == quota


def test_what_two_threads_ask_for_at_once_is_loaded_once() -> None:
    calls = []
    asking = threading.Semaphore(0)

    def load() -> object:
        calls.append(1)
        for _ in range(8):
            asking.acquire()
        return object()

    def ask() -> None:
        asking.release()
        seen.append(loaded.value)

    loaded, seen = Loaded(load), []
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert all(value is seen[0] for value in seen)
    assert len(seen) == 8


def test_loading_that_failed_is_tried_again() -> None:
    answers = [ValueError("not yet"), 7]

    def load() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    loaded = Loaded(load)
    with pytest.raises(ValueError, match="not yet"):
        _ = loaded.value
    assert loaded.value == 7


@pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_what_is_loaded_can_be_copied(again: Callable[[Loaded[int]], Loaded[int]]) -> None:
    first = Loaded(int)
    copied = again(first)
    with first._lock:  # a copy's lock is its own
        thread = threading.Thread(target=lambda: copied.value, daemon=True)
        thread.start()
        thread.join(5)
        assert not thread.is_alive()
    assert copied.value == 0


def test_an_error_in_the_background_is_one_line_of_the_log(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        raise OSError("the weights are gone")

    with caplog.at_level(logging.WARNING):
        in_background(work, "work").join()
    assert [record.getMessage() for record in caplog.records] == [
        "Preparing in the background failed: OSError: the weights are gone"
    ]
    assert "Traceback" not in capsys.readouterr().err


def in_child(check: Callable[[], bool]) -> bool:
    """Whether a check holds in a forked child within ten seconds."""
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        os._exit(0 if check() else 1)
    return os.waitpid(child, 0)[1] == 0


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_frames_are_drawn_in_a_child_forked_after_its_parent_drew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")

    def draws_all() -> bool:
        done: list[int] = []
        for_each_frame(done.append, 9)
        return sorted(done) == list(range(9))

    assert draws_all()
    assert in_child(draws_all)
    assert draws_all()


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_lock_that_another_thread_held_is_free_in_a_child() -> None:
    lock, taken, done = Lock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()

    def free() -> bool:
        with lock:
            return True

    try:
        assert in_child(free)
    finally:
        done.set()
        thread.join()


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_forks_when_what_it_prepares_is_there() -> None:
    made: list[int] = []

    def work() -> None:
        time.sleep(0.2)
        made.append(1)

    in_background(work, "work")
    assert in_child(lambda: made == [1])


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_torch_computes_in_a_child_forked_after_its_parent_computed() -> None:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        values = torch.arange(4_000_000, dtype=torch.float32)
        total = float(values.mul(2).sum())
        assert in_child(lambda: float(values.mul(2).sum()) == pytest.approx(total))
    finally:
        torch.set_num_threads(threads)


def test_work_in_the_background_ends_with_the_program() -> None:
    program = (
        "import time\n"
        "from joyvasa_lib.concurrency import in_background, stop_at_exit\n"
        "def work():\n"
        "    while True:\n"
        "        time.sleep(0.01)\n"
        "        stop_at_exit()\n"
        "in_background(work, 'work')\n"
    )
    # The limit is for work that never ends.
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=600
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def blas_threads() -> set[int]:
    return {
        one["num_threads"]
        for one in threadpool_info()
        if one["internal_api"] in ("openblas", "blis")
    }


def test_products_are_steady_as_long_as_anyone_needs_it() -> None:
    inside, leave = threading.Event(), threading.Event()

    @steady_products()
    def compute() -> set[int]:
        inside.set()
        leave.wait(10)
        return blas_threads()

    with threadpool_limits(2, "blas"):
        before = blas_threads()
        if not before:
            pytest.skip("NumPy multiplies with another library than OpenBLAS or BLIS")
        seen: list[set[int]] = []
        other = threading.Thread(target=lambda: seen.append(compute()))
        with pytest.raises(KeyError), steady_products():
            other.start()
            assert inside.wait(10)
            raise KeyError
        leave.set()
        other.join()
        assert seen == [{1}]
        assert blas_threads() == before
