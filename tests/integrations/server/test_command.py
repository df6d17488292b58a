"""``joyvasa serve`` as a process: it says where it is, and leaves nothing however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import places
from joyvasa_lib.errors import OutputError
from joyvasa_lib.integrations.server.work.folder import work_folder
from web_server import HANGS, picture, until

pytest.importorskip("fastapi", reason="the extra server is not installed")

import httpx

pytestmark = pytest.mark.slow

QUICK = """
import sys
sys.path[:0] = ["tests", "tests/support"]
from joyvasa_lib.cli.options.inputs import ModelOptions
from web_server import QuickPipe
ModelOptions.load = lambda self: QuickPipe()
from joyvasa_lib.cli import main
main()
"""
"""The command with a pipeline that loads at once."""


def command(*arguments: object, code: str = QUICK) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, "serve", *map(str, arguments)],
        cwd=places.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "JOYVASA_TOKEN"},
        # What a shell starts in the background ignores SIGINT, and so do its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@contextmanager
def served(folder: Path, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with command("--port", 0, "--json", "--folder", folder, *arguments) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["address"]
        finally:
            process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_server_that_is_told_to_end_leaves_nothing(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with served(tmp_path) as (process, address):
        sent = {"image": picture()}
        assert httpx.post(f"{address}/v1/portraits", files=sent).status_code == 201
        assert [path for path in tmp_path.rglob("image")]
        process.send_signal(number)
        assert process.wait(HANGS) == code
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_server_left_is_removed_by_the_next(tmp_path: Path) -> None:
    with served(tmp_path) as (process, address):
        httpx.post(f"{address}/v1/portraits", files={"image": picture()})
        process.kill()
        process.wait(HANGS)
    assert [path for path in tmp_path.rglob("image")]
    with served(tmp_path):
        assert not [path for path in tmp_path.rglob("image")]


def test_two_servers_of_one_folder_leave_each_others_files(tmp_path: Path) -> None:
    with served(tmp_path) as (_, first), served(tmp_path) as (other, second):
        httpx.post(f"{first}/v1/portraits", files={"image": picture()})
        httpx.post(f"{second}/v1/portraits", files={"image": picture()})
        other.send_signal(signal.SIGTERM)
        other.wait(HANGS)
        until(lambda: len(list(tmp_path.rglob("image"))) == 1)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--host", "0.0.0.0"), "--open-to-all"),
        (("--queue", 0), "queue must be"),
        (("--port", 99999), "port must be"),
        (("--token", ""), "ASCII"),
        (("--folder", "absent/folder"), "choose another --folder"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_2(arguments: tuple[object], part: str) -> None:
    with command(*arguments) as process:
        try:
            out, err = process.communicate(timeout=HANGS)
        finally:
            process.kill()
    assert process.returncode == 2 and out == ""
    assert part in err and err.count("\n") == 1


def test_without_the_extra_it_is_named(tmp_path: Path) -> None:
    code = "import sys; sys.modules['fastapi'] = None\n" + QUICK
    process = command(code=code)
    _, err = process.communicate(timeout=HANGS)
    assert process.returncode == 2 and err.count("\n") == 1
    assert 'pip install "joyvasa-lib[server]"' in err


def test_help_needs_no_extra_and_nothing_heavy() -> None:
    code = (
        "import sys\nimport joyvasa_lib.cli\n"
        "print(*{'fastapi', 'uvicorn', 'numpy', 'pydantic', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=places.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="--folder"), work_folder(tmp_path / "file"):
        pass
    with pytest.raises(OutputError, match="--folder"), work_folder(tmp_path / "absent" / "one"):
        pass


def test_the_own_folder_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    with work_folder() as folder:
        assert folder.parent.parent == tmp_path
        assert (folder.stat().st_mode & 0o777, folder.parent.stat().st_mode & 0o777) == (
            0o700,
            0o700,
        )
    (place,) = tmp_path.iterdir()
    assert list(place.iterdir()) == []
    place.rmdir()
    place.symlink_to(tmp_path)
    with pytest.raises(OutputError, match="somebody else"), work_folder():
        pass
