"""Downloading: a folder served over HTTP stands in for the hub."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from joyvasa_lib.checkpoints.official import sources as official_parts
from joyvasa_lib.checkpoints.official.hub import download_parts, file_sha256, select_parts
from joyvasa_lib.checkpoints.official.sources import DEFAULT_PARTS, PARTS, HubFile, Part
from joyvasa_lib.cli import app
from joyvasa_lib.errors import CheckpointError, OptionError, OutputError

COMMIT = "c" * 40


class FolderHub:
    """Serves ``folder/<owner>/<name>/<path>`` as the hub serves repositories."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[tuple[str, str, str | None]] = []
        self.breaks: list[int] = []  # bytes of the next bodies after which connections break
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                self.answer(body=True)

            def answer(self, body: bool) -> None:
                parts = unquote(self.path).strip("/").split("/")
                repository, revision, path = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
                span = self.headers.get("Range")
                hub.requests.append((self.command, f"{repository}/{path}@{revision}", span))
                file = hub.folder / repository / path
                if parts[2] != "resolve" or not file.is_file():
                    self.send_response(404)
                    self.send_header("X-Error-Code", "EntryNotFound")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                data = file.read_bytes()
                start = int(span.removeprefix("bytes=").split("-")[0]) if span else 0
                self.send_response(206 if span else 200)
                if span:
                    self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
                self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("Accept-Ranges", "bytes")
                self.send_header("Content-Length", str(len(data) - start))
                self.end_headers()
                if not body:
                    return
                end = hub.breaks.pop(0) if hub.breaks else len(data)
                self.wfile.write(data[start:end])
                self.close_connection = end < len(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def content(path: str) -> bytes:
    return hashlib.sha256(path.encode()).digest() * 400


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FolderHub]:
    """A hub that has every published file, with made-up bytes and their checksums."""
    for name, part in PARTS.items():
        files = []
        for file in part.files:
            target = tmp_path / "hub" / part.repository / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content(file.path))
            known = None if file.sha256 is None else file_sha256(target)
            files.append(HubFile(file.path, known))
        monkeypatch.setitem(official_parts.PARTS, name, replace(part, files=tuple(files)))
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    server = FolderHub(tmp_path / "hub")
    yield server
    server.close()


def test_everything_free_to_use_is_downloaded_at_its_pinned_revision(
    hub: FolderHub, tmp_path: Path
) -> None:
    lines: list[str] = []
    files = download_parts(
        tmp_path / "to", select_parts(), endpoint=hub.address, report=lines.append, progress=False
    )
    names = {path.relative_to(tmp_path / "to").as_posix() for path in files}
    assert "liveportrait/base_models/spade_generator.pth" in names
    assert "liveportrait_animals/base_models_v1.1/spade_generator.pth" in names
    assert "JoyVASA/motion_generator/motion_generator_hubert_chinese.pt" in names
    assert "chinese-hubert-base/config.json" in names
    assert not any("insightface" in name for name in names)
    for part in select_parts():
        for file in part.files:
            assert (tmp_path / "to" / part.folder / file.path).read_bytes() == content(file.path)
            asked = f"{part.repository}/{file.path}@{part.revision}"
            assert any(request == asked for _, request, _ in hub.requests)
        assert any(part.licence in line and part.repository in line for line in lines)


def test_revisions_are_commits_and_checksums_are_sha256() -> None:
    for part in PARTS.values():
        assert len(bytes.fromhex(part.revision)) == 20
        for file in part.files:
            assert file.sha256 is None or len(bytes.fromhex(file.sha256)) == 32
    assert set(DEFAULT_PARTS) == set(PARTS) - {"insightface"}


def test_files_that_are_there_are_not_asked_for_again(hub: FolderHub, tmp_path: Path) -> None:
    parts = select_parts(["joyvasa"])
    download_parts(tmp_path / "to", parts, endpoint=hub.address, progress=False)
    hub.requests.clear()
    lines: list[str] = []
    files = download_parts(
        tmp_path / "to", parts, endpoint=hub.address, report=lines.append, progress=False
    )
    assert hub.requests == []
    assert len(files) == 2
    assert sum("is there already" in line for line in lines) == 2


