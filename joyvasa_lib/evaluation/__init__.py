"""Measures of a talking portrait that need no download.

:func:`evaluate_motion` measures the motion that the speech stage generated, :func:`evaluate_video`
what a video shows. Both measure the same curves, so their numbers can be compared.
"""

from __future__ import annotations

from joyvasa_lib.evaluation.evaluate import (
    Evaluation,
    evaluate_folder,
    evaluate_motion,
    evaluate_video,
)
from joyvasa_lib.evaluation.segments import Segment, load_segments
from joyvasa_lib.evaluation.track import FaceTrack, FaceTracker, track_motion

__all__ = [
    "Evaluation",
    "FaceTrack",
    "FaceTracker",
    "Segment",
    "evaluate_folder",
    "evaluate_motion",
    "evaluate_video",
    "load_segments",
    "track_motion",
]
