"""What tests of several rooms share."""

from __future__ import annotations

import os

# Before anything starts a thread pool: tests run beside others on small machines, and one process
# of several needs no threads of its own: those of two would wait for each other most of the time.
# A process of several inherits what the first one set.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ["NUMBA_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"]

import logging
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from numpy.typing import NDArray
from scipy.signal import lfilter

import places
from made_once import made_once
from side_by_side import folder_or_file, slowest_first

if TYPE_CHECKING:
    from xdist.scheduler import LoadFileScheduling

    from joyvasa_lib import EncodedPortrait, JoyVASAPipeline

THREADS = int(os.environ["OMP_NUM_THREADS"])
torch.set_num_threads(THREADS)

# The same examples every time, and no deadline: a loaded machine is not a failure.
settings.register_profile("project", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("project")

SAMPLE_RATE = 16000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: slowest_first(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Processes that test side by side take whole files, and some folders, one after the other."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return folder_or_file(nodeid)

    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Every test starts alike, whichever ran before it."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    mend_loggers()


def mend_loggers() -> None:
    """Lets no logger keep a stream that a test put in the place of standard error and closed.

    A package that is first imported while a test captures what a command prints makes a handler of
    that test's stream, and all it says later would be "I/O operation on closed file".
    """
    for logger in [logging.root, *logging.root.manager.loggerDict.values()]:
        for handler in getattr(logger, "handlers", ()):
            # Not pytest's own handlers, which are of derived kinds.
            if type(handler) is logging.StreamHandler:
                vars(handler).pop("flush", None)  # transformers binds that of the stream
                handler.stream = sys.__stderr__


# First three formants in Hz of a man's /a i u e o/, rounded from Peterson and Barney (1952).
VOWELS = (
    (730, 1090, 2440),
    (270, 2290, 3010),
    (300, 870, 2240),
    (530, 1840, 2480),
    (570, 840, 2410),
)


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """NASA's portrait of Eileen Collins: [512, 512, 3] uint8 RGB, read-only."""
    from skimage.data import astronaut

    image = np.ascontiguousarray(astronaut())
    image.flags.writeable = False
    return image


@pytest.fixture(scope="session")
def pipe() -> JoyVASAPipeline:
    """The pipeline of the bundled checkpoint; tests do not change it."""
    from joyvasa_lib import JoyVASAPipeline

    return JoyVASAPipeline.from_pretrained()


@pytest.fixture(scope="session")
def encoded(pipe: JoyVASAPipeline) -> EncodedPortrait:
    """The astronaut, encoded by the bundled checkpoint."""
    return pipe.encode(places.DEMO / "astronaut.jpg")


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """0.4 s of the demonstration sentence, 10 frames: a WAV file."""
    from joyvasa_lib.media.audio import load_speech, write_wav

    waveform = load_speech(places.DEMO / "hello.flac").waveform[8000:14400]
    return write_wav(tmp_path_factory.mktemp("recordings") / "words.wav", waveform)


@pytest.fixture(scope="session")
def real_inputs() -> Path:
    """The folder of real portraits and recordings that JOYVASA_REAL_INPUTS names."""
    folder = os.environ.get("JOYVASA_REAL_INPUTS")
    if not folder:
        pytest.skip("JOYVASA_REAL_INPUTS names no folder of real portraits and recordings")
    path = Path(folder)
    if not (path / "portraits").is_dir():
        pytest.skip(f"JOYVASA_REAL_INPUTS is {folder}, which has no folder 'portraits'")
    return path


@pytest.fixture(scope="session")
def official_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LivePortrait's and JoyVASA's files as published, with pseudo-weights (1 GB); read-only."""
    from official_checkpoint import write_official

    return made_once(tmp_path_factory, "official", write_official)


@pytest.fixture(scope="session")
def speech_like() -> Callable[..., NDArray[np.float32]]:
    """``speech_like(seconds, seed=0)``: see :func:`make_speech_like`."""
    return make_speech_like


def make_speech_like(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Voiced syllables, four a second, with pauses: float32 [round(seconds * 16000)], peak 0.5.

    A glottal pulse train (falling, wavering pitch) through three formant resonators that change
    with each syllable; every sixth syllable is silence.
    """
    rng = np.random.default_rng(seed)
    n = round(seconds * SAMPLE_RATE)
    t = np.arange(n) / SAMPLE_RATE
    pitch = 120.0 - 10.0 * (t % 1.5) + 3.0 * np.sin(2 * np.pi * 5.0 * t)
    phase = np.cumsum(pitch) / SAMPLE_RATE
    source = np.diff(np.floor(phase), prepend=0.0) + 0.01 * rng.standard_normal(n)
    speech = np.zeros(n)
    step = SAMPLE_RATE // 4
    for index, start in enumerate(range(0, n, step)):
        if index % 6 == 5:
            continue
        syllable = source[start : start + step]
        for formant in VOWELS[rng.integers(len(VOWELS))]:
            syllable = _resonate(syllable, formant, bandwidth=90.0)
        envelope = np.sin(np.pi * (np.arange(len(syllable)) + 0.5) / step) ** 2
        speech[start : start + step] = syllable / (np.abs(syllable).max() + 1e-9) * envelope
    return (0.5 * speech / (np.abs(speech).max() + 1e-9)).astype(np.float32)


def _resonate(
    signal: NDArray[np.float64], frequency: float, bandwidth: float
) -> NDArray[np.float64]:
    radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
    angle = 2 * np.pi * frequency / SAMPLE_RATE
    return np.asarray(lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], signal))
