"""LivePortrait's published networks behind the portrait interface, from image to frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from fixtures.fill import stats

from joyvasa_lib.compat.joyvasa.portrait_model import truncated_pixels
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.nn.dtypes import fast_dtype
from joyvasa_lib.portrait.liveportrait.fast.renderer import to_pixels
from joyvasa_lib.portrait.liveportrait.fast.warping import WarpSource
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks
from joyvasa_lib.portrait.liveportrait.warping import WarpedFeature
from liveportrait_official import (
    appearance_extractor,
    assert_close,
    keypoint_networks,
    motion_extractor,
    parity,
    spade_generator,
    warping_network,
)
from small_liveportrait import crop_of

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Painted:
    """One frame: [1, 3, 512, 512] in [0, 1], and [1, 1, 64, 64] what W faded."""

    image: torch.Tensor
    occlusion: torch.Tensor


@pytest.fixture(scope="module")
def whole_crop() -> FaceCrop:
    """The parity material's image, every pixel four times: 512 x 512."""
    pixels = parity("appearance_feature_extractor")["full/image_uint8"]
    return crop_of(np.ascontiguousarray(pixels.repeat(2, axis=0).repeat(2, axis=1)))


@pytest.fixture(scope="module")
def official() -> LivePortraitModel:
    mlps = keypoint_networks()
    return LivePortraitModel(
        LivePortraitNetworks(
            appearance_extractor(),
            motion_extractor(),
            warping_network(),
            spade_generator(),
            mlps.stitching,
            mlps.lips,
            mlps.eyes,
        ),
        dtype=torch.float32,
    )


@pytest.fixture(scope="module")
def painted(official: LivePortraitModel, whole_crop: FaceCrop) -> Painted:
    """The portrait at the parity material's driving keypoints, in float32."""
    known = parity("end_to_end")
    encoded = official.encode(whole_crop)
    assert_close(encoded.source.keypoints[None], known["kp_info/kp"], 1e-4)
    assert_close(encoded.source.expression[None], known["kp_info/exp"], 1e-4)
    assert_close(encoded.source.translation[None], known["kp_info/t"], 1e-4)
    assert_close(encoded.source.scale[None], known["kp_info/scale"], 1e-4)
    angles = np.concatenate([known[f"kp_info/{name}"] for name in ("pitch", "yaw", "roll")], 1)
    assert_close(encoded.source.rotation[None], angles, 5e-4)
    assert_close(encoded.source.posed[None], known["x_s"], 1e-4)
    driving = torch.from_numpy(encoded.source.posed[None] + known["delta"])
    assert_close(driving, known["x_d"], 1e-4)
    warped: list[WarpedFeature] = []
    warping = official.renderer.warping

    def watched(source: WarpSource, driving: torch.Tensor) -> WarpedFeature:
        warped.append(warping(source, driving))
        return warped[-1]

    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(official.renderer, "warping", watched)
        image = official.renderer.image(encoded.warp, driving)
    (only,) = warped
    return Painted(image, only.occlusion)


def test_an_image_becomes_the_reference_s_frame(painted: Painted) -> None:
    known = parity("end_to_end")
    assert_close(painted.image[:, :, ::4, ::4], known["image_strided"], 1e-4)
    assert_close(stats(painted.image.numpy()), known["image_stats"], 1e-4)
    for convert in (truncated_pixels, to_pixels):
        pixels = convert(painted.image)[0, ::4, ::4].numpy().astype(int)
        assert np.abs(pixels - known["image_uint8_strided"]).max() <= 1


def test_what_the_turned_head_hides_is_the_reference_s(painted: Painted) -> None:
    assert_close(painted.occlusion, parity("end_to_end")["occlusion"], 1e-4)


@pytest.mark.skipif(
    fast_dtype(torch.device("cpu")) is torch.float32, reason="this processor has no bfloat16"
)
def test_in_bfloat16_the_frame_differs_by_less_than_38_decibels(
    official: LivePortraitModel, painted: Painted, whole_crop: FaceCrop
) -> None:
    model = LivePortraitModel(official.networks, dtype=torch.bfloat16)
    driving = torch.from_numpy(parity("end_to_end")["x_d"])
    with torch.inference_mode():
        image = model.renderer.image(model.encode(whole_crop).warp, driving)
    assert image.dtype is torch.float32
    assert -10.0 * float(torch.log10((image - painted.image).square().mean())) > 38.0