def test_a_broken_connection_goes_on_where_it_stopped(
    hub: FolderHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between huggingface_hub's retries
    # Written to disk as it comes, which otherwise happens every ten megabytes.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100)
    parts = select_parts(["joyvasa"])
    data = content(parts[0].files[0].path)
    hub.breaks = [len(data) // 2]
    files = download_parts(tmp_path / "to", parts, endpoint=hub.address, progress=False)
    spans = [span for method, _, span in hub.requests if method == "GET" and span]
    assert spans == [f"bytes={len(data) // 2}-{len(data) - 1}"] or spans == [
        f"bytes={len(data) // 2}-"
    ]
    assert files[0].read_bytes() == data


def test_an_aborted_download_leaves_whole_files_and_no_others(
    hub: FolderHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    parts = select_parts(["joyvasa"])
    generator, template = (tmp_path / "to" / "JoyVASA" / file.path for file in parts[0].files)
    served = hub.folder / parts[0].repository / parts[0].files[1].path
    served.rename(served.with_suffix(".away"))
    with pytest.raises(CheckpointError, match=r"no motion_template/motion_template\.pkl"):
        download_parts(tmp_path / "to", parts, endpoint=hub.address, progress=False)
    assert generator.is_file()
    assert not template.exists()
    served.with_suffix(".away").rename(served)
    hub.requests.clear()
    download_parts(tmp_path / "to", parts, endpoint=hub.address, progress=False)
    assert not any("motion_generator/" in request for _, request, _ in hub.requests)
    assert template.is_file()


def test_what_a_killed_download_left_is_removed_unless_another_goes_on(
    hub: FolderHub, tmp_path: Path
) -> None:
    place = tmp_path / "to" / "JoyVASA" / ".cache" / "huggingface" / "download" / "deep"
    place.mkdir(parents=True)
    leftover = place / "a.b.0123abcd.incomplete"
    leftover.write_bytes(b"half")
    parts = select_parts(["joyvasa"])
    with FileLock(place / "a.lock"):
        download_parts(tmp_path / "to", parts, endpoint=hub.address, progress=False)
        assert leftover.exists()
    download_parts(tmp_path / "to", parts, endpoint=hub.address, progress=False)
    assert not leftover.exists()


def test_another_file_than_the_published_one_is_removed_and_told(
    hub: FolderHub, tmp_path: Path
) -> None:
    part = select_parts(["joyvasa"])[0]
    (hub.folder / part.repository / part.files[0].path).write_bytes(b"something else")
    with pytest.raises(CheckpointError, match=r"another .*SHA-256 [0-9a-f]{64}, not [0-9a-f]{64}"):
        download_parts(tmp_path / "to", [part], endpoint=hub.address, progress=False)
    target = tmp_path / "to" / "JoyVASA" / part.files[0].path
    assert not target.exists()
    download_parts(tmp_path / "to", [part], endpoint=hub.address, progress=False, verify=False)
    assert target.read_bytes() == b"something else"


def test_a_file_the_hub_does_not_have_is_named(hub: FolderHub, tmp_path: Path) -> None:
    part = Part("x", "jdh-algo/JoyVASA", COMMIT, "MIT", "", (HubFile("moved.pt"),))
    with pytest.raises(CheckpointError, match=r"no moved\.pt of jdh-algo/JoyVASA at cccc"):
        download_parts(tmp_path / "to", [part], endpoint=hub.address, progress=False)


def test_without_a_connection_the_error_says_so_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(CheckpointError, match=r"Cannot download .*check the connection"):
        download_parts(
            tmp_path / "to",
            select_parts(["joyvasa"]),
            endpoint="http://127.0.0.1:9",
            progress=False,
        )


def test_restricted_parts_come_only_when_their_terms_are_accepted(
    hub: FolderHub, tmp_path: Path
) -> None:
    parts = select_parts(["insightface"])
    with pytest.raises(OptionError, match=r"insightface may only be used for non-commercial"):
        download_parts(tmp_path / "to", parts, endpoint=hub.address, progress=False)
    assert hub.requests == []
    files = download_parts(
        tmp_path / "to", parts, endpoint=hub.address, progress=False, accept=True
    )
    assert [path.name for path in files] == ["2d106det.onnx", "det_10g.onnx"]


def test_revisions_and_encoder_weights_can_be_asked_for() -> None:
    (part,) = select_parts(["joyvasa"], revisions={"joyvasa": "main"})
    assert part.revision == "main"
    assert all(file.sha256 is None for file in part.files)
    (part,) = select_parts(["wav2vec2-base-960h"], encoder_weights=True)
    assert [file.path for file in part.files][-1] == "model.safetensors"
    for names, revisions in ((["joyvoice"], {}), (["joyvasa"], {"joyvoice": "main"})):
        with pytest.raises(OptionError, match="no part 'joyvoice'; choose of liveportrait,"):
            select_parts(names, revisions=revisions)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot make the folder"):
        download_parts(tmp_path / "file" / "to", select_parts(["joyvasa"]))


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["download", "official", *arguments])


def test_the_command_downloads_and_prints_licences(hub: FolderHub, tmp_path: Path) -> None:
    result = run("--to", str(tmp_path / "to"), "--part", "joyvasa", "--endpoint", hub.address)
    assert result.exit_code == 0, result.output
    assert "joyvasa: jdh-algo/JoyVASA, licence MIT" in result.stderr
    assert result.stdout.strip().endswith("2 files")
    assert (tmp_path / "to/JoyVASA/motion_template/motion_template.pkl").is_file()


def test_the_command_answers_in_json(hub: FolderHub, tmp_path: Path) -> None:
    result = run(
        "--to", str(tmp_path / "to"), "--part", "joyvasa", "--endpoint", hub.address, "--json",
        "--revision", "joyvasa=main",
    )  # fmt: skip
    report = json.loads(result.stdout)
    assert report["parts"][0]["revision"] == "main"
    assert report["parts"][0]["licence"] == "MIT"
    assert all(Path(path).is_file() for path in report["files"])
    assert result.stderr == ""


def test_the_command_refuses_restricted_parts_and_odd_revisions(tmp_path: Path) -> None:
    result = run("--to", str(tmp_path), "--part", "insightface")
    assert isinstance(result.exception, OptionError)
    assert "--accept" in str(result.exception)
    result = run("--to", str(tmp_path), "--revision", "joyvasa")
    assert "PART=COMMIT" in str(result.exception)
