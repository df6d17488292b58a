"""The official preset on devices and in folders."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from joyvasa_lib.checkpoints.folder import WEIGHTS
from joyvasa_lib.errors import CheckpointError, OptionError, OutputError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.portrait.liveportrait.driving_file import DrivingFile
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
from joyvasa_lib.portrait.liveportrait.portrait import LivePortraitPortrait
from small_liveportrait import frames_of, small_networks, turning


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(OptionError, match="Device 'warp:9' cannot be used here"):
        LivePortraitModel(small_networks(), device="warp:9")
    with pytest.raises(OptionError, match="dtype must be"):
        LivePortraitModel(small_networks(), dtype=torch.int8)


@pytest.mark.slow
def test_a_saved_model_renders_the_same_frames_bit_for_bit(
    small: LivePortraitModel, portrait: LivePortraitPortrait, crop: FaceCrop, tmp_path: Path
) -> None:
    options = DrivingOptions(regions="head", multiplier=1.25)
    saved = LivePortraitModel(small.networks, dtype=torch.float32, subject="animal")
    folder = tmp_path / "portrait"
    saved.save_pretrained(folder, driving=options)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["portrait"]
    loaded = LivePortraitModel.from_pretrained(folder, dtype=torch.float32)
    assert loaded.subject == "animal"
    assert DrivingFile.load(folder) == DrivingFile("animal", options)
    for part in fields(loaded.networks):
        ours = getattr(saved.networks, part.name).state_dict()
        theirs = getattr(loaded.networks, part.name).state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    again = frames_of(loaded.render(loaded.encode(crop), turning(2)))
    np.testing.assert_array_equal(again, frames_of(saved.render(portrait, turning(2))))


def test_saving_replaces_a_folder_as_a_whole(small: LivePortraitModel, tmp_path: Path) -> None:
    folder = tmp_path / "portrait"
    small.save_pretrained(folder)
    (folder / "generator" / "leftover.txt").write_text("old")
    small.save_pretrained(folder, torch.bfloat16)
    assert not (folder / "generator" / "leftover.txt").exists()
    loaded = LivePortraitModel.from_pretrained(folder)
    assert {p.dtype for p in loaded.networks.generator.parameters()} == {torch.float32}
    with pytest.raises(OutputError, match="does not exist"):
        small.save_pretrained(tmp_path / "no" / "portrait")
    (folder / "holiday.jpg").write_text("sea")
    with pytest.raises(OutputError, match="holds other things"):
        small.save_pretrained(folder)
    assert (folder / "holiday.jpg").read_text() == "sea"
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        small.save_pretrained(tmp_path / "file")


def test_an_interrupted_saving_leaves_the_old_folder(
    small: LivePortraitModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "portrait"
    small.save_pretrained(folder)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("joyvasa_lib.portrait.liveportrait.driving_file.DrivingFile.save", stop)
    with pytest.raises(KeyboardInterrupt):
        small.save_pretrained(folder)
    assert [entry.name for entry in tmp_path.iterdir()] == ["portrait"]
    LivePortraitModel.from_pretrained(folder)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda f: (f / "warping" / WEIGHTS).unlink(),
            r"portrait has no stage one .*warping/diffusion.*safetensors is missing",
        ),
        (lambda f: (f / "warping" / WEIGHTS).write_bytes(b"x" * 99), "safetensors does not load"),
        (lambda f: (f / "generator" / "config.json").write_text("{"), "config.json does not load"),
        (lambda f: (f / "driving.json").write_text('{"mode": "sideways"}'), "sideways"),
        (lambda f: (f / "driving.json").write_text("[]"), "no driving options"),
    ],
)
def test_a_damaged_folder_is_refused_with_the_file_s_name(
    small: LivePortraitModel, tmp_path: Path, damage: object, said: str
) -> None:
    small.save_pretrained(tmp_path / "portrait")
    assert callable(damage)
    damage(tmp_path / "portrait")
    with pytest.raises(CheckpointError, match=said):
        LivePortraitModel.from_pretrained(tmp_path / "portrait")


def test_weights_that_do_not_fit_the_configuration_are_named(
    small: LivePortraitModel, tmp_path: Path
) -> None:
    small.save_pretrained(tmp_path / "portrait")
    path = tmp_path / "portrait" / "stitching" / "config.json"
    config = json.loads(path.read_text())
    config["widths"] = [126, 9, 65]
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"mlp\.0\.weight"):
        LivePortraitModel.from_pretrained(tmp_path / "portrait")
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        LivePortraitModel.from_pretrained(tmp_path / "elsewhere")
