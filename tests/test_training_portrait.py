"""Training of LivePortrait's networks, in little: what learns, what rests, what comes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray

pytest.importorskip("accelerate")

from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.checkpoints.bundled import BUNDLED
from joyvasa_lib.cli import main as joyvasa
from joyvasa_lib.datasets.prepared import (
    Clip,
    ClipInfo,
    Pictures,
    PreparedIndex,
    ShardInfo,
    write_shard,
)
from joyvasa_lib.datasets.shard_files import encode_pictures
from joyvasa_lib.datasets.statistics import Moments
from joyvasa_lib.datasets.synthetic.head_frames import (
    HeadFrameMaker,
    HeadFramesConfig,
    RenderedFrames,
    write_head_frames,
)
from joyvasa_lib.errors import CheckpointError, JoyVASAError, MediaError, OptionError
from joyvasa_lib.evaluation.track import in_head_frame
from joyvasa_lib.face.crop import FaceCrop, crop_upright
from joyvasa_lib.face.crop_geometry import FaceSquare
from joyvasa_lib.face.detector import Face
from joyvasa_lib.face.ratios import eye_open_ratio, lip_open_ratio
from joyvasa_lib.motion import LIVEPORTRAIT_21
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.portrait.liveportrait.appearance_extractor import AppearanceFeatureExtractor
from joyvasa_lib.portrait.liveportrait.generator import SpadeGenerator
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
from joyvasa_lib.portrait.liveportrait.motion_extractor import ExtractedMotion, MotionExtractor
from joyvasa_lib.portrait.liveportrait.networks import WEIGHTS, LivePortraitNetworks
from joyvasa_lib.portrait.liveportrait.stitching import RetargetingNetwork, StitchingNetwork
from joyvasa_lib.portrait.liveportrait.warping import WarpingNetwork
from joyvasa_lib.training.config import LoopConfig, read_recipe, take_section
from joyvasa_lib.training.face_regions import (
    CHIN,
    LIPS,
    below_the_chin,
    cut,
    face_square,
    in_crop_units,
    inside,
    lip_square,
)
from joyvasa_lib.training.frame_pairs import PairBatch, PairSampler, recolour, reframed
from joyvasa_lib.training.frame_source import (
    Frame,
    FrameClip,
    FrameSource,
    HeadFrames,
    PreparedFrames,
    Split,
    open_frames,
)
from joyvasa_lib.training.guides import nearest_guides, usual_guides
from joyvasa_lib.training.networks_stage import measured_anew
from joyvasa_lib.training.opening_probe import OpeningProbe
from joyvasa_lib.training.perceptron_stage import (
    PerceptronObjective,
    perceptron_errors,
)
from joyvasa_lib.training.portrait import main, train_portrait
from joyvasa_lib.training.portrait_networks import NetworkSizes
from joyvasa_lib.training.portrait_objective import PortraitObjective, reconstruct, resized
from joyvasa_lib.training.portrait_recipe import (
    NETWORKS,
    VIEWS,
    NetworksTraining,
    NetworkWeights,
    PerceptronWeights,
)

SIDE = 64
SIZES: dict[str, Any] = {
    "image_side": SIDE, "appearance_widths": [8, 8, 16], "volume_channels": 4, "volume_depth": 2,
    "appearance_blocks": 1, "motion_depths": [1, 1, 1, 1], "motion_widths": [8, 16, 24, 32],
    "compressed_channels": 1, "hourglass_widths": [4, 8, 8], "feature_channels": 16,
    "generator_width": 16, "middle_blocks": 1, "up_widths": [16, 8], "condition_width": 8,
    "image_upscale": 1,
}  # fmt: skip
LOOP = {
    "threads": 1, "steps": 2, "warmup_steps": 1, "validate_every": 2, "checkpoint_minutes": 60.0,
    "log_every": 1, "ema_decay": 0.5, "learning_rate": 1e-3,
}  # fmt: skip
HEADS = HeadFramesConfig(heads=2, valid_heads=1, frames=3, size=SIDE, heads_per_shard=1)


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


def write_recipe(path: Path, data: str | Path, **options: Any) -> Path:
    """A recipe; options of the loop are told by their names."""
    loop_names = {*LOOP, "gradient_accumulation", "stop_after_minutes", "mixed_precision",
                  "validate_at_start", "seed"}  # fmt: skip
    portrait = {
        "preset": "liveportrait", "data": str(data), "network": SIZES, "critic_width": 4,
        "batch_size": 2, "validation_pairs": 2, "statistics_batches": 2, "preview_every": 0,
    }  # fmt: skip
    portrait |= {name: value for name, value in options.items() if name not in loop_names}
    portrait = {name: value for name, value in portrait.items() if value is not None}
    loop = {**LOOP, **{name: value for name, value in options.items() if name in loop_names}}
    path.write_text(yaml.safe_dump({"portrait": portrait, "loop": loop}))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, heads: Path) -> Path:
    """A run of two steps, with everything that a run writes."""
    folder = tmp_path_factory.mktemp("trained")
    train_portrait(
        write_recipe(folder / "r.yaml", heads, preview_every=1, preview_pairs=2), folder / "run"
    )
    return folder / "run"


def face_of(landmarks: NDArray[np.float32]) -> Face:
    box = np.concatenate([landmarks[:, :2].min(0), landmarks[:, :2].max(0)])
    return Face(box, landmarks, 1.0, "mediapipe468")


def small(seed: int = 0) -> LivePortraitNetworks:
    torch.manual_seed(seed)
    return NetworkSizes.of(SIZES).build()


def metrics(run: Path, prefix: str = "valid/") -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if any(name.startswith(prefix) for name in line)]


def weights_of(folder: Path) -> dict[str, bytes]:
    """The files of all networks."""
    return {path.parent.name: path.read_bytes() for path in folder.rglob(WEIGHTS)}


# Where things are in a picture


def test_regions_show_what_lies_at_their_landmarks(pairs: PairSampler) -> None:
    batch = pairs(0)
    square = lip_square(batch.source_marks)
    middle = batch.source_marks[:, list(LIPS)]
    low, high = middle.amin(1), middle.amax(1)
    torch.testing.assert_close(square[:, :2], (low + high) / 2)
    y, x = torch.meshgrid(*[(torch.arange(SIDE) + 0.5) * (2 / SIDE) - 1] * 2, indexing="ij")
    places = torch.stack([x, y])[None].expand(2, -1, -1, -1)  # each pixel says where it is
    seen = cut(places, square, 16)
    torch.testing.assert_close(seen.mean((2, 3)), square[:, :2], atol=1e-4, rtol=0)
    reach = (seen[:, 0, 0, -1] - seen[:, 0, 0, 0]) / 2 / (15 / 16)
    torch.testing.assert_close(reach, square[:, 2], atol=1e-3, rtol=0)


def test_pixel_centres_are_half_a_pixel_from_the_border() -> None:
    corners = np.array([[0.0, 0.0, 9.0], [63.0, 31.5, 9.0]], np.float32)
    expected = [[-1 + 1 / 64, -1 + 1 / 64], [1 - 1 / 64, 0.0]]
    np.testing.assert_allclose(in_crop_units(corners, 64), expected, atol=1e-6)


def test_masks_are_one_inside_and_zero_far_away(pairs: PairSampler) -> None:
    marks = pairs(0).source_marks
    lips = inside([lip_square(marks)], SIDE)
    chin = below_the_chin(marks, SIDE)
    for row, points in enumerate(marks):
        x, y = ((points[list(LIPS)].mean(0) + 1) * SIDE / 2).long().tolist()
        assert lips[row, 0, y, x] == 1.0
        assert lips[row, 0, 0, 0] == 0.0
        bottom = int((float(points[CHIN, 1]) + 1) * SIDE / 2)
        assert chin[row, 0, : bottom + 1].max() == 0.0
        assert chin[row, 0, -1].min() > 0.0


# Data


def test_a_batch_depends_on_its_number_alone_and_pairs_two_pictures(pairs: PairSampler) -> None:
    one, again, other = pairs(3), pairs(3), pairs(4)
    for part in fields(PairBatch):
        assert torch.equal(getattr(one, part.name), getattr(again, part.name))
    assert not torch.equal(one.source, other.source)
    assert ((one.source - one.driving).abs().amax((1, 2, 3)) > 0.05).all()


def test_pictures_are_framed_as_the_pipeline_frames_a_portrait(heads: Path) -> None:
    source = open_frames(heads)
    frames = {
        (c.name, i): source.frame(c.name, i) for c in source.clips("train") for i in range(c.frames)
    }
    batch = PairSampler(source, 3, SIDE, 0)(0)
    for row in range(3):
        crops = [crop_upright(f.picture, face_of(f.landmarks), SIDE) for f in frames.values()]
        pixels = [torch.from_numpy(c.image).permute(2, 0, 1) / 255.0 for c in crops]
        errors = [float((p - batch.source[row]).abs().max()) for p in pixels]
        best = int(np.argmin(errors))
        assert errors[best] < 1e-6
        marks = in_crop_units(crops[best].landmarks, SIDE)
        np.testing.assert_allclose(batch.source_marks[row], marks, atol=1e-4)


def test_a_turned_picture_has_a_turned_head(head: RenderedFrames) -> None:
    frame = Frame(head.pictures[0], head.landmarks[0], head.rotation[0])
    square = FaceSquare(np.array([30.0, 33.0]), 50.0, 0.6)
    there = reframed(frame, square, SIDE)
    measured, told = (
        before.T @ after
        for before, after in (
            [in_head_frame(f.landmarks.astype(np.float64))[1] for f in (frame, there)],
            [rotation_matrix(f.rotation.astype(np.float64)) for f in (frame, there)],
        )
    )
    np.testing.assert_allclose(told, measured, atol=1e-3)
    assert np.degrees(np.arccos((np.trace(told) - 1) / 2)) == pytest.approx(np.degrees(0.6))


def test_colours_vary_alike_in_both_pictures(heads: Path) -> None:
    source = open_frames(heads)
    plain, varied = (PairSampler(source, 2, SIDE, 0, amount)(1) for amount in (0.0, 0.3))
    assert not torch.equal(plain.source, varied.source)
    same = PairSampler(source, 2, SIDE, 0, 0.3)._draw("train", 2, np.random.default_rng(9))
    twice = recolour(replace(same, driving=same.source), np.random.default_rng(1), 0.3)
    assert torch.equal(twice.source, twice.driving)


def test_rendered_heads_tell_their_landmarks_openings_and_pose(heads: Path) -> None:
    source = open_frames(heads)
    assert isinstance(source, HeadFrames)
    clip = source.clips("train")[0]
    truth = HeadFrameMaker(HEADS).head(0)
    frame = source.frame(clip.name, 1)
    np.testing.assert_array_equal(frame.landmarks, truth.landmarks[1])
    np.testing.assert_array_equal(frame.rotation, truth.rotation[1])
    assert np.abs(frame.picture.astype(int) - truth.pictures[1]).mean() < 4.0  # JPEG
    people = {c.person for c in source.clips("train")} & {c.person for c in source.clips("valid")}
    assert people == set()
    batch = PairSampler(source, 1, SIDE, 0, framing="whole")._draw(
        "valid", 1, np.random.default_rng(0)
    )
    names = source.clips("valid")
    shown = [source.frame(names[0].name, i).landmarks for i in range(3)]
    openings = [np.append(eye_open_ratio(x), lip_open_ratio(x)) for x in shown]
    assert any(np.allclose(batch.source_openings[0], x) for x in openings)


def test_a_set_of_heads_goes_on_and_keeps_to_its_options(heads: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in heads.glob("*.safetensors")}
    assert len(before) == 3
    write_head_frames(heads, HEADS)
    assert {path: path.stat().st_mtime_ns for path in heads.glob("*.safetensors")} == before
    with pytest.raises(OptionError, match="size 64 -> 96"):
        write_head_frames(heads, replace(HEADS, size=96))


def write_prepared_heads(
    folder: Path, heads: dict[Split, Sequence[RenderedFrames]], crop: int
) -> Path:
    """A prepared set, as ``joyvasa prepare --crop`` writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for split, found in heads.items():
        clips = []
        for number, one in enumerate(found):
            name = f"{split}{number}"
            count = len(one.pictures)
            info = ClipInfo(name, f"{name}.mp4", name, 0.0, count, 200.0, 1.0)
            data, ends = encode_pictures(list(one.pictures))
            crops = Pictures(data, ends, one.landmarks) if crop else None
            clips.append(
                Clip(
                    info, np.zeros(640 * count, np.int16), np.zeros((count, 59), np.float32), crops
                )
            )
        file = f"{split}-00000.safetensors"
        size = write_shard(folder / file, clips, 59)
        frames = sum(clip.info.frames for clip in clips)
        shards.append(ShardInfo(file, split, len(clips), frames, size))
    moments = Moments.of(np.zeros((1, 59), np.float32))
    PreparedIndex(
        "compact-1", "units", "source", 59, crop, "person", {}, tuple(shards), moments
    ).save(folder)
    return folder


