"""The fast forms of W and G are the published networks, by exact algebra."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fixtures.fill import det_array
from torch import Tensor, nn

from joyvasa_lib.portrait.liveportrait.fast.generator import FastGenerator, instance_norm
from joyvasa_lib.portrait.liveportrait.fast.mask import TILE, SlicedConv3d, SpectralConv3d
from joyvasa_lib.portrait.liveportrait.fast.phases import HaloGrid, PhaseConv, distinct_copies
from joyvasa_lib.portrait.liveportrait.fast.translation import translated
from joyvasa_lib.portrait.liveportrait.fast.warping import (
    FastWarping,
    WarpSource,
    keypoint_bumps,
    sample_table,
)
from joyvasa_lib.portrait.liveportrait.generator import SpadeGenerator
from joyvasa_lib.portrait.liveportrait.layers import coordinate_grid, sample_volume
from joyvasa_lib.portrait.liveportrait.warping import WarpingNetwork, heatmaps
from liveportrait_official import (
    assert_close,
    official_volume,
    parity,
    spade_generator,
    warping_network,
)

LIKE = torch.empty(0)


def randomised(network: nn.Module) -> nn.Module:
    """The network with random weights and statistics, in evaluation mode."""
    torch.manual_seed(0)
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
        elif value.is_floating_point():
            value.normal_(0.0, 0.2)
    return network.eval().requires_grad_(False)


def grid_of(values: Tensor) -> HaloGrid:
    """A map [b, c, h, w] as a grid."""
    batch, channels, height, width = values.shape
    grid = HaloGrid(batch, height, width, channels, values)
    grid.inside.copy_(values.permute(0, 2, 3, 1))
    return grid


# Convolutions of enlarged maps


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
def test_two_convolutions_of_an_enlarged_map_are_those_of_its_phases(factor: int) -> None:
    torch.manual_seed(factor)
    first, second = nn.Conv2d(5, 6, 3, padding=1), nn.Conv2d(6, 4, 3, padding=1)
    small = torch.randn(2, 5, 4, 3)
    distinct = distinct_copies(factor)
    with torch.inference_mode():
        expected = second(F.relu(first(F.interpolate(small, scale_factor=float(factor)))))
        hidden = HaloGrid(2, 4 * distinct, 3 * distinct, 6, small)
        for y, x, values in PhaseConv(first.weight, first.bias, factor, 1, like=LIKE)(
            grid_of(small)
        ):
            hidden.inside[:, y::distinct, x::distinct] = values.relu()
        found = torch.empty(2, 4 * factor, 3 * factor, 4)
        phases = PhaseConv(second.weight, second.bias, factor, distinct, like=LIKE)
        for y, x, values in phases(hidden):
            found[:, y::factor, x::factor] = values
    torch.testing.assert_close(found.permute(0, 3, 1, 2), expected, atol=1e-5, rtol=1e-5)


def test_of_an_enlarged_map_only_three_copies_per_axis_are_computed() -> None:
    conv = nn.Conv2d(2, 2, 3)
    counts = {f: len(PhaseConv(conv.weight, conv.bias, f, 1, like=LIKE).phases) for f in (2, 4, 8)}
    assert counts == {2: 4, 4: 9, 8: 9}
    taps = [w.shape[-1] for *_, w in PhaseConv(conv.weight, conv.bias, 4, 3, like=LIKE).phases[:4]]
    assert taps == [3, 2, 2, 3]  # of the second convolution, inner copies see two different ones


def test_a_grid_read_from_a_later_place_is_the_grid_moved() -> None:
    values = torch.arange(2 * 3 * 4.0).view(2, 1, 3, 4)
    grid = grid_of(values)
    bordered = F.pad(values, (1, 1, 1, 1))
    torch.testing.assert_close(grid.shifted(-1, -1), bordered)
    torch.testing.assert_close(grid.shifted(0, 1)[:, :, :3, :3], bordered[:, :, 1:4, 2:5])


# Sampling


@pytest.mark.parametrize("scale", [0.02, 0.3, 2.5])
def test_a_translated_volume_is_sampled_axis_by_axis(scale: float) -> None:
    torch.manual_seed(0)
    volume, shift = torch.randn(3, 4, 6, 8), scale * torch.randn(2, 5, 3)
    motions = coordinate_grid(volume.shape[1:], volume) + shift[:, :, None, None, None]
    expected = sample_volume(volume.expand(10, -1, -1, -1, -1), motions.flatten(0, 1))
    found = translated(volume, shift).permute(0, 1, 4, 3, 2, 5)
    torch.testing.assert_close(found.flatten(0, 1), expected, atol=1e-5, rtol=1e-5)


def test_a_volume_sampled_as_rows_of_a_table_is_the_sampled_volume() -> None:
    torch.manual_seed(0)
    volume = torch.randn(1, 3, 4, 6, 8)
    positions = 1.3 * (2 * torch.rand(2, 4, 6, 8, 3) - 1)  # some lie outside
    table = volume[0].permute(2, 3, 1, 0).flatten(0, 2).contiguous()
    source = WarpSource(torch.zeros(5, 3), table, volume[0], volume[0], volume[0])
    expected = sample_volume(volume.expand(2, -1, -1, -1, -1), positions)
    found = sample_table(source, positions).view(2, 6, 8, 4, 3).permute(0, 4, 3, 1, 2)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_bumps_are_products_of_bumps_along_the_axes_and_never_subnormal() -> None:
    torch.manual_seed(0)
    there, here = (0.8 * (2 * torch.rand(2, 4, 3) - 1) for _ in range(2))
    size = torch.Size((16, 32, 32))
    bumps = keypoint_bumps(size, there)
    expected = heatmaps(size, there, here)[:, 1:].permute(0, 2, 3, 4, 1)
    torch.testing.assert_close(bumps - keypoint_bumps(size, here), expected, atol=1e-6, rtol=1e-5)
    assert bumps[bumps > 0].min() >= torch.finfo(torch.float32).tiny


# The mask's convolution


@pytest.mark.parametrize("side", [TILE, TILE + 5, 2 * TILE])
def test_the_mask_s_convolution_is_one_of_slices_and_one_of_spectra(side: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv3d(6, 4, 7, padding=3)
    x = torch.randn(2, 6, 5, side, side + 3)
    with torch.inference_mode():
        expected = conv(x).permute(0, 2, 3, 4, 1)
        lying = x.permute(0, 2, 3, 4, 1).contiguous()
        for fast in (
            SlicedConv3d(conv.weight, conv.bias, LIKE),
            SpectralConv3d(conv.weight, conv.bias, depth=5),
        ):
            torch.testing.assert_close(fast(lying), expected, atol=2e-5, rtol=1e-5)


# Whole networks, with other sizes than the published


def test_a_small_warping_network_gives_the_same_in_a_batch() -> None:
    network = randomised(
        WarpingNetwork(
            n_keypoints=4,
            volume_channels=3,
            volume_depth=16,
            compressed_channels=2,
            hourglass_widths=(3, 4, 5),
            out_channels=6,
        )
    )
    assert isinstance(network, WarpingNetwork)
    torch.manual_seed(1)
    volume, keypoints = torch.randn(1, 3, 16, 12, 8), torch.rand(3, 4, 3) - 0.5
    with torch.inference_mode():
        expected = network(
            volume.expand(2, -1, -1, -1, -1), keypoints[1:], keypoints[:1].expand(2, -1, -1)
        )
        fast = FastWarping(network, LIKE)
        found = fast(fast.prepare(volume, keypoints[:1]), keypoints[1:])
    for name in ("deformation", "occlusion", "feature"):
        torch.testing.assert_close(
            getattr(found, name), getattr(expected, name), atol=1e-5, rtol=1e-4
        )


@pytest.mark.parametrize(("up_widths", "upscale"), [((6, 4), 2), ((8, 8, 4), 1), ((), 2)])
def test_a_small_generator_gives_the_same_in_a_batch(
    up_widths: tuple[int, ...], upscale: int
) -> None:
    network = randomised(
        SpadeGenerator(
            condition_channels=5,
            width=8,
            n_middle=2,
            up_widths=up_widths,
            hidden=4,
            image_upscale=upscale,
        )
    )
    assert isinstance(network, SpadeGenerator)
    torch.manual_seed(1)
    feature = torch.randn(2, 5, 6, 4)
    with torch.inference_mode():
        found = FastGenerator(network, LIKE)(feature.permute(0, 2, 3, 1).contiguous())
        torch.testing.assert_close(found, network(feature), atol=2e-5, rtol=1e-4)


def test_instance_norm_is_of_each_image_s_own_channels() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 4, 6, 5) * 7 + 2
    found = instance_norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(found, F.instance_norm(x), atol=1e-5, rtol=1e-5)


# The published size


@pytest.fixture(scope="module")
def published_warping() -> FastWarping:
    return FastWarping(warping_network(), LIKE)


@pytest.fixture(scope="module")
def published_generator() -> FastGenerator:
    return FastGenerator(spade_generator(), LIKE)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["small", "full"])
def test_fast_warping_is_the_reference_s(published_warping: FastWarping, size: str) -> None:
    known = parity("warping_module")
    driving, source = (torch.from_numpy(known[f"kp_{name}"]) for name in ("driving", "source"))
    with torch.inference_mode():
        prepared = published_warping.prepare(official_volume(size), source)
        warped = published_warping(prepared, driving)
    assert_close(warped.occlusion, known[f"{size}/occlusion_map"], 1e-5)
    if size == "small":
        assert_close(warped.deformation, known["small/deformation"], 1e-5)
        assert_close(warped.feature[:, ::2], known["small/out"], 5e-5)
    else:
        strided = warped.deformation[:, ::3, ::4, ::4]
        assert_close(strided, known["full/deformation_strided"], 1e-5)
        assert_close(warped.feature[:, ::8, ::2, ::2], known["full/out_strided"], 5e-5)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["small", "full"])
def test_the_fast_generator_s_image_is_the_reference_s(
    published_generator: FastGenerator, size: str
) -> None:
    known, side = parity("spade_generator"), {"small": 16, "full": 64}[size]
    feature = torch.from_numpy(det_array(f"G/feature/{size}", (1, 256, side, side), 1.5))
    with torch.inference_mode():
        image = published_generator(feature.permute(0, 2, 3, 1).contiguous())
    if size == "small":
        assert_close(image, known["small/image"], 1e-5)
    else:
        assert_close(image[:, :, ::4, ::4], known["full/image_strided"], 1e-5)
    assert np.isfinite(image.numpy()).all()
