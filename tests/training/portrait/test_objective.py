"""The objective of LivePortrait's networks: what learns, what rests, what each term reaches."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
import torch

pytest.importorskip("accelerate")
from joyvasa_lib.errors import OptionError
from joyvasa_lib.portrait.liveportrait.appearance_extractor import AppearanceFeatureExtractor
from joyvasa_lib.portrait.liveportrait.generator import SpadeGenerator
from joyvasa_lib.portrait.liveportrait.motion_extractor import MotionExtractor
from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks
from joyvasa_lib.portrait.liveportrait.stitching import RetargetingNetwork, StitchingNetwork
from joyvasa_lib.portrait.liveportrait.warping import WarpingNetwork
from joyvasa_lib.training.portrait.data.frame_pairs import PairSampler
from joyvasa_lib.training.portrait.losses.guides import nearest_guides, usual_guides
from joyvasa_lib.training.portrait.networks import NetworkSizes
from joyvasa_lib.training.portrait.networks_stage import measured_anew
from joyvasa_lib.training.portrait.objective import PortraitObjective, reconstruct
from joyvasa_lib.training.portrait.recipe import (
    VIEWS,
    NetworksTraining,
)
from portrait_sets import SIZES, small

pytestmark = pytest.mark.slow


def test_sizes_that_do_not_fit_are_named() -> None:
    for sizes, word in (
        ({"image_side": 100}, "image_side"),
        ({"image_side": 64, "hourglass_widths": [4] * 7}, "hourglass_widths"),
        ({"motion_depths": [1, 1]}, "motion_depths"),
        ({"depth": 3}, "depth"),
    ):
        with pytest.raises(OptionError, match=word):
            NetworkSizes.of({**SIZES, **sizes} if word != "depth" else sizes)


def test_the_default_sizes_are_the_published_ones() -> None:
    eyes = (66, 256, 256, 128, 128, 64, 63)
    with torch.device("meta"):
        built = NetworkSizes().build()
        published = LivePortraitNetworks(
            AppearanceFeatureExtractor(), MotionExtractor(), WarpingNetwork(), SpadeGenerator(),
            StitchingNetwork(), RetargetingNetwork(), RetargetingNetwork(eyes),
        )  # fmt: skip
    for part in fields(LivePortraitNetworks):
        shapes, expected = (
            {key: tuple(x.shape) for key, x in getattr(n, part.name).state_dict().items()}
            for n in (built, published)
        )
        assert shapes == expected, part.name
    assert (built.image_side, built.size) == (256, 512)


def test_new_networks_start_spread_out_facing_the_viewer_and_stitch_nothing(
    pairs: PairSampler,
) -> None:
    networks, batch = small(), pairs(0)
    made = reconstruct(networks, batch)
    assert made.source[..., :2].std(1).min() > 0.15
    assert made.found.rotation.abs().max() < 10.0
    x_s, x_d = made.source, made.driving
    assert torch.equal(networks.stitching(x_s, x_d), x_d)
    assert not networks.eye_retargeting(x_s, torch.rand(2, 3)).any()


def objective(**options: Any) -> PortraitObjective:
    config = NetworksTraining(network=SIZES, critic_width=4, **options)
    return PortraitObjective(small(), config, usual_guides())


def test_gradients_reach_every_weight_of_all_four_networks_and_the_critics(
    pairs: PairSampler,
) -> None:
    network = objective()
    network(pairs(0))["total"].backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    # A shift before a norm changes nothing, and one of all scores cancels between true and made.
    allowed = (
        *("last.bias", "conv.bias", "compress.bias", "conv_0.bias", "conv_1.bias"),
        *("fc.bias", "mask.bias", "conv2.bias", "conv1.bias"),
    )
    assert [n for n in silent if not n.endswith(allowed)] == []


def test_the_critics_train_on_their_own_loss_and_the_networks_on_theirs(
    pairs: PairSampler,
) -> None:
    network = objective()
    assert network.critics is not None
    terms = network(pairs(0))
    critics, painter = list(network.critics.parameters()), list(network.generator.parameters())
    options: dict[str, bool] = {"retain_graph": True, "allow_unused": True}
    for names, reached, spared in (
        (("adversarial", "matching"), painter, critics),
        (("critic",), critics, painter),
    ):
        for name in names:
            gone = torch.autograd.grad(terms[name], spared, **options)
            there = torch.autograd.grad(terms[name], reached, **options)
            assert all(g is None or not g.any() for g in gone), name
            assert any(g is not None and bool(g.any()) for g in there), name


def test_the_total_is_the_weighed_sum_of_the_terms(pairs: PairSampler) -> None:
    network = objective(loss_weights={"equivariance": 3.0, "guide": 0.5})
    terms = network(pairs(0))
    weights = {"equivariance": 3.0, "guide": 0.5, "perceptual": 10.0, "adversarial": 1.0,
               "matching": 10.0, "keypoint_prior": 10.0, "head_pose": 20.0,
               "deformation_prior": 5.0, "critic": 1.0}  # fmt: skip
    assert set(terms) == {*weights, "total"}
    total = sum(weights[name] * terms[name].item() for name in weights)
    assert terms["total"].item() == pytest.approx(total, rel=1e-5)


def test_views_weigh_what_they_are_told(pairs: PairSampler) -> None:
    batch, images = pairs(0), {"adversarial": 0.0, "matching": 0.0}

    def perceptual(*views: str) -> float:
        weights = {view: float(view in views) for view in VIEWS}
        network = objective(view_weights=weights, loss_weights=images)
        return network(batch)["perceptual"].item()

    alone = [perceptual(view) for view in VIEWS]
    assert perceptual(*VIEWS) == pytest.approx(sum(alone), rel=1e-4)
    assert min(alone) > 0.0


def test_critics_learn_before_they_are_heard(pairs: PairSampler) -> None:
    network = objective()
    terms = network(pairs(0), adversarial=False)
    assert "adversarial" not in terms
    assert network.critics is not None
    terms["total"].backward()
    assert all(p.grad is not None for p in network.critics.parameters())


def test_an_identity_network_joins_if_it_is_given(pairs: PairSampler) -> None:
    config = NetworksTraining(network=SIZES, loss_weights={"identity": 2.0, "adversarial": 0.0,
                                                           "matching": 0.0})  # fmt: skip
    batch = pairs(0)
    plain = PortraitObjective(small(), config, usual_guides())(batch)
    told = PortraitObjective(
        small(), config, usual_guides(), identity=lambda x: x.mean((2, 3)) - 0.5
    )(batch)
    assert "identity" not in plain
    difference = (told["total"] - plain["total"]).item()
    assert difference == pytest.approx(2.0 * told["identity"].item(), rel=1e-3)


def test_the_pose_is_taught_by_the_data_or_by_another_network(pairs: PairSampler) -> None:
    batch, networks = pairs(0), small()
    taught = objective().taught(batch)
    assert torch.equal(taught, batch.driving_rotation)
    teacher = small(5).motion_extractor
    config = NetworksTraining(network=SIZES)
    other = PortraitObjective(networks, config, usual_guides(), teacher=teacher)
    torch.testing.assert_close(other.taught(batch), teacher(batch.driving).rotation)
    assert not any("teacher" in name or "_asked" in name for name in other.state_dict())


def test_keypoints_keep_their_digits_in_mixed_precision(pairs: PairSampler) -> None:
    networks, batch = small(), pairs(0)
    exact = reconstruct(networks, batch)
    with torch.autocast("cpu", torch.bfloat16):
        rough = reconstruct(networks, batch)
    assert torch.equal(exact.driving, rough.driving)
    assert rough.image.dtype == torch.float32
    difference = (exact.image - rough.image).abs().max()
    assert 0.0 < difference.item() < 0.05


def test_trained_keypoints_are_guided_by_the_landmarks_they_are_near() -> None:
    torch.manual_seed(0)
    marks = torch.rand(4, 468, 2) * 2 - 1
    keypoints = torch.full((4, 21, 3), 5.0)
    wanted = usual_guides()
    shuffled = wanted[torch.randperm(len(wanted))]
    for group in ((11, 13, 15, 16), (6, 12, 14, 17, 19, 20)):
        members = [row for row in wanted.tolist() if row[0] in group]
        moved = members[1:] + members[:1]  # each keypoint lies on its neighbour's landmark
        for (keypoint, _), (_, mark) in zip(members, moved, strict=True):
            keypoints[:, keypoint, :2] = marks[:, mark] + 0.001
    found = nearest_guides(keypoints, marks)
    assert {tuple(row) for row in found.tolist()} != {tuple(row) for row in shuffled.tolist()}
    for keypoint, mark in found.tolist():
        torch.testing.assert_close(keypoints[:, keypoint, :2], marks[:, mark], atol=2e-3, rtol=0)


def test_frozen_batch_norms_keep_their_statistics_while_weights_learn(pairs: PairSampler) -> None:
    network = objective(batch_norm="frozen")
    before = {k: v.clone() for k, v in network.state_dict().items() if "running" in k}
    network.train()
    network(pairs(0))["total"].backward()
    after = network.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert network.warping.third.conv.weight.grad is not None
    learning = objective()
    learning(pairs(0))
    moved = learning.state_dict()
    assert any(not torch.equal(value, moved[key]) for key, value in before.items())


def test_statistics_measured_anew_are_those_of_the_batches() -> None:
    norm = torch.nn.BatchNorm2d(2)
    norm.running_mean.fill_(7.0)
    batches = [torch.full((2, 2, 3, 3), float(value)) for value in (1.0, 2.0, 6.0)]
    with torch.no_grad(), measured_anew([norm]):
        for batch in batches:
            norm(batch)
    torch.testing.assert_close(norm.running_mean, torch.full((2,), 3.0))
    assert norm.momentum == 0.1
    assert not norm.training