def test_prepared_crops_are_read_one_by_one_with_the_pose_of_their_landmarks(
    head: RenderedFrames, tmp_path: Path
) -> None:
    parts: dict[Split, Sequence[RenderedFrames]] = {"train": [head], "valid": [head]}
    source = open_frames(write_prepared_heads(tmp_path / "set", parts, SIDE))
    assert isinstance(source, PreparedFrames)
    frames = [source.frame("train0", i) for i in range(3)]
    np.testing.assert_array_equal(frames[2].landmarks, head.landmarks[2])
    turned = frames[1].rotation - frames[0].rotation
    # Landmarks give the pose up to what the person's shape adds, which is the same in every frame.
    np.testing.assert_allclose(turned, head.rotation[1] - head.rotation[0], atol=2.5)
    assert source.card()["split_by"] == "person"


def test_folders_without_pictures_say_what_is_missing(head: RenderedFrames, tmp_path: Path) -> None:
    parts: dict[Split, Sequence[RenderedFrames]] = {"train": [head], "valid": [head]}
    with pytest.raises(MediaError, match="--crop"):
        open_frames(write_prepared_heads(tmp_path / "blind", parts, 0))
    with pytest.raises(MediaError, match="joyvasa prepare VIDEOS"):
        open_frames(tmp_path / "nothing")
    with pytest.raises(MediaError, match="held out"):
        open_frames(write_prepared_heads(tmp_path / "one", {"train": [head]}, SIDE))


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
    batch, pictures = pairs(0), {"adversarial": 0.0, "matching": 0.0}

    def perceptual(*views: str) -> float:
        weights = {view: float(view in views) for view in VIEWS}
        network = objective(view_weights=weights, loss_weights=pictures)
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
    assert rough.picture.dtype == torch.float32
    difference = (exact.picture - rough.picture).abs().max()
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
    """Two pictures of one head, for both splits."""

    def __init__(self, head: RenderedFrames) -> None:
        self.head = head

    def clips(self, split: Split) -> list[FrameClip]:
        return [FrameClip("only", 2)]

    def frame(self, clip: str, index: int) -> Frame:
        head = self.head
        return Frame(head.pictures[index], head.landmarks[index], head.rotation[index])


