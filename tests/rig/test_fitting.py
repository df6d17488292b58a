"""The head rig on a face: what was put into a head is found again, lids and lips meet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.errors import NoFaceError
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.keypoints import rotation_angles, rotation_matrix
from joyvasa_lib.portrait.compact.encode.source_smile import own_smile
from joyvasa_lib.rig.calibration import BLINK, applied_blendshapes, blink_gain, lip_seal
from joyvasa_lib.rig.eyelids import lid_edges
from joyvasa_lib.rig.fitting import fit_head, similarity
from joyvasa_lib.rig.head_rig import bundled_rig
from joyvasa_lib.rig.lips import lip_edges
from joyvasa_lib.rig.rasterizer import interpolate, rasterize
from joyvasa_lib.rig.regions import EYES
from joyvasa_lib.rig.spreading import height_of

pytestmark = pytest.mark.slow

Floats = NDArray[np.float32]

SCALE, PLACE = 62.0, np.array([128.0, 120.0, 0.0], np.float32)


def head(angles: tuple[float, float, float] = (0.0, 0.0, 0.0), **blendshapes: float) -> Floats:
    """Mesh points [468, 3] of a person of the rig's, in pixels."""
    rig = bundled_rig()
    identity = np.random.default_rng(3).normal(0.0, 0.7, len(rig.identity)).astype(np.float32)
    values = np.zeros(len(BLENDSHAPES), np.float32)
    for name, value in blendshapes.items():
        values[BLENDSHAPES.index(name)] = value
    shape = rig.shape(identity, values) @ rotation_matrix(np.array([angles]))[0]
    return np.asarray(SCALE * shape[rig.landmark_vertex] + PLACE, np.float32)


@pytest.mark.parametrize("angles", [(8.0, -15.0, 5.0), (-10.0, 20.0, -12.0), (0.0, 25.0, 0.0)])
def test_the_turn_of_a_head_is_found_again(angles: tuple[float, float, float]) -> None:
    # A long face may be taken for a lowered one; the turn between two fits does not depend on it.
    rig = bundled_rig()
    ahead = fit_head(rig, head())
    fit = fit_head(rig, head(angles), identity=ahead.identity)
    turn = ahead.rotation.T @ fit.rotation
    np.testing.assert_allclose(rotation_angles(turn), angles, atol=1.5)
    assert fit.scale == pytest.approx(SCALE, rel=0.03)
    assert fit.residual < 1.5


@pytest.mark.parametrize(
    ("blendshape", "least"),
    [("jawOpen", 0.6), ("mouthSmileLeft", 0.3), ("mouthPucker", 0.2), ("browInnerUp", 0.1)],
)
def test_more_of_an_expression_is_seen_as_more_of_it(blendshape: str, least: float) -> None:
    # Where the landmarks say little, the fit underestimates rather than overestimates.
    rig = bundled_rig()
    person = fit_head(rig, head())
    seen = [
        fit_head(rig, head(**{blendshape: value}), identity=person.identity).blendshapes
        for value in (0.0, 0.35, 0.7)
    ]
    found = [float(values[BLENDSHAPES.index(blendshape)]) for values in seen]
    assert found[0] < found[1] < found[2] < 0.8
    assert found[2] - found[0] > least
    assert int(np.argmax(seen[2] - seen[0])) == BLENDSHAPES.index(blendshape)


def test_the_corrected_head_lies_on_every_landmark() -> None:
    rig = bundled_rig()
    bent = head()
    bent[:, 0] = PLACE[0] + 1.15 * (bent[:, 0] - PLACE[0])  # nobody of the rig's
    fit = fit_head(rig, bent)
    shape = fit.shape + np.tensordot(fit.blendshapes, rig.blendshapes, 1)
    found = fit.project(np.asarray(shape, np.float32))[rig.landmark_vertex]
    used = rig.landmark_weight >= 1.0
    used[[*EYES[0].lids, *EYES[1].lids]] = False  # edges of the skin lie there
    off = np.linalg.norm((found - bent)[used, :2], axis=1)
    assert np.median(off) < 0.5
    assert off.max() < 3.0


