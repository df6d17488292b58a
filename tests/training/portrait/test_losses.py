"""Losses of stage one against values worked out by hand, and what must not change them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.training.image_losses import gradient_l1, psnr, weighted_l1, weighted_ssim
from joyvasa_lib.training.portrait.data.random_warp import RandomWarp
from joyvasa_lib.training.portrait.losses.keypoints import (
    deformation_prior_loss,
    equivariance_loss,
    guide_loss,
    head_pose_loss,
    keypoint_prior_loss,
    wing,
)
from joyvasa_lib.training.portrait.losses.perceptual import (
    LAYER_WEIGHTS,
    PyramidPerceptual,
    VggFeatures,
    VggPerceptual,
    perceptual_loss,
    pyramid,
)
from joyvasa_lib.training.portrait.losses.portrait import (
    critic_hinge,
    feature_matching,
    generator_hinge,
    identity_loss,
    masked_l1,
    perceptual_distance,
    retargeting_loss,
    stitching_loss,
)


def t(*values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


# Images


def test_measures_of_equal_images_and_known_errors() -> None:
    image, weight = torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
    assert float(weighted_ssim(image, image, weight)) == pytest.approx(1.0, abs=1e-5)
    assert float(weighted_l1(image, image + 0.1, weight)) == pytest.approx(0.1, abs=1e-6)
    assert float(gradient_l1(image, image + 0.1, weight)) == pytest.approx(0.0, abs=1e-6)
    assert float(psnr(image, image + 0.1, weight)) == pytest.approx(20.0, abs=1e-3)


# Keypoints


def test_equivariance_is_the_mean_distance_of_the_projections() -> None:
    here = t([[0.0, 0.0, 5.0], [0.5, 0.5, 0.0]])
    back = t([[0.1, -0.3, 0.0], [0.5, 0.5, 9.0]])
    # |0.1| + |0.3| over two keypoints of two coordinates; depth does not count.
    assert float(equivariance_loss(here, back)) == pytest.approx(0.1)


def test_the_prior_counts_both_directions_of_a_near_pair_and_the_mean_depth() -> None:
    near = t([[0.0, 0.0, 0.0], [0.1, 0.2, 0.0]])
    # Squared distance 0.05: 0.1 - 0.05 for each direction, and |0 - 0.33|.
    assert float(keypoint_prior_loss(near)) == pytest.approx(0.1 + 0.33)
    far = t([[0.0, 0.0, 0.43], [1.0, 0.0, 0.43]])
    assert float(keypoint_prior_loss(far)) == pytest.approx(0.1)


def test_the_prior_does_not_care_for_order_or_place_in_the_plane() -> None:
    torch.manual_seed(0)
    points = 0.3 * torch.randn(3, 7, 3)
    loss = keypoint_prior_loss(points)
    torch.testing.assert_close(keypoint_prior_loss(points[:, torch.randperm(7)]), loss)
    torch.testing.assert_close(keypoint_prior_loss(points + t(0.4, -0.2, 0.0)), loss)


def test_the_head_pose_is_the_sum_of_three_angles_in_radians() -> None:
    assert float(head_pose_loss(t([10.0, -5.0, 3.0]), t([0.0, 0.0, 0.0]))) == pytest.approx(
        math.radians(18.0)
    )


def test_the_deformation_prior_is_the_mean_absolute_deformation() -> None:
    assert float(deformation_prior_loss(t([[0.3, -0.6, 0.0]]))) == pytest.approx(0.3)


def test_the_wing_function_is_a_logarithm_then_a_line_without_a_step_between() -> None:
    found = wing(t(0.0, 2.0, -2.0, 10.0, 15.0))
    ten = 10.0 * math.log(6.0)
    wanted = t(0.0, 10.0 * math.log(2.0), 10.0 * math.log(2.0), ten, 5.0 + ten)
    torch.testing.assert_close(found, wanted)


def test_the_guide_is_half_the_wing_of_each_image_in_pixels() -> None:
    marks = t([[0.25, -0.5]])
    off = marks + t([2.0 / 128.0, 0.0])
    found = guide_loss(torch.cat([off, torch.zeros(1, 1, 1)], -1), marks, marks, marks)
    assert float(found) == pytest.approx(0.5 * 10.0 * math.log(2.0), rel=1e-5)
    assert float(guide_loss(marks, off, marks, marks)) == pytest.approx(float(found))


# Warps


def test_a_warp_moves_images_as_it_moves_points() -> None:
    torch.manual_seed(3)
    warp = RandomWarp.draw(2, torch.device("cpu"))
    y, x = torch.meshgrid(*[(torch.arange(64) + 0.5) / 32 - 1.0] * 2, indexing="ij")
    image = torch.stack([x, y])[None].expand(2, -1, -1, -1)  # each pixel says where it is
    seen = warp.images(image)[:, :, 20:44, 20:44]
    places = torch.stack([x, y], -1)[20:44, 20:44].reshape(1, -1, 2).expand(2, -1, -1)
    wanted = warp.points(places).mT.unflatten(-1, (24, 24))
    assert (wanted - places.mT.unflatten(-1, (24, 24))).abs().max() > 0.02
    torch.testing.assert_close(seen, wanted, atol=2e-3, rtol=0)


def test_keypoints_that_move_with_the_image_cost_nothing() -> None:
    torch.manual_seed(4)
    warp = RandomWarp.draw(1, torch.device("cpu"))
    in_the_copy = 0.5 * torch.rand(1, 5, 2)
    in_the_picture = warp.points(in_the_copy)
    assert float(equivariance_loss(in_the_picture, warp.points(in_the_copy))) == 0.0
    assert float(equivariance_loss(in_the_copy, warp.points(in_the_copy))) > 0.0


# Images


def test_hinge_losses_of_known_scores() -> None:
    real, made = [t(2.0, 0.0)], [t(-2.0, 0.5)]
    assert float(critic_hinge(real, made)) == pytest.approx(0.5 + 0.75)
    assert float(generator_hinge(made)) == pytest.approx(0.75)
    # Two scales count as one: their mean.
    assert float(critic_hinge(real * 2, made * 2)) == pytest.approx(1.25)
    assert float(critic_hinge([t(1.0), t(3.0)], [t(-1.0), t(1.0)])) == pytest.approx(1.0)


def test_feature_matching_is_the_mean_over_layers_and_spares_the_true_side() -> None:
    real = [t(1.0, 1.0).requires_grad_(), t(0.0).requires_grad_()]
    made = [t(0.0, 2.0).requires_grad_(), t(4.0).requires_grad_()]
    loss = feature_matching(real, made)
    assert loss.item() == pytest.approx((1.0 + 4.0) / 2)
    loss.backward()
    assert all(x.grad is None for x in real)
    assert all(x.grad is not None for x in made)


def test_the_perceptual_distance_weighs_layers() -> None:
    made, true = [t(0.5), t(1.0, 0.0)], [t(0.0), t(0.0, 0.0)]
    assert float(perceptual_distance(made, true, (2.0, 4.0))) == pytest.approx(2 * 0.5 + 4 * 0.5)


def test_identity_is_one_minus_the_cosine() -> None:
    assert float(identity_loss(t([1.0, 0.0]), t([3.0, 0.0]))) == pytest.approx(0.0, abs=1e-6)
    assert float(identity_loss(t([1.0, 0.0]), t([0.0, 2.0]))) == pytest.approx(1.0)
    assert float(identity_loss(t([1.0, 0.0]), t([-1.0, 0.0]))) == pytest.approx(2.0)


def test_masked_l1_counts_only_what_is_kept() -> None:
    here, there = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.5)
    keep = t([[[1.0, 1.0], [0.0, 0.0]]])
    assert float(masked_l1(here, there, keep)) == pytest.approx(0.25)
    there[..., 1, :] = 0.9  # changes where nothing is kept cost nothing
    assert float(masked_l1(here, there, keep)) == pytest.approx(0.25)


def test_stitching_is_shoulders_and_offsets() -> None:
    here, there = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.4)
    keep = t([[[0.0, 0.0], [1.0, 1.0]]])
    loss = stitching_loss(there, here, keep, t([[0.1, -0.2, 0.0]]))
    assert float(loss.pixels) == pytest.approx(0.2)
    assert float(loss.condition) == 0.0
    assert float(loss.weighed(7.0, 10.0)) == pytest.approx(0.2 + 10.0 * 0.1)


def test_retargeting_is_pixels_condition_and_offsets() -> None:
    here, there = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.4)
    loss = retargeting_loss(
        there, here, torch.ones(1, 1, 2, 2), t([0.1, 0.3]), t([0.4]), t([[0.3, 0.0, 0.0]])
    )
    assert float(loss.condition) == pytest.approx(0.2)  # |0.1 - 0.4| and |0.3 - 0.4|
    assert float(loss.weighed(2.0, 5.0)) == pytest.approx(0.4 + 2.0 * 0.2 + 5.0 * 0.1)


# Perceptual networks


def test_the_pyramid_is_zero_for_equal_images_and_grows_with_the_error() -> None:
    torch.manual_seed(0)
    judge, image = PyramidPerceptual(), torch.rand(1, 3, 64, 64)
    assert float(judge(image, image)) == pytest.approx(0.0, abs=1e-5)
    noise = torch.randn_like(image)
    errors = [float(judge(image + size * noise, image)) for size in (0.02, 0.1, 0.3)]
    assert errors == sorted(errors)
    assert errors[0] > 0.01


def test_the_pyramid_of_constant_images_is_their_difference_and_their_dissimilarity() -> None:
    made, true = torch.full((1, 3, 32, 32), 0.6), torch.full((1, 3, 32, 32), 0.5)
    # No edges; similarity of means alone: (2 a b + c) / (a^2 + b^2 + c), c = 0.01^2.
    likeness = (2 * 0.3 + 1e-4) / (0.36 + 0.25 + 1e-4)
    assert float(PyramidPerceptual()(made, true)) == pytest.approx(0.1 + 1 - likeness, abs=1e-3)


def test_pyramids_stop_at_sixteen_pixels() -> None:
    assert [len(x[0, 0]) for x in pyramid(torch.zeros(1, 1, 48, 48), 5)] == [48, 24]


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights with the names and shapes of torchvision's VGG-19."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vgg") / "vgg19.safetensors"
    weights = {key: value.half() for key, value in VggFeatures().state_dict().items()}
    save_file({**weights, "classifier.0.bias": torch.zeros(4096)}, path)
    return path


def test_vgg_has_torchvisions_names_and_taps_the_first_relu_of_each_group(vgg_file: Path) -> None:
    network = VggFeatures.load(vgg_file)
    numbers = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    names = {f"features.{n}.{part}" for n in numbers for part in ("weight", "bias")}
    assert set(network.state_dict()) == names
    found = network(torch.rand(1, 3, 32, 32))
    assert [tuple(x.shape[1:]) for x in found] == [
        (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)
    ]  # fmt: skip
    assert all(bool((x >= 0).all()) for x in found)  # after the ReLU


def test_the_vgg_loss_is_the_weighted_difference_of_those_features(vgg_file: Path) -> None:
    torch.manual_seed(1)
    made, true = torch.rand(2, 1, 3, 16, 16)
    judge = perceptual_loss(str(vgg_file.parent))  # a folder with the one file
    assert isinstance(judge, VggPerceptual)
    features = VggFeatures.load(vgg_file)
    parts = zip(LAYER_WEIGHTS, features(made), features(true), strict=True)
    wanted = sum(float(w * (x - y).abs().mean()) for w, x, y in parts)
    assert float(judge(made, true)) == pytest.approx(wanted, rel=1e-4)
    assert float(judge(true, true)) == 0.0
    made.requires_grad_()
    judge(made, true).backward()
    assert made.grad is not None and bool(made.grad.any())


def test_other_weights_than_vggs_are_refused_by_name(vgg_file: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="safetensors"):
        perceptual_loss(str(tmp_path / "nothing.safetensors"))
    with pytest.raises(CheckpointError, match="0 safetensors files"):
        perceptual_loss(str(tmp_path))
    weights = {key: value.clone() for key, value in VggFeatures().state_dict().items()}
    del weights["features.28.bias"]
    save_file({**weights, "strange.weight": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"features\.28\.bias(.|\n)*strange\.weight"):
        perceptual_loss(str(tmp_path))
