"""Small steps of LivePortrait between pictures and networks, against the reference's numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from liveportrait_official import assert_close, keypoint_networks, parity

from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.detector import Face
from joyvasa_lib.portrait.liveportrait.fast.renderer import to_pixels
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
from joyvasa_lib.portrait.liveportrait.motion_extractor import bins_to_degrees

GEOMETRY = parity("geometry")
PASTE = np.load(Path(__file__).parent / "fixtures" / "parity" / "paste_back.npz")


def test_bins_are_the_reference_s_degrees() -> None:
    degrees = bins_to_degrees(torch.from_numpy(GEOMETRY["bins"]))
    assert_close(degrees[:, 0], GEOMETRY["bins_degrees"], 5e-4)


def test_pictures_are_cut_off_to_bytes_as_in_the_reference_and_rounded_by_default() -> None:
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


def test_the_networks_see_the_crop_as_the_reference_resizes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LivePortraitModel, "image_side", 48)
    points = np.zeros((5, 3), np.float32)
    face = Face(np.zeros(4, np.float32), points, 1.0, "five")
    crop = FaceCrop(PASTE["image"], PASTE["img_crop"], np.eye(3), face)
    model = LivePortraitModel.__new__(LivePortraitModel)
    model.device = torch.device("cpu")
    seen = 255.0 * model._picture(crop)[0].permute(1, 2, 0).numpy()
    difference = np.abs(seen - PASTE["area_resized"])
    assert difference.max() <= 2
    assert difference.mean() < 0.1
