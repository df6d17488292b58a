"""The examples run as they are."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

import places
from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.media.image import load_image
from joyvasa_lib.media.video import probe

pytestmark = pytest.mark.slow

ROOT = places.ROOT
EXAMPLES = ROOT / "examples"
DEMO = places.DEMO


FRAMES = 6


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A piece of the demonstration sentence, as long as six frames."""
    path = tmp_path_factory.mktemp("recordings") / "speech.wav"
    samples = load_speech(DEMO / "hello.flac").waveform[8000 : 8000 + FRAMES * 640]
    wavfile.write(path, 16000, np.round(samples * 32767).astype(np.int16))
    return path


def run(name: str, *arguments: str | Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


@pytest.fixture(scope="module")
def kernel() -> Iterator[Any]:
    """A Python of its own, as a notebook is given; one for both, as starting it takes longest."""
    manager = pytest.importorskip("jupyter_client").KernelManager(kernel_name="python3")
    pytest.importorskip("ipykernel")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    manager.start_kernel(env=environment)
    yield manager
    manager.shutdown_kernel(now=True)


def run_notebook(name: str, kernel: Any, folder: Path, **environment: str) -> list[Any]:
    """Runs every cell in a folder and an empty namespace; returns the outputs of all cells."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    start = f"""%reset -f
import os
os.chdir({str(folder)!r})
os.environ.update({environment!r})
del os"""
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(start))
    nbclient.NotebookClient(notebook, km=kernel, timeout=None).execute()
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def test_the_notebook_runs_from_top_to_bottom_and_shows_a_video(
    recording: Path, tmp_path: Path, kernel: Any
) -> None:
    outputs = run_notebook("quickstart", kernel, tmp_path, JOYVASA_SPEECH=str(recording))
    shown = [output["data"] for output in outputs if "data" in output]
    assert sum("<video" in data.get("text/html", "") for data in shown) == 1
    assert any("image/png" in data for data in shown)  # the plotted curves
    assert len(Motion.load(tmp_path / "speech.safetensors")) == FRAMES
    video = probe(tmp_path / "surprised.mp4")
    assert video.size == (512, 512)
    assert video.duration == pytest.approx(FRAMES / 25, abs=0.04)


def test_the_finetuning_notebook_tunes_on_videos_that_it_makes(tmp_path: Path, kernel: Any) -> None:
    pytest.importorskip("peft")
    short = {"JOYVASA_SECONDS": "1.04", "JOYVASA_STEPS": "2"}
    outputs = run_notebook("finetune_motion", kernel, tmp_path, **short)
    text = "".join(output.get("text", "") for output in outputs)
    assert [text.count(f"step {step:4d}: amplitude") for step in (0, 1, 2)] == [1, 1, 1]
    shown = [output["data"] for output in outputs if "data" in output]
    assert sum("image/png" in data for data in shown) == 2
    assert sum("<video" in data.get("text/html", "") for data in shown) == 1
    assert (tmp_path / "run" / "adapter" / "adapter_config.json").is_file()


def test_data_of_another_form_trains_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("accelerate")
    changes = (
        "loop.steps=1", "loop.threads=1", "loop.trackers=[]", "loop.validate_at_start=false",
        "motion.batch_size=1", "motion.preview_every=0", "motion.validation_seconds=1.0",
        "motion.window_lengths=[25]", "motion.window_weights=[1.0]",
    )  # fmt: skip
    run("custom_dataset.py", tmp_path / "data", tmp_path / "run", *changes, monkeypatch=monkeypatch)
    card = json.loads((tmp_path / "run" / "data_card.json").read_text())
    assert (card["kind"], card["train"]["recordings"], card["valid"]["recordings"]) == (
        "Pairs", 3, 1,
    )  # fmt: skip
    assert (tmp_path / "run" / "generator" / "denoiser").is_dir()


@pytest.mark.parametrize("name", ["quickstart", "finetune_motion"])
def test_the_notebook_is_stored_without_outputs(name: str) -> None:
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


def test_the_quickstart_writes_both_takes(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "talking.mp4"
    run("quickstart.py", DEMO / "astronaut.jpg", recording, output, monkeypatch=monkeypatch)
    for path in (output, tmp_path / "talking-calm.mp4"):
        assert probe(path).duration == pytest.approx(FRAMES / 25, abs=0.04)


def test_streamed_frames_last_as_long_as_their_recording(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "streamed.mp4"
    run("stream.py", DEMO / "astronaut.jpg", recording, output, monkeypatch=monkeypatch)
    assert probe(output).duration == pytest.approx(FRAMES / 25, abs=0.04)


def test_a_worker_gives_its_session_a_face(
    monkeypatch: pytest.MonkeyPatch, pipe: JoyVASAPipeline
) -> None:
    pytest.importorskip("livekit.agents", reason="the extra livekit is not installed")
    from livekit_room import Recorder

    worker = runpy.run_path(str(EXAMPLES / "livekit_worker.py"))
    monkeypatch.setattr(JoyVASAPipeline, "from_pretrained", lambda: pipe)
    process = SimpleNamespace(userdata={})
    worker["prewarm"](process)
    assert worker["server"].setup_fnc is worker["prewarm"]

    async def work() -> None:
        with process.userdata["pipe"].live(process.userdata["portrait"]) as avatar:
            generator = worker["AvatarVideoGenerator"](avatar)
            runners: list[Any] = []

            async def give_a_face(session: Any, room: Any) -> None:
                runners.append(await worker["give_a_face"](session, room, generator))

            await Recorder(monkeypatch).greeted(give_a_face)
            assert generator.metrics.utterances == 1
            await runners[0].aclose()

    asyncio.run(work())


def test_the_image_of_the_readme_is_a_strip_of_five_different_moments() -> None:
    strip = load_image(ROOT / "docs" / "images" / "demo.jpg").astype(np.float32)
    width = (strip.shape[1] + 4) // 5
    frames = [strip[:, i * width : (i + 1) * width - 4] for i in range(5)]
    assert len({frame.shape for frame in frames}) == 1
    for first, second in pairwise(frames):
        assert np.abs(first - second).max() > 60  # a mouth that opens or closes
