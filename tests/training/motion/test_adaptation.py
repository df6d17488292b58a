"""What learns when a trained generator is tuned: all, what is not frozen, or adapters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("accelerate")
from joyvasa_lib.errors import OptionError
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.training.motion.adaptation import add_lora, freeze, merged
from joyvasa_lib.training.motion.train import train_motion
from official_motion import small_generator
from training_sets import NETWORK, metrics, speaking_tones, write_prepared, write_recipe


def denoiser() -> MotionDenoiser:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {**NETWORK, "n_layers": 2, "dropout": 0.0}
    return MotionDenoiser(motion_dim=9, audio_dim=4, **sizes).eval()


def inputs() -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(1)
    shapes = ((2, 12, 9), (2, 12, 16), (2, 4, 9), (2, 4, 16))
    noisy, audio, motion, heard = (torch.randn(shape, generator=random) for shape in shapes)
    return noisy, torch.tensor([3, 40]), audio, motion, heard


def test_an_adapted_run_starts_as_exactly_its_base(
    recipe: Callable[..., Path], base: Path, tmp_path: Path
) -> None:
    start = {"initial": str(base), "network": None, "audio_encoder": None, "steps": 2,
             "validate_at_start": True, "learning_rate": 0.05}  # fmt: skip
    train_motion(recipe(**start), tmp_path / "full")
    train_motion(recipe(**start, lora_rank=4), tmp_path / "lora")
    full, lora = (
        metrics(tmp_path / "full", "valid/error"),
        metrics(tmp_path / "lora", "valid/error"),
    )
    assert lora[0]["step"] == 0
    assert lora[0] == full[0]
    assert lora[-1] != lora[0]  # and it does learn


def test_the_exported_weights_are_the_adapted_network_and_the_adapter_fits_the_base(
    recipe: Callable[..., Path], base: Path, tmp_path: Path
) -> None:
    from peft import PeftModel

    changes = {"initial": str(base), "network": None, "audio_encoder": None, "lora_rank": 3,
               "lora_alpha": 6.0, "learning_rate": 0.05}  # fmt: skip
    exported = MotionGenerator.from_pretrained(train_motion(recipe(**changes), tmp_path / "run"))
    before = MotionGenerator.from_pretrained(base / "generator").denoiser
    _, step, audio, _, heard = inputs()
    arguments = (torch.randn(2, 12, 59), step, audio, torch.randn(2, 4, 59), heard)
    plain = before(*arguments)
    new = exported.denoiser(*arguments)
    adapted = PeftModel.from_pretrained(before, tmp_path / "run" / "adapter").eval()
    assert (new - plain).abs().max() > 0.05
    torch.testing.assert_close(adapted(*arguments), new, atol=5e-3, rtol=0)  # 16-bit weights


def test_every_layer_of_the_denoiser_is_adapted_and_merging_changes_nothing() -> None:
    network = denoiser()
    reference = network(*inputs())
    add_lora(network, rank=2, alpha=4.0)
    assert torch.equal(network(*inputs()), reference)
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in trained)
    linear = {n.rpartition(".")[0] for n, p in denoiser().named_parameters() if p.ndim == 2}
    adapted = {n.partition(".lora_")[0].replace(".base_layer", "") for n in trained}
    cross = {f"denoising_net.transformer.layers.{i}.multihead_attn" for i in range(2)}
    assert linear - cross == adapted
    with torch.no_grad():
        for parameter in trained.values():
            parameter.normal_(std=0.2)
    changed = network(*inputs())
    assert not torch.allclose(changed, reference, atol=0.1)
    plain = merged(network)
    assert plain.state_dict().keys() == denoiser().state_dict().keys()
    torch.testing.assert_close(plain(*inputs()), changed, atol=1e-5, rtol=1e-5)
    assert torch.equal(network(*inputs()), changed)


def test_frozen_parameters_stay_and_an_unknown_name_is_refused(
    recipe: Callable[..., Path], base: Path, tmp_path: Path
) -> None:
    changes = {"initial": str(base), "network": None, "audio_encoder": None}
    pattern = "denoising_net.transformer.*"
    train_motion(recipe(**changes, freeze=[pattern], learning_rate=0.05), tmp_path / "run")
    before = MotionGenerator.from_pretrained(base / "generator").denoiser.state_dict()
    after = MotionGenerator.from_pretrained(tmp_path / "run" / "generator").denoiser.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not any(name.startswith("denoising_net.transformer.") for name in moved)
    with pytest.raises(OptionError, match="No parameter is called 'layers'"):
        freeze(denoiser(), ["layers"])
    with pytest.raises(OptionError, match="every parameter is frozen"):
        train_motion(recipe(**changes, freeze=["*"]), tmp_path / "frozen")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corpus": "data"}, "Give one of motion.data"),
        ({"audio_encoder": None}, "audio_encoder must name"),
        ({"initial": "bundled"}, "Give network or initial"),
        ({"initial": "bundled", "network": None}, "width"),
        ({"loss_weights": {"smile": 1.0}}, "smile"),
        ({"criterion": "l3"}, "'l2' or 'l1'"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    recipe: Callable[..., Path], tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        train_motion(recipe(**options), tmp_path / "run")


def test_the_official_kind_of_generator_is_tuned_on_keypoints_as_extracted(tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "data", [120], [60], official=True)
    small_generator().save_pretrained(tmp_path / "base")
    options = {
        "initial": str(tmp_path / "base"), "network": None, "batch_size": 2, "lora_rank": 2,
        "window_lengths": [20], "learning_rate": 1e-2, "validate_at_start": True, "steps": 2,
    }  # fmt: skip
    path = write_recipe(tmp_path / "r.yaml", data, tmp_path, audio_encoder=None, **options)
    folder = train_motion(path, tmp_path / "run")
    tuned = MotionGenerator.from_pretrained(folder)
    assert tuned.normalizer.channels == 73  # three more than the recordings have
    motion = tuned.generate(speaking_tones(30, 3)[0].astype(np.float32) / 32768)
    assert (motion.space.name, motion.reference, len(motion)) == ("liveportrait-21", "absolute", 30)
    first, last = metrics(tmp_path / "run", "valid/error")
    assert np.isfinite(list(last.values())).all()
    assert last["valid/error"] < first["valid/error"]
    with pytest.raises(OptionError, match="no portrait model"):
        train_motion(path, tmp_path / "preview", changes=["motion.preview_every=1"])
    compact = write_prepared(tmp_path / "compact", [60], [30])
    with pytest.raises(OptionError, match="compact-1 / units / source"):
        train_motion(path, tmp_path / "mixed", changes=[f"motion.data={compact}"])
