"""Published files: found, read, and named when they are wrong."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from joyvasa_lib.checkpoints.folder import resolve_checkpoint
from joyvasa_lib.checkpoints.official.files import find_official_files
from joyvasa_lib.errors import CheckpointError, OptionError
from joyvasa_lib.portrait.liveportrait.published import load_portrait_networks
from joyvasa_lib.speech.published import load_motion_generator
from liveportrait_official import official_state, spade_generator
from official_checkpoint import BASE

pytestmark = pytest.mark.slow

GENERATOR = "JoyVASA/motion_generator/motion_generator_hubert_chinese.pt"
TEMPLATE = "JoyVASA/motion_template/motion_template.pkl"
STITCHING = "liveportrait/retargeting_models/stitching_retargeting_module.pth"


def base(name: str, subject: str = "human") -> str:
    folder = "liveportrait" if subject == "human" else "liveportrait_animals"
    return f"{folder}/base_models/{name}.pth"


@pytest.fixture
def copy(official_folder: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes a copy of the folder whose files are links, to be changed at will."""

    def make() -> Path:
        for path in official_folder.rglob("*"):
            target = tmp_path / "copy" / path.relative_to(official_folder)
            if path.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, target)
        return tmp_path / "copy"

    return make


def replace_file(path: Path, data: bytes) -> None:
    path.unlink()  # not through the link
    path.write_bytes(data)


# Finding


def test_the_published_layout_is_found_for_both_subjects(official_folder: Path) -> None:
    for subject in ("human", "animal"):
        files = find_official_files(official_folder, subject)
        for name in BASE:
            assert files.portrait[name] == official_folder / base(name, subject)
        assert files.portrait["stitching_retargeting_module"] == official_folder / STITCHING
        assert files.generator == official_folder / GENERATOR
        assert files.template == official_folder / TEMPLATE
        assert set(files.encoder_configs) == {"hubert"}
        assert files.landmarks is None


@pytest.mark.parametrize("damage", [b'{"model_type": "hub', b"\xff\xfe\x00"])
def test_a_damaged_configuration_of_the_speech_encoder_is_not_ignored(
    official_folder: Path, tmp_path: Path, damage: bytes
) -> None:
    shutil.copytree(official_folder, tmp_path / "files", copy_function=os.link)
    (config,) = (tmp_path / "files").rglob("config.json")
    config.unlink()  # the other link stays
    config.write_bytes(damage)
    with pytest.raises(CheckpointError, match=r"config\.json is no readable configuration"):
        find_official_files(tmp_path / "files", "human")


def test_loose_files_are_found_by_name_and_strange_names_by_content(
    official_folder: Path, tmp_path: Path
) -> None:
    for index, path in enumerate([*(base(name) for name in BASE), STITCHING, GENERATOR, TEMPLATE]):
        name = Path(path).name if index % 2 else f"weights_{index}{Path(path).suffix}"
        os.link(official_folder / path, tmp_path / name)
    (tmp_path / "notes.pkl").write_bytes(pickle.dumps({"a": 1}))
    (tmp_path / "readme.md").write_text("hello")
    files = find_official_files(tmp_path)
    for index, name in enumerate(BASE):
        assert files.portrait[name].samefile(official_folder / base(name)), name
        assert (files.portrait[name].stem == name) == bool(index % 2)
    assert files.generator is not None
    assert files.generator.samefile(official_folder / GENERATOR)
    assert files.template is not None
    assert files.template.name == "weights_6.pkl"


def test_community_safetensors_are_read_as_the_same_network(
    copy: Callable[[], Path],
) -> None:
    folder = copy()
    (folder / base("spade_generator")).unlink()
    save_file(official_state("spade_generator"), folder / "spade_generator.safetensors")
    networks = load_portrait_networks(find_official_files(folder, with_speech=False))
    wanted = spade_generator().state_dict()
    for key, value in networks.generator.state_dict().items():
        assert torch.equal(value, wanted[key]), key


def test_the_newer_version_of_the_animals_is_taken(copy: Callable[[], Path]) -> None:
    folder = copy()
    for name in BASE:
        newer = folder / "liveportrait_animals" / "base_models_v1.1" / f"{name}.pth"
        newer.parent.mkdir(exist_ok=True)
        os.link(folder / base(name, "animal"), newer)
    found = find_official_files(folder, "animal").portrait["warping_module"]
    assert found.parent.name == "base_models_v1.1"


def test_stage_one_alone_is_enough_where_nobody_speaks(copy: Callable[[], Path]) -> None:
    folder = copy()
    (folder / GENERATOR).unlink()
    files = find_official_files(folder, with_speech=False)
    assert files.generator is None
    with pytest.raises(CheckpointError, match="Only LivePortrait's files were loaded"):
        load_motion_generator(files)


def test_every_missing_file_is_named_with_where_to_get_it(copy: Callable[[], Path]) -> None:
    folder = copy()
    (folder / base("warping_module")).unlink()
    (folder / TEMPLATE).unlink()
    with pytest.raises(
        CheckpointError,
        match=rf"{folder} has no LivePortrait's W, .*\(warping_module\.pth\); no JoyVASA's motion "
        rf"statistics \(motion_template\.pkl\)\. .*joyvasa download official --to {folder}",
    ):
        find_official_files(folder)


def test_where_only_the_other_subject_is_there_that_is_said(copy: Callable[[], Path]) -> None:
    folder = copy()
    for name in BASE:
        (folder / base(name, "animal")).unlink()
    with pytest.raises(CheckpointError, match="files for subject='human' are there"):
        find_official_files(folder, "animal")


