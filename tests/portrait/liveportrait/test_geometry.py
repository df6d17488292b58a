"""Small steps of LivePortrait between images and networks, against the reference's numbers."""

from __future__ import annotations

import numpy as np
import torch

from bare_portrait import FACE, PASTE, assert_seen, bare_model
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.portrait.liveportrait.fast.renderer import to_pixels
from joyvasa_lib.portrait.liveportrait.motion_extractor import bins_to_degrees
from liveportrait_official import assert_close, keypoint_networks, parity

GEOMETRY = parity("geometry")


def test_bins_are_the_reference_s_degrees() -> None:
    degrees = bins_to_degrees(torch.from_numpy(GEOMETRY["bins"]))
    assert_close(degrees[:, 0], GEOMETRY["bins_degrees"], 5e-4)


def test_levels_are_rounded_where_the_reference_truncates() -> None:
    image = torch.from_numpy(GEOMETRY["parse_in"])
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


def test_the_networks_see_the_crop_as_the_reference_resizes_it() -> None:
    crop = FaceCrop(PASTE["image"], PASTE["img_crop"], np.eye(3), FACE)
    assert_seen(bare_model(512, 48), crop, PASTE["area_resized"])


def test_a_whole_image_keeps_its_shape() -> None:
    crop = bare_model(160, 48).crop(PASTE["image"], FACE, whole=True)
    np.testing.assert_array_equal(crop.image[20:140], PASTE["image"])
