"""The second stage: the perceptrons for stitching and retargeting alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("accelerate")
from joyvasa_lib.portrait.liveportrait.motion_extractor import ExtractedMotion
from joyvasa_lib.training.portrait.data.frame_pairs import PairSampler
from joyvasa_lib.training.portrait.losses.opening_probe import OpeningProbe
from joyvasa_lib.training.portrait.perceptron_stage import (
    PerceptronObjective,
    perceptron_errors,
)
from joyvasa_lib.training.portrait.recipe import (
    NetworksTraining,
)
from joyvasa_lib.training.portrait.train import train_portrait
from portrait_sets import small, weights_of
from training_sets import metrics

pytestmark = pytest.mark.slow


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
    first = metrics(tmp_path / "run", "valid/")[0]
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
