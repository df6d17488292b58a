"""Linear maps: the basis of the units, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from edited_motions import COMPACT
from joyvasa_lib.emotion.action_units import COMPONENTS
from joyvasa_lib.emotion.maps.linear import LinearUnitMap, arkit_unit_map
from joyvasa_lib.emotion.maps.unit_map import UnitToExpression
from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion import BLENDSHAPES


def test_the_linear_map_is_the_basis_of_the_units() -> None:
    mapping = arkit_unit_map(COMPACT)
    assert isinstance(mapping, UnitToExpression)
    assert set(mapping.units) <= set(COMPONENTS)
    assert len(mapping.units) == 55
    row = mapping.units.index("AU26")
    activations = np.zeros((2, 3, 55), np.float32)
    activations[1, 2, row] = 0.5
    change = mapping.deformation(activations)
    assert change.shape == (2, 3, 64, 3)
    assert change.dtype == np.float32
    assert not change[0].any()
    assert COMPACT.blendshape_basis is not None
    jaw = COMPACT.blendshape_basis[BLENDSHAPES.index("jawOpen")]
    np.testing.assert_allclose(change[1, 2], 0.5 * 0.5 * jaw, atol=1e-7)
    with pytest.raises(MotionError, match="55 action units; got .* shape .2, 3."):
        mapping.deformation(np.zeros((2, 3), np.float32))


@pytest.mark.parametrize(
    ("units", "shape", "message"),
    [
        (("AU1", "AU99"), (2, 64, 3), "'AU99' is not an action-unit component"),
        (("AU1", "AU51"), (2, 64, 3), "'AU51' is not an action-unit component"),
        (("AU1",), (2, 64, 3), "basis of 1 different units"),
        (("AU1", "AU1"), (2, 64, 3), "basis of 2 different units"),
    ],
)
def test_a_basis_of_wrong_shape_or_units_is_refused(
    units: tuple[str, ...], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(MotionError, match=message):
        LinearUnitMap(COMPACT, units, np.zeros(shape))
