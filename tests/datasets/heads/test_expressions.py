"""True expressions of random heads: cloned blendshapes, contact, pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from joyvasa_lib.datasets.heads.contact import Contact
from joyvasa_lib.datasets.heads.expression_pairs import (
    ExpressionPairsConfig,
    expression_pairs_of,
    join_pairs,
    load_pairs,
    make_expression_pairs,
    random_activations,
    save_pairs,
)
from joyvasa_lib.datasets.heads.expressions import REGIONS, TrueHead, keypoint_regions
from joyvasa_lib.datasets.heads.personal_rig import BlendshapeCloning
from joyvasa_lib.datasets.heads.shape import random_blendshapes, random_shape
from joyvasa_lib.emotion.action_units import FACE_COMPONENTS
from joyvasa_lib.motion import BLENDSHAPES
from joyvasa_lib.rig.head_rig import HeadRig, bundled_rig

pytestmark = pytest.mark.slow

BLINK = BLENDSHAPES.index("eyeBlinkLeft")


@pytest.fixture(scope="module")
def rig() -> HeadRig:
    return bundled_rig()


@pytest.fixture(scope="module")
def cloning(rig: HeadRig) -> BlendshapeCloning:
    return BlendshapeCloning(rig)


@pytest.fixture(scope="module")
def heads(rig: HeadRig) -> list[TrueHead]:
    random = np.random.default_rng(7)
    return [TrueHead.of(random_shape(rig, random)) for _ in range(8)]


def blendshapes(**named: float) -> np.ndarray:
    values = np.zeros((1, len(BLENDSHAPES)), np.float32)
    for name, value in named.items():
        for index, one in enumerate(BLENDSHAPES):
            if one in (name, f"{name}Left", f"{name}Right"):
                values[:, index] = value
    return values


def test_the_mean_head_keeps_its_blendshapes(rig: HeadRig, cloning: BlendshapeCloning) -> None:
    np.testing.assert_allclose(cloning(rig.mean).blendshapes, rig.blendshapes, atol=1e-6)


def test_blendshapes_follow_a_linear_change_of_the_head(
    rig: HeadRig, cloning: BlendshapeCloning
) -> None:
    change = np.array([[1.2, 0.0, 0.1], [0.0, 0.7, 0.0], [0.0, -0.1, 1.1]])
    cloned = cloning((rig.mean @ change).astype(np.float32)).blendshapes
    expected = rig.blendshapes @ change
    error = np.square(cloned - expected).sum() / np.square(expected - rig.blendshapes).sum()
    assert error < 0.01  # the pull towards no change costs a little


def test_a_cloned_blink_fits_eyes_of_any_size_better(heads: list[TrueHead], rig: HeadRig) -> None:
    """The factor by which a blink must be scaled to close the eye varies less than the rig's."""

    def spread(values: list[float]) -> float:
        return float(np.std(values) / np.mean(values))

    def reach(moved: np.ndarray) -> float:
        return float(np.linalg.norm(moved, axis=-1).max())

    plain = reach(rig.blendshapes[BLINK, rig.keypoint_vertex])
    cloned = [head.applied[BLINK, BLINK] for head in heads]
    bundled = [reach(head.drawn_blendshapes[BLINK]) / plain for head in heads]
    assert spread(cloned) < 0.6 * spread(bundled)


def test_contact_finds_the_nearest_admissible_pose(heads: list[TrueHead]) -> None:
    """Against SciPy's SLSQP on the same quadratic programme."""
    contact = heads[0].contact
    random = np.random.default_rng(0)
    wanted = np.stack(
        [random_blendshapes(random) + blendshapes(eyeBlink=0.9)[0] for _ in range(200)]
    )
    crossing = np.flatnonzero(contact.overlap(wanted) > 0.02)[:4]
    assert len(crossing) == 4
    for free in wanted[crossing]:
        active = np.flatnonzero(free)  # others are bound to zero
        found = minimize(
            lambda x, f=free, a=active: (contact.effort[a] * (x - f[a]) ** 2).sum(),
            0.5 * free[active],
            jac=lambda x, f=free, a=active: 2.0 * contact.effort[a] * (x - f[a]),
            bounds=[(0.0, value) for value in free[active]],
            constraints={
                "type": "ineq",
                "fun": lambda x, a=active: x @ contact.gaps[a] - contact.limits,
                "jac": lambda _, a=active: contact.gaps[a].T,
            },
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-12},
        )
        assert found.success
        resolved = contact.resolve(free[None], sweeps=2000, tolerance=1e-6)[0]
        np.testing.assert_allclose(resolved[active], found.x, atol=0.01)


