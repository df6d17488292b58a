"""Pipelines and models loaded, saved and shared: every preset, whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import places
from joyvasa_lib import JoyVASAPipeline, MotionGenerator
from joyvasa_lib.checkpoints.folder import BUNDLED, SPEECH_PARTS
from joyvasa_lib.errors import CheckpointError, OptionError, OutputError
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
from joyvasa_lib.portrait.model import PortraitModel
from joyvasa_lib.rig.head_rig import HeadRig, bundled_rig

pytestmark = pytest.mark.slow

ASTRONAUT, HELLO = places.DEMO / "astronaut.jpg", places.DEMO / "hello.flac"


@pytest.fixture(scope="module")
def pipe() -> JoyVASAPipeline:
    return JoyVASAPipeline.from_pretrained(device="cpu")


@pytest.fixture(scope="module")
def saved(pipe: JoyVASAPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipe.save_pretrained(tmp_path_factory.mktemp("saved") / "checkpoint")


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def files(folder: Path) -> dict[str, bytes]:
    """Bytes of every file; of the head rig without its header, whose order is left to chance."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    for name in found:
        if name.endswith("head_rig.safetensors"):
            found[name] = found[name][8 + int.from_bytes(found[name][:8], "little") :]
    return found


# Saving


def test_a_saved_compact_checkpoint_makes_the_same_frames_bit_for_bit(
    pipe: JoyVASAPipeline, saved: Path
) -> None:
    again = JoyVASAPipeline.from_pretrained(saved, device="cpu")
    speech = load_speech(HELLO).waveform[8000:12000]
    motion = pipe.generate_motion(speech, seed=1)
    assert again.generate_motion(speech, seed=1) == motion
    assert again.unit_map is not None
    for part in ("denoiser", "audio_encoder"):
        states = [getattr(p.motion_generator, part).state_dict() for p in (pipe, again)]
        assert states[0].keys() == states[1].keys()
        assert all(torch.equal(states[1][key], value) for key, value in states[0].items())
    emotional = [
        next(p.render(p.encode(ASTRONAUT), motion.edit(p.editor("happiness:0.7"))).frames())
        for p in (pipe, again)
    ]
    np.testing.assert_array_equal(*emotional)


def test_a_saved_checkpoint_holds_safetensors_json_and_the_card(saved: Path) -> None:
    assert {path.suffix for path in saved.rglob("*") if path.is_file()} == {
        ".safetensors", ".json", ".md",
    }  # fmt: skip
    assert {path.name for path in saved.iterdir()} == {
        "model_index.json", "README.md", "portrait", "emotion", *SPEECH_PARTS,
    }  # fmt: skip
    assert [path.name for path in saved.parent.iterdir()] == ["checkpoint"]


def test_saving_what_was_saved_gives_the_same_files(saved: Path, tmp_path: Path) -> None:
    again = JoyVASAPipeline.from_pretrained(saved, device="cpu").save_pretrained(tmp_path / "x")
    assert files(again) == files(saved)


def test_a_checkpoint_is_replaced_as_a_whole_and_anything_else_is_left_alone(
    pipe: JoyVASAPipeline, copy: Path, tmp_path: Path
) -> None:
    (copy / "portrait" / "left_over.json").write_text("{}")
    pipe.save_pretrained(copy)
    assert not (copy / "portrait" / "left_over.json").exists()
    (copy / "holiday.jpg").write_text("sea")
    with pytest.raises(OutputError, match="holds other things"):
        pipe.save_pretrained(copy)
    run = tmp_path / "run"
    (run / "generator").mkdir(parents=True)
    (run / "state.pt").write_text("weeks of work")
    for save in (pipe.save_pretrained, pipe.motion_generator.save_pretrained):
        with pytest.raises(OutputError, match="holds other things"):
            save(run)
    assert (run / "state.pt").read_text() == "weeks of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "run"]