def test_the_skin_of_eyelids_ends_where_the_landmarks_of_eyelids_are() -> None:
    rig = bundled_rig()
    bent = head(eyeBlinkLeft=0.3)
    bent[:, 0] = PLACE[0] + 1.15 * (bent[:, 0] - PLACE[0])
    fit = fit_head(rig, bent)
    found = fit.project(fit.shape + np.tensordot(fit.blendshapes, rig.blendshapes, 1))
    for eye, edges in zip(EYES, lid_edges(rig), strict=True):
        for ids, edge in zip((eye.upper_lid, eye.lower_lid), edges, strict=True):
            contour = bent[list(ids), :2].astype(np.float64)
            off = found[edge, 1] - height_of(contour, found[edge, 0])
            assert np.abs(off).max() < 0.035 * SCALE


def test_a_similarity_is_recovered_exactly_and_reflections_are_not_taken() -> None:
    rng = np.random.default_rng(0)
    model = rng.normal(size=(20, 3))
    turn = rotation_matrix(np.array([[20.0, -35.0, 70.0]]))[0].astype(np.float64)
    points = 3.0 * model @ turn + np.array([5.0, -2.0, 1.0])
    rotation, scale, shift = similarity(model, points, rng.uniform(0.5, 2.0, 20))
    np.testing.assert_allclose(rotation, turn, atol=1e-6)
    assert scale == pytest.approx(3.0, rel=1e-6)
    np.testing.assert_allclose(shift, (5.0, -2.0, 1.0), atol=1e-5)
    mirrored, _, _ = similarity(model, points * np.array([-1.0, 1.0, 1.0]), np.ones(20))
    assert np.linalg.det(mirrored) == pytest.approx(1.0)


@pytest.mark.parametrize("points", [np.zeros((468, 3)), np.full((468, 3), np.nan), np.ones((5, 3))])
def test_unusable_landmarks_are_refused(points: NDArray[np.float32]) -> None:
    with pytest.raises(NoFaceError, match="468 or 478 finite points"):
        fit_head(bundled_rig(), points)


@pytest.mark.parametrize("wide", [0.0, 0.5])
def test_a_full_blink_brings_the_lids_together(wide: float) -> None:
    rig = bundled_rig()
    fit = fit_head(rig, head(eyeWideLeft=wide, eyeWideRight=wide))
    blendshapes = fit.blendshapes.copy()
    blendshapes[BLINK] = 1.0
    applied = applied_blendshapes(blendshapes[None], fit.blendshapes, blink_gain(rig, fit))[0]
    for upper, lower in ((386, 374), (159, 145)):
        pair = rig.landmark_vertex[[upper, lower]]
        open_eye, closed = (
            (fit.shape + np.tensordot(values, rig.blendshapes, 1))[pair, 1]
            for values in (fit.blendshapes, applied)
        )
        assert open_eye[1] - open_eye[0] > 0.1
        assert abs(closed[1] - closed[0]) < 0.25 * (open_eye[1] - open_eye[0])


