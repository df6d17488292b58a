"""LivePortrait's networks compute what the published code computes, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fixtures.fill import det_array, probe, stats
from numpy.typing import NDArray
from torch import Tensor, nn

from joyvasa_lib.checkpoints.official.liveportrait import (
    APPEARANCE,
    GENERATOR,
    MOTION,
    WARPING,
    Layout,
)
from joyvasa_lib.portrait.liveportrait.layers import coordinate_grid, sample_volume
from joyvasa_lib.portrait.liveportrait.motion_extractor import bins_to_degrees
from joyvasa_lib.portrait.liveportrait.warping import (
    LEAKY_SLOPE,
    deformed_features,
    heatmaps,
    sparse_motions,
)
from liveportrait_official import (
    appearance_extractor,
    assert_close,
    keypoint_networks,
    motion_extractor,
    official_volume,
    parity,
    parity_image,
    spade_generator,
    warping_network,
)

pytestmark = pytest.mark.slow

DERIVED: dict[str, tuple[str, Any]] = {
    "third.norm": ("third", lambda x: F.leaky_relu(x, LEAKY_SLOPE)),
    "dense_motion_network.mask": ("mask_softmax", lambda x: x.softmax(1)),
    "detector.stages.0.0.pwconv1": ("detector.stages.0.0.act", F.gelu),
    "conv_img.0": ("conv_img", lambda x: F.pixel_shuffle(x, 2)),
}
"""What the reference has a module for and this library a function, by the layer before it."""


LONG = 1024
"""Numbers in the probes of W's functions; other probes have 256."""


def summary(values: Tensor, count: int = 256) -> NDArray[np.float64]:
    """The parity material's probe of a tensor, then its mean, deviation, minimum and maximum."""
    array = values.numpy()
    return np.concatenate([probe(array, count), stats(array)])


class Recorder:
    """What the submodules of a network gave, as summaries by their published names."""

    def __init__(self, network: nn.Module, layout: Layout, wanted: set[str]) -> None:
        self.probes: dict[str, Any] = {}
        self.wanted = wanted
        for name, module in network.named_modules():
            official = layout.official(f"{name}.weight").removesuffix(".weight")
            if official in wanted or DERIVED.get(official, ("",))[0] in wanted:
                module.register_forward_hook(self._hook(official))

    def _hook(self, name: str) -> Any:
        def keep(_: nn.Module, __: Any, output: Tensor) -> None:
            pooled = output
            if "down_blocks" in name:  # there the published block halves the image itself
                pool = F.avg_pool2d if output.ndim == 4 else F.avg_pool3d
                pooled = pool(output, 2 if output.ndim == 4 else (1, 2, 2))
            if name in self.wanted:
                self.probes[name] = summary(pooled)
            derived, function = DERIVED.get(name, ("", None))
            if derived in self.wanted:
                count = LONG if derived == "mask_softmax" else 256
                self.probes[derived] = summary(function(pooled), count)

        return keep


def probed(name: str, size: str) -> dict[str, Any]:
    """The reference's summaries of one run, by submodule."""
    start = f"{size}/probe/"
    known = parity(name)
    names = [key.removeprefix(start) for key in known.files if key.startswith(start)]
    return {key: np.append(known[start + key], known[f"{size}/stats/{key}"]) for key in names}


def run_with_probes(network: nn.Module, layout: Layout, *inputs: Tensor, wanted: Any) -> Any:
    recorder = Recorder(network, layout, set(wanted))
    try:
        with torch.inference_mode():
            return network(*inputs), recorder.probes
    finally:
        for module in network.modules():
            module._forward_hooks.clear()


def assert_probes(found: dict[str, Any], expected: dict[str, Any], tolerance: float) -> None:
    """Every probed layer agrees; the first that does not is named."""
    assert set(found) == set(expected)
    for name, values in expected.items():
        difference = float(np.abs(found[name] - values).max())
        assert difference <= tolerance, f"{name} is off by {difference:.1e}"


# F


