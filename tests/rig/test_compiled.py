"""Compiling kernels in the background leaves standard error to the other threads."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from joyvasa_lib.rig.compiled import njit
from numba.core.errors import TypingError

class Kept(type(sys)):
    def __setattr__(self, name, value):
        assert name != "stderr", "standard error was replaced"
        super().__setattr__(name, value)

sys.__class__ = Kept

@njit
def added(a, b):
    return a + b

try:
    added("text", 1)
except TypingError as error:
    print("TypingError", "No implementation" in str(error))
"""


def test_an_error_of_the_compiler_leaves_standard_error_where_it_is() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout.split() == ["TypingError", "True"], done.stderr
