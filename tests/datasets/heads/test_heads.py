"""Rendered heads: their labels are exact, shapes and expressions stay in their range."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from joyvasa_lib.datasets.heads.drawing.appearance import HeadAppearance, random_appearance
from joyvasa_lib.datasets.heads.drawing.renderer import HeadRenderer, RenderedHead
from joyvasa_lib.datasets.heads.drawing.styles import Style
from joyvasa_lib.datasets.heads.drawing.texture import SkinMap
from joyvasa_lib.datasets.heads.shape import random_blendshapes, random_shape
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.portrait.compact.encode.teeth import arch_length
from joyvasa_lib.rig.head_rig import HeadRig, bundled_rig

pytestmark = pytest.mark.slow

SIZE = 128
SCALE = 20.0


@pytest.fixture(scope="module")
def rig() -> HeadRig:
    return bundled_rig()


@pytest.fixture(scope="module")
def appearance(rig: HeadRig) -> HeadAppearance:
    return random_appearance(rig, SkinMap(rig), np.random.default_rng(1))


@pytest.fixture(scope="module")
def renderer(rig: HeadRig, appearance: HeadAppearance) -> HeadRenderer:
    return HeadRenderer(rig, appearance, SIZE)


def posed(rig: HeadRig, yaw: float = 0.0, **blendshapes: float) -> np.ndarray:
    shape = rig.mean.copy()
    for name, value in blendshapes.items():
        shape = shape + value * rig.blendshapes[rig.blendshape_index(name)]
    turned = shape @ rotation_matrix(np.array([0.0, yaw, 0.0])).astype(np.float32)
    return (SCALE * turned + np.array([SIZE / 2, SIZE / 2, 0.0])).astype(np.float32)


def flow_between(
    target: RenderedHead, source: RenderedHead, triangles: np.ndarray, tolerance: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Backward flow [s, s, 2] from one frame of a head to another, and where it is visible [s, s].

    A point counts as visible up to ``tolerance`` pixels behind the surface that the source shows.
    """
    side = len(target.triangle)
    on_head = target.triangle >= 0
    rows, columns = np.nonzero(on_head)
    corners = triangles[target.triangle[on_head]]
    a, b, c = (target.vertices[corners[:, i]].astype(np.float64) for i in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    wa = ((b[:, 0] - columns) * (c[:, 1] - rows) - (b[:, 1] - rows) * (c[:, 0] - columns)) / area
    wb = ((c[:, 0] - columns) * (a[:, 1] - rows) - (c[:, 1] - rows) * (a[:, 0] - columns)) / area
    weights = np.stack([wa, wb, 1.0 - wa - wb], -1)
    points = np.einsum("nk,nkd->nd", weights, source.vertices[corners].astype(np.float64))
    flow = np.zeros((side, side, 2), dtype=np.float32)
    flow[on_head] = points[:, :2] - np.stack([columns, rows], -1)
    nearest = np.round(points[:, :2]).astype(int)
    inside = ((nearest >= 0) & (nearest < side)).all(1)
    nearest = np.clip(nearest, 0, side - 1)
    visible = np.zeros((side, side), dtype=bool)
    front = source.depth[nearest[:, 1], nearest[:, 0]]
    visible[on_head] = inside & (points[:, 2] <= front + tolerance)
    return flow, visible


def test_warping_one_frame_by_the_labels_gives_the_colours_of_the_other(
    rig: HeadRig, appearance: HeadAppearance
) -> None:
    """Under light that does not change with the pose, a visible point keeps its colour."""
    ambient = np.zeros((4, 3), np.float32)
    ambient[0] = 0.8
    still = type(appearance.light)(ambient, appearance.light.direction, np.zeros(3, np.float32))
    values = {**appearance.__dict__, "light": still, "occlusion": 0.0, "glasses": None}
    renderer = HeadRenderer(rig, HeadAppearance(**values), SIZE)
    source = renderer.render(posed(rig))
    target = renderer.render(posed(rig, yaw=8.0, jawOpen=0.3))
    flow, visible = flow_between(target, source, renderer.triangles)
    grid = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1).astype(np.float32)
    warped = cv2.remap(source.image, grid + flow, None, cv2.INTER_LINEAR)
    # Away from outlines, where one pixel mixes two surfaces.
    inner = cv2.erode(visible.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    error = np.abs(warped.astype(float) - target.image).mean(-1)
    unmoved = np.abs(source.image.astype(float) - target.image).mean(-1)
    assert inner.sum() > 2000
    assert np.median(error[inner]) < 2.5
    assert np.median(error[inner]) < 0.5 * np.median(unmoved[inner])


def test_flow_between_equal_frames_is_nothing_and_everything_is_visible(
    renderer: HeadRenderer, rig: HeadRig
) -> None:
    frame = renderer.render(posed(rig))
    flow, visible = flow_between(frame, frame, renderer.triangles)
    assert np.abs(flow).max() < 1e-3
    np.testing.assert_array_equal(visible, frame.triangle >= 0)


def test_a_shift_of_the_head_is_the_flow(renderer: HeadRenderer, rig: HeadRig) -> None:
    shift = np.array([3.0, -2.0, 0.0])
    source, target = renderer.render(posed(rig)), renderer.render(posed(rig) + shift)
    flow, _ = flow_between(target, source, renderer.triangles)
    on_head = target.triangle >= 0
    np.testing.assert_allclose(
        flow[on_head], np.broadcast_to([-3.0, 2.0], (on_head.sum(), 2)), atol=2e-3
    )


def test_an_open_mouth_shows_teeth_that_a_closed_one_hides(
    renderer: HeadRenderer, rig: HeadRig
) -> None:
    teeth = np.flatnonzero(rig.part("teeth_upper", "teeth_lower"))

    def shown(**blendshapes: float) -> int:
        return int(np.isin(renderer.render(posed(rig, **blendshapes)).triangle, teeth).sum())

    lifted = {"mouthUpperUpLeft": 0.9, "mouthUpperUpRight": 0.9}
    assert shown() < 4
    assert shown(jawOpen=0.3, **lifted) > 10


def test_the_dental_arch_is_symmetric_and_as_long_as_a_persons(rig: HeadRig) -> None:
    arc = arch_length(rig)
    upper = arc[rig.part_vertices("teeth_upper")]
    assert upper.max() == pytest.approx(-upper.min(), rel=0.05)
    assert 45.0 < upper.max() * 57.0 < 75.0  # millimetres from the midline to the last molar


def test_shapes_and_expressions_stay_in_their_range(rig: HeadRig) -> None:
    random = np.random.default_rng(0)
    blendshapes = np.stack([random_blendshapes(random) for _ in range(200)])
    assert blendshapes.min() >= 0.0
    assert blendshapes.max() <= 1.0
    blinks = blendshapes[:, rig.blendshape_index("eyeBlinkLeft")] > 0.1
    assert 0.15 < blinks.mean() < 0.6
    spread = np.std([random_shape(rig, random) for _ in range(12)], axis=0)
    assert 0.01 < spread.mean() < 0.5


def test_a_plain_style_changes_nothing_and_a_grey_one_leaves_no_colour() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    np.testing.assert_allclose(Style()(image).astype(int), image, atol=1)
    grey = Style(saturation=0.0)(image)
    assert np.ptp(grey.astype(int), axis=-1).max() <= 1