def test_appearance_of_a_small_image_is_the_reference_s() -> None:
    known = parity("appearance_feature_extractor")
    with torch.inference_mode():
        volume = appearance_extractor()(torch.from_numpy(known["small/input"]))
    assert_close(volume, known["small/output"], 2e-5)


def test_appearance_of_a_portrait_is_the_reference_s_layer_by_layer() -> None:
    known = parity("appearance_feature_extractor")
    expected = probed("appearance_feature_extractor", "full")
    volume, found = run_with_probes(
        appearance_extractor(), APPEARANCE, parity_image(), wanted=set(expected)
    )
    assert_probes(found, expected, 2e-5)
    assert volume.shape == (1, 32, 16, 64, 64)
    assert_close(volume[:, ::4, ::4, ::8, ::8], known["full/output_strided"], 2e-5)
    assert_close(probe(volume.numpy(), 2048), known["full/output_probe"], 2e-5)
    assert_close(stats(volume.numpy()), known["full/output_stats"], 2e-5)


# M


@pytest.mark.parametrize("size", ["small", "full"])
def test_motion_of_a_face_is_the_reference_s_layer_by_layer(size: str) -> None:
    known = parity("motion_extractor")
    image = torch.from_numpy(known["small/input"]) if size == "small" else parity_image()
    expected = probed("motion_extractor", size)
    motion, found = run_with_probes(motion_extractor(), MOTION, image, wanted=set(expected))
    assert_probes(found, expected, 5e-5)
    heads = {
        "kp": motion.keypoints.flatten(1),
        "exp": motion.expression.flatten(1),
        "scale": motion.scale,
        "t": motion.translation,
        "pitch": motion.pitch,
        "yaw": motion.yaw,
        "roll": motion.roll,
    }
    for head, values in heads.items():
        assert_close(values, known[f"{size}/head/{head}"], 5e-5)
    for axis, name in enumerate(("pitch", "yaw", "roll")):
        assert_close(motion.rotation[:, axis : axis + 1], known[f"{size}/degrees/{name}"], 5e-4)


def test_a_certain_bin_is_its_angle_and_degrees_pass_through() -> None:
    certain = torch.full((2, 66), -100.0)
    certain[0, 0] = certain[1, 65] = 100.0
    torch.testing.assert_close(bins_to_degrees(certain), torch.tensor([[-97.5], [97.5]]))
    degrees = torch.tensor([[12.5], [-3.0]])
    assert bins_to_degrees(degrees) is degrees


# W


def warping_inputs(size: str) -> tuple[Tensor, Tensor, Tensor]:
    """Volume, driving and source keypoints."""
    known = parity("warping_module")
    volume = official_volume(size)
    return volume, *(torch.from_numpy(known[f"kp_{name}"]) for name in ("driving", "source"))


@pytest.mark.parametrize("size", ["small", "full"])
def test_warping_is_the_reference_s_layer_by_layer(size: str) -> None:
    known, network = parity("warping_module"), warping_network()
    volume, driving, source = warping_inputs(size)
    expected = probed("warping_module", size)
    functions = {
        name: expected.pop(name)
        for name in ("compressed", "sparse_motions", "deformed_features", "heatmaps",
                     "warped_feature")
    }  # fmt: skip
    assert_close(probe(volume.numpy(), 64), known[f"{size}/feature_3d_probe"], 0.0)
    warped, found = run_with_probes(network, WARPING, volume, driving, source, wanted=expected)
    assert_probes(found, expected, 5e-5)

    with torch.inference_mode():
        compressed = network.dense_motion_network.compressed(volume)
        motions = sparse_motions(volume.shape[2:], driving, source)
        steps = {
            "compressed": compressed,
            "sparse_motions": motions,
            "deformed_features": deformed_features(compressed, motions),
            "heatmaps": heatmaps(volume.shape[2:], driving, source),
            "warped_feature": sample_volume(volume, warped.deformation),
        }
    for name, values in steps.items():
        assert_close(summary(values, LONG), functions[name], 5e-5)
    for name, values, tolerance in (
        ("out", warped.feature, 5e-5),
        ("deformation", warped.deformation, 1e-5),
        ("occlusion_map", warped.occlusion, 1e-5),
    ):
        assert_close(stats(values.numpy()), known[f"{size}/{name}_stats"], tolerance)

    if size == "small":
        assert_close(warped.deformation, known["small/deformation"], 1e-5)
        assert_close(warped.feature[:, ::2], known["small/out"], 5e-5)
    else:
        strided = warped.deformation[:, ::3, ::4, ::4]
        assert_close(strided, known["full/deformation_strided"], 1e-5)
        assert_close(warped.feature[:, ::8, ::2, ::2], known["full/out_strided"], 5e-5)
    assert_close(warped.occlusion, known[f"{size}/occlusion_map"], 1e-5)