def test_an_interrupted_save_leaves_what_was_there(
    pipe: JoyVASAPipeline, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(copy)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("joyvasa_lib.pretrained.write_index", stop)
    with pytest.raises(KeyboardInterrupt):
        pipe.save_pretrained(copy)
    assert files(copy) == before
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_stage_one_alone_is_saved_and_loaded(pipe: JoyVASAPipeline, tmp_path: Path) -> None:
    first = JoyVASAPipeline(pipe.portrait_model, None)
    again = JoyVASAPipeline.from_pretrained(first.save_pretrained(tmp_path / "first"))
    with pytest.raises(CheckpointError, match="Only stage one was loaded"):
        again.generate_motion(HELLO)


def test_a_model_of_no_preset_is_refused(pipe: JoyVASAPipeline, tmp_path: Path) -> None:
    class Other(CompactPortraitModel):
        preset = None  # type: ignore[assignment]

    other = JoyVASAPipeline(Other(bundled_rig()), None)
    with pytest.raises(OptionError, match="Other is of no preset"):
        other.save_pretrained(tmp_path / "x")
    with pytest.raises(OptionError, match="cannot be saved"):
        PortraitModel.save_pretrained(other.portrait_model, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


# Loading


@pytest.mark.parametrize(
    "part",
    [
        "portrait/head_rig.safetensors",
        "audio_encoder/model.safetensors",
        "denoiser/config.json",
        "normalizer/normalizer.json",
        "scheduler/scheduler_config.json",
    ],
)
def test_a_checkpoint_that_lacks_any_part_is_refused_before_it_is_loaded(
    copy: Path, part: str
) -> None:
    (copy / part).unlink()
    with pytest.raises(CheckpointError, match=f"{part} is missing"):
        JoyVASAPipeline.from_pretrained(copy)


def test_a_folder_that_is_not_there_is_refused_by_every_loader() -> None:
    for kind in (JoyVASAPipeline, MotionGenerator, CompactPortraitModel, LivePortraitModel):
        with pytest.raises(CheckpointError, match="There is no checkpoint folder"):
            kind.from_pretrained("/no/such")  # type: ignore[attr-defined]


def test_models_are_loaded_from_a_checkpoint_by_themselves(saved: Path, tmp_path: Path) -> None:
    generator = MotionGenerator.from_pretrained(saved)
    generator.save_pretrained(tmp_path / "second")
    assert MotionGenerator.from_pretrained(tmp_path / "second").space == generator.space
    with pytest.raises(OutputError, match="holds other things"):
        generator.save_pretrained(saved)  # its portrait would be lost
    model = CompactPortraitModel.from_pretrained(str(saved))
    model.save_pretrained(tmp_path / "first")
    assert files(tmp_path / "first") == files(saved / "portrait")
    again = CompactPortraitModel.from_pretrained(tmp_path / "first")
    np.testing.assert_array_equal(again.rig.mean, model.rig.mean)
    with pytest.raises(CheckpointError, match="no stage one of preset liveportrait"):
        LivePortraitModel.from_pretrained(saved)


def test_nothing_given_is_the_bundled_checkpoint() -> None:
    assert CompactPortraitModel.from_pretrained().rig is bundled_rig()
    assert MotionGenerator.from_pretrained().space.name == "compact-1"


def test_a_head_rig_comes_back_bit_for_bit(tmp_path: Path) -> None:
    rig = bundled_rig()
    rig.save(tmp_path / "rig.safetensors")
    again = HeadRig.load(tmp_path / "rig.safetensors")
    for name, value in vars(rig).items():
        if name in HeadRig.__dataclass_fields__ and name != "parts":
            np.testing.assert_array_equal(getattr(again, name), value)
            assert getattr(again, name).dtype == value.dtype
    assert again.parts == rig.parts
    size = (tmp_path / "rig.safetensors").stat().st_size
    assert size < 4_000_000  # identity and blendshapes in 16 bits


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", "meta", ""])
def test_a_device_that_is_not_there_is_refused_before_any_file_is_read(
    device: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("resolve_checkpoint", "locate_checkpoint"):
        monkeypatch.setattr(f"joyvasa_lib.pretrained.{name}", pytest.fail)
    official = "joyvasa_lib.checkpoints.official.files.find_official_files"
    monkeypatch.setattr(official, pytest.fail)

    with pytest.raises(OptionError, match=f"Device '{device}' cannot be used here"):
        JoyVASAPipeline.from_pretrained(device=device)
    with pytest.raises(OptionError, match=f"Device '{device}' cannot be used here"):
        JoyVASAPipeline.from_official(tmp_path, device=device)


def test_compat_is_refused_where_there_is_no_such_code(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="compat='joyvasa' needs LivePortrait's and JoyVASA's"):
        JoyVASAPipeline.from_pretrained(compat="joyvasa")
    for load in (JoyVASAPipeline.from_pretrained, JoyVASAPipeline.from_official):
        with pytest.raises(OptionError, match="compat must be one of None, 'joyvasa'"):
            load(tmp_path, compat="sadtalker")


# The hub


def test_a_pipeline_is_pushed_and_loaded_by_its_name(
    pipe: JoyVASAPipeline, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "hub" / "me" / "voice"
    asked: list[dict[str, Any]] = []

    class Hub:
        def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
            asked.append({"repo_id": repo_id, "private": private})

        def upload_folder(self, *, folder_path: Path, commit_message: str, **_: Any) -> str:
            shutil.copytree(folder_path, repository)
            return f"https://hub/me/voice: {commit_message}"

    def download(name: str, **options: Any) -> str:
        assert name == "me/voice"
        asked.append(options)
        return str(repository)

    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    address = pipe.push_to_hub("me/voice", commit_message="Better lips")
    assert address == "https://hub/me/voice: Better lips"
    assert files(repository) == files(saved)
    again = JoyVASAPipeline.from_pretrained("me/voice", revision="v1", offline=True)
    assert asked[0] == {"repo_id": "me/voice", "private": True}
    assert (asked[1]["revision"], asked[1]["local_files_only"]) == ("v1", True)
    assert again.checkpoint == repository
    for kind in (MotionGenerator, CompactPortraitModel):
        assert kind.from_pretrained("me/voice") is not None  # type: ignore[attr-defined]
    assert not any("bin" in p or "pt" in p or "pkl" in p for p in asked[1]["allow_patterns"])


def test_the_bundled_checkpoint_is_left_as_it_is(pipe: JoyVASAPipeline) -> None:
    before = files(BUNDLED)
    for save in (pipe.save_pretrained, pipe.motion_generator.save_pretrained):
        with pytest.raises(OutputError, match="holds other things"):
            save(BUNDLED)
    assert files(BUNDLED) == before
