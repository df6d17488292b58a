"""Suites that try to break the library: hostile inputs, kills at random moments, long runs.

``make fuzz``, ``make kill`` and ``make soak``; docs/reliability.md tells what they found. They are
no part of the package.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "support")]  # small data sets, encoders

# Before any thread pool starts: workers and forked copies need no threads of their own.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
