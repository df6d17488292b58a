"""8-bit weights: small error, exact repetition, nothing lost."""

from __future__ import annotations

from pathlib import Path

import torch

from joyvasa_lib.checkpoints.int8 import pack, unpack
from joyvasa_lib.checkpoints.modules import load_module, save_module
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        "a.weight": torch.randn(7, 33) * torch.logspace(-3, 2, 7)[:, None],
        "conv.weight": torch.randn(5, 4, 3),
        "a.bias": torch.randn(7).half().float(),
        "feature_scale": torch.rand(4).half().float(),
        "zero.weight": torch.zeros(3, 3),
        "count": torch.tensor(3),
    }


def test_a_weight_is_off_by_at_most_half_a_step_of_its_row() -> None:
    given = weights()
    back = unpack(pack(given))
    for key in ("a.weight", "conv.weight"):
        step = given[key].abs().flatten(1).amax(1) / 127.0
        error = (back[key] - given[key]).abs().flatten(1).amax(1)
        assert (error <= 0.56 * step).all()  # half a step, and the scale's own rounding
        assert back[key].shape == given[key].shape


def test_other_tensors_come_back_as_they_were() -> None:
    given = weights()
    back = unpack(pack(given))
    assert back.keys() == given.keys()
    for key in ("a.bias", "feature_scale", "zero.weight", "count"):
        assert torch.equal(back[key], given[key])
        assert back[key].dtype == given[key].dtype


def test_packing_again_gives_the_same_bytes() -> None:
    once = pack(weights())
    again = pack(unpack(once))
    assert once.keys() == again.keys()
    assert all(torch.equal(once[key], again[key]) for key in once)


def test_a_scale_without_its_matrix_is_kept() -> None:
    assert "lost.weight_scale" in unpack({"lost.weight_scale": torch.ones(3)})


@torch.inference_mode()
def test_a_denoiser_in_8_bits_predicts_nearly_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"feature_dim": 32, "hidden_dim": 64, "n_layers": 2, "audio_dim": 16, "motion_dim": 9}
    denoiser = MotionDenoiser(**sizes).eval()
    save_module(denoiser, tmp_path, torch.int8)
    small = load_module(MotionDenoiser, tmp_path)
    p = denoiser.config.n_prev_motions
    given = [torch.randn(1, 100, 9), torch.tensor([7]), torch.randn(1, 100, 32),
             torch.randn(1, p, 9), torch.randn(1, p, 32)]  # fmt: skip
    wanted, made = denoiser(*given), small(*given)
    assert 0.0 < (wanted - made).std() < 0.02 * wanted.std()
