"""Measures of generated motion against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("accelerate")
import pytest

from joyvasa_lib.training.motion.validation.agreement import (
    Performance,
    seam_jump,
    wrong_audio_error,
)

pytest.importorskip("accelerate")
from joyvasa_lib.training.motion.validation.metrics import blinks, closure_centres


def test_wrong_sound_costs_what_the_other_recordings_motion_differs_by() -> None:
    a, b = np.full((6, 2), 1.0, np.float32), np.full((4, 2), 3.0, np.float32)
    performances = [Performance(a, a), Performance(b, b)]
    assert wrong_audio_error(performances, [0, 1]) == pytest.approx(4.0)
    ramp = np.arange(8, dtype=np.float32)[:, None]
    assert wrong_audio_error([Performance(ramp, ramp)], [0]) == pytest.approx(16.0)


def test_a_jump_is_seen_where_windows_meet_and_nowhere_else() -> None:
    steady = np.cumsum(np.ones((250, 3), np.float32), axis=0)
    assert seam_jump([steady]) == pytest.approx(1.0)
    assert seam_jump([steady[:96]]) is None
    torn = steady.copy()
    torn[192:] += 100.0  # the third window begins here
    assert seam_jump([torn]) == pytest.approx(1.0 + 100.0 / 10.0)
    inside = steady.copy()
    inside[150:] += 100.0
    assert seam_jump([inside]) < 1.0


def test_blinks_and_closures_are_found() -> None:
    units = np.zeros((20, 52), np.float32)
    units[5:9, 8:10] = 1.0
    assert blinks(units) == [4]
    assert closure_centres(np.array([0, 1, 1, 1, 0, 2, 1]), [1]).tolist() == [2, 6]
