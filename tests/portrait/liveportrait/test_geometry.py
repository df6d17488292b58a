"""Small steps of LivePortrait between images and networks, against the reference's numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import places
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.motion.driving.keypoints import OfficialDriving
from joyvasa_lib.portrait.liveportrait.fast.renderer import to_pixels
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
from joyvasa_lib.portrait.liveportrait.motion_extractor import bins_to_degrees
from liveportrait_official import assert_close, keypoint_networks, parity

GEOMETRY = parity("geometry")
PASTE = np.load(places.PARITY / "paste_back.npz")


def test_bins_are_the_reference_s_degrees() -> None:
    degrees = bins_to_degrees(torch.from_numpy(GEOMETRY["bins"]))
    assert_close(degrees[:, 0], GEOMETRY["bins_degrees"], 5e-4)


def test_images_are_cut_off_to_bytes_as_in_the_reference_and_rounded_by_default() -> None:
    image = torch.from_numpy(GEOMETRY["parse_in"])
    truncated = to_pixels(image, truncate=True).numpy()
    np.testing.assert_array_equal(truncated, GEOMETRY["parse_out"])
    rounded = to_pixels(image).numpy().astype(int)
    exact = 255.0 * image.clamp(0, 1).permute(0, 2, 3, 1).numpy()
    assert np.abs(rounded - exact).max() <= 0.5 + 1e-4
    assert (rounded - GEOMETRY["parse_out"]).max() == 1


def test_keypoints_are_stitched_and_retargeted_as_in_the_reference() -> None:
    networks = keypoint_networks()
    x = torch.from_numpy(GEOMETRY["x"])
    with torch.inference_mode():
        stitched = networks.stitching(x, torch.from_numpy(GEOMETRY["x_driving"]))
        lips = networks.lips(x, torch.from_numpy(GEOMETRY["lip_ratio_in"]))
        eyes = networks.eyes(x, torch.from_numpy(GEOMETRY["eye_ratio_in"]))
    assert_close(stitched, GEOMETRY["stitched"], 1e-5)
    assert_close(lips, GEOMETRY["retarget_lip"], 1e-5)
    assert_close(eyes, GEOMETRY["retarget_eye"], 1e-5)


FACE = Face(
    np.zeros(4, np.float32),
    np.pad(PASTE["lmk"], ((0, 0), (0, 1))),
    1.0,
    "liveportrait203",
)


WIDE = np.repeat(PASTE["img_crop"], 2, axis=1)
"""Each column twice: squeezed to a square it is the image again."""


def bare_model(options: OfficialDriving, size: int = 512) -> LivePortraitModel:
    """A model without networks: enough to cut images and to bring them to the networks' size."""
    model = LivePortraitModel.__new__(LivePortraitModel)
    model.device, model.driving = torch.device("cpu"), options
    model.__dict__["size"] = size
    return model


def assert_seen(model: LivePortraitModel, crop: FaceCrop, wanted: NDArray[np.uint8]) -> None:
    seen = 255.0 * model._image(crop)[0].permute(1, 2, 0).numpy()
    difference = np.abs(seen - wanted)
    assert difference.max() <= 2
    assert difference.mean() < 0.1


def test_the_networks_see_the_crop_as_the_reference_resizes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LivePortraitModel, "image_side", 48)
    crop = FaceCrop(PASTE["image"], PASTE["img_crop"], np.eye(3), FACE)
    assert_seen(bare_model(OfficialDriving()), crop, PASTE["area_resized"])


def test_under_compat_the_networks_see_the_reference_s_own_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The crop is black beyond the image; without a crop the image is stretched."""
    model = bare_model(OfficialDriving(compat="joyvasa"), 96)
    crop = model.crop(PASTE["image"], FACE)
    monkeypatch.setattr(LivePortraitModel, "image_side", 48)
    assert_seen(model, crop, PASTE["area_resized"])
    monkeypatch.setattr(LivePortraitModel, "image_side", 40)
    whole = model.crop(PASTE["img_crop"], FACE, whole=True)
    assert_seen(model, whole, PASTE["linear_resized"])
    assert model._mask(whole).min() == 1.0
    monkeypatch.setattr(LivePortraitModel, "image_side", 96)
    assert_seen(model, model.crop(WIDE, FACE, whole=True), PASTE["img_crop"])


def test_by_default_a_whole_image_keeps_its_shape() -> None:
    crop = bare_model(OfficialDriving(), 160).crop(PASTE["image"], FACE, whole=True)
    np.testing.assert_array_equal(crop.image[20:140], PASTE["image"])
