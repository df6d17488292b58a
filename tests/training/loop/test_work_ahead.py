"""Results of work done ahead."""

from __future__ import annotations

import pytest

pytest.importorskip("accelerate")
from joyvasa_lib.training.loop.work_ahead import WorkAhead


def test_work_done_ahead_comes_in_order_and_hands_errors_on() -> None:
    def square(number: int) -> int:
        if number == 7:
            raise ValueError("seven")
        return number * number

    ahead = WorkAhead(square, threads=2, ahead=3)
    assert [ahead(i) for i in range(7)] == [i * i for i in range(7)]
    with pytest.raises(ValueError, match="seven"):
        ahead(7)
    ahead.close()
