"""A real browser without a window: Chromium, driven by selenium."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

T = TypeVar("T")

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--lang=en",
)


def missing() -> str:
    """Why there is no browser here; empty if there is one."""
    try:
        import selenium  # noqa: F401
    except ImportError as error:
        return f"selenium is not installed ({error})"
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            return f"{program} is not installed (Debian: apt-get install chromium chromium-driver)"
    return ""


@contextmanager
def chromium(
    profile: Path, size: tuple[int, int] = (1280, 1000), microphone: Path | None = None
) -> Iterator[WebDriver]:
    """A browser that knows nothing yet.

    Args:
        profile: an empty folder for what it keeps.
        size: width and height of its window in pixels.
        microphone: WAV file that its microphone hears, again and again; beeps if None.
    """
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"):
        options.add_argument(flag)
    if microphone is not None:
        options.add_argument(f"--use-file-for-fake-audio-capture={microphone}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
    try:
        yield driver
    finally:
        driver.quit()


def until(found: Callable[[], T], what: str, seconds: float = 30.0) -> T:
    """What is found, as soon as it is.

    Raises:
        AssertionError: it was not within this time.
    """
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, f"{what}: not within {seconds:g} seconds"
        time.sleep(0.05)
    return value


def element(driver: WebDriver, selector: str, seconds: float = 30.0) -> Any:
    """The first element of a CSS selector, as soon as there is one."""
    return until(lambda: driver.find_elements("css selector", selector), selector, seconds)[0]


def press(driver: WebDriver, selector: str, seconds: float = 30.0) -> None:
    """Clicks on the first element of a CSS selector, once nothing lies over it any longer."""
    from selenium.common.exceptions import (
        ElementClickInterceptedException,
        ElementNotInteractableException,
        StaleElementReferenceException,
    )

    def pressed() -> bool:
        try:
            element(driver, selector, seconds).click()
        except (
            ElementClickInterceptedException,
            ElementNotInteractableException,
            StaleElementReferenceException,
        ):
            return False
        return True

    until(pressed, f"a press on {selector}", seconds)


def asked_hosts(driver: WebDriver) -> set[str]:
    """Hosts that pages sent requests to since this was called last."""
    hosts = set()
    for entry in driver.get_log("performance"):  # type: ignore[no-untyped-call]
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            address = urlsplit(message["params"]["request"]["url"])
        elif message["method"] == "Network.webSocketCreated":
            address = urlsplit(message["params"]["url"])
        else:
            continue
        if address.scheme in ("http", "https", "ws", "wss"):
            hosts.add(str(address.hostname))
    return hosts


def complaints(driver: WebDriver) -> list[str]:
    """What the browser's console says is wrong."""
    entries = driver.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]