def test_the_grid_names_x_y_z_from_minus_one_to_one() -> None:
    grid = coordinate_grid((3, 5, 9), torch.zeros(1))
    assert grid.shape == (3, 5, 9, 3)
    torch.testing.assert_close(grid[0, 0, 0], torch.tensor([-1.0, -1.0, -1.0]))
    torch.testing.assert_close(grid[2, 1, 6], torch.tensor([0.5, -0.5, 1.0]))


# G


@pytest.mark.parametrize("size", ["small", "full"])
def test_the_generator_s_image_is_the_reference_s_layer_by_layer(size: str) -> None:
    known, side = parity("spade_generator"), {"small": 16, "full": 64}[size]
    feature = torch.from_numpy(det_array(f"G/feature/{size}", (1, 256, side, side), 1.5))
    assert_close(probe(feature.numpy(), 64), known[f"{size}/feature_probe"], 0.0)
    expected = probed("spade_generator", size)
    image, found = run_with_probes(spade_generator(), GENERATOR, feature, wanted=set(expected))
    assert_probes(found, expected, 5e-5)
    assert image.shape == (1, 3, 8 * side, 8 * side)
    assert_close(stats(image.numpy()), known[f"{size}/image_stats"], 1e-5)
    if size == "small":
        assert_close(image, known["small/image"], 1e-5)
    else:
        assert_close(image[:, :, ::4, ::4], known["full/image_strided"], 1e-5)


@pytest.mark.parametrize("name", ["G_middle_0.conv_0", "up_0.conv_s", "up_1.conv_1"])
def test_spectral_norm_is_folded_as_the_reference_folds_it(name: str) -> None:
    convolutions = {
        GENERATOR.official(f"{key}.weight").removesuffix(".weight"): module
        for key, module in spade_generator().named_modules()
        if isinstance(module, nn.Conv2d)
    }
    weight = convolutions[name].weight
    known = parity("spade_generator")
    assert_close(probe(weight.numpy()), known[f"weight_probe/{name}"], 1e-5)
    assert_close(stats(weight.numpy()), known[f"weight_stats/{name}"], 1e-5)


# Stitching and retargeting


def test_stitching_is_the_reference_s() -> None:
    known = parity("stitching_retargeting_module")
    given = torch.from_numpy(known["retarget_shoulder/input"]).view(-1, 2, 21, 3)
    out = torch.from_numpy(known["retarget_shoulder/output"])
    expected = given[:, 1] + out[:, :63].view(-1, 21, 3)
    expected[..., :2] += out[:, None, 63:]
    with torch.inference_mode():
        stitched = keypoint_networks().stitching(given[:, 0], given[:, 1])
        raw = keypoint_networks().stitching.mlp(given.flatten(1))
    assert_close(raw, known["retarget_shoulder/output"], 1e-5)
    assert_close(stitched, expected, 1e-5)


@pytest.mark.parametrize(("name", "official"), [("lips", "mouth"), ("eyes", "eye")])
def test_retargeting_is_the_reference_s(name: str, official: str) -> None:
    known = parity("stitching_retargeting_module")
    given = torch.from_numpy(known[f"retarget_{official}/input"])
    with torch.inference_mode():
        network = getattr(keypoint_networks(), name)
        offsets = network(given[:, :63].view(-1, 21, 3), given[:, 63:])
    assert_close(offsets.flatten(1), known[f"retarget_{official}/output"], 1e-5)
