"""Makes the pictures of the pages on ``joyvasa app`` and ``joyvasa serve``, in a real browser.

python examples/make_app_screenshots.py [docs/images]

Needs the extras ``demo`` and ``dev``, chromium and chromium-driver.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

import joyvasa_lib

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from browser import chromium, element, press, until
from joyvasa_lib.integrations.app.start import start_app

DEMO = Path(joyvasa_lib.__file__).parent / "demo_assets"
PORTRAIT, SPEECH = DEMO / "astronaut.jpg", DEMO / "hello.flac"
WIDTH = 1240
QUALITY = 82
MOMENT = 1.9  # seconds of the video at which its picture is taken
TOO_LARGE = 300 * 1024  # bytes of a picture


def take(page: Any, path: Path, height: int) -> None:
    """Saves what is seen, as WebP."""
    page.execute_script(
        "window.scrollTo(0, 0); document.documentElement.style.scrollbarWidth = 'none'"
    )
    page.set_window_size(WIDTH, height)
    time.sleep(1.0)
    with Image.open(io.BytesIO(page.get_screenshot_as_png())) as image:
        image.convert("RGB").save(path, quality=QUALITY, method=6)
    print(f"{path}: {path.stat().st_size / 1024:.0f} kB")
    if path.stat().st_size > TOO_LARGE:
        raise SystemExit(f"{path} is too large for the documentation")


def turn_to(page: Any, name: str) -> None:
    """Opens a tab."""
    tabs = page.find_elements("css selector", "button[role=tab]")
    next(tab for tab in tabs if tab.text == name).click()


def give(page: Any, selector: str, file: Path) -> None:
    """Chooses a file."""
    element(page, selector).send_keys(str(file))


def talk(page: Any, output: Path) -> None:
    """A video that was made of a portrait, a recording and an emotion."""
    give(page, "#portrait input[type=file]", PORTRAIT)
    give(page, "#speech input[type=file]", SPEECH)
    element(page, "#portrait img")
    press(page, "#emotion input")
    options = until(lambda: page.find_elements("css selector", "[role=option]"), "emotions")
    next(option for option in options if option.text.endswith("happiness")).click()
    press(page, "#make")
    video = element(page, "#result video", 300.0)
    until(lambda: "made in" in element(page, "#notes").text, "the video")
    page.execute_script(f"arguments[0].pause(); arguments[0].currentTime = {MOMENT}", video)
    take(page, output, 1380)


def live(page: Any, output: Path) -> None:
    """A portrait that speaks live."""
    turn_to(page, "Live")
    frame = element(page, "#live iframe")
    page.switch_to.frame(frame)
    give(page, "#portrait", PORTRAIT)
    state = "return document.body.dataset.state"
    until(lambda: page.execute_script(state) == "idle", "an avatar", 120.0)
    give(page, "#recording", SPEECH)
    until(lambda: element(page, "#play").is_enabled(), "a recording")
    press(page, "#play")
    until(lambda: page.execute_script(state) == "speaking", "speech")
    time.sleep(2.5)
    page.switch_to.default_content()
    take(page, output, 920)


def emotions(page: Any, output: Path) -> None:
    """The contact sheet."""
    turn_to(page, "Emotions")
    give(page, "#sheet-portrait input[type=file]", PORTRAIT)
    element(page, "#sheet-portrait img")
    press(page, "#draw")
    element(page, "#sheet img", 300.0)
    take(page, output, 1000)


def main(folder: Path) -> None:
    with (
        tempfile.TemporaryDirectory() as profile,
        start_app(port=0) as app,
        chromium(Path(profile) / "profile", (WIDTH, 1000)) as page,
    ):
        page.get(app.url)
        element(page, "#make")
        talk(page, folder / "app-talk.webp")
        live(page, folder / "app-live.webp")
        emotions(page, folder / "app-emotions.webp")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images"))
