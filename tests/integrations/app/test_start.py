"""The page is served to this computer alone, says what is wrong, and leaves nothing behind."""

from __future__ import annotations

import http.client
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

import places
from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.errors import MissingDependencyError, OptionError
from joyvasa_lib.integrations.app.start import RunningApp, start_app

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def app(pipe: JoyVASAPipeline) -> Iterator[RunningApp]:
    pytest.importorskip("gradio", reason="the extra demo is not installed")
    with start_app(pipe, port=0) as running:
        yield running


def get(app: RunningApp, path: str = "/", host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", int(app.url.rpartition(":")[2]))
    connection.request("GET", path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_the_page_names_no_font_and_no_script_of_another_host(app: RunningApp) -> None:
    status, page = get(app)
    assert status == 200 and '"joyvasa"' in page
    _, style = get(app, "/theme.css")
    loaded = re.findall(r'(?:src=|rel="stylesheet"[^>]*href=|url\(|@import )\W*(https?://[^"\')]+)',
                        page + style)  # fmt: skip
    assert loaded == []
    assert "fonts.g" not in page + style


def test_a_page_of_another_name_gets_nothing(app: RunningApp) -> None:
    assert get(app, host="attacker.example")[0] == 400
    assert get(app, host="localhost:1234")[0] == 200


def test_every_address_of_this_computer_is_a_name_of_the_page(pipe: JoyVASAPipeline) -> None:
    pytest.importorskip("gradio", reason="the extra demo is not installed")
    try:
        running = start_app(pipe, host="127.0.0.2", port=0)
    except OptionError as error:  # macOS has one address alone
        pytest.skip(str(error))
    with running as app, urlopen(app.url) as page, urlopen(f"{app.url}/live/") as live:
        assert page.status == live.status == 200


def test_files_of_this_computer_are_not_given_out(app: RunningApp) -> None:
    path = places.ROOT / "pyproject.toml"
    assert get(app, f"/gradio_api/file={path}")[0] in (403, 404)


def test_a_port_that_is_taken_is_told(app: RunningApp) -> None:
    before = os.environ.get("GRADIO_TEMP_DIR")
    with pytest.raises(OptionError, match="choose another --host or --port"):
        start_app(port=int(app.url.rpartition(":")[2]))
    assert os.environ.get("GRADIO_TEMP_DIR") == before


def test_a_port_that_is_none_is_told() -> None:
    with pytest.raises(OptionError, match="port must be a whole number from 0 to 65535"):
        start_app(port=70000)


def test_others_are_let_in_only_when_that_is_said() -> None:
    pytest.importorskip("gradio", reason="the extra demo is not installed")
    with pytest.raises(OptionError, match="--open-to-all"):
        start_app(host="0.0.0.0", port=0)


def test_the_live_page_and_its_server_are_there(app: RunningApp) -> None:
    for name in ("", "live.js", "style.css"):
        status, text = get(app, f"/live/{name}")
        assert status == 200 and len(text) > 1000
    assert get(app, "/live/v1/portraits/none")[0] in (404, 405)
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(f"{app.url}/live/v1/portraits", b"nothing", method="POST"))
    assert refused.value.code == 422
    assert set(json.load(refused.value)) == {"detail"}


def test_what_was_uploaded_goes_with_the_app(pipe: JoyVASAPipeline) -> None:
    pytest.importorskip("gradio", reason="the extra demo is not installed")
    with start_app(pipe, port=0):
        folder = Path(os.environ["GRADIO_TEMP_DIR"])
        (folder / "upload").mkdir()
        (folder / "upload" / "portrait.jpg").write_text("of somebody")
    assert not folder.exists()


def test_the_library_does_not_need_gradio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingDependencyError, match="joyvasa-lib"):
        sys.modules.pop("joyvasa_lib.integrations.app.offline", None)
        __import__("joyvasa_lib.integrations.app.offline")


class Progress:
    """What gradio shows, and what a person does meanwhile."""

    def __init__(self, meanwhile: Any) -> None:
        self.meanwhile, self.seen = meanwhile, []  # type: ignore[var-annotated]

    def __call__(self, steps: tuple[int, int] | None, desc: str, unit: str) -> None:
        self.seen.append((steps, desc))
        if steps and steps[0] == 2:
            self.meanwhile()


def test_a_job_is_stopped_by_its_own_session(
    pipe: JoyVASAPipeline, words: Path, tmp_path: Path
) -> None:
    gradio = pytest.importorskip("gradio", reason="the extra demo is not installed")
    from joyvasa_lib.integrations.app.handlers import Handlers
    from joyvasa_lib.integrations.app.studio import Studio

    handlers = Handlers(Studio(pipe, tmp_path))
    values = {"portrait": str(places.DEMO / "astronaut.jpg"), "speech": str(words), "size": 64}
    mine, other = SimpleNamespace(session_hash="mine"), SimpleNamespace(session_hash="other")
    video, said = handlers.talk(values, mine, Progress(lambda: handlers.stop(other)))  # type: ignore[arg-type]
    assert Path(video).is_file() and "10 frames" in said
    video, said = handlers.talk(values, mine, Progress(lambda: handlers.stop(mine)))  # type: ignore[arg-type]
    assert video == gradio.skip() and "Stopped" in said
    assert len(list(tmp_path.iterdir())) == 1


def test_an_error_is_a_line_without_paths_or_markup(
    pipe: JoyVASAPipeline, words: Path, tmp_path: Path
) -> None:
    gradio = pytest.importorskip("gradio", reason="the extra demo is not installed")
    from joyvasa_lib.integrations.app.handlers import Handlers
    from joyvasa_lib.integrations.app.studio import Studio

    path = tmp_path / "<b>portrait.jpg"
    path.write_text("no image")
    handlers = Handlers(Studio(pipe, tmp_path / "results"))
    with pytest.raises(gradio.Error) as raised:
        handlers.look(str(path))
    assert raised.value.message.startswith("&lt;b&gt;portrait.jpg is not an image")
    assert str(tmp_path) not in raised.value.message
