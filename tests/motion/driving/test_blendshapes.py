"""Blendshapes of a driving motion on those of a source portrait."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joyvasa_lib.errors import MotionError, OptionError
from joyvasa_lib.motion import BLENDSHAPES, get_space
from joyvasa_lib.motion.driving.blendshapes import compose_blendshapes
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.motion.operations.limits import highest_activations

MOUTH = get_space().region_blendshapes("mouth")
RNG = np.random.default_rng(0)


def units(**values: float) -> np.ndarray:
    row = np.zeros(52, dtype=np.float32)
    for name, value in values.items():
        row[BLENDSHAPES.index(name)] = value
    return row


def unit(table: np.ndarray, name: str) -> np.ndarray:
    return table[:, BLENDSHAPES.index(name)]


def test_a_smiling_source_loses_its_mouth_but_a_share_of_the_smile() -> None:
    source = units(mouthSmileLeft=0.8, jawOpen=0.5, mouthUpperUpLeft=0.6, cheekSquintLeft=0.4)
    composed = compose_blendshapes(source, np.zeros((3, 52)))
    assert unit(composed, "mouthSmileLeft") == pytest.approx(0.15 * 0.8)
    assert unit(composed, "jawOpen") == pytest.approx(0.0)
    assert unit(composed, "mouthUpperUpLeft") == pytest.approx(0.0)
    assert unit(composed, "cheekSquintLeft") == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("own", "kept"), [(0.3, 0.15), (0.6, 0.15), (0.75, 0.275), (0.9, 0.4), (1.0, 0.4)]
)
def test_more_stays_of_a_broad_smile(own: float, kept: float) -> None:
    """Lips that a grin has drawn thin look sour when all of it is taken away."""
    source = units(mouthSmileLeft=own + 0.02, mouthSmileRight=own - 0.02)
    for options, share in ((None, kept), (DrivingOptions(keep_smile=0.3), 0.3)):
        composed = compose_blendshapes(source, np.zeros((2, 52)), options)
        assert unit(composed, "mouthSmileLeft") == pytest.approx(share * (own + 0.02), abs=1e-5)
        assert unit(composed, "mouthSmileRight") == pytest.approx(share * (own - 0.02), abs=1e-5)


def test_the_driving_mouth_is_what_the_motion_says() -> None:
    source = units(jawOpen=0.5, mouthPucker=0.3)
    driving = np.stack([units(jawOpen=0.7), units(mouthFunnel=0.2)])
    composed = compose_blendshapes(source, driving, DrivingOptions(keep_smile=0.0))
    np.testing.assert_array_equal(composed[:, MOUTH], driving[:, MOUTH])


def test_a_relative_mouth_adds_to_the_source() -> None:
    composed = compose_blendshapes(
        units(jawOpen=0.2), units(jawOpen=0.3)[None], DrivingOptions(mouth="relative")
    )
    assert unit(composed, "jawOpen") == pytest.approx(0.5)


def test_brows_add_up_and_may_be_made_absolute() -> None:
    source, driving = units(browInnerUp=0.3), units(browInnerUp=0.4)[None]
    assert unit(compose_blendshapes(source, driving), "browInnerUp") == pytest.approx(0.7)
    absolute = compose_blendshapes(source, driving, DrivingOptions(expression="absolute"))
    assert unit(absolute, "browInnerUp") == pytest.approx(0.4)


def test_a_blink_is_the_stronger_of_both_and_never_more_than_closed() -> None:
    source = units(eyeBlinkLeft=0.3)
    driving = np.stack([units(eyeBlinkLeft=b) for b in (0.0, 0.2, 0.9, 1.3)])
    blink = unit(compose_blendshapes(source, driving), "eyeBlinkLeft")
    np.testing.assert_allclose(blink, [0.3, 0.3, 0.9, 1.0], atol=1e-6)


def test_lids_close_even_over_widened_or_lowered_eyes() -> None:
    source = units(eyeWideLeft=0.4)
    driving = np.stack([units(), units(eyeBlinkLeft=1.0), units(eyeBlinkLeft=1, eyeLookDownLeft=1)])
    composed = compose_blendshapes(source, driving)
    np.testing.assert_allclose(unit(composed, "eyeWideLeft"), [0.4, 0.0, 0.0], atol=1e-6)
    assert unit(composed, "eyeBlinkLeft")[2] == pytest.approx(0.7)


def test_lips_are_brought_together_only_as_far_as_the_jaw_is_open() -> None:
    driving = np.stack([units(mouthClose=0.5), units(mouthClose=0.5, jawOpen=0.8)])
    np.testing.assert_allclose(
        unit(compose_blendshapes(units(), driving), "mouthClose"), [0.0, 0.5], atol=1e-6
    )


def test_regions_that_are_not_driven_stay_as_the_source_has_them() -> None:
    source = RNG.uniform(0, 0.5, 52).astype(np.float32)
    source[BLENDSHAPES.index("mouthClose")] = 0.0
    for name in ("eyeWideLeft", "eyeWideRight"):
        source[BLENDSHAPES.index(name)] = 0.0
    driving = RNG.uniform(0, 1, (6, 52)).astype(np.float32)
    only_brows = compose_blendshapes(source, driving, DrivingOptions(regions=frozenset({"brows"})))
    rest = [i for i, name in enumerate(BLENDSHAPES) if not name.startswith("brow")]
    np.testing.assert_array_equal(only_brows[:, rest], np.tile(source[rest], (6, 1)))
    brows = [i for i, name in enumerate(BLENDSHAPES) if name.startswith("brow")]
    assert (only_brows[:, brows] > source[brows]).all()


@settings(deadline=None, max_examples=50)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["absolute", "relative"]),
    st.sampled_from(["absolute", "relative"]),
    st.floats(0, 1),
)
def test_the_result_is_always_a_face(seed: int, mouth: str, expression: str, keep: float) -> None:
    rng = np.random.default_rng(seed)
    options = DrivingOptions(mouth=mouth, expression=expression, keep_smile=keep)  # type: ignore[arg-type]
    composed = compose_blendshapes(rng.normal(0, 2, 52), rng.normal(0, 2, (8, 52)), options)
    assert composed.shape == (8, 52)
    assert composed.min() >= 0.0
    assert (composed.max(0) <= highest_activations(get_space()) + 1e-6).all()
    for side in ("Left", "Right"):
        assert unit(composed, f"eyeBlink{side}").max() <= 1.0


def test_a_neutral_source_and_modest_motion_pass_through() -> None:
    driving = RNG.uniform(0, 0.3, (5, 52)).astype(np.float32)
    for name in ("mouthClose", "eyeWideLeft", "eyeWideRight"):
        driving[:, BLENDSHAPES.index(name)] = 0.0
    np.testing.assert_array_equal(compose_blendshapes(np.zeros(52), driving), driving)


def test_bad_shapes_are_refused() -> None:
    with pytest.raises(MotionError, match=r"\[52\].*\(51,\)"):
        compose_blendshapes(np.zeros(51), np.zeros((2, 52)))


@pytest.mark.parametrize("options", [{"multiplier": 1.2}, {"stitching": False}])
def test_options_of_keypoints_are_refused(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(OptionError, match=f"{name}=.*not an option of motion of blendshapes"):
        compose_blendshapes(np.zeros(52), np.zeros((2, 52)), DrivingOptions(**options))