def test_the_seal_closes_the_lips_that_a_smile_leaves_parted() -> None:
    rig = bundled_rig()
    fit = fit_head(rig, head(mouthSmileLeft=0.8, mouthSmileRight=0.8, jawOpen=0.15))
    upper, lower = lip_edges(rig)
    middle = slice(len(upper) // 4, -len(upper) // 4)
    sealed = fit.shape + np.tensordot(lip_seal(rig, fit), rig.blendshapes, 1)
    gap = (sealed[lower, 1] - sealed[upper, 1])[middle]
    assert gap.max() < 0.02  # rig units; the outer corners of the eyes are 1.76 apart


@pytest.mark.parametrize("jaw", [0.25, 0.5, 0.75])
def test_a_mouth_does_not_narrow_as_it_opens(jaw: float) -> None:
    """The rig's jaw alone draws the corners inwards; people's mouths widen a little."""
    rig = bundled_rig()
    rest = np.zeros(len(BLENDSHAPES), np.float32)
    acted = rest.copy()
    acted[BLENDSHAPES.index("jawOpen")] = jaw
    applied = applied_blendshapes(acted, rest, np.ones(2, np.float32))

    def width(values: NDArray[np.float32]) -> float:
        shape = rig.mean + np.tensordot(values, rig.blendshapes, 1)
        left, right = shape[rig.landmark_vertex[[61, 291]]]
        return float(np.linalg.norm(left - right))

    assert width(acted) < 0.99 * width(rest)
    assert 1.01 < width(applied) / width(rest) < 1.09

    def stretched(pucker: float) -> float:
        acted[BLENDSHAPES.index("mouthPucker")] = pucker
        applied = applied_blendshapes(acted, rest, np.ones(2, np.float32))
        return float(applied[BLENDSHAPES.index("mouthStretchLeft")])

    assert stretched(0.0) > stretched(0.5) > stretched(1.0) > 0.4 * stretched(0.0)


def test_a_smile_is_measured_whether_the_fit_explains_it_by_blendshapes_or_by_shape() -> None:
    rig = bundled_rig()
    smile = {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}
    fit = fit_head(rig, head(**smile))
    calm = fit_head(rig, head())
    # All of it as the person's shape: the image shows the same smile.
    shape = np.asarray(fit.shape + np.tensordot(fit.blendshapes, rig.blendshapes, 1), np.float32)
    as_shape = replace(fit, shape=shape, blendshapes=np.zeros_like(fit.blendshapes))
    assert own_smile(rig, as_shape) == pytest.approx(own_smile(rig, fit), abs=1e-5)
    assert own_smile(rig, fit) > own_smile(rig, calm) + 0.5
    half = fit_head(rig, head(**dict.fromkeys(smile, 0.5)))
    assert own_smile(rig, calm) < own_smile(rig, half) < own_smile(rig, fit)


def test_the_nearest_triangle_is_drawn_at_every_pixel() -> None:
    rng = np.random.default_rng(1)
    side, count = 24, 12
    vertices = np.concatenate(
        [rng.uniform(-4, side + 4, (3 * count, 2)), rng.uniform(0, 9, (3 * count, 1))], 1
    ).astype(np.float32)
    triangles = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    triangle, depth = (one[0] for one in rasterize(vertices[None], triangles, side))
    nearest = np.full((side, side), np.inf)
    row, column = np.mgrid[:side, :side]
    for a, b, c in vertices[triangles].astype(np.float64):
        system = np.array([[a[0], b[0], c[0]], [a[1], b[1], c[1]], [1.0, 1.0, 1.0]])
        if np.linalg.det(system) >= 0:  # seen from behind
            continue
        weight = np.linalg.solve(system, np.stack([column, row, np.ones_like(row)]).reshape(3, -1))
        z = np.where((weight >= 0).all(0), np.array([a[2], b[2], c[2]]) @ weight, np.inf)
        nearest = np.minimum(nearest, z.reshape(side, side))
    assert np.isfinite(nearest).any()
    np.testing.assert_array_equal(triangle >= 0, np.isfinite(nearest))
    np.testing.assert_allclose(depth, nearest, rtol=1e-4, atol=1e-3)
    # A plane's own equation comes back from its corners.
    plane = (2.0 * vertices[:, :1] - vertices[:, 1:2] + 3.0).astype(np.float32)
    seen = triangle >= 0
    found = interpolate(triangle, vertices, triangles, plane)[..., 0]
    np.testing.assert_allclose(found[seen], (2 * column - row + 3)[seen], atol=1e-2)
    assert (found[~seen] == 0).all()
