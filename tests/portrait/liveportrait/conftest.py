"""A crop, a small model and its portrait."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
from joyvasa_lib.portrait.liveportrait.portrait import LivePortraitPortrait
from liveportrait_official import parity
from small_liveportrait import crop_of, small_networks


@pytest.fixture(scope="module")
def crop() -> FaceCrop:
    """Every other row and column of the parity material's image: 128 x 128."""
    pixels = parity("appearance_feature_extractor")["full/image_uint8"]
    return crop_of(np.ascontiguousarray(pixels[::2, ::2]))


@pytest.fixture(scope="module")
def small() -> LivePortraitModel:
    return LivePortraitModel(small_networks(), dtype=torch.float32)


@pytest.fixture(scope="module")
def portrait(small: LivePortraitModel, crop: FaceCrop) -> LivePortraitPortrait:
    return small.encode(crop)
