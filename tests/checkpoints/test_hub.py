"""Checkpoints of the hub: a stand-in for huggingface_hub hands out a folder."""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from joyvasa_lib.checkpoints.folder import BUNDLED
from joyvasa_lib.checkpoints.hub import is_repository_name, locate_checkpoint, upload_checkpoint
from joyvasa_lib.errors import CheckpointError, OutputError


class Hub:
    """Repositories in a folder: ``snapshot_download`` and the calls of ``HfApi`` that are used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: list[dict[str, Any]] = []

    def snapshot_download(self, name: str, **options: Any) -> str:
        self.calls.append({"name": name, **options})
        source = self.folder / name
        if not source.is_dir():
            kind = type("RepositoryNotFoundError", (Exception,), {})
            raise kind("404 Client Error")
        if options["local_files_only"]:
            kind = type("LocalEntryNotFoundError", (FileNotFoundError,), {})
            raise kind("not in the cache")
        target = Path(options["cache_dir"] or self.folder / "cache") / name
        for path in source.rglob("*"):
            relative = path.relative_to(source).as_posix()
            if path.is_file() and any(fnmatch(relative, p) for p in options["allow_patterns"]):
                (target / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target / relative)
        return str(target)

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        if repo_id.startswith("nobody/"):
            raise ConnectionError("403\nForbidden")
        self.calls.append({"created": repo_id, "private": private, "exist_ok": exist_ok})

    def create_branch(self, repo_id: str, *, branch: str, exist_ok: bool) -> None:
        self.calls.append({"branch": branch, "exist_ok": exist_ok})

    def upload_folder(self, *, repo_id: str, folder_path: Path, **options: Any) -> str:
        self.calls.append(options)
        shutil.copytree(folder_path, self.folder / repo_id)
        return f"https://hub/{repo_id}/commit/1"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    found = Hub(tmp_path / "hub")
    monkeypatch.setattr("huggingface_hub.snapshot_download", found.snapshot_download)
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: found)
    return found


def test_nothing_given_is_the_bundled_checkpoint_and_a_folder_is_itself(
    hub: Hub,
) -> None:
    assert locate_checkpoint(None) is None
    assert locate_checkpoint(BUNDLED) == BUNDLED
    assert locate_checkpoint(str(BUNDLED)) == BUNDLED
    assert locate_checkpoint(Path("me/voice")) == Path("me/voice")  # a path is never downloaded
    assert hub.calls == []


def test_a_folder_that_is_there_wins_over_a_repository(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "me" / "voice").mkdir(parents=True)
    (hub.folder / "me" / "voice").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert locate_checkpoint("me/voice") == Path("me/voice")
    assert hub.calls == []


def test_a_repository_is_downloaded_without_pickles(hub: Hub, tmp_path: Path) -> None:
    source = hub.folder / "me" / "voice"
    for name in ("model_index.json", "denoiser/model.safetensors", "README.md",
                 "denoiser/model.bin", "state.pt", "run.py", "x.pkl"):  # fmt: skip
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    found = locate_checkpoint("me/voice", revision="v2", cache_dir=tmp_path / "cache")
    assert found == tmp_path / "cache" / "me" / "voice"
    names = {path.relative_to(found).as_posix() for path in found.rglob("*") if path.is_file()}
    assert names == {"model_index.json", "denoiser/model.safetensors", "README.md"}
    (call,) = hub.calls
    assert (call["name"], call["revision"], call["local_files_only"]) == ("me/voice", "v2", False)


def test_what_cannot_be_downloaded_is_told_in_one_sentence(hub: Hub) -> None:
    with pytest.raises(
        CheckpointError, match=r"no folder 'me/absent' here, and the hub gives no checkpoint .*HF_T"
    ):
        locate_checkpoint("me/absent")
    (hub.folder / "me" / "voice").mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"'me/voice' at 'v1': it was not downloaded before"):
        locate_checkpoint("me/voice", revision="v1", offline=True)
    assert hub.calls[-1]["local_files_only"] is True


def test_without_a_connection_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")

    with pytest.raises(CheckpointError, match=r"'me/voice'.*check the connection"):
        locate_checkpoint("me/voice")


@pytest.mark.parametrize(
    "text",
    ["/no/such", "./me/voice", "../me", "voice", "a/b/c", "~/voice", "me//voice", "me/vo ice",
     "me/voice/", "me/-voice", "", "me/..", "c:\\me\\voice"],
)  # fmt: skip
def test_what_is_neither_a_folder_nor_a_repository_is_a_clear_error(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert not is_repository_name(text)
    if text:  # the empty text is the current folder
        with pytest.raises(CheckpointError, match="There is no checkpoint folder .*'user/name'"):
            locate_checkpoint(text)
    assert hub.calls == []


@pytest.mark.parametrize("text", ["me/voice", "jdh-algo/JoyVASA", "a.b/c_d-1.0"])
def test_names_of_repositories_are_known(text: str) -> None:
    assert is_repository_name(text)


def test_a_folder_is_uploaded_to_a_private_repository(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "model_index.json").write_text("{}")
    address = upload_checkpoint(tmp_path / "folder", "me/voice", message="The first")
    assert address == "https://hub/me/voice/commit/1"
    created, uploaded = hub.calls
    assert created == {"created": "me/voice", "private": True, "exist_ok": True}
    assert uploaded == {"commit_message": "The first"}
    upload_checkpoint(tmp_path / "folder", "me/other", private=False, revision="v2")
    created, branch, uploaded = hub.calls[2:]
    assert created["private"] is False
    assert branch == {"branch": "v2", "exist_ok": True}
    assert uploaded["revision"] == "v2"


def test_a_hub_that_refuses_is_told_in_one_line(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Cannot upload to 'nobody/voice' .403 Forbidden."):
        upload_checkpoint(tmp_path, "nobody/voice")
