"""Runs of portrait training: what they learn, keep, write and refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
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
from joyvasa_lib.checkpoints.folder import BUNDLED
from joyvasa_lib.cli import main as joyvasa
from joyvasa_lib.datasets.heads.frames import (
    HeadFrameMaker,
    RenderedFrames,
)
from joyvasa_lib.errors import CheckpointError, JoyVASAError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.motion import LIVEPORTRAIT_21
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks
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
)
from joyvasa_lib.training.portrait.losses.keypoints import keypoint_prior_loss
from joyvasa_lib.training.portrait.networks import NetworkSizes, prepare_networks
from joyvasa_lib.training.portrait.networks_stage import NetworksStage
from joyvasa_lib.training.portrait.objective import reconstruct
from joyvasa_lib.training.portrait.recipe import (
    NETWORKS,
    NetworksTraining,
    NetworkWeights,
    PerceptronWeights,
)
from joyvasa_lib.training.portrait.train import main, train_portrait
from portrait_sets import (
    HEADS,
    SIDE,
    SIZES,
    face_of,
    weights_of,
)
from training_sets import metrics

pytestmark = pytest.mark.slow


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
        "steps": 140, "validate_every": 140, "validate_at_start": True, "learning_rate": 5e-3,
        "ema_decay": 0.9, "loss_weights": {"adversarial": 0.0, "matching": 0.0}, "colours": 0.0,
        "batch_size": 1, "seed": 1,
    }  # fmt: skip
    train_portrait(recipe(**options), tmp_path / "run", source=source)
    first, last = metrics(tmp_path / "run", "valid/")
    assert last["valid/l1"] < 0.4 * first["valid/l1"]
    assert last["valid/ssim"] > first["valid/ssim"] + 0.3
    assert last["valid/guide_error"] < 0.3 * first["valid/guide_error"]
    networks = LivePortraitNetworks.load(tmp_path / "run" / "generator" / "portrait")
    differences = []
    for number in range(2):  # there and back
        batch = PairSampler(source, 1, SIDE, 0)(number)
        with torch.no_grad():
            made = reconstruct(networks, batch).image
        square = face_square(batch.driving_marks)
        faces = [cut(x, square, 32) for x in (made, batch.driving, batch.source)]
        differences.append([float((faces[0] - other).abs().mean()) for other in faces[1:]])
    right, wrong = np.mean(differences, axis=0)
    assert right < 0.8 * wrong


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
    base, start = metrics(trained, "valid/")[-1], metrics(tmp_path / "tuned", "valid/")[0]
    for name in ("valid/l1", "valid/psnr", "valid/rotation_error", "valid/keypoint_error"):
        assert start[name] == pytest.approx(base[name], rel=1e-4), name
    assert weights_of(trained) == before  # the files that were loaded are not written to
    assert weights_of(tmp_path / "tuned")["generator"] != before["generator"]


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
