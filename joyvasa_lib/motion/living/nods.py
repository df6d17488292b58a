"""Nods of a listener in the pauses after the other's phrases.

A nod lasts 0.4 to 0.7 s and takes the chin down by 3 to 6 degrees, as the nods of listeners that
Hadar, Steiner and Rose (1985) measured; a third of them come twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from joyvasa_lib.motion.living.curves import Change
from joyvasa_lib.motion.living.heard import Pause

NOD, NOD_SECONDS = (3.0, 6.0), (0.4, 0.7)
"""Degrees of pitch, and seconds of one nod."""
ANSWERED, TWICE = 0.8, 0.35
"""Share of pauses with a nod, and of nods that come twice."""
_AFTER = (0.1, 0.5)
"""Seconds from the end of a phrase to a nod."""
_BEFORE_SPEECH = 0.05
SECOND = (0.5, 0.75)
"""Size of a second nod to that of the first."""
_APART = 1.2
"""Seconds from the end of a nod to the next."""


def nods_after(pauses: Sequence[Pause], end: float, rng: np.random.Generator) -> list[Change]:
    """Nods [1], degrees of pitch, that lie wholly in pauses.

    Args:
        pauses: after phrases.
        end: seconds until which every nod is over.
        rng: of every choice.
    """
    nods: list[Change] = []
    free = 0.0
    for pause in pauses:
        answers, twice = rng.random() < ANSWERED, rng.random() < TWICE
        seconds, wait = float(rng.uniform(*NOD_SECONDS)), float(rng.uniform(*_AFTER))
        size, second = float(rng.uniform(*NOD)), float(rng.uniform(*SECOND))
        until = min(pause.end - _BEFORE_SPEECH, end)
        if until - pause.start - seconds < _AFTER[0]:  # a short pause has room for a quick one
            seconds = NOD_SECONDS[0]
        start = min(pause.start + wait, until - seconds)
        if not answers or start < pause.start + _AFTER[0] or start < free:
            continue
        nods.append(nod(start, seconds, size))
        free = nods[-1].end + _APART
        if twice and start + 2.0 * seconds <= until:
            nods.append(nod(start + seconds, seconds, second * size))
            free = nods[-1].end + _APART
    return nods


def nod(start: float, seconds: float, degrees: float) -> Change:
    """A nod [1]: the chin goes down by so many degrees and comes back."""
    return Change(start, 0.45 * seconds, 0.0, 0.55 * seconds, np.array([degrees]))
