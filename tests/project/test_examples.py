"""The examples run as they are."""

from __future__ import annotations

import json
import runpy
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

import places
from joyvasa_lib import Motion
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


def test_the_notebook_runs_from_top_to_bottom_and_shows_a_video(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("JOYVASA_SPEECH", str(recording))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(EXAMPLES / "quickstart.ipynb", as_version=4)
    nbclient.NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    shown = [
        output["data"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "data" in output
    ]
    assert sum("<video" in data.get("text/html", "") for data in shown) == 1
    assert any("image/png" in data for data in shown)  # the plotted curves
    assert len(Motion.load(tmp_path / "speech.safetensors")) == FRAMES
    video = probe(tmp_path / "surprised.mp4")
    assert video.size == (512, 512)
    assert video.duration == pytest.approx(FRAMES / 25, abs=0.04)


def test_the_finetuning_notebook_tunes_on_videos_that_it_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("peft")
    monkeypatch.setenv("JOYVASA_SECONDS", "1.04")
    monkeypatch.setenv("JOYVASA_STEPS", "2")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(EXAMPLES / "finetune_motion.ipynb", as_version=4)
    nbclient.NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
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


def test_the_image_of_the_readme_is_a_strip_of_five_different_moments() -> None:
    strip = load_image(ROOT / "docs" / "images" / "demo.jpg").astype(np.float32)
    width = (strip.shape[1] + 4) // 5
    frames = [strip[:, i * width : (i + 1) * width - 4] for i in range(5)]
    assert len({frame.shape for frame in frames}) == 1
    for first, second in pairwise(frames):
        assert np.abs(first - second).max() > 60  # a mouth that opens or closes