def test_loose_files_and_the_animals_folder_alone_are_of_the_subject_asked_for(
    official_folder: Path, tmp_path: Path
) -> None:
    for path in (*(base(name) for name in BASE), STITCHING):
        os.link(official_folder / path, tmp_path / Path(path).name)
    for subject in ("human", "animal"):
        files = find_official_files(tmp_path, subject, with_speech=False)
        assert files.portrait["motion_extractor"] == tmp_path / "motion_extractor.pth"
    folder = tmp_path / "liveportrait_animals"
    for name in BASE:
        (folder / "base_models").mkdir(parents=True, exist_ok=True)
        os.link(official_folder / base(name), folder / "base_models" / f"{name}.pth")
    os.link(official_folder / STITCHING, folder / "stitching_retargeting_module.pth")
    files = find_official_files(folder, "animal", with_speech=False)
    assert files.portrait["warping_module"].parent.name == "base_models"
    with pytest.raises(CheckpointError, match="those for 'human' are not"):
        find_official_files(folder, "human", with_speech=False)


def test_two_files_of_one_name_are_both_named(copy: Callable[[], Path]) -> None:
    folder = copy()
    os.link(folder / base("motion_extractor"), folder / "motion_extractor.pth")
    with pytest.raises(CheckpointError, match=r"is there 2 times: .*motion_extractor\.pth and "):
        find_official_files(folder)


def test_no_folder_and_another_subject_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no folder"):
        find_official_files(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="has no LivePortrait's F"):
        find_official_files(tmp_path)
    with pytest.raises(OptionError, match="one of 'human', 'animal', not 'plant'"):
        find_official_files(tmp_path, "plant")


# Reading what is wrong


def cut(path: Path, keep: float) -> None:
    data = path.read_bytes()
    replace_file(path, data[: int(len(data) * keep)])


WRONG: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "cut short": (base("spade_generator"), lambda p: cut(p, 0.5), "damaged or cut short"),
    "empty": (base("warping_module"), lambda p: replace_file(p, b""), "is empty; download it"),
    "a pointer": (
        base("motion_extractor"),
        lambda p: replace_file(p, b"version https://git-lfs.github.com/spec/v1\n"),
        "Git LFS pointer",
    ),
    "a list": (
        base("motion_extractor"), lambda p: replace_file(p, pickle.dumps([1])), "holds a list"
    ),
    "a web page": (STITCHING, lambda p: replace_file(p, b"<!DOCTYPE html>"), "a web page"),
    "half a generator": (GENERATOR, lambda p: cut(p, 0.9), "damaged or cut short"),
    "a state dict alone": (
        GENERATOR,
        lambda p: replace_file(p, pickle.dumps({"denoising_net.x": 1})),
        "dictionary with 'model' and 'args'",
    ),
    "a list for a template": (
        TEMPLATE, lambda p: replace_file(p, pickle.dumps([1])), "not JoyVASA's motion statistics"
    ),
    "half a template": (
        TEMPLATE,
        lambda p: replace_file(p, pickle.dumps({"mean_exp": np.zeros(63)})),
        "has no std_exp",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_named_with_what_is_wrong(copy: Callable[[], Path], name: str) -> None:
    folder = copy()
    path, spoil, message = WRONG[name]
    spoil(folder / path)
    files = find_official_files(folder)
    load = load_motion_generator if path in (GENERATOR, TEMPLATE) else load_portrait_networks
    with pytest.raises(CheckpointError, match=message) as raised:
        load(files)
    assert str(folder / path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_swapped_files_are_told_apart(copy: Callable[[], Path]) -> None:
    folder = copy()
    first, second = folder / base("motion_extractor"), folder / base("appearance_feature_extractor")
    first.rename(folder / "aside")
    second.rename(first)
    (folder / "aside").rename(second)
    with pytest.raises(
        CheckpointError,
        match=r"appearance_feature_extractor\.pth \(LivePortrait's F.*look like those of "
        "motion_extractor",
    ):
        load_portrait_networks(find_official_files(folder))


def test_a_swapped_file_is_told_in_one_short_sentence(copy: Callable[[], Path]) -> None:
    folder = copy()
    (folder / base("spade_generator")).unlink()
    shutil.copy(folder / base("appearance_feature_extractor"), folder / base("spade_generator"))
    with pytest.raises(CheckpointError, match="look like those of appearance") as raised:
        load_portrait_networks(find_official_files(folder))
    assert len(str(raised.value)) < 400 + len(str(folder))


def test_a_file_in_the_place_of_a_folder_and_a_path_with_spaces_are_told(tmp_path: Path) -> None:
    file = tmp_path / "motion_extractor.pth"
    file.write_bytes(b"weights")
    with pytest.raises(CheckpointError, match="is a file; give the folder with all"):
        find_official_files(file)
    with pytest.raises(CheckpointError, match="is a file; give the checkpoint folder"):
        resolve_checkpoint(file)
    with pytest.raises(CheckpointError, match=r"--to '.*/my files'"):
        find_official_files(tmp_path / "my files")


def test_malicious_files_run_nothing(copy: Callable[[], Path], tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
            return os.mkdir, (str(tmp_path / "owned"),)

    folder = copy()
    target = folder / GENERATOR
    target.unlink()
    torch.save({"args": Evil(), "model": {}}, target)
    with pytest.raises(CheckpointError, match=r"contains posix\.mkdir, which is not data"):
        load_motion_generator(find_official_files(folder))
    assert not (tmp_path / "owned").exists()
