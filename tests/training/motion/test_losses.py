"""The losses of motion training equal the reference's numbers where the definitions agree."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

import places
from joyvasa_lib.training.motion.batches import truncate
from joyvasa_lib.training.motion.losses import (
    Criterion,
    LossWeights,
    WindowPair,
    closure_error,
    combine,
    lip_gap_error,
    masked_sum,
    motion_terms,
    seam_error,
    smoothness,
    take_means,
)

TABLE = np.load(places.PARITY / "training_losses.npz")
NAMES = (
    "simple", "exp", "exp_velocity", "exp_smooth", "head", "head_velocity", "head_smooth",
    "head_seam",
)  # fmt: skip
"""Our names, in the order of the table's columns."""


def test_the_columns_of_the_table_are_the_losses_that_they_are_taken_for() -> None:
    theirs = {"simple": "noise", "head": "head_angle", "head_seam": "head_trans"}
    wanted = [theirs.get(name, name.replace("velocity", "vel")) for name in NAMES]
    assert TABLE["order"].tolist() == wanted


def losses(pair: WindowPair, channels: int, criterion: Criterion = "l2") -> dict[str, Tensor]:
    """The mean of each term, the seam's two halves added."""
    return take_means(motion_terms(pair, channels, criterion))


def tensor(name: str) -> Tensor:
    return torch.from_numpy(TABLE[name])


def pair(second: bool, truncated: bool) -> WindowPair:
    truth, predicted = tensor("gt"), tensor("target")
    batch, frames, _ = truth.shape
    valid = torch.ones(batch, frames, dtype=torch.bool)
    if truncated:
        valid = torch.arange(frames)[None] < tensor("end_idx")[:, None]
    if not second:
        return WindowPair(predicted[:, -frames:], truth, valid, 0)
    previous = tensor("prev")
    known = torch.ones(batch, previous.shape[1], dtype=torch.bool)
    return WindowPair(
        predicted,
        torch.cat([previous, truth], dim=1),
        torch.cat([known, valid], dim=1),
        previous.shape[1],
    )


@pytest.mark.parametrize(
    ("case", "second", "truncated", "criterion"),
    [
        ("first", False, False, "l2"),
        ("first_trunc", False, True, "l2"),
        ("second", True, False, "l2"),
        ("second_trunc", True, True, "l2"),
        ("second_trunc_l1", True, True, "l1"),
    ],
)
def test_every_term_equals_the_reference(
    case: str, second: bool, truncated: bool, criterion: str
) -> None:
    terms = losses(pair(second, truncated), 63, criterion)  # type: ignore[arg-type]
    for name, expected in zip(NAMES, TABLE[f"out/{case}"], strict=True):
        if np.isnan(expected):
            assert name not in terms
        else:
            assert float(terms[name]) == pytest.approx(float(expected), rel=1e-5)


def test_previous_frames_may_be_given_instead_of_predicted() -> None:
    window = pair(True, True)
    p = window.previous
    given = WindowPair(
        torch.cat([window.truth[:, :p], window.predicted[:, p:]], dim=1),
        window.truth,
        window.valid & (torch.arange(window.valid.shape[1]) >= p),
        p,
    )
    terms = losses(given, 63)
    expected = dict(zip(NAMES, TABLE["out/second_noconstrain"], strict=True))
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        assert float(terms[name]) == pytest.approx(float(value), rel=1e-5)


def test_a_network_that_predicts_noise_has_one_term() -> None:
    noise = tensor("noise")
    frames = noise.shape[1]
    valid = torch.arange(frames)[None] < tensor("end_idx")[:, None]
    loss = masked_sum(tensor("target")[:, -frames:], noise, valid).over()
    expected = TABLE["out/noise_target"]
    assert float(loss) == pytest.approx(float(expected[0]), rel=1e-5)
    assert np.isnan(expected[1:]).all()


def test_the_face_terms_do_not_depend_on_whether_head_terms_count() -> None:
    expected = dict(zip(NAMES, TABLE["out/no_head"], strict=True))
    terms = losses(pair(True, False), 63)
    for name in NAMES[:4]:
        assert float(terms[name]) == pytest.approx(float(expected[name]), rel=1e-5)
    assert all(np.isnan(expected[name]) for name in NAMES[4:])
    faceless = LossWeights(head=0.0, head_velocity=0.0, head_smooth=0.0, head_seam=0.0)
    face = {name: terms[name] for name in NAMES[:4]}
    assert torch.equal(combine(terms, terms, faceless), combine(face, face, faceless))


