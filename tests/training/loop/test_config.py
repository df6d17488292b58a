"""The learning rate over the steps."""

from __future__ import annotations

import pytest

pytest.importorskip("accelerate")
from joyvasa_lib.training.loop.config import LoopConfig, learning_rate_factor


def test_learning_rate_warms_up_and_falls_along_a_cosine() -> None:
    config = LoopConfig(steps=110, warmup_steps=10, final_learning_rate=0.1)
    assert learning_rate_factor(0, config) == pytest.approx(0.1)
    assert learning_rate_factor(10, config) == pytest.approx(1.0)
    assert learning_rate_factor(60, config) == pytest.approx(0.55)
    assert learning_rate_factor(110, config) == pytest.approx(0.1)
