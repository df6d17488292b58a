"""Several processes and accumulated batches take the step that one large batch takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import places

pytest.importorskip("accelerate")

from distributed_step import four_rows, objective, take
from distributed_step import main as take_step
from joyvasa_lib.datasets.heads.frames import write_head_frames
from portrait_sets import HEADS
from portrait_sets import write_recipe as write_portrait_recipe
from training_sets import write_encoder, write_prepared, write_recipe

pytestmark = pytest.mark.slow

# "multi_gpu" is accelerate's word for several processes, on the CPU where there is no GPU.
LAUNCH = [
    sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1",
    "--main_process_port", "0",  # a free one: other launches may run beside this one
    "--mixed_precision", "no", "--dynamo_backend", "no", "--num_processes",
]  # fmt: skip


@pytest.fixture(scope="module")
def expected() -> dict[str, torch.Tensor]:
    """Gradients of all four rows in one batch, without any of the machinery."""
    model = objective()
    batch = four_rows()
    model(batch, model.draw(batch))["total"].backward()
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def agree(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    assert found.keys() == expected.keys()
    largest = max(float(value.abs().max()) for value in expected.values())
    worst = max(float((found[name] - value).abs().max()) for name, value in expected.items())
    return worst < 1e-5 * largest


def launch(processes: int, *arguments: object) -> None:
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path),
        "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip
    script = places.TESTS / "support" / "distributed_step.py"
    done = subprocess.run(
        [*LAUNCH, str(processes), str(script), *map(str, arguments)], env=environment,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes wrote, started once: a step's gradients, and a run of either training."""
    folder = tmp_path_factory.mktemp("two")
    data = write_prepared(folder / "data", [60, 70], [30])
    motion = write_recipe(
        folder / "motion.yaml", data, write_encoder(folder / "encoder"), steps=2,
        gradient_accumulation=2, validation_seconds=1.0,
    )  # fmt: skip
    write_head_frames(folder / "heads", HEADS)
    portrait = write_portrait_recipe(folder / "portrait.yaml", folder / "heads", critic_from=1)
    recipes = [motion, folder / "motion", portrait, folder / "portrait"]
    launch(2, folder / "gradients.safetensors", 1, *recipes)
    return folder


def wrote_one_run(folder: Path, network: str) -> None:
    """Two processes trained, validated once, and wrote one run."""
    lines = [json.loads(x) for x in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 2]
    assert json.loads((folder / "command.json").read_text())["processes"] == 2
    assert (folder / "generator" / network / "config.json").is_file()


def test_two_processes_and_two_batches_give_the_gradients_of_one_large_batch(
    expected: dict[str, torch.Tensor], two_processes: Path
) -> None:
    assert agree(load_file(two_processes / "gradients.safetensors"), expected)


def test_two_processes_train_motion_and_write_one_run(two_processes: Path) -> None:
    wrote_one_run(two_processes / "motion", "denoiser")


def test_two_processes_train_portrait_networks_and_write_one_run(two_processes: Path) -> None:
    wrote_one_run(two_processes / "portrait", "portrait/warping")


def test_accumulated_batches_give_the_gradients_of_one_large_batch(
    expected: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    before = torch.get_num_threads()
    take_step(tmp_path / "four.safetensors", 4)
    torch.set_num_threads(before)
    assert agree(load_file(tmp_path / "four.safetensors"), expected)


def test_the_mean_of_the_batches_own_gradients_would_not_do(
    expected: dict[str, torch.Tensor],
) -> None:
    model, sums = objective(), {name: torch.zeros_like(v) for name, v in expected.items()}
    for start in (0, 2):
        model.zero_grad()
        part = take(four_rows(), slice(start, start + 2))
        model(part, model.draw(part))["total"].backward()
        for name, parameter in model.named_parameters():
            sums[name] += parameter.grad / 2
    assert not agree(sums, expected)
