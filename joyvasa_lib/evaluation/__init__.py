"""Measures of a talking portrait that need no download.

:func:`evaluate_motion` measures the motion that the speech stage generated, :func:`evaluate_video`
what a video shows. Both measure the same curves, so their numbers can be compared.
:func:`behaviour_of_video` and :func:`behaviour_of_motion` lay how a face looks while it speaks
beside how people do.
"""

from __future__ import annotations

from joyvasa_lib.evaluation.behaviour import (
    Behaviour,
    MeasuredRow,
    behaviour_of_motion,
    behaviour_of_video,
)
from joyvasa_lib.evaluation.evaluate import (
    Evaluation,
    evaluate_folder,
    evaluate_motion,
    evaluate_video,
)
from joyvasa_lib.evaluation.segments import Segment, load_segments
from joyvasa_lib.evaluation.track import FaceTrack, FaceTracker, track_motion

__all__ = [
    "Behaviour",
    "Evaluation",
    "FaceTrack",
    "FaceTracker",
    "MeasuredRow",
    "Segment",
    "behaviour_of_motion",
    "behaviour_of_video",
    "evaluate_folder",
    "evaluate_motion",
    "evaluate_video",
    "load_segments",
    "track_motion",
]
