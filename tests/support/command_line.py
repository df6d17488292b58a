"""What running a command in this process gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """Exit code, standard output and standard error."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]
"""Runs ``joyvasa`` with arguments, as the program does."""
Joyvasa = Callable[..., str]
"""Runs ``joyvasa`` with arguments, which must succeed; its standard output."""
Refused = Callable[..., str]
"""Runs ``joyvasa`` with arguments, which must fail; the error's message."""


def refusal(outcome: Outcome) -> str:
    """The sentence on standard error, after checking that it is one and all there is."""
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    assert outcome.err.startswith("joyvasa: "), outcome.err
    assert outcome.err.count("\n") == 1, outcome.err
    assert "Traceback" not in outcome.err
    return outcome.err