@pytest.mark.parametrize(("fill", "case"), [("zero", "zero"), ("last", "replicate")])
def test_clips_break_off_as_in_the_reference(fill: Literal["zero", "last"], case: str) -> None:
    end, audio = tensor("trunc/end_idx"), tensor("trunc/audio_in")
    samples = audio.shape[1] // tensor("gt").shape[1]
    assert torch.equal(truncate(tensor("gt"), end, fill), tensor(f"trunc/{case}/motion"))
    assert torch.equal(truncate(audio, end * samples, fill), tensor(f"trunc/{case}/audio"))


def test_without_head_channels_there_are_no_head_terms() -> None:
    window = pair(True, False)
    face = WindowPair(window.predicted[..., :63], window.truth[..., :63], window.valid, 4)
    assert not any(name.startswith("head") for name in losses(face, 63))


def test_both_clips_count_by_half_and_the_seam_as_it_is() -> None:
    one = {name: torch.tensor(1.0) for name in NAMES[:-1]}
    three = {name: torch.tensor(3.0) for name in NAMES}
    weights = LossWeights(1.0, 0.5, 0.25, 0.0, 0.0, 0.0, 0.0, 10.0)
    # (1 + 3) / 2 for each weighted term, and 10 * 3 for the seam
    assert float(combine(one, three, weights)) == pytest.approx(2.0 * 1.75 + 30.0)


@pytest.mark.parametrize("name", ["exp", "exp_velocity", "exp_smooth"])
def test_expression_terms_count_both_windows_where_the_reference_loses_the_first(name: str) -> None:
    """Its accumulators are overwritten: it trains on 1.5 times the second window's value."""
    first, second = (
        float(dict(zip(NAMES, TABLE[f"out/{case}"], strict=True))[name])
        for case in ("first_trunc", "second_trunc")
    )
    only = LossWeights(**{**dict.fromkeys(NAMES, 0.0), name: 1.0})
    pairs = [losses(pair(clip, True), 63) for clip in (False, True)]
    total = float(combine(pairs[0], pairs[1], only))
    assert total == pytest.approx(0.5 * (first + second), rel=1e-5)
    assert total != pytest.approx(1.5 * second, rel=0.05)


def test_masked_frames_do_not_count() -> None:
    predicted, truth = torch.zeros(1, 3, 2), torch.tensor([[[1.0, 1], [3, 1], [9, 9]]])
    assert float(masked_sum(predicted, truth, torch.tensor([[1, 1, 0]])).over()) == 3.0
    assert float(masked_sum(predicted, truth, torch.zeros(1, 3)).over()) == 0.0


def test_uniform_motion_is_smooth_and_continues_smoothly() -> None:
    line = torch.arange(8.0)[None, :, None] * torch.tensor([1.0, -2.0])
    valid = torch.ones(1, 8)
    assert float(smoothness(line, valid).over()) == 0.0
    change, jerk = seam_error(line[:, :4], line[:, 4:], valid[:, 4:])
    assert float(change.over()) == float(jerk.over()) == 0.0


def test_a_step_at_the_seam_costs_what_the_formula_says() -> None:
    before, after = torch.zeros(1, 3, 1), torch.ones(1, 3, 1)
    # velocities 0 0 1 0 0: changes 1, -1; accelerations 0 1 -1 0: changes 1, -2, 1
    change, jerk = seam_error(before, after, torch.ones(1, 3))
    assert float(change.over()) == pytest.approx(1.0)
    assert float(jerk.over()) == pytest.approx(2.0)


def test_closure_error_looks_at_closed_frames_and_lip_channels_only() -> None:
    predicted = torch.zeros(1, 4, 3)
    truth = torch.tensor([[[1.0, 7, 2], [5, 7, 5], [3, 7, 4], [5, 7, 5]]])
    closed = torch.tensor([[1.0, 0, 1, 0]])
    error = closure_error(predicted, truth, closed, [0, 2]).over()
    assert float(error) == pytest.approx((1 + 4 + 9 + 16) / 4)


def test_lip_gap_error_is_blind_to_changes_that_keep_the_gap() -> None:
    gap = torch.tensor([1.0, -1.0, 0.0])
    truth = torch.randn(2, 5, 3)
    moved = truth + torch.tensor([0.5, 0.5, 2.0])
    assert float(lip_gap_error(moved, truth, torch.ones(2, 5), gap).over()) < 1e-10
    opened = lip_gap_error(truth + 1.0 * gap, truth, torch.ones(2, 5), gap).over()
    assert float(opened) == pytest.approx(4.0, rel=1e-4)
