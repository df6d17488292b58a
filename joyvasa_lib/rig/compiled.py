"""Numba's ``njit``, safe to compile on a background thread and where nothing can be cached.

While it looks for fitting types, Numba makes errors that it then discards. Where ``colorama`` is
installed it colours them, and for that replaces ``sys.stderr`` and puts the earlier one back: what
another thread writes meanwhile is lost. Colours are switched off before Numba is imported.

Numba refuses to make a function whose compiled form it could keep nowhere, as in a package folder
and home that are read-only. Here it is then kept in a folder for temporary files, or not at all.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from joyvasa_lib.concurrency import stop_at_exit

os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")

import numba
from numba.core import config

__all__ = ["njit"]


def njit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """``numba.njit``; with ``cache=True`` compiled code is kept where that is possible."""
    if function is None:
        return lambda given: njit(given, **options)
    cached = options.pop("cache", False)
    compiled = numba.njit(function, **options)
    if cached:
        _keep(compiled)
    return compiled


def _keep(compiled: Any) -> None:
    """Lets a function's compiled form be kept on disk, if there is a place for it."""
    try:
        compiled.enable_caching()
    except (RuntimeError, OSError):
        place = _own_temporary_folder()
        if place is None:
            return
        before, config.CACHE_DIR = config.CACHE_DIR, str(place)
        try:
            compiled.enable_caching()
        except (RuntimeError, OSError):
            return
        finally:
            config.CACHE_DIR = before
    compiled._cache = _Cache(compiled._cache)


class _Cache:
    """Numba's cache of one function, for which a disk that is full or damaged is no error."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        if name == "_cache":  # not there yet, as in a copy
            raise AttributeError(name)
        return getattr(self._cache, name)

    def load_overload(self, *arguments: Any) -> Any:
        """What was kept, or None; called before anything is compiled."""
        stop_at_exit()
        try:
            return self._cache.load_overload(*arguments)
        except Exception:  # whatever reading a damaged pickle raises
            with suppress(OSError):
                self._cache.flush()
            return None

    def save_overload(self, *arguments: Any) -> None:
        """Keeps what was compiled, if that is possible."""
        with suppress(OSError):
            self._cache.save_overload(*arguments)


def _own_temporary_folder() -> Path | None:
    """A folder for temporary files that nobody else can write to: what is kept there is run."""
    try:
        user = str(os.getuid()) if hasattr(os, "getuid") else "cache"
        place = Path(tempfile.gettempdir()) / f"joyvasa-lib-{user}"
        place.mkdir(mode=0o700, exist_ok=True)
        found = place.lstat()
        private = not hasattr(os, "getuid") or (
            found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        )
    except OSError:
        return None
    return place if stat.S_ISDIR(found.st_mode) and private else None
