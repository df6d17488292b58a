"""The patch generator: identity before training, identity at rest, and it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from joyvasa_lib.datasets.heads.patch_pairs import (
    HeadPairs,
    PairMaker,
    PortraitPairsConfig,
    write_portrait_pairs,
)
from joyvasa_lib.errors import CheckpointError, OptionError
from joyvasa_lib.motion.driving.pose import Pose
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.portrait.compact.refine.generator import INPUT_CHANNELS, PatchGenerator, warp
from joyvasa_lib.portrait.compact.refine.patches import KINDS, PATCH, PatchCutter
from joyvasa_lib.portrait.compact.refine.refiner import PatchRefiner
from joyvasa_lib.rig.head_rig import bundled_rig
from joyvasa_lib.training.image_losses import gradient_l1, psnr, weighted_l1, weighted_ssim
from joyvasa_lib.training.portrait.train import train_portrait
from joyvasa_lib.training.refiner.data import PatchPairs
from joyvasa_lib.training.refiner.objective import GeneratorInTraining
from joyvasa_lib.training.refiner.recipe import RefinerTraining
from joyvasa_lib.training.refiner.train import measure, save_half

pytestmark = pytest.mark.slow

CONFIG = PortraitPairsConfig(frames=2, heads_per_shard=2, shards=1, valid_shards=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("heads")
    write_portrait_pairs(path, CONFIG)
    return path


@pytest.fixture(scope="module")
def head() -> tuple[PairMaker, HeadPairs]:
    maker = PairMaker(CONFIG)
    return maker, maker.head(0)


def small() -> PatchGenerator:
    torch.manual_seed(0)
    return PatchGenerator(channels=(8, 12, 16), head_channels=8)


def test_an_untrained_generator_returns_the_composite() -> None:
    inputs = torch.rand(2, INPUT_CHANNELS, PATCH, PATCH)
    for kind in ("mouth", "eye"):
        made = small()(inputs, torch.ones(2, 1, PATCH, PATCH), kind)
        torch.testing.assert_close(made.image, inputs[:, :3], atol=1e-5, rtol=0)


def test_nothing_changes_behind_the_gate() -> None:
    generator = small()
    torch.nn.init.normal_(generator.mouth.out.weight)
    inputs = torch.rand(1, INPUT_CHANNELS, PATCH, PATCH)
    gate = torch.zeros(1, 1, PATCH, PATCH)
    gate[..., :20, :] = 1.0
    changed = (generator(inputs, gate, "mouth").image - inputs[:, :3]).abs().amax(1)[0]
    assert changed[:20].max() > 0.05
    assert changed[20:].max() == 0.0


def test_warp_moves_pixels_by_whole_steps() -> None:
    image = torch.rand(1, 3, 16, 16)
    flow = torch.zeros(1, 2, 16, 16)
    flow[:, 0] = 2.0
    torch.testing.assert_close(warp(image, flow)[..., :-2], image[..., 2:])


def test_the_mouth_patch_follows_the_skull_not_the_lips() -> None:
    rig = bundled_rig()
    cutter = PatchCutter(rig)
    spoken = rig.mean + rig.blendshapes[rig.blendshape_index("jawOpen")]
    turn = rotation_matrix(np.array([0.0, 0.0, 20.0])).astype(np.float32)
    rest, open_, rolled = (
        cutter.affine(np.asarray(40 * v + 128, np.float32)[None], "mouth")[0]
        for v in (rig.mean, spoken, rig.mean @ turn)
    )
    np.testing.assert_allclose(rest, open_, atol=1e-3)
    # Undoing the roll in the plane gives the same map.
    np.testing.assert_allclose(rolled[:, :2] @ turn[:2, :2].T, rest[:, :2], atol=1e-3)


def test_a_head_at_rest_keeps_every_byte_of_the_image(
    head: tuple[PairMaker, HeadPairs],
) -> None:
    maker, pairs = head
    generator = small()
    for network in (generator.mouth, generator.eye):
        torch.nn.init.normal_(network.out.weight)
    appearance, fit = pairs.portrait.appearance, pairs.portrait.fit
    refine = PatchRefiner(maker.rig, generator)
    source_image = appearance.image[None].copy()
    refined = refine(source_image.copy(), appearance.vertices[None], appearance, fit.scale)
    np.testing.assert_array_equal(refined, source_image)
    moved = refine(source_image.copy(), pairs.vertices[:1], appearance, fit.scale)
    assert (moved != source_image).any()


@pytest.mark.parametrize("has", [True, False])
def test_the_networks_compute_in_bfloat16_where_the_processor_has_it_to_nearly_the_same_frame(
    head: tuple[PairMaker, HeadPairs], monkeypatch: pytest.MonkeyPatch, has: bool
) -> None:
    maker, pairs = head
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has})
    generator = small()
    for network in (generator.mouth, generator.eye):
        torch.nn.init.normal_(network.out.weight, std=0.3)
    computed: list[torch.dtype] = []
    generator.mouth.out.register_forward_hook(lambda _, __, made: computed.append(made.dtype))
    refine = PatchRefiner(maker.rig, generator)
    appearance, scale = pairs.portrait.appearance, pairs.portrait.fit.scale

    def refined() -> NDArray[np.uint8]:
        frames = appearance.image[None].copy()
        return refine(frames, pairs.vertices[:1], appearance, scale)

    made = refined()
    assert computed == [torch.bfloat16 if has else torch.float32]
    refine.dtype = torch.float32
    change = made.astype(int) - appearance.image
    assert np.abs(change).max() > 10
    assert np.abs(made.astype(int) - refined()).max() <= 0.05 * np.abs(change).max() + 1


def test_patches_pasted_back_land_where_they_were_cut(head: tuple[PairMaker, HeadPairs]) -> None:
    maker, pairs = head
    for kind in KINDS:
        affine = maker.cutter.affine(pairs.vertices, kind)[0]
        change = np.zeros((PATCH, PATCH, 3), np.float32)
        change[24:40, 20:36] = 0.2
        frame = np.full((CONFIG.size, CONFIG.size, 3), 100, np.uint8)
        maker.cutter.paste(frame, change, affine, kind)
        again = maker.cutter.cut(frame[None], affine[None], kind)[0] - 100 / 255
        # The inverse map samples linearly: equal but at the square's edges.
        np.testing.assert_allclose(again[27:37, 23:33], change[27:37, 23:33], atol=0.01)
        assert np.abs(again[:20]).max() < 0.01


def test_gradients_reach_every_weight_of_the_generator(folder: Path) -> None:
    network = GeneratorInTraining(small())
    for part in (network.generator.mouth, network.generator.eye):
        torch.nn.init.normal_(part.out.weight, std=0.05)
    pairs, config = PatchPairs(folder, "train"), RefinerTraining(pairs=str(folder))
    for kind in ("mouth", "eye"):
        batch = pairs.draw(kind, 2, np.random.default_rng(0))
        network(batch, kind, config, True)["total"].backward()
    weights = network.generator.named_parameters()
    silent = [n for n, p in weights if p.grad is None or not p.grad.any()]
    assert silent == []


def test_the_critics_score_trains_the_generator_alone_and_its_own_loss_the_critic_alone(
    folder: Path,
) -> None:
    network = GeneratorInTraining(small())
    torch.nn.init.normal_(network.generator.mouth.out.weight, std=0.05)
    batch = PatchPairs(folder, "train").draw("mouth", 2, np.random.default_rng(0))
    terms = network(batch, "mouth", RefinerTraining(pairs=""), True)
    critic = list(network.critics["mouth"].parameters())
    generator = list(network.generator.mouth.parameters())
    for term, reached, spared in (
        ("critic", generator, critic),
        ("critic_own", critic, generator),
    ):
        options = {"retain_graph": True, "allow_unused": True}
        assert all(g is None for g in torch.autograd.grad(terms[term], spared, **options))
        assert any(g is not None for g in torch.autograd.grad(terms[term], reached, **options))


def test_a_few_steps_bring_the_patches_nearer_to_the_truth(folder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "portrait.yaml"
    recipe.write_text(
        f"portrait:\n  pairs: {folder}\n  batch_size: 4\n  validation_patches: 16\n"
        "  network: {channels: [8, 12, 16], head_channels: 8}\n"
        "loop: {steps: 30, warmup_steps: 2, learning_rate: 3.0e-3, validate_every: 30,\n"
        "  ema_decay: 0.5, threads: 1}\n"
    )
    exported = train_portrait(recipe, tmp_path / "run")
    generator = PatchGenerator.from_pretrained(exported)
    pairs = PatchPairs(folder, "train")
    found = measure(generator.eval(), pairs, "eye", 16)
    assert found["eye/l1_refined"] < 0.97 * found["eye/l1_composite"]


def test_the_checkpoint_is_half_precision_and_loads_for_rendering(tmp_path: Path) -> None:
    generator = small()
    save_half(generator, tmp_path)
    assert generator.mouth.out.weight.dtype == torch.float32
    refiner = PatchRefiner.from_pretrained(bundled_rig(), tmp_path)
    for mine, theirs in zip(generator.parameters(), refiner.generator.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=2e-3, rtol=1e-3)


def test_a_checkpoint_with_a_missing_or_a_strange_weight_is_refused(tmp_path: Path) -> None:
    save_half(small(), tmp_path)
    path = tmp_path / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    save_file({**weights, "strange": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="strange"):
        PatchRefiner.from_pretrained(bundled_rig(), tmp_path)
    weights.pop("mouth.out.weight")
    save_file(weights, path)
    with pytest.raises(CheckpointError, match=r"mouth\.out\.weight"):
        PatchRefiner.from_pretrained(bundled_rig(), tmp_path)


def test_measures_of_equal_images_and_known_errors() -> None:
    image, weight = torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
    assert float(weighted_ssim(image, image, weight)) == pytest.approx(1.0, abs=1e-5)
    assert float(weighted_l1(image, image + 0.1, weight)) == pytest.approx(0.1, abs=1e-6)
    assert float(gradient_l1(image, image + 0.1, weight)) == pytest.approx(0.0, abs=1e-6)
    assert float(psnr(image, image + 0.1, weight)) == pytest.approx(20.0, abs=1e-3)


def test_missing_files_are_errors_that_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="joyvasa datasets heads"):
        PatchPairs(tmp_path, "train")
    with pytest.raises(CheckpointError, match=r"nothing/config\.json does not load"):
        PatchRefiner.from_pretrained(bundled_rig(), tmp_path / "nothing")


def test_pose_of_pairs_is_what_the_preset_drives(head: tuple[PairMaker, HeadPairs]) -> None:
    maker, pairs = head
    assert isinstance(pairs.pose, Pose)
    again = maker.model.driver.vertices(pairs.portrait, pairs.blendshapes, pairs.pose)
    np.testing.assert_allclose(again, pairs.vertices)
