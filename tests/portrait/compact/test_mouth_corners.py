"""The corners of an opening mouth stay points, and nothing else moves."""

from __future__ import annotations

import numpy as np
import pytest

from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.portrait.compact.lips.mouth_corners import corner_closing, mouth_edge
from joyvasa_lib.rig.head_rig import HeadRig, bundled_rig

JAW = BLENDSHAPES.index("jawOpen")


@pytest.fixture(scope="module")
def rig() -> HeadRig:
    return bundled_rig()


def test_the_edge_of_the_mouth_is_one_loop_around_its_middle(rig: HeadRig) -> None:
    edge = rig.mean[mouth_edge(rig)]
    assert len(edge) > 30
    assert np.ptp(edge[:, 1]) < 0.15  # closed lips
    assert edge[:, 0].min() < -0.35 and edge[:, 0].max() > 0.35


@pytest.mark.parametrize("jaw", [0.3, 0.6, 1.0])
def test_corners_of_an_open_mouth_have_no_height(rig: HeadRig, jaw: float) -> None:
    edge = mouth_edge(rig)
    opened = rig.mean + jaw * rig.blendshapes[JAW]
    closed = opened + corner_closing(rig, np.array([jaw], np.float32))[0]
    x = rig.mean[edge, 0] - rig.mean[edge, 0].mean()
    for side in (x < -0.415, x > 0.415):
        before, after = (float(np.ptp(shape[edge[side], 1])) for shape in (opened, closed))
        assert before > 0.03
        assert after < 0.3 * before
    middle = edge[np.abs(x) < 0.25]
    np.testing.assert_allclose(closed[middle], opened[middle], atol=0.015)


def test_an_open_mouth_is_open_up_to_its_corners(rig: HeadRig) -> None:
    """As those of people who talk; one that ends before them has a line on either side."""
    edge = mouth_edge(rig)
    opened = rig.mean + 0.5 * rig.blendshapes[JAW]
    closed = opened + corner_closing(rig, np.array([0.5], np.float32))[0]
    x = np.abs(rig.mean[edge, 0] - rig.mean[edge, 0].mean())
    near = edge[(x > 0.32) & (x < 0.38)]
    assert np.ptp(closed[near, 1]) > 0.7 * np.ptp(opened[near, 1]) > 0.1


def test_a_closed_mouth_and_the_rest_of_the_face_stay(rig: HeadRig) -> None:
    rest, opened = corner_closing(rig, np.array([0.0, 1.0], np.float32))
    assert not rest.any()
    far = np.linalg.norm(rig.mean[:, None] - rig.mean[mouth_edge(rig)][None], axis=-1).min(1) > 0.3
    assert np.abs(opened[far]).max() < 1e-3
