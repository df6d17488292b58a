"""Commands on the published files: animate, drive, convert."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

import places
from joyvasa_lib import EncodedPortrait, JoyVASAPipeline, Motion
from joyvasa_lib.cli import app
from joyvasa_lib.errors import CheckpointError, OutputError
from joyvasa_lib.media.video import probe, read_video
from official_pipeline import CAT_POINTS, STEPS, template

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("loaded_once")]

DEMO = places.DEMO
ASTRONAUT, HELLO = DEMO / "astronaut.jpg", DEMO / "hello.flac"


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.mark.usefixtures("keypoints_for_images")
def test_the_commands_take_published_files_and_nine_points(
    official_folder: Path, cat: NDArray[np.uint8], words: Path, tmp_path: Path
) -> None:
    from PIL import Image

    Image.fromarray(cat).save(tmp_path / "cat.png")
    (tmp_path / "points.json").write_text(json.dumps(CAT_POINTS))
    output = tmp_path / "cat.mp4"
    result = run(
        "animate", tmp_path / "cat.png", words, "-o", output, "--checkpoint", official_folder,
        "--subject", "animal", "--landmarks", tmp_path / "points.json", "--steps", STEPS,
        "--device", "cpu", "--crop", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, (result.output, result.exception)
    told = json.loads(result.stdout)
    assert told["size"] == [512, 512]
    assert told["frames"] == 3
    assert probe(output).has_audio


@pytest.mark.usefixtures("keypoints_for_images")
def test_the_published_code_s_numbers_come_from_one_option(
    pipe: JoyVASAPipeline,
    encoded: EncodedPortrait,
    converted: Path,
    words: Path,
    tmp_path: Path,
) -> None:
    options = ("--checkpoint", converted, "--compat", "joyvasa", "--device", "cpu", "--crop")
    output = tmp_path / "talk.mp4"
    saved = ("--motion-out", tmp_path / "motion.safetensors", "--steps", STEPS)
    result = run("animate", ASTRONAUT, words, "-o", output, *saved, *options)
    assert result.exit_code == 0, (result.output, result.exception)
    published_code = JoyVASAPipeline.from_pretrained(converted, "cpu", compat="joyvasa")
    published = published_code.generate_motion(
        str(words), scheduler="ddpm", num_inference_steps=STEPS
    )
    assert len(published) == 3 + 3
    assert Motion.load(tmp_path / "motion.safetensors").allclose(published, atol=1e-4)

    result = run("drive", ASTRONAUT, template(tmp_path), "-o", output, *options)
    assert result.exit_code == 0, (result.output, result.exception)
    wanted = list(published_code.drive(ASTRONAUT, template(tmp_path), paste_back=False).frames())
    others = list(pipe.drive(encoded, template(tmp_path), paste_back=False).frames())
    found = [frame.astype(int) for frame in read_video(output)]
    for frame, ours, default in zip(found, wanted, others, strict=True):
        assert np.abs(frame - ours).mean() < 0.5 * np.abs(frame - default).mean()


def test_compat_is_refused_where_there_is_no_such_code(tmp_path: Path, words: Path) -> None:
    output = tmp_path / "out.mp4"
    result = run("animate", ASTRONAUT, words, "-o", output, "--compat", "joyvasa")
    assert "needs LivePortrait's and JoyVASA's files" in str(result.exception)
    for command in ("animate", "drive"):
        result = run(command, ASTRONAUT, words, "-o", output, "--compat", "sadtalker")
        assert "--compat must be one of None, 'joyvasa', not 'sadtalker'" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_convert_refuses_before_it_reads(official_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("mine")
    result = run("convert", official_folder, tmp_path / "there")
    assert isinstance(result.exception, OutputError)
    assert "--force" in str(result.exception)
    assert (tmp_path / "there" / "file").read_text() == "mine"
    result = run("convert", official_folder, tmp_path / "absent" / "new")
    assert "does not exist" in str(result.exception)
    result = run("convert", tmp_path, tmp_path / "new")
    assert isinstance(result.exception, CheckpointError)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("place", ["checkpoints", ".", "other/../checkpoints"])
def test_convert_never_replaces_the_files_it_reads(tmp_path: Path, place: str) -> None:
    source = tmp_path / "checkpoints"
    (tmp_path / "other").mkdir()
    source.mkdir()
    (source / "motion_extractor.pth").write_bytes(b"weights")
    result = run("convert", source, tmp_path / place, "--force")
    assert isinstance(result.exception, OutputError)
    assert "would remove the published files" in str(result.exception)
    assert (source / "motion_extractor.pth").read_bytes() == b"weights"


def test_convert_writes_stage_one_alone(official_folder: Path, tmp_path: Path) -> None:
    result = run(
        "convert", official_folder, tmp_path / "new", "--subject", "animal", "--portrait-only",
        "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.exception
    told = json.loads(result.stdout)
    assert told["speech"] is False
    pipe = JoyVASAPipeline.from_pretrained(tmp_path / "new", device="cpu")
    assert pipe.subject == "animal"
    assert pipe.checkpoint is None


def test_the_bundled_checkpoint_has_no_animals(tmp_path: Path, words: Path) -> None:
    result = run("animate", ASTRONAUT, words, "-o", tmp_path / "o.mp4", "--subject", "animal")
    assert "--subject animal needs LivePortrait's files" in str(result.exception)
