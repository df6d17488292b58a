"""States that a disk has damaged, names of trackers, folders that are not the run's own."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

pytest.importorskip("accelerate")
from joyvasa_lib.errors import CheckpointError, OutputError
from joyvasa_lib.training.loop.checkpoint_run import CheckpointRun
from joyvasa_lib.training.loop.config import LoopConfig
from joyvasa_lib.training.loop.run import TrainingRun


class Exporting(CheckpointRun[Any]):
    """A run of which only the folder that it writes matters."""

    def loss(self, network: nn.Module, index: int) -> dict[str, torch.Tensor]:
        raise NotImplementedError

    def validate(self, network: nn.Module) -> dict[str, float]:
        raise NotImplementedError

    def export(self, network: nn.Module) -> None:
        raise NotImplementedError


def trained(folder: Path, steps: int) -> TrainingRun:
    """A run whose state was saved after each step."""
    torch.manual_seed(0)
    run = TrainingRun(folder, nn.Linear(2, 1), LoopConfig(steps=steps, checkpoint_minutes=0.0))
    run.start("tiny", LoopConfig(steps=9))
    run.fit(
        lambda network, _: {"total": network(torch.ones(1, 2)).square().sum()}, lambda _: {"m": 0.0}
    )
    return run


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def weights(run: TrainingRun) -> torch.Tensor:
    weight: Any = run.network.weight
    return torch.as_tensor(weight).detach().clone()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_state_cut_short_gives_way_to_the_one_before(
    share: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trained(tmp_path / "whole", 4)
    after_three = trained(tmp_path / "three", 3)
    cut(tmp_path / "whole" / "state.pt", share)
    network = nn.Linear(2, 1)
    run = TrainingRun(tmp_path / "whole", network, LoopConfig(steps=9))
    with caplog.at_level(logging.WARNING):
        assert run.resume()
    assert run.step == 3
    assert torch.equal(weights(run), weights(after_three))
    assert "state.pt is damaged" in caplog.text
    assert "goes on from step 3" in caplog.text


def test_a_run_killed_while_its_state_was_replaced_goes_on(tmp_path: Path) -> None:
    trained(tmp_path, 2)
    (tmp_path / "state.pt").rename(tmp_path / "state.previous.pt")
    run = TrainingRun(tmp_path, nn.Linear(2, 1), LoopConfig(steps=9))
    run.start("tiny", LoopConfig(steps=9))
    assert run.step == 2


def test_without_a_whole_state_each_damaged_file_is_named(tmp_path: Path) -> None:
    trained(tmp_path, 2)
    for name in ("state.pt", "state.previous.pt"):
        cut(tmp_path / name, 0.5)
    run = TrainingRun(tmp_path, nn.Linear(2, 1), LoopConfig())
    with pytest.raises(CheckpointError, match=r"state\.pt is damaged.*state\.previous\.pt.*--rest"):
        run.resume()


def test_a_state_of_another_network_is_named(tmp_path: Path) -> None:
    trained(tmp_path, 1)
    run = TrainingRun(tmp_path, nn.Linear(3, 1), LoopConfig())
    with pytest.raises(CheckpointError, match=r"state\.pt belongs to another network"):
        run.resume()


def test_a_full_disk_leaves_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(tmp_path, 2)
    before = (tmp_path / "state.pt").read_bytes()

    def full(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match=r"state\.pt.*free some space"):
        run.save()
    assert (tmp_path / "state.pt").read_bytes() == before
    assert not list(tmp_path.glob("*.partial"))


def test_trackers_other_than_tensorboard_get_the_runs_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = TrainingRun(tmp_path / "voices-2", nn.Linear(1, 1), LoopConfig(trackers=("tensorboard",)))
    run.accelerator.log_with = ["tensorboard", "wandb"]
    named: list[tuple[str, str]] = []

    def init(name: str, *_: object) -> None:
        kind = run.accelerator.log_with[0]
        named.append((kind, name))
        run.accelerator.trackers = [kind]

    monkeypatch.setattr(run.accelerator, "init_trackers", init)
    run._start_trackers()
    assert named == [("tensorboard", "tensorboard"), ("wandb", "voices-2")]
    assert run.accelerator.trackers == ["tensorboard", "wandb"]


def test_a_folder_that_holds_other_things_is_no_export_folder(tmp_path: Path) -> None:
    mine = tmp_path / "thesis"
    mine.mkdir()
    (mine / "chapter-1.tex").write_text("mine")
    run: Any = SimpleNamespace(folder=tmp_path, step=0, config=SimpleNamespace(validate_every=1))
    sampler: Any = None
    with pytest.raises(OutputError, match="thesis is there already"):
        Exporting(run, sampler, {}, export_dir=mine, loader_threads=0, preview_every=0)
    assert (mine / "chapter-1.tex").read_text() == "mine"
