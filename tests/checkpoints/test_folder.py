"""Checkpoint folders: every part that is missing is named, old folders are still found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from joyvasa_lib._version import __version__
from joyvasa_lib.checkpoints.folder import (
    BUNDLED,
    PORTRAIT_NETWORKS,
    SPEECH_FILES,
    CheckpointIndex,
    is_checkpoint,
    is_stage_two,
    looks_official,
    portrait_files,
    read_index,
    resolve_checkpoint,
    resolve_portrait,
    write_index,
)
from joyvasa_lib.errors import CheckpointError

PORTRAIT = [f"portrait/{name}" for name in portrait_files("compact")]


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return make(tmp_path / "checkpoint", *PORTRAIT, *SPEECH_FILES)


def test_the_bundled_checkpoint_is_complete_and_the_default() -> None:
    assert resolve_checkpoint() == BUNDLED
    assert read_index(BUNDLED) == CheckpointIndex("compact", "human", speech=True)
    assert is_checkpoint(BUNDLED)


@pytest.mark.parametrize("part", [*PORTRAIT, *SPEECH_FILES])
def test_any_missing_file_is_named(whole: Path, part: str) -> None:
    assert resolve_checkpoint(whole) == whole
    (whole / part).unlink()
    with pytest.raises(CheckpointError, match=f"not a complete checkpoint: {part} is missing"):
        resolve_checkpoint(whole)


@pytest.mark.parametrize("network", PORTRAIT_NETWORKS)
def test_any_missing_network_of_the_official_preset_is_named(tmp_path: Path, network: str) -> None:
    make(tmp_path, *(f"portrait/{name}" for name in portrait_files("liveportrait")))
    write_index(tmp_path, CheckpointIndex("liveportrait", "animal", speech=False))
    assert resolve_checkpoint(tmp_path) == tmp_path
    (tmp_path / "portrait" / network / "config.json").unlink()
    with pytest.raises(CheckpointError, match=f": portrait/{network}/config.json is missing"):
        resolve_checkpoint(tmp_path)


@pytest.mark.parametrize("resolve", [resolve_checkpoint, lambda p: resolve_portrait(p, "compact")])
def test_a_checkpoint_of_preset_compact_needs_no_head_rig_of_its_own(
    tmp_path: Path, resolve: Callable[[Path], Path]
) -> None:
    write_index(make(tmp_path, *SPEECH_FILES), CheckpointIndex())
    assert resolve(tmp_path) == tmp_path
    (tmp_path / "portrait").mkdir()  # a copy that was broken off
    with pytest.raises(CheckpointError, match="head_rig.safetensors is missing"):
        resolve(tmp_path)
    make(tmp_path, "portrait/generator/config.json")  # as they were when a network refined them
    assert resolve(tmp_path) in (tmp_path, tmp_path / "portrait")


def test_all_missing_files_are_named_at_once(whole: Path) -> None:
    for part in ("normalizer/normalizer.json", "scheduler/scheduler_config.json"):
        (whole / part).unlink()
    with pytest.raises(CheckpointError, match=r"normalizer\.json, scheduler/.* are missing"):
        resolve_checkpoint(whole)


def test_one_stage_is_enough_for_who_needs_one(tmp_path: Path) -> None:
    second = make(tmp_path / "second", *SPEECH_FILES)
    assert resolve_checkpoint(second, portrait=False) == second
    with pytest.raises(CheckpointError, match="portrait/head_rig"):
        resolve_checkpoint(second)
    first = make(tmp_path / "first", *PORTRAIT)
    assert resolve_checkpoint(first, speech=False) == first
    with pytest.raises(CheckpointError, match="audio_encoder/config.json"):
        resolve_checkpoint(first)


def test_a_checkpoint_without_speech_says_what_it_lacks_to_who_wants_it(tmp_path: Path) -> None:
    make(tmp_path, *PORTRAIT)
    write_index(tmp_path, CheckpointIndex(speech=False))
    assert resolve_checkpoint(tmp_path) == tmp_path
    with pytest.raises(CheckpointError, match="denoiser/config.json"):
        resolve_checkpoint(tmp_path, portrait=False)


@pytest.mark.parametrize("name", ["generator", "generator.old"])
def test_a_training_run_is_the_checkpoint_in_it(tmp_path: Path, name: str) -> None:
    make(tmp_path, "metrics.jsonl", "state.pt")
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        resolve_checkpoint(tmp_path)
    make(tmp_path / name, *PORTRAIT, *SPEECH_FILES)
    assert resolve_checkpoint(tmp_path) == tmp_path / name
    assert resolve_portrait(tmp_path, "compact") == tmp_path / name / "portrait"


def test_a_checkpoint_of_a_run_that_lacks_a_part_is_the_one_that_is_named(tmp_path: Path) -> None:
    make(tmp_path, "metrics.jsonl")
    make(tmp_path / "generator", *PORTRAIT, *SPEECH_FILES[1:])
    with pytest.raises(CheckpointError, match=r"generator is not .*audio_encoder/config\.json is"):
        resolve_checkpoint(tmp_path)


def test_networks_are_found_in_a_checkpoint_a_run_and_by_themselves(
    whole: Path, tmp_path: Path
) -> None:
    assert resolve_portrait(None, "compact") == BUNDLED  # the rig is the package's own
    assert resolve_portrait(whole, "compact") == whole / "portrait"
    assert resolve_portrait(whole / "portrait", "compact") == whole / "portrait"
    with pytest.raises(CheckpointError, match=r"preset liveportrait: appearance_extractor"):
        resolve_portrait(whole, "liveportrait")
    networks = make(tmp_path / "networks", *portrait_files("liveportrait"))
    assert resolve_portrait(networks, "liveportrait") == networks
    with pytest.raises(CheckpointError, match=r"preset compact: head_rig\.safetensors is missing"):
        resolve_portrait(networks, "compact")


@pytest.mark.parametrize("resolve", [resolve_checkpoint, lambda p: resolve_portrait(p, "compact")])
def test_a_file_and_nothing_are_refused(tmp_path: Path, resolve: object) -> None:
    assert callable(resolve)
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="is a file; give the checkpoint folder"):
        resolve(tmp_path / "file")
    with pytest.raises(CheckpointError, match="There is no checkpoint folder .*absent"):
        resolve(tmp_path / "absent")


def test_the_index_comes_back_and_names_the_version(tmp_path: Path) -> None:
    index = CheckpointIndex("liveportrait", "animal", speech=False)
    write_index(tmp_path, index)
    assert read_index(tmp_path) == index
    about = json.loads((tmp_path / "model_index.json").read_text())
    assert about["_joyvasa_lib_version"] == __version__
    (tmp_path / "model_index.json").write_text('{"preset": "compact"}')
    with pytest.raises(CheckpointError, match="is not the index"):
        read_index(tmp_path)


def test_a_folder_that_holds_more_than_a_checkpoint_is_not_taken_for_one(whole: Path) -> None:
    assert is_checkpoint(whole)
    assert not is_stage_two(whole)  # its portrait would be lost
    make(whole, "README.md", "emotion/map.json")
    assert is_checkpoint(whole)
    make(whole, "holiday.jpg")
    assert not is_checkpoint(whole)


def test_a_training_run_and_a_folder_of_papers_are_no_checkpoints(tmp_path: Path) -> None:
    run = make(tmp_path / "run", "metrics.jsonl", "state.pt")
    make(run / "generator", *PORTRAIT, *SPEECH_FILES)
    assert not is_checkpoint(run)
    assert is_checkpoint(run / "generator")
    assert not is_checkpoint(make(tmp_path / "papers", "README.md", "metrics.jsonl"))


def test_stage_two_alone_is_recognised(tmp_path: Path) -> None:
    assert is_stage_two(make(tmp_path, *SPEECH_FILES))
    assert not is_stage_two(make(tmp_path, "notes.txt"))


def test_published_files_are_told_from_a_checkpoint(whole: Path, tmp_path: Path) -> None:
    assert not looks_official(whole)
    published = make(tmp_path / "published", "liveportrait/base_models/motion_extractor.pth")
    assert looks_official(published)
    with pytest.raises(CheckpointError, match="joyvasa convert"):
        resolve_checkpoint(published)
