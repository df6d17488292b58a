"""A run can be killed at any moment and goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

pytest.importorskip("accelerate")
from joyvasa_lib.checkpoints.folder import resolve_checkpoint
from joyvasa_lib.errors import CheckpointError, OptionError
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.training.loop.config import read_training
from joyvasa_lib.training.loop.run_folder import RunFolder
from joyvasa_lib.training.motion.recipe import MotionTraining
from joyvasa_lib.training.motion.source import PreparedSource, open_source
from joyvasa_lib.training.motion.train import MotionRun, main, train_motion
from training_sets import (
    write_prepared,
)

pytestmark = pytest.mark.slow

CLOCK = {"minutes", "steps_per_second", "data_share"}


def losses(run: Path) -> list[dict[str, float]]:
    """The lines of a run without what a clock tells."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in CLOCK} for line in lines]


def test_a_run_that_was_stopped_writes_the_losses_of_an_unbroken_one(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    options = {
        "steps": 6, "log_every": 4, "validate_every": 3, "own_previous": 0.5,
        "gradient_accumulation": 2,
    }  # fmt: skip
    train_motion(recipe(**options), tmp_path / "whole")
    for _ in range(6):
        train_motion(recipe(**options, stop_after_minutes=1e-9), tmp_path / "broken")
    whole, broken = losses(tmp_path / "whole"), losses(tmp_path / "broken")
    assert [line["step"] for line in whole] == [3, 4, 6, 6]
    # The broken run validates whenever it stops, so it has more lines; but no other ones.
    assert [line for line in broken if line in whole] == whole
    states = [torch.load(tmp_path / run / "state.pt", weights_only=True) for run in
              ("whole", "broken")]  # fmt: skip
    for name, value in states[0]["network"].items():
        assert torch.equal(value, states[1]["network"][name]), name


def test_lines_that_a_resumed_run_writes_again_are_there_once(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    train_motion(recipe(steps=2, validate_every=2), tmp_path / "run")
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "total": 1.0}\n{"step": 4, "tot')  # killed in the middle of a line
    train_motion(recipe(steps=4), tmp_path / "run")
    steps = [line["step"] for line in losses(tmp_path / "run") if "total" in line]
    assert steps == [1, 2, 3, 4]


def test_a_run_killed_before_its_first_checkpoint_starts_clean(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    run, options = tmp_path / "run", {"steps": 2, "trackers": ["tensorboard"]}
    train_motion(recipe(**options), run)
    (run / "state.pt").unlink()  # as if it had been killed before
    other = write_prepared(tmp_path / "other", [90], [60])
    train_motion(recipe(**options), run, changes=[f"motion.data={other}"])
    used = MotionNormalizer.from_pretrained(run / "normalizer")
    assert np.array_equal(used.offset, PreparedSource(other).normalizer().offset)
    assert [line["step"] for line in losses(run) if "total" in line] == [1, 2]
    about = json.loads((run / "command.json").read_text())
    assert about["earlier"] == []
    assert "changed_at_step" not in json.loads((run / "data_card.json").read_text())
    assert len(list((run / "tensorboard").glob("events.*"))) == 1


def test_every_session_is_recorded_with_its_first_step(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    train_motion(recipe(steps=1), tmp_path / "run")
    train_motion(recipe(steps=2), tmp_path / "run")
    about = json.loads((tmp_path / "run" / "command.json").read_text())
    assert about["step"] == 1
    assert [session["step"] for session in about["earlier"]] == [0]
    assert about["torch"] == torch.__version__.split("+")[0] or about["torch"] == torch.__version__
    used = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert used["loop"]["steps"] == 2
    assert used["motion"]["null_audio"] == 0.12  # a default is written out


def test_a_run_does_not_go_on_with_other_options(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    train_motion(recipe(steps=1), tmp_path / "run")
    with pytest.raises(OptionError, match=r"motion\.batch_size 2 -> 3"):
        train_motion(recipe(steps=2, batch_size=3), tmp_path / "run")
    train_motion(recipe(steps=1, batch_size=3), tmp_path / "run", resume=False)
    assert [line["step"] for line in losses(tmp_path / "run")] == [1, 1]


def test_killed_between_any_two_file_operations_a_run_keeps_a_good_checkpoint(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    """A child process dies at its k-th file operation while it saves and exports, for every k."""
    config, loop = read_training(recipe(steps=1), MotionTraining, "motion")
    run = MotionRun(config, loop, open_source(config.data, config.corpus), tmp_path / "run")
    run.fit()
    good = weights(tmp_path / "run")
    with torch.no_grad():
        for parameter in run.run.network.parameters():
            parameter.mul_(1.5)
    run.run.ema.shadow_params = [p * 1.5 for p in run.run.ema.shadow_params]
    run.run.step = 2
    outcomes = set()
    for operation in range(1000):
        child = os.fork()
        if child == 0:
            die_at(operation)
            with run.run.averaged() as network:
                run.export(network)
            run.run.save()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
        now = weights(tmp_path / "run")
        is_old = all(torch.equal(now[name], good[name]) for name in good)
        is_new = all(torch.allclose(now[name], 1.5 * good[name], atol=1e-2) for name in good)
        assert is_old or is_new
        outcomes.add((is_old, state["step"]))
        if os.waitstatus_to_exitcode(status) == 0:
            break
        assert os.waitstatus_to_exitcode(status) == 9
    assert operation > 20
    assert outcomes == {(True, 1), (False, 1), (False, 2)}
    assert not list((tmp_path / "run").glob("*.partial"))
    assert not (tmp_path / "run" / "generator.old").exists()


def weights(run: Path) -> dict[str, torch.Tensor]:
    generator = MotionGenerator.from_pretrained(resolve_checkpoint(run))
    return dict(generator.denoiser.state_dict())


def die_at(operation: int) -> None:
    """Ends this process, as kill -9 would, at its n-th file operation from now."""
    left = operation

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.copyfile") or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_WRONLY
        ):
            left -= 1
            if left < 0:
                os._exit(9)

    sys.addaudithook(watch)


def test_a_run_without_a_validation_yet_says_so(tmp_path: Path) -> None:
    RunFolder(tmp_path).append_metrics({"step": 1})
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        resolve_checkpoint(tmp_path)


def test_the_module_runs_by_itself_and_says_what_is_wrong_in_one_line(
    recipe: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--config", str(recipe()), "--run", str(tmp_path / "run")]
    assert main([*arguments, "--set", "loop.steps=1"]) == 0
    assert (tmp_path / "run" / "generator").is_dir()
    assert main([*arguments, "--set", "motion.batch=1"]) == 2
    assert "batch" in capsys.readouterr().err.strip().splitlines()[-1]


def test_tensorboard_gets_what_the_log_gets(recipe: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train_motion(recipe(steps=2, trackers=["tensorboard"]), tmp_path / "run")
    events = EventAccumulator(str(next((tmp_path / "run").rglob("events.*")).parent))
    events.Reload()
    logged = {s.step: s.value for s in events.Scalars("total")}
    written = {line["step"]: line["total"] for line in losses(tmp_path / "run") if "total" in line}
    assert logged == pytest.approx(written, abs=1e-5)
