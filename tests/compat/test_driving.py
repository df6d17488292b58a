"""The driving rules of JoyVASA's published code, against its numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from joyvasa_lib.compat.joyvasa.driving import (
    PublishedOptions,
    drive_as_joyvasa,
    published_multiplier,
    published_options,
)
from joyvasa_lib.errors import MotionError, OptionError
from joyvasa_lib.face.ratios import lip_open_ratio
from joyvasa_lib.motion.driving.keypoints import drive_keypoints, motion_multiplier
from joyvasa_lib.motion.driving.options import DrivingOptions
from keypoint_driving import BARE, DRIVING, GEOMETRY, MOUTH, PARITY, SOURCE, lip, stitch

CASES: dict[str, dict[str, Any]] = json.loads(str(PARITY["config_json"]))
PLAIN = PublishedOptions(stitching=False)


def as_options(name: str, case: dict[str, Any]) -> PublishedOptions:
    return PublishedOptions(
        relative_motion=case.get("flag_relative_motion", True),
        driving_option=case.get("driving_option", "pose-friendly"),
        animation_region=case.get("animation_region", "all"),
        driving_multiplier=case.get("driving_multiplier", 1.0),
        stitching=case.get("flag_stitching", False),
        normalize_lip=case.get("flag_normalize_lip", False),
        retargeting=case.get("flag_lip_retargeting", False),
        animal=not name.startswith("human"),
    )


def test_the_options_sets_are_all_there() -> None:
    assert len([name for name in CASES if name.startswith("human/")]) == 17
    assert len([name for name in CASES if name.startswith("animal/")]) == 3


@pytest.mark.parametrize("name", CASES)
def test_joyvasa_s_numbers_are_reproduced(name: str) -> None:
    ratio = None
    if landmarks := CASES[name].get("landmarks"):
        ratio = float(lip_open_ratio(PARITY[landmarks])[0])
    x = drive_as_joyvasa(
        SOURCE,
        DRIVING,
        as_options(name, CASES[name]),
        stitch=stitch,
        lip_retarget=lip,
        lip_ratio=ratio,
    )
    np.testing.assert_allclose(x, PARITY[name], atol=2e-5)
    assert x.dtype == np.float32


def test_the_published_multiplier_is_reproduced_and_counts_an_open_mouth() -> None:
    x = GEOMETRY["x"]
    found = [published_multiplier(a, b) for a, b in zip(x, np.roll(x, -1, axis=0), strict=True)]
    np.testing.assert_allclose(found, GEOMETRY["motion_multiplier"], rtol=1e-5)
    open_mouth = x[0].copy()
    open_mouth[MOUTH] *= 3.0
    assert published_multiplier(x[0], open_mouth) < 0.9
    assert motion_multiplier(x[0], open_mouth) == pytest.approx(1.0)


@pytest.mark.parametrize("driving_option", ["pose-friendly", "expression-friendly"])
@pytest.mark.parametrize("relative", [True, False])
def test_pieces_of_a_motion_are_driven_as_the_whole(driving_option: str, relative: bool) -> None:
    options = replace(PLAIN, driving_option=driving_option, relative_motion=relative)
    whole = drive_as_joyvasa(SOURCE, DRIVING, options)
    pieces = [drive_as_joyvasa(SOURCE, DRIVING[i:j], options, first=DRIVING[0])
              for i, j in ((0, 1), (1, 4), (4, 4), (4, 6))]  # fmt: skip
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-6)


def test_its_absolute_mode_is_not_absolute() -> None:
    absolute = replace(BARE, head="absolute", expression="absolute", mouth="absolute")
    theirs = drive_as_joyvasa(SOURCE, DRIVING, published_options(absolute))
    assert np.abs(theirs - drive_keypoints(SOURCE, DRIVING, absolute)).max() > 0.05


def test_closing_lips_needs_the_network() -> None:
    with pytest.raises(MotionError, match="give lip_retarget="):
        drive_as_joyvasa(SOURCE, DRIVING, PLAIN, lip_ratio=0.2)


def test_this_library_s_options_become_the_published_ones() -> None:
    assert published_options(DrivingOptions()) == PublishedOptions()
    assert published_options(DrivingOptions(), animal=True) == PublishedOptions(animal=True)
    faces = frozenset({"brows", "cheeks", "eyes", "mouth"})
    for regions, name in (("head", "pose"), (faces, "exp"), ("mouth", "lip"), ("eyes", "eyes")):
        assert published_options(DrivingOptions(regions=regions)).animation_region == name
    given = DrivingOptions(
        head="absolute", expression="absolute", mouth="absolute", multiplier=1.2, stitching=False,
        close_lips=False, lip_threshold=0.1,
    )  # fmt: skip
    assert published_options(given) == PublishedOptions(
        relative_motion=False, driving_multiplier=1.2, stitching=False, normalize_lip=False,
        lip_threshold=0.1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"regions": frozenset({"eyes", "mouth"})},
            r"drives the regions .*not \['eyes', 'mouth'\]",
        ),
        ({"head": "absolute"}, "one mode for head and expression"),
        ({"mouth": "relative"}, "decides on the mouth itself"),
        ({"keep_smile": 0.5}, "keep_smile"),
    ],
)
def test_what_the_published_code_cannot_do_is_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        published_options(DrivingOptions(**options))
