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

HERE = places.TESTS / "support"
# "multi_gpu" is accelerate's word for several processes, on the CPU where there is no GPU.
LAUNCH = [
    sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1",
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes made: one step's gradients, a run of motion, a run of portraits."""
    folder = tmp_path_factory.mktemp("distributed")
    data = write_prepared(folder / "data", [60, 70], [30])
    recipe = write_recipe(
        folder / "recipe.yaml", data, write_encoder(folder / "encoder"), steps=2,
        gradient_accumulation=2, validation_seconds=1.0,
    )  # fmt: skip
    write_head_frames(folder / "heads", HEADS)
    portrait = write_portrait_recipe(folder / "portrait.yaml", folder / "heads", critic_from=1)
    arguments = [folder / "two.safetensors", 1, recipe, folder / "motion", portrait,
                 folder / "portrait"]  # fmt: skip
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path),
        "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip
    done = subprocess.run(
        [*LAUNCH, "2", str(HERE / "distributed_step.py"), *map(str, arguments)], env=environment,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_two_processes_give_the_gradients_of_one_large_batch(
    expected: dict[str, torch.Tensor], folder: Path
) -> None:
    assert agree(load_file(folder / "two.safetensors"), expected)


@pytest.mark.parametrize(
    ("run", "network"), [("motion", "denoiser"), ("portrait", "portrait/warping")]
)
def test_two_processes_train_validate_once_and_write_one_run(
    folder: Path, run: str, network: str
) -> None:
    lines = [json.loads(x) for x in (folder / run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 2]
    assert json.loads((folder / run / "command.json").read_text())["processes"] == 2
    assert (folder / run / "generator" / network / "config.json").is_file()


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
