"""Where the work on segments runs: in this process, in several, or on a Ray cluster.

Every engine takes the jobs lazily and has only a few more under way than workers, so that memory
does not grow with the number of videos.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait as wait_for
from typing import Any, Literal, TypeVar, get_args

from joyvasa_lib.errors import JoyVASAError, MissingDependencyError, OptionError

Job = TypeVar("Job")
Done = TypeVar("Done")
Engine = Literal["local", "ray"]

AHEAD = 2
"""Jobs under way for each worker: one it works on, one that waits for it."""
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def run_jobs(
    work: Callable[[Job], Done], jobs: Iterable[Job], workers: int, engine: Engine = "local"
) -> Generator[Done]:
    """Does the jobs, ``workers`` at a time.

    Args:
        work: a function of a module; it is called in other processes.
        jobs: its arguments.
        workers: how many jobs at a time; 1 of the engine ``"local"`` stays in this process.
        engine: ``"local"`` or ``"ray"``.

    Yields:
        The results, as they come.

    Raises:
        OptionError: the engine is unknown, or there is less than one worker.
        MissingDependencyError: Ray is asked for and not installed.
        JoyVASAError: a worker died; and whatever a job raises.
    """
    if engine not in get_args(Engine):
        raise OptionError(f"engine must be 'local' or 'ray', not {engine!r}")
    if workers < 1:
        raise OptionError(f"workers must be at least 1, not {workers}")
    if engine == "ray":
        yield from _on_ray(work, jobs, workers)
    elif workers == 1:
        yield from map(work, jobs)
    else:
        yield from _in_processes(work, jobs, workers)


def _in_processes(work: Callable[[Job], Done], jobs: Iterable[Job], workers: int) -> Iterator[Done]:
    # Fresh processes: a copy of this one would have its threads' locks without its threads.
    context = get_context("spawn")
    left, others = iter(jobs), set(active_children())
    with (
        _one_thread_each(),
        ProcessPoolExecutor(workers, context, initializer=_end_with_parent) as pool,
    ):
        under_way: set[Future[Done]] = set()
        try:
            while True:
                room = AHEAD * workers - len(under_way)
                under_way |= {pool.submit(work, job) for job in islice(left, room)}
                if not under_way:
                    return
                finished, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield future.result()
        except BaseException as error:
            # What they are at is thrown away: a job is finished or has not begun.
            for child in set(active_children()) - others:
                child.terminate()
            pool.shutdown(wait=True, cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                raise JoyVASAError(
                    f"One of {workers} worker processes died, perhaps for want of memory; run "
                    "again with fewer workers: what is finished is kept"
                ) from error
            raise


def _end_with_parent() -> None:
    """Ends this worker when the process that started it is killed; a pool alone would wait on."""
    parent = parent_process()
    if parent is None:
        return

    def watch(sentinel: int = parent.sentinel) -> None:
        wait_for([sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Workers that start inside use one thread each: there are as many workers as one wants."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _on_ray(work: Callable[[Job], Done], jobs: Iterable[Job], workers: int) -> Iterator[Done]:
    """On the cluster that is connected to, else that RAY_ADDRESS names, else one started here."""
    ray = _ray()
    ours = not ray.is_initialized()
    if ours:
        here = "RAY_ADDRESS" not in os.environ
        ray.init(
            num_cpus=workers if here else None,
            include_dashboard=False if here else None,
            log_to_driver=False,
            logging_level="error",
            runtime_env={
                "env_vars": {
                    **dict.fromkeys(_ONE_THREAD, "1"),
                    **({"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} if here else {}),
                }
            },
        )
    try:
        remote = ray.remote(num_cpus=1, max_retries=2)(work)
        left, under_way = iter(jobs), list[Any]()
        while True:
            under_way += [
                remote.remote(job) for job in islice(left, AHEAD * workers - len(under_way))
            ]
            if not under_way:
                return
            finished, under_way = ray.wait(under_way, num_returns=1)
            yield from _results(ray, finished)
    finally:
        if ours:
            ray.shutdown()


def _results(ray: Any, references: list[Any]) -> list[Any]:
    try:
        return list(ray.get(references))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, JoyVASAError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise JoyVASAError(
            f"A Ray task was lost ({type(error).__name__}); run again: what is finished is kept"
        ) from error


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError(
            "The engine 'ray' needs Ray: pip install 'joyvasa-lib[ray]'"
        ) from error
    return ray
