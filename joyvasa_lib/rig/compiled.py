"""Numba's ``njit``, safe to compile on a background thread.

While it looks for fitting types, Numba makes errors that it then discards. Where ``colorama`` is
installed it colours them, and for that replaces ``sys.stderr`` and puts the earlier one back: what
another thread writes meanwhile is lost. Colours are switched off before Numba is imported.
"""

from __future__ import annotations

import os

os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")

from numba import njit

__all__ = ["njit"]