def test_one_face_is_learned_and_follows_its_other_picture(
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
        made = reconstruct(networks, batch).picture
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


def crop_of(picture: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> FaceCrop:
    return FaceCrop(picture, picture, np.eye(3), face_of(landmarks))


def test_the_checkpoint_paints_what_the_networks_paint(trained: Path, head: RenderedFrames) -> None:
    model = LivePortraitModel.from_pretrained(
        trained / "generator" / "portrait", dtype=torch.float32
    )
    assert (model.size, model.image_side) == (SIDE, SIDE)
    crops = [crop_of(head.pictures[i], head.landmarks[i]) for i in (0, 1)]
    portrait = model.encode(crops[0])
    motion = model.extract_motion(iter(crops), 25.0)
    frames = np.concatenate(list(model.render(portrait, motion)))
    assert frames.shape == (2, SIDE, SIDE, 3)
    pixels = [torch.from_numpy(p).permute(2, 0, 1)[None] / 255.0 for p in head.pictures[:2]]
    nothing = torch.zeros(1, 3)
    marks = torch.zeros(1, 468, 2)
    batch = PairBatch(pixels[0], pixels[0], marks, marks, nothing, nothing, nothing, nothing)
    with torch.no_grad():
        still = reconstruct(model.networks, batch).picture[0].permute(1, 2, 0).numpy()
    assert np.abs(frames[0] - 255.0 * still).max() < 2.0


def test_the_run_folder_is_a_pipeline(trained: Path, astronaut: NDArray[np.uint8]) -> None:
    pipe = JoyVASAPipeline.from_pretrained(trained)
    portrait = pipe.encode(astronaut)
    still = Motion.neutral(2, space=LIVEPORTRAIT_21)
    frames = list(pipe.render(portrait, still, paste_back=False).frames())
    assert frames[0].shape == (SIDE, SIDE, 3)


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
    path = Path(__file__).parents[1] / "configs" / "portrait.yaml"
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
    from joyvasa_lib.training.portrait_networks import prepare_networks

    with pytest.raises(CheckpointError, match="preset liveportrait"):
        prepare_networks(str(tmp_path), {})


def test_pictures_are_resized_by_means_of_pixels() -> None:
    picture = torch.arange(16.0).view(1, 1, 4, 4) / 16
    torch.testing.assert_close(
        resized(picture, 2), torch.tensor([[[[2.5, 4.5], [10.5, 12.5]]]]) / 16
    )
    assert resized(picture, 8).shape == (1, 1, 8, 8)
    assert resized(picture, 4) is picture
