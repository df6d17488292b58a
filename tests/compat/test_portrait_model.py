"""Stage one as the published code runs it: what it sees, how it drives, which levels it writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bare_portrait import FACE, PASTE, assert_seen, bare_model
from joyvasa_lib.compat.joyvasa.portrait_model import (
    JoyVASAPortraitModel,
    truncated_pixels,
    was_saved_for_joyvasa,
)
from joyvasa_lib.errors import OptionError
from joyvasa_lib.motion.driving.options import DrivingOptions
from liveportrait_official import parity


def seeing(image_side: int) -> JoyVASAPortraitModel:
    model = bare_model(96, image_side, JoyVASAPortraitModel)
    assert isinstance(model, JoyVASAPortraitModel)
    return model


def test_the_networks_see_the_reference_s_own_pixels() -> None:
    """The crop is black beyond the image; without a crop the image is stretched."""
    crop = seeing(48).crop(PASTE["image"], FACE)
    assert_seen(seeing(48), crop, PASTE["area_resized"])
    whole = seeing(40).crop(PASTE["img_crop"], FACE, whole=True)
    assert_seen(seeing(40), whole, PASTE["linear_resized"])
    wide = np.repeat(PASTE["img_crop"], 2, axis=1)  # squeezed to a square it is the image again
    assert_seen(seeing(96), seeing(96).crop(wide, FACE, whole=True), PASTE["img_crop"])


def test_levels_are_truncated_as_in_the_reference() -> None:
    geometry = parity("geometry")
    truncated = truncated_pixels(torch.from_numpy(geometry["parse_in"])).numpy()
    np.testing.assert_array_equal(truncated, geometry["parse_out"])
    image = torch.tensor([0.0, 0.999, 1.0, 1.5, -0.2]).view(1, 1, 1, 5).expand(-1, 3, -1, -1)
    assert truncated_pixels(image)[0, 0, :, 0].tolist() == [0, 254, 255, 255, 0]


def test_options_that_the_published_code_lacks_are_refused() -> None:
    model = seeing(48)
    model.subject = "human"
    model.check_driving(DrivingOptions(regions="mouth"))
    with pytest.raises(OptionError, match="one mode for head and expression"):
        model.check_driving(DrivingOptions(head="absolute"))


@pytest.mark.parametrize(
    ("content", "said"),
    [({"compat": "joyvasa"}, True), ({"compat": None}, False), ({}, False), ([], False)],
)
def test_a_folder_of_an_earlier_version_may_ask_for_it(
    tmp_path: Path, content: object, said: bool
) -> None:
    assert not was_saved_for_joyvasa(tmp_path)
    (tmp_path / "driving.json").write_text(json.dumps(content))
    assert was_saved_for_joyvasa(tmp_path) is said