def test_contact_holds_back_and_starts_nothing(heads: list[TrueHead]) -> None:
    random = np.random.default_rng(1)
    wanted = np.stack([random_blendshapes(random) for _ in range(150)])
    for head in heads[:3]:
        resolved = head.contact.resolve(wanted)
        overlap = head.contact.overlap(wanted)
        assert head.contact.overlap(resolved).max() < 1e-3 < overlap.max()
        assert (resolved <= wanted).all()
        assert (resolved >= 0.0).all()
        np.testing.assert_array_equal(resolved[overlap == 0.0], wanted[overlap == 0.0])
        np.testing.assert_allclose(head.contact.resolve(resolved), resolved, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in BLENDSHAPES if n != "mouthClose"])
def test_every_blendshape_alone_is_admissible(name: str, heads: list[TrueHead]) -> None:
    pose = np.zeros((1, len(BLENDSHAPES)), np.float32)
    pose[0, BLENDSHAPES.index(name)] = 1.0
    assert heads[0].contact.overlap(pose).max() < 1e-6


def test_eyelids_that_squint_and_blink_do_not_cross(heads: list[TrueHead]) -> None:
    for head in heads[:3]:
        alone = head.activations(blendshapes(eyeBlink=1.0)) @ head.contact.gaps
        both = head.activations(blendshapes(eyeBlink=1.0, eyeSquint=1.0)) @ head.contact.gaps
        free = blendshapes(eyeBlink=1.0, eyeSquint=1.0) @ head.contact.gaps
        assert (both[0, :6] > free[0, :6] + 0.02).all()
        np.testing.assert_allclose(both[0, :6].min(), alone[0, :6].min(), atol=0.02)


def test_a_low_activation_moves_the_person_by_the_persons_own_blendshape(
    heads: list[TrueHead],
) -> None:
    head = heads[1]
    smile = head.true_expression(blendshapes(mouthSmileLeft=0.5))
    own = 0.5 * head.rig.blendshapes[BLENDSHAPES.index("mouthSmileLeft"), head.rig.keypoint_vertex]
    np.testing.assert_allclose(smile[0], own, atol=1e-6)
    assert not head.true_expression(blendshapes()).any()


def test_an_activation_beyond_its_limit_adds_nothing(heads: list[TrueHead]) -> None:
    head = heads[2]
    full = head.true_expression(blendshapes(mouthSmile=1.1))
    beyond = head.true_expression(blendshapes(mouthSmile=3.0))
    step = head.true_expression(blendshapes(mouthSmile=0.2))
    assert np.abs(beyond - full).max() < 0.2 * np.abs(step).max()


def test_closing_lips_need_an_open_jaw(heads: list[TrueHead]) -> None:
    assert not heads[3].true_expression(blendshapes(mouthClose=1.0)).any()
    assert heads[3].true_expression(blendshapes(mouthClose=0.5, jawOpen=0.5)).any()


def test_regions_are_symmetric_and_all_there(rig: HeadRig) -> None:
    region = keypoint_regions(rig)
    assert (np.bincount(region, minlength=len(REGIONS)) >= 6).all()
    place = {int(v): i for i, v in enumerate(rig.keypoint_vertex)}
    for vertex, index in place.items():
        other = place.get(int(rig.mirror[vertex]))
        assert other is None or region[other] == region[index]


def test_pairs_follow_from_seed_and_number(tmp_path: Path) -> None:
    config = ExpressionPairsConfig(heads=2, moments=12, seed=3)
    pairs = join_pairs(list(make_expression_pairs(config)))
    again = expression_pairs_of(1, config)
    np.testing.assert_array_equal(pairs.truth[1], again.truth[0])
    held_out = join_pairs(list(make_expression_pairs(config, held_out=True)))
    assert np.abs(held_out.keypoints[:, None] - pairs.keypoints).max((2, 3)).min() > 0.05

    path = tmp_path / "pairs.safetensors"
    save_pairs(pairs, config, path)
    loaded = load_pairs(config, path)
    assert loaded is not None
    np.testing.assert_array_equal(loaded.truth, pairs.truth)
    assert load_pairs(ExpressionPairsConfig(heads=2, moments=12, seed=4), path) is None
    assert load_pairs(config, tmp_path / "none.safetensors") is None


def test_moments_have_emotions_single_sides_and_action_units_taken_away() -> None:
    random = np.random.default_rng(0)
    values = np.stack([random_activations(random, ExpressionPairsConfig()) for _ in range(400)])
    assert np.abs(values).max() <= 1.0
    assert (values < 0).any(1).mean() > 0.1
    left, right = (FACE_COMPONENTS.index(f"AU12_{side}") for side in ("left", "right"))
    assert ((values[:, left] != 0) != (values[:, right] != 0)).sum() > 5
    assert (np.abs(values) > 0).any(0).all()  # every component occurs


def test_a_contact_of_the_mean_head_knows_where_eyelids_end(rig: HeadRig) -> None:
    contact = Contact(rig, np.eye(len(BLENDSHAPES)))
    blink = contact.gaps[BLINK, :3]
    np.testing.assert_allclose(contact.limits[:3], blink)  # nothing closes the eye further
