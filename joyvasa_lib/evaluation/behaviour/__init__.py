"""How people look while they speak, and whether a talking portrait looks like it.

:mod:`.track` makes curves of a video or a motion, :mod:`.rows` the 23 numbers of them,
:mod:`.measure` lays them beside those of real people, :mod:`.theval` has the measures of others.
"""

from __future__ import annotations

from joyvasa_lib.evaluation.behaviour.measure import (
    Behaviour,
    MeasuredRow,
    behaviour_of_motion,
    behaviour_of_video,
)

__all__ = ["Behaviour", "MeasuredRow", "behaviour_of_motion", "behaviour_of_video"]
