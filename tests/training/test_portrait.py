"""Training of LivePortrait's networks, in little: what learns, what rests, what comes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray

import places

pytest.importorskip("accelerate")

from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.checkpoints.folder import BUNDLED, WEIGHTS
from joyvasa_lib.cli import main as joyvasa
from joyvasa_lib.datasets.heads.frames import (
    HeadFrameMaker,
    RenderedFrames,
    write_head_frames,
)
from joyvasa_lib.errors import CheckpointError, JoyVASAError, OptionError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.motion import LIVEPORTRAIT_21
from joyvasa_lib.portrait.liveportrait.appearance_extractor import AppearanceFeatureExtractor
from joyvasa_lib.portrait.liveportrait.generator import SpadeGenerator
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
from joyvasa_lib.portrait.liveportrait.motion_extractor import ExtractedMotion, MotionExtractor
from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks
from joyvasa_lib.portrait.liveportrait.stitching import RetargetingNetwork, StitchingNetwork
from joyvasa_lib.portrait.liveportrait.warping import WarpingNetwork
from joyvasa_lib.recipes import read_recipe, take_section
from joyvasa_lib.training.loop.config import LoopConfig
from joyvasa_lib.training.portrait.data.face_regions import (
    cut,
    face_square,
)
from joyvasa_lib.training.portrait.data.frame_pairs import PairBatch, PairSampler
from joyvasa_lib.training.portrait.data.frame_source import (
    Frame,
    FrameClip,
    FrameSource,
    Split,
    open_frames,
)
from joyvasa_lib.training.portrait.losses.guides import nearest_guides, usual_guides
from joyvasa_lib.training.portrait.losses.keypoints import keypoint_prior_loss
from joyvasa_lib.training.portrait.losses.opening_probe import OpeningProbe
from joyvasa_lib.training.portrait.networks import NetworkSizes, prepare_networks
from joyvasa_lib.training.portrait.networks_stage import NetworksStage, measured_anew
from joyvasa_lib.training.portrait.objective import PortraitObjective, reconstruct
from joyvasa_lib.training.portrait.perceptron_stage import (
    PerceptronObjective,
    perceptron_errors,
)
from joyvasa_lib.training.portrait.recipe import (
    NETWORKS,
    VIEWS,
    NetworksTraining,
    NetworkWeights,
    PerceptronWeights,
)
from joyvasa_lib.training.portrait.train import main, train_portrait
from portrait_sets import HEADS, SIDE, SIZES, face_of, small, write_recipe


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heads")
    write_head_frames(folder, HEADS)
    return folder


@pytest.fixture(scope="module")
def head() -> RenderedFrames:
    return HeadFrameMaker(HEADS).head(0)


@pytest.fixture(scope="module")
def pairs(heads: Path) -> PairSampler:
    return PairSampler(open_frames(heads), 2, SIDE, seed=0)


@pytest.fixture
def recipe(tmp_path: Path, heads: Path) -> Callable[..., Path]:
    def write(**options: Any) -> Path:
        return write_recipe(tmp_path / "portrait.yaml", **{"data": heads, **options})

    return write


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, heads: Path) -> Path:
    """A run of two steps, with everything that a run writes."""
    folder = tmp_path_factory.mktemp("trained")
    train_portrait(
        write_recipe(folder / "r.yaml", heads, preview_every=1, preview_pairs=2), folder / "run"
    )
    return folder / "run"


def metrics(run: Path, prefix: str = "valid/") -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if any(name.startswith(prefix) for name in line)]


def weights_of(folder: Path) -> dict[str, bytes]:
    """The files of all networks."""
    return {path.parent.name: path.read_bytes() for path in folder.rglob(WEIGHTS)}


# What learns


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


class OneFace(FrameSource):
    """Two images of one head, for both splits."""

    def __init__(self, head: RenderedFrames) -> None:
        self.head = head

    def clips(self, split: Split) -> list[FrameClip]:
        return [FrameClip("only", 2)]

    def frame(self, clip: str, index: int) -> Frame:
        head = self.head
        return Frame(head.images[index], head.landmarks[index], head.rotation[index])


def test_one_face_is_learned_and_follows_its_other_image(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    source = OneFace(HeadFrameMaker(HEADS).head(3))  # who turns far
    options = {
        "steps": 100, "validate_every": 100, "validate_at_start": True, "learning_rate": 5e-3,
        "ema_decay": 0.9, "loss_weights": {"adversarial": 0.0, "matching": 0.0}, "colours": 0.0,
        "batch_size": 1,
    }  # fmt: skip
    train_portrait(recipe(**options), tmp_path / "run", source=source)
    first, last = metrics(tmp_path / "run")
    assert last["valid/l1"] < 0.4 * first["valid/l1"]
    assert last["valid/ssim"] > first["valid/ssim"] + 0.3
    assert last["valid/guide_error"] < 0.3 * first["valid/guide_error"]
    networks = LivePortraitNetworks.load(tmp_path / "run" / "generator" / "portrait")
    batch = PairSampler(source, 1, SIDE, 0)(0)
    with torch.no_grad():
        made = reconstruct(networks, batch).image
    square = face_square(batch.driving_marks)
    faces = [cut(x, square, 32) for x in (made, batch.driving, batch.source)]
    right, wrong = ((faces[0] - other).abs().mean() for other in faces[1:])
    assert right < 0.8 * wrong


# What rests


def test_a_frozen_network_keeps_every_number(recipe: Callable[..., Path], tmp_path: Path) -> None:
    options = {"train": ["generator"], "statistics_batches": 2}
    train_portrait(recipe(**options), tmp_path / "run")
    torch.manual_seed(0)
    before = NetworkSizes.of(SIZES).build()
    after = LivePortraitNetworks.load(tmp_path / "run" / "generator" / "portrait")
    for name in NETWORKS:
        old, new = (getattr(x, name).state_dict() for x in (before, after))
        same = all(torch.equal(old[key], new[key]) for key in old)
        assert same == (name != "generator"), name


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


# Runs


def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    options = {"steps": 3, "validate_every": 3, "critic_from": 1, "gradient_accumulation": 2}
    train_portrait(recipe(**options), tmp_path / "whole")
    for _ in range(3):
        train_portrait(recipe(**options, stop_after_minutes=1e-9), tmp_path / "broken")
    states = [torch.load(tmp_path / run / "state.pt", weights_only=True) for run in
              ("whole", "broken")]  # fmt: skip
    for name, value in states[0]["network"].items():
        assert torch.equal(value, states[1]["network"][name]), name
    exported = [weights_of(tmp_path / run / "generator") for run in ("whole", "broken")]
    assert exported[0] == exported[1]


def test_a_run_leaves_card_data_card_preview_and_checkpoint(trained: Path) -> None:
    card = (trained / "README.md").read_text()
    assert "no perceptual network was given" in " ".join(card.split())
    assert "not compared by a network that tells them apart" in " ".join(card.split())
    data = json.loads((trained / "data_card.json").read_text())
    assert data["train"]["people"] == 2
    assert data["people_in_both"] == 0
    from joyvasa_lib.media.image import load_image

    sheet = load_image(trained / "previews" / "step-000002.png")
    assert sheet.shape == (2 * SIDE, 3 * SIDE, 3)  # source, driving, made
    used = yaml.safe_load((trained / "config.yaml").read_text())["portrait"]
    assert used["preset"] == "liveportrait"


def crop_of(full_image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> FaceCrop:
    return FaceCrop(full_image, full_image, np.eye(3), face_of(landmarks))


def test_the_checkpoint_paints_what_the_networks_paint(trained: Path, head: RenderedFrames) -> None:
    model = LivePortraitModel.from_pretrained(
        trained / "generator" / "portrait", dtype=torch.float32
    )
    assert (model.size, model.networks.image_side) == (SIDE, SIDE)
    crops = [crop_of(head.images[i], head.landmarks[i]) for i in (0, 1)]
    portrait = model.encode(crops[0])
    motion = model.extract_motion(iter(crops), 25.0)
    frames = np.concatenate(list(model.render(portrait, motion)))
    assert frames.shape == (2, SIDE, SIDE, 3)
    pixels = [torch.from_numpy(p).permute(2, 0, 1)[None] / 255.0 for p in head.images[:2]]
    nothing = torch.zeros(1, 3)
    marks = torch.zeros(1, 468, 2)
    batch = PairBatch(pixels[0], pixels[0], marks, marks, nothing, nothing, nothing, nothing)
    with torch.no_grad():
        still = reconstruct(model.networks, batch).image[0].permute(1, 2, 0).numpy()
    assert np.abs(frames[0] - 255.0 * still).max() < 2.0


def test_the_run_folder_is_a_pipeline(trained: Path, astronaut: NDArray[np.uint8]) -> None:
    pipe = JoyVASAPipeline.from_pretrained(trained)
    portrait = pipe.encode(astronaut)
    still = Motion.neutral(2, space=LIVEPORTRAIT_21)
    frames = list(pipe.render(portrait, still, paste_back=False).frames())
    assert frames[0].shape == (SIDE, SIDE, 3)


def test_trained_keypoints_are_kept_at_their_own_depth(trained: Path, pairs: PairSampler) -> None:
    config = NetworksTraining(initial=str(trained), critic_width=4)
    stage = NetworksStage(prepare_networks(str(trained), {}), config, pairs)
    made = [reconstruct(stage.objective, pairs(i)) for i in range(16)]
    depth = torch.cat([one.source[..., 2].mean(1) for one in made]).mean()
    torch.testing.assert_close(stage.objective.depth, depth.detach())
    assert abs(depth.item() - 0.33) > 0.001
    batch, driving = pairs(0), made[0].driving
    prior = keypoint_prior_loss(driving, config.keypoint_distance, depth)
    torch.testing.assert_close(stage.objective(batch)["keypoint_prior"], prior)


def test_fine_tuning_starts_as_exactly_the_model_it_tunes(
    recipe: Callable[..., Path], trained: Path, tmp_path: Path
) -> None:
    before = weights_of(trained)
    options: dict[str, Any] = {
        "initial": str(trained), "network": None, "batch_norm": "frozen", "steps": 1,
        "validate_every": 1, "validate_at_start": True,
    }  # fmt: skip
    train_portrait(recipe(**options), tmp_path / "tuned")
    base, start = metrics(trained)[-1], metrics(tmp_path / "tuned")[0]
    for name in ("valid/l1", "valid/psnr", "valid/rotation_error", "valid/keypoint_error"):
        assert start[name] == pytest.approx(base[name], rel=1e-4), name
    assert weights_of(trained) == before  # the files that were loaded are not written to
    assert weights_of(tmp_path / "tuned")["generator"] != before["generator"]


# Stitching and retargeting


def test_the_probe_finds_a_linear_relation() -> None:
    torch.manual_seed(0)
    parts = {"scale": (1,), "pitch": (66,), "yaw": (66,), "roll": (66,), "translation": (3,),
             "keypoints": (21, 3), "expression": (21, 3)}  # fmt: skip
    found = ExtractedMotion(**{name: torch.randn(400, *shape) for name, shape in parts.items()})
    openings = torch.stack(
        [0.3 + found.expression[:, 13, 1], found.expression[:, 15, 1], found.keypoints[:, 6, 0]], 1
    )
    probe = OpeningProbe(126)
    assert probe.fit(found, openings) > 0.99
    torch.testing.assert_close(probe(found), openings, atol=0.05, rtol=0)
    probe.fit(found, torch.zeros(400, 3) + 0.2)
    torch.testing.assert_close(probe(found), torch.full((400, 3), 0.2))


def test_the_second_stage_trains_the_perceptrons_alone(
    recipe: Callable[..., Path], trained: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "stage": "stitching_retargeting", "initial": str(trained), "network": None, "steps": 2,
        "validate_every": 2, "validate_at_start": True, "learning_rate": 3e-3, "ema_decay": 0.1,
        "preview_every": 1, "preview_pairs": 2,
    }  # fmt: skip
    train_portrait(recipe(**options), tmp_path / "run")
    before, after = weights_of(trained), weights_of(tmp_path / "run")
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"stitching", "lip_retargeting", "eye_retargeting"}
    first = metrics(tmp_path / "run")[0]
    assert first["valid/shoulders"] == pytest.approx(first["valid/shoulders_unstitched"])
    assert (tmp_path / "run" / "previews" / "step-000002.png").is_file()
    assert "Stitching and retargeting alone" in (tmp_path / "run" / "README.md").read_text()


def test_stitching_learns_to_keep_the_shoulders_where_they_are(pairs: PairSampler) -> None:
    networks, batch = small(), pairs(0)
    with torch.no_grad():  # heads that are seen in different places drive each other away
        head = networks.motion_extractor.fc_t
        head.weight.mul_(2.0)
        head.bias.sub_(networks.motion_extractor(batch.source).translation.mean(0))
        networks.warping.dense_motion_network.mask.bias[0] = -10.0  # all moves with the keypoints
    config = NetworksTraining(
        stage="stitching_retargeting", initial="somewhere", loss_weights={"stitching_offsets": 0.0}
    )
    network = PerceptronObjective(networks, config, OpeningProbe(126))
    network.asked_to(torch.device("cpu"))
    optimizer = torch.optim.Adam(networks.stitching.parameters(), 1e-2)
    before = perceptron_errors(network, [batch])
    for _ in range(25):
        optimizer.zero_grad()
        network(batch)["total"].backward()
        optimizer.step()
    after = perceptron_errors(network, [batch])
    assert after["shoulders"] < 0.6 * before["shoulders"]
    assert after["shoulders_unstitched"] == pytest.approx(before["shoulders_unstitched"])


def test_the_second_stage_holds_nothing_frozen_in_its_state(pairs: PairSampler) -> None:
    networks = small()
    config = NetworksTraining(stage="stitching_retargeting", initial="somewhere")
    network = PerceptronObjective(networks, config, OpeningProbe(126))
    parts = {name.split(".")[0] for name in network.state_dict()}
    assert parts == {"stitching", "lip_retargeting", "eye_retargeting", "probe"}
    terms = network(pairs(0))
    terms["total"].backward()
    assert all(p.grad is None for p in networks.generator.parameters())
    assert networks.stitching.mlp[-1].weight.grad.any()


# Errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": ["painter"]}, "portrait.train.*'painter'"),
        ({"train": []}, "names no network"),
        ({"stage": "third"}, "portrait.stage"),
        ({"preset": "deluxe"}, "preset"),
        ({"loss_weights": {"vgg": 1.0}}, "vgg.*known are perceptual"),
        ({"loss_weights": {"identity": 1.0}}, "identity=network"),
        ({"stage": "stitching_retargeting"}, "portrait.initial"),
        ({"batch_norm": "off"}, "portrait.batch_norm"),
        ({"initial": "/nowhere", "network": None}, "no checkpoint folder"),
        ({"initial": str(BUNDLED), "network": None}, "liveportrait.*joyvasa convert"),
        ({"initial": str(BUNDLED)}, "network or initial"),
        ({"data": "/nowhere"}, "joyvasa prepare"),
        ({"perceptual": "/nowhere/vgg.safetensors"}, "vgg.safetensors"),
        ({"critic_wdith": 4}, "critic_wdith"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_nothing_is_written(
    recipe: Callable[..., Path], tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(JoyVASAError, match=message):
        train_portrait(recipe(**options), tmp_path / "run")
    assert not (tmp_path / "run" / "state.pt").exists()


def test_the_command_line_ends_with_two_and_no_traceback(
    recipe: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = recipe(train=["painter"])
    assert main(["--config", str(file), "--run", str(tmp_path / "run")]) == 2
    assert "'painter'" in capsys.readouterr().err
    command = [
        "joyvasa",
        "train",
        "portrait",
        "--config",
        str(file),
        "--run",
        str(tmp_path / "run"),
    ]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as end:
        joyvasa()
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_recipe_that_ships_names_every_option_and_fits() -> None:
    path = places.CONFIGS / "portrait.yaml"
    written = read_recipe(path)
    for section, kind in (("portrait", NetworksTraining), ("loop", LoopConfig)):
        assert set(written[section]) == {part.name for part in fields(kind)}
        take_section(written, kind, section)
    config = take_section(written, NetworksTraining, "portrait")
    assert config.network_weights() == NetworkWeights()  # the file tells the defaults
    second = read_recipe(path.with_name("stitching.yaml"))
    assert set(second["loop"]) == {part.name for part in fields(LoopConfig)}
    config = take_section(second, NetworksTraining, "portrait")
    assert config.perceptron_weights() == PerceptronWeights()
    assert set(config.loss_weights) == {part.name for part in fields(PerceptronWeights)}


def test_a_compact_checkpoint_is_not_the_start_of_these_networks(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="preset liveportrait"):
        prepare_networks(str(tmp_path), {})
