"""The objective of motion training: windows, draws, terms, and what they are divided by."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("accelerate")
from dataclasses import replace

import pytest

from joyvasa_lib.errors import OptionError
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.training.motion.batches import (
    MotionBatch,
)
from joyvasa_lib.training.motion.objective import MotionObjective, ObjectiveOptions
from joyvasa_lib.training.motion.windows import Draws

pytest.importorskip("accelerate")

from training_sets import NETWORK


def objective(channels: int = 59, style_dim: int = 0) -> MotionObjective:
    torch.manual_seed(0)
    denoiser = MotionDenoiser(
        motion_dim=channels, audio_dim=4, feature_dim=16, n_layers=1, n_heads=2, hidden_dim=16,
        n_prev_motions=3, dropout=0.0, style_dim=style_dim,
    )  # fmt: skip
    normalizer = MotionNormalizer(np.zeros(channels, np.float32), np.ones(channels, np.float32))
    return MotionObjective(denoiser, normalizer, ObjectiveOptions(previous_noise=0.0))


def batch(frames: int = 12) -> MotionBatch:
    generator = torch.Generator().manual_seed(1)
    return MotionBatch(
        motion=torch.randn(2, 2 * frames, 59, generator=generator),
        audio=torch.randn(2, 2 * frames, 4, generator=generator),
        valid=torch.ones(2, 2 * frames),
        closed=torch.zeros(2, 2 * frames),
        end=torch.full((2, 2), frames),
        style=torch.ones(2, 2 * frames, 4),
    )


def test_what_lies_behind_the_truncation_has_no_influence() -> None:
    model, whole = objective(), batch()
    whole.end[:] = 5
    torch.manual_seed(3)
    first = model(whole)["total"]
    whole.motion[:, 12 + 5 :] = 100.0
    whole.audio[:, 12 + 5 :] = 100.0
    torch.manual_seed(3)
    assert torch.equal(first, model(whole)["total"])


def test_the_second_window_is_told_how_the_first_ended() -> None:
    model, whole = objective(), batch()
    torch.manual_seed(3)
    model.denoiser.forward = lambda *args, **kwargs: seen.append(args) or torch.zeros(4, 15, 59)
    seen: list[tuple[torch.Tensor, ...]] = []
    model(whole)
    prev_motion, prev_audio = seen[0][3], seen[0][4]
    assert torch.equal(prev_motion[2:], whole.motion[:, 9:12])
    assert torch.equal(prev_motion[:1], model.denoiser.start_motion_feat.detach())
    assert not prev_audio[2:].requires_grad or prev_audio.grad_fn is not None


def test_overfitting_one_batch_lowers_the_error() -> None:
    model, whole = objective(), batch()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    errors = []
    for step in range(80):
        torch.manual_seed(step % 4)
        terms = model(whole)
        optimizer.zero_grad()
        terms["total"].backward()
        optimizer.step()
        errors.append(float(terms["total"].detach()))
    assert np.mean(errors[-4:]) < 0.8 * np.mean(errors[:4])


def test_every_parameter_of_the_denoiser_but_the_dead_ones_gets_a_gradient() -> None:
    model = objective()
    model.options = replace(model.options, null_audio=0.5)
    torch.manual_seed(0)
    model(batch())["total"].backward()
    for name, parameter in model.denoiser.named_parameters():
        assert parameter.grad is not None, name


def test_a_network_that_predicts_noise_is_compared_with_the_noise() -> None:
    sizes: dict[str, Any] = {**NETWORK, "dropout": 0.0}
    network = MotionDenoiser(motion_dim=59, audio_dim=4, **sizes)
    normalizer = MotionNormalizer(np.zeros(59, np.float32), np.ones(59, np.float32))
    model = MotionObjective(network, normalizer, prediction_type="epsilon")
    random = torch.Generator().manual_seed(0)
    batch = MotionBatch(
        torch.randn(2, 24, 59, generator=random), torch.randn(2, 24, 4, generator=random),
        torch.ones(2, 24), torch.zeros(2, 24), torch.tensor([[12, 12], [12, 12]]),
        torch.ones(2, 24, 4),
    )  # fmt: skip
    draws = model.draw(batch, random)
    predicted: list[torch.Tensor] = []
    network.register_forward_hook(lambda *parts: predicted.append(parts[2]))
    terms = model(batch, draws)
    assert terms.keys() == {"total", "simple"}
    error = (predicted[0][:, 4:] - draws.noise).square().mean()
    assert float(terms["total"].detach()) == pytest.approx(float(error.detach()), rel=1e-5)
    assert model.weigh(batch, draws).tolist() == [2 * 12 * 59] * 2
    with pytest.raises(OptionError, match="own_previous"):
        MotionObjective(network, normalizer, ObjectiveOptions(own_previous=0.1), None, "epsilon")


def test_the_second_window_goes_on_from_the_models_own_first_one() -> None:
    normalizer = MotionNormalizer(np.zeros(59, np.float32), np.ones(59, np.float32))
    sizes: dict[str, Any] = {**NETWORK, "dropout": 0.0}
    network = MotionDenoiser(motion_dim=59, audio_dim=4, **sizes)
    model = MotionObjective(network, normalizer, ObjectiveOptions(own_previous=1.0))
    random = torch.Generator().manual_seed(0)
    batch = MotionBatch(
        torch.randn(3, 24, 59, generator=random), torch.randn(3, 24, 4, generator=random),
        torch.ones(3, 24), torch.zeros(3, 24), torch.tensor([[12, 12], [12, 7], [5, 12]]),
        torch.ones(3, 24, 4),
    )  # fmt: skip
    draws = model.draw(batch, random)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    forward = network.forward

    def watch(noisy: torch.Tensor, step: torch.Tensor, *others: Any, **more: Any) -> torch.Tensor:
        clean = forward(noisy, step, *others, **more)
        seen.append((others[1], clean))
        return clean

    network.forward = watch  # type: ignore[method-assign]
    terms = model(batch, draws)
    (_, first), (previous, second) = seen
    assert torch.equal(previous[:2], first[:2, -4:])  # the end of its own first window
    assert not torch.allclose(previous[2], first[2, -4:])  # which was cut off: the truth instead
    assert torch.autograd.grad(previous.sum(), first, retain_graph=True, allow_unused=True) == (
        None,
    )
    # Frames that were given do not count; all that were added do, and all of the truth's row.
    clips = batch.motion[:, 12:].clone()
    clips[1, 7:] = 0.0
    error = (second[:, 4:] - clips).square()
    error[1, 7:] = 0.0
    given = (second[2, :4] - batch.motion[2, 8:12]).square()
    expected = (error.sum() + given.sum()) / (59 * (12 + 7 + 12 + 4))
    assert float(terms["simple"].detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_terms_are_weighed_by_what_they_count_without_running_the_network() -> None:
    normalizer = MotionNormalizer(np.zeros(59, np.float32), np.ones(59, np.float32))
    sizes: dict[str, Any] = {**NETWORK, "dropout": 0.0}
    options = ObjectiveOptions(own_previous=0.5, null_audio=0.3)
    model = MotionObjective(
        MotionDenoiser(motion_dim=59, audio_dim=4, **sizes), normalizer, options
    )
    random = torch.Generator().manual_seed(0)
    rows = 6
    batch = MotionBatch(
        torch.randn(rows, 24, 59, generator=random), torch.randn(rows, 24, 4, generator=random),
        (torch.rand(rows, 24, generator=random) < 0.9).float(),
        (torch.rand(rows, 24, generator=random) < 0.3).float(),
        torch.randint(3, 13, (rows, 2), generator=random),
        torch.ones(rows, 24, 4),
    )  # fmt: skip
    draws = model.draw(batch, random)
    whole = model(batch, draws)
    parts = []
    for rows_of in (slice(0, 2), slice(2, 6)):
        both = torch.cat([torch.arange(rows)[rows_of], rows + torch.arange(rows)[rows_of]])
        part = MotionBatch(*(getattr(batch, field.name)[rows_of] for field in fields(batch)))
        drawn = Draws(
            draws.previous_noise[rows_of], draws.dropped[both], draws.step[both],
            draws.noise[both], draws.own[rows_of], draws.unstyled[rows_of],
        )  # fmt: skip
        parts.append((part, drawn))
    weights = sum(model.weigh(*part) for part in parts)
    assert torch.equal(weights, model.weigh(batch, draws))
    halves = [model(*part, weights / 2) for part in parts]
    for name, value in whole.items():
        mean = sum(half[name] for half in halves) / 2
        torch.testing.assert_close(mean, value, rtol=1e-5, atol=1e-7, msg=name)


def test_a_style_that_is_not_known_has_no_influence_and_a_known_one_has() -> None:
    model = objective(style_dim=4)
    losses = {}
    for name, value in (("calm", 0.3), ("lively", 1.7), ("unknown", float("nan"))):
        whole = batch()
        whole.style[:] = value
        torch.manual_seed(3)
        draws = model.draw(whole)._replace(unstyled=torch.zeros(2, 1, 1, dtype=torch.bool))
        losses[name] = float(model(whole, draws)["total"])
        unstyled = draws._replace(unstyled=torch.ones(2, 1, 1, dtype=torch.bool))
        losses[name + ", left out"] = float(model(whole, unstyled)["total"])
    assert losses["calm"] != losses["lively"]
    rest = {value for name, value in losses.items() if "unknown" in name or "left out" in name}
    assert len(rest) == 1


def test_styles_are_left_out_as_often_as_the_recipe_says() -> None:
    model = objective(style_dim=4)
    model.options = ObjectiveOptions(no_style=0.25)
    torch.manual_seed(0)
    drawn = [model.draw(batch()).unstyled for _ in range(400)]
    assert 0.2 < float(torch.cat(drawn).float().mean()) < 0.3
    assert not objective().draw(batch()).unstyled.any()  # nothing is drawn for a network without
