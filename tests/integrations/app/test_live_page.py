"""The live page in a real browser, with a real server: frames, sound, and an interruption."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import joyvasa_lib
import places
from browser import asked_hosts, complaints, element, press, until
from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.emotion.prototypes import BASIC
from joyvasa_lib.speech.style import STYLES

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

pytestmark = pytest.mark.slow

PAGE = Path(joyvasa_lib.__file__).parent / "integrations" / "server" / "page"
ASTRONAUT = places.DEMO / "astronaut.jpg"
DRAWN = """
const canvas = document.querySelector("#canvas");
const { width, height } = canvas;
return [Number(canvas.dataset.shown || 0), document.body.dataset.state,
        Array.from(canvas.getContext("2d").getImageData(0, 0, width, height).data)
             .filter((_, i) => i % 397 === 0).join()];
"""


@pytest.fixture(scope="module")
def url(pipe: JoyVASAPipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``joyvasa serve`` on a thread."""
    for package in ("fastapi", "websockets", "prometheus_client"):
        pytest.importorskip(package, reason="the extra server is not installed")
    from web_server import running

    _ = pipe.motion_generator
    with running(pipe, tmp_path_factory.mktemp("server")) as server:
        yield server.url


@pytest.fixture
def page(browser: WebDriver, url: str) -> Iterator[WebDriver]:
    """The page, just opened."""
    asked_hosts(browser), complaints(browser)
    browser.get(url)
    yield browser
    browser.get("about:blank")  # so that the avatar ends


def drawn(page: WebDriver) -> tuple[int, str, str]:
    """Frames drawn so far, the avatar's state, and some of the pixels that are seen."""
    frames, state, pixels = page.execute_script(DRAWN)  # type: ignore[no-untyped-call]
    return frames, state, pixels


def choose(page: WebDriver, portrait: Path) -> None:
    element(page, "#portrait").send_keys(str(portrait))


def meet(page: WebDriver) -> None:
    """Chooses the portrait and waits until it is seen."""
    choose(page, ASTRONAUT)
    until(lambda: drawn(page)[:2] > (5, "") and drawn(page)[1] == "idle", "an avatar", 60.0)


def speak(page: WebDriver) -> None:
    element(page, "#recording").send_keys(str(places.DEMO / "hello.flac"))
    until(lambda: element(page, "#play").is_enabled(), "a recording")
    press(page, "#play")
    until(lambda: drawn(page)[1] == "speaking", "speech")


def test_an_utterance_is_shown_and_interrupted(page: WebDriver) -> None:
    meet(page)
    speak(page)
    seen = set()
    first = drawn(page)[0]
    until(
        lambda: seen.add(drawn(page)[2]) or (len(seen) >= 5 and drawn(page)[0] >= first + 15),
        "a face that moves",
        8.0,
    )
    assert drawn(page)[1] == "speaking"
    press(page, "#interrupt")
    until(lambda: drawn(page)[1] == "idle", "the end of speech", 5.0)
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        assert drawn(page)[1] == "idle", "no more of it is said"
    assert "real-time factor" in until(lambda: element(page, "#metrics").text.strip(), "numbers")
    assert asked_hosts(page) == {"127.0.0.1"}
    assert complaints(page) == []


def test_what_the_microphone_hears_is_said(page: WebDriver) -> None:
    meet(page)
    press(page, "#microphone")
    until(lambda: drawn(page)[1] == "speaking", "speech", 20.0)
    press(page, "#microphone")
    until(lambda: drawn(page)[1] == "idle", "the end of speech", 20.0)


def test_a_face_that_is_listened_to_hears(page: WebDriver) -> None:
    meet(page)
    press(page, "#role option[value=listen]")
    press(page, "#microphone")
    until(lambda: drawn(page)[1] == "listening", "attention", 20.0)


def test_an_emotion_and_a_style_are_taken(page: WebDriver) -> None:
    meet(page)
    press(page, "#style option:last-child")
    press(page, "#emotion option:nth-child(2)")
    before = drawn(page)
    until(lambda: drawn(page)[0] >= before[0] + 25, "frames")
    assert drawn(page)[2] != before[2]
    assert not element(page, "#message").is_displayed()


def test_another_portrait_may_follow_at_once(page: WebDriver) -> None:
    meet(page)
    choose(page, ASTRONAUT)
    until(lambda: drawn(page)[1] == "loading", "another")
    until(lambda: drawn(page)[1] == "idle", "an avatar", 60.0)
    assert not element(page, "#message").is_displayed()


def test_a_server_with_a_token_is_given_it(
    browser: WebDriver, pipe: JoyVASAPipeline, url: str, tmp_path: Path
) -> None:
    from web_server import running

    (tmp_path / "other").mkdir()
    with running(pipe, tmp_path / "other", token="open sesame") as server:
        browser.get(server.url + "/")
        choose(browser, ASTRONAUT)
        said = until(lambda: element(browser, "#message").text, "a message")
        assert "token" in said
        browser.get(server.url + "/?token=open%20sesame")
        meet(browser)
        browser.get("about:blank")


def test_a_file_that_is_no_image_gives_a_message(page: WebDriver, tmp_path: Path) -> None:
    wrong = tmp_path / "holiday.jpg"
    wrong.write_text("no image")
    choose(page, wrong)
    said = until(lambda: element(page, "#message").text, "a message")
    assert "not an image" in said and "\n" not in said and "Traceback" not in said
    assert drawn(page)[1] == "empty"


def test_a_file_that_is_no_recording_gives_a_message(page: WebDriver, tmp_path: Path) -> None:
    meet(page)
    wrong = tmp_path / "speech.wav"
    wrong.write_text("no recording")
    element(page, "#recording").send_keys(str(wrong))
    said = until(lambda: element(page, "#message").text, "a message")
    assert said == "speech.wav is no recording that this browser can read"


def test_the_page_offers_what_the_library_has() -> None:
    page = (PAGE / "index.html").read_text("utf-8")
    offered = {
        name: re.findall(r"<option>(.*?)</option>", rest.partition("</select>")[0])
        for name, rest in re.findall(r'<select id="(emotion|style)">(.*?</select>)', page, re.S)
    }
    assert offered == {"emotion": list(BASIC), "style": list(STYLES)}


def test_the_page_asks_nobody_else() -> None:
    for path in PAGE.iterdir():
        assert not re.search(r"https?://|@import", path.read_text("utf-8")), path.name
