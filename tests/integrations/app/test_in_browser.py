"""What a person does on the page, in a real browser: from a picture to a video that plays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import places
from browser import asked_hosts, complaints, element, press, until
from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.integrations.app.start import start_app
from joyvasa_lib.media.audio import load_speech, write_wav

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

pytestmark = pytest.mark.slow

ASTRONAUT = places.DEMO / "astronaut.jpg"


@pytest.fixture(scope="module")
def sentence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of the demonstration sentence."""
    waveform = load_speech(places.DEMO / "hello.flac").waveform[8000:24000]
    return write_wav(tmp_path_factory.mktemp("recordings") / "sentence.wav", waveform)


@pytest.fixture(scope="module")
def url(pipe: JoyVASAPipeline) -> Iterator[str]:
    pytest.importorskip("gradio", reason="the extra demo is not installed")
    with start_app(pipe, port=0) as app:
        yield app.url


@pytest.fixture
def page(browser: WebDriver, url: str) -> WebDriver:
    """The page, just opened."""
    asked_hosts(browser)
    browser.get(url)
    element(browser, "#make")
    return browser


def give(page: WebDriver, place: str, file: Path) -> None:
    element(page, f"{place} input[type=file]").send_keys(str(file))


def message(page: WebDriver) -> str:
    """What the page says is wrong."""
    return until(lambda: element(page, ".toast-body").text, "a message")


def turn_to(page: WebDriver, name: str) -> None:
    """Opens a tab."""
    tabs = page.find_elements("css selector", "button[role=tab]")
    next(tab for tab in tabs if tab.text == name).click()


def test_from_a_picture_and_a_recording_to_a_video_that_plays(
    page: WebDriver, sentence: Path
) -> None:
    give(page, "#portrait", ASTRONAUT)
    give(page, "#speech", sentence)
    element(page, "#portrait img")
    element(page, "#speech .controls, #speech [data-testid*=waveform]")
    press(page, "#make")
    video = element(page, "#result video", 120.0)
    until(lambda: page.execute_script("return arguments[0].currentTime > 0.5", video), "playing")  # type: ignore[no-untyped-call]
    size = page.execute_script("return [arguments[0].videoWidth, arguments[0].duration]", video)  # type: ignore[no-untyped-call]
    assert size == [512, pytest.approx(1.0, abs=0.1)]
    assert "25 frames of 512 × 512" in element(page, "#notes").text
    assert asked_hosts(page) == {"127.0.0.1"}
    assert complaints(page) == []


def test_the_example_is_there_at_a_press(page: WebDriver) -> None:
    press(page, "#example")
    assert "astronaut.jpg" in element(page, "#portrait img").get_attribute("src")


def test_a_file_that_is_no_image_gives_a_message(page: WebDriver, tmp_path: Path) -> None:
    wrong = tmp_path / "holiday.jpg"
    wrong.write_text("no image")
    give(page, "#portrait", wrong)
    said = message(page)
    assert "holiday.jpg is not an image of a known format" in said
    assert "Traceback" not in said and str(tmp_path) not in said


def test_what_is_missing_is_told(page: WebDriver) -> None:
    press(page, "#make")
    assert "Choose a portrait first" in message(page)


def test_emotions_are_drawn_on_one_sheet(page: WebDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    from joyvasa_lib.evaluation.contact_sheet import emotion_cells
    from joyvasa_lib.integrations.app.studio import SHEETS

    monkeypatch.setitem(SHEETS, "basic emotions", lambda: emotion_cells(["anger"]))
    turn_to(page, "Emotions")
    give(page, "#sheet-portrait", ASTRONAUT)
    element(page, "#sheet-portrait img")
    press(page, "#draw")
    image = element(page, "#sheet img", 120.0)
    until(lambda: page.execute_script("return arguments[0].naturalWidth", image) == 8 * 168, "it")  # type: ignore[no-untyped-call]


def test_a_portrait_lives_in_the_live_tab(page: WebDriver) -> None:
    turn_to(page, "Live")
    page.switch_to.frame(element(page, "#live iframe"))
    element(page, "#portrait").send_keys(str(ASTRONAUT))
    shown = "return Number(document.querySelector('#canvas').dataset.shown || 0)"
    until(lambda: page.execute_script(shown) > 10, "frames", 60.0)  # type: ignore[no-untyped-call]
    assert page.execute_script("return document.body.dataset.state") == "idle"  # type: ignore[no-untyped-call]
    page.switch_to.default_content()
    assert asked_hosts(page) == {"127.0.0.1"}
