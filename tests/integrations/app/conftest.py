"""A browser, and what it is pointed at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

import browser as real
import places
from joyvasa_lib.media.audio import load_speech, write_wav

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """Chromium without a window, whose microphone hears the demonstration sentence.

    A test that cannot have one is skipped.
    """
    if reason := real.missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("browser")
    heard = write_wav(folder / "heard.wav", load_speech(places.DEMO / "hello.flac").waveform)
    with real.chromium(folder / "profile", microphone=heard) as driver:
        yield driver
