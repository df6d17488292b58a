"""``Studio``: from a portrait, a recording and choices to files, without a browser."""

from __future__ import annotations

import os
import shutil
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from joyvasa_lib.concurrency import Lock
from joyvasa_lib.emotion.prototypes import BASIC, COMPOUND
from joyvasa_lib.errors import Cancelled, OptionError
from joyvasa_lib.evaluation.contact_sheet import Cell, contact_sheet, emotion_cells, unit_cells
from joyvasa_lib.integrations.app.choices import Choices
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.media.image import LARGEST_KEPT, save_image
from joyvasa_lib.pipeline import EncodedPortrait, JoyVASAPipeline

SHEETS: dict[str, Callable[[], list[Cell]]] = {
    "basic emotions": lambda: emotion_cells(BASIC),
    "compound emotions": lambda: emotion_cells(COMPOUND),
    "action units": unit_cells,
}
"""What a contact sheet can show, and its cells."""
_KEPT = 4
"""Portraits that stay encoded."""


class Tell(Protocol):
    """Is told what is being done, and how far it is; may raise to stop it."""

    def __call__(self, what: str, done: int = 0, total: int = 0) -> None:
        """Takes the stage, and its steps that are done and that there are; 0 if not known."""


@dataclass(frozen=True)
class Talk:
    """A talking video.

    Attributes:
        video: the file, an .mp4.
        frames: how many it has.
        duration: seconds.
        size: width and height in pixels.
        spent: seconds that it took.
        warnings: what makes a good result doubtful, one sentence each.
    """

    video: Path
    frames: int
    duration: float
    size: tuple[int, int]
    spent: float
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """A contact sheet.

    Attributes:
        image: the file, a .png.
        faces: how many it shows.
        warnings: see :class:`Talk`.
    """

    image: Path
    faces: int
    warnings: tuple[str, ...]


class Studio:
    """Does the work of the page. One job at a time is quickest; any thread may ask."""

    def __init__(self, pipe: JoyVASAPipeline, folder: str | os.PathLike[str]) -> None:
        """Takes what does the work.

        Args:
            pipe: the pipeline.
            folder: where results go, each in a folder of its own; the caller removes them.
        """
        self.pipe = pipe
        self.folder = Path(folder)
        self._encoded: OrderedDict[tuple[str, int, int, int], EncodedPortrait] = OrderedDict()
        self._lock = Lock()
        self._closed = threading.Event()

    def encode(self, portrait: str | os.PathLike[str], size: int = LARGEST_KEPT) -> EncodedPortrait:
        """The portrait of an image file; those asked for last are kept.

        Args:
            portrait: image file.
            size: pixels of the longer side that the image is scaled down to.

        Raises:
            OptionError: nothing was chosen.
            MediaError: the image cannot be read, or is larger than the budgets allow.
            NoFaceError: there is no face.
        """
        if not portrait:
            raise OptionError("Choose a portrait first: an image with a face")
        path = Path(portrait)
        state = path.stat() if path.exists() else None
        key = (str(path), size, state.st_size if state else 0, state.st_mtime_ns if state else 0)
        with self._lock:
            if key in self._encoded:
                self._encoded.move_to_end(key)
                return self._encoded[key]
        encoded = self.pipe.encode(path, max_size=size)
        with self._lock:
            self._encoded[key] = encoded
            while len(self._encoded) > _KEPT:
                self._encoded.popitem(last=False)
        return encoded

    def talk(
        self,
        portrait: str | os.PathLike[str],
        speech: str | os.PathLike[str],
        choices: Choices,
        tell: Tell | None = None,
    ) -> Talk:
        """Makes a portrait say a recording.

        Args:
            portrait: image file.
            speech: recording, any audio or video file.
            choices: how.
            tell: is told how far it is.

        Raises:
            OptionError: nothing was chosen, or a value is out of range.
            MediaError: a file cannot be read, or is larger than the budgets allow.
            NoFaceError: there is no face.
            OutputError: the video cannot be written.
        """
        started = time.perf_counter()
        tell = self._telling(tell)
        if not portrait:
            raise OptionError("Choose a portrait first: an image with a face")
        if not speech:
            raise OptionError("Choose a recording first, or speak into the microphone")
        editor, generation = choices.editor(), choices.generation()
        tell("Listening to the recording")
        recording = load_speech(speech)
        tell("Reading the portrait")
        encoded = self.encode(portrait, choices.size if choices.whole else LARGEST_KEPT)
        performance = self.pipe.perform(recording, fps=choices.fps, **generation).with_gains(
            blink=choices.blink, mouth=choices.mouth, brows=choices.brows
        )
        if editor is not None:
            performance = performance.edit(self.pipe.editor(editor, encoded))
        animation = self.pipe.render(
            encoded, performance, recording, paste_back=choices.whole, max_size=choices.size
        )
        total = animation.n_frames
        tell("Drawing", 0, total)
        with self._place("talking.mp4") as video:
            animation.save(video, progress=lambda done: tell("Drawing", done, total))
        return Talk(
            video,
            total,
            animation.duration,
            animation.size,
            time.perf_counter() - started,
            animation.warnings,
        )

    def sheet(
        self, portrait: str | os.PathLike[str], shown: list[str], tell: Tell | None = None
    ) -> Sheet:
        """Draws a portrait with many emotions, each labelled.

        Args:
            portrait: image file.
            shown: names of :data:`SHEETS`; each begins a new row.
            tell: is told how far it is.

        Raises:
            OptionError: nothing was chosen.
            MediaError: the image cannot be read, or is larger than the budgets allow.
            NoFaceError: there is no face.
            OutputError: the sheet cannot be written.
        """
        tell = self._telling(tell)
        if not shown or not set(shown) <= set(SHEETS):
            raise OptionError(f"Choose what to draw: {', '.join(SHEETS)}")
        tell("Reading the portrait")
        encoded = self.encode(portrait)
        first: list[Cell] = []  # so that the portrait has a row of its own
        groups = [first, *(cells() for name, cells in SHEETS.items() if name in shown)]
        total = 1 + sum(map(len, groups))
        image = contact_sheet(
            self.pipe, encoded, groups, progress=lambda done: tell("Drawing", done, total)
        )
        with self._place("emotions.png") as path:
            save_image(path, image)
        return Sheet(path, total, encoded.warnings)

    @contextmanager
    def _place(self, name: str) -> Iterator[Path]:
        """A path for a result, in a new folder, which goes if there is no result."""
        folder = self.folder / uuid.uuid4().hex
        folder.mkdir(parents=True)
        try:
            yield folder / name
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def close(self) -> None:
        """Ends what is being done, within a frame; what asked for it gets ``Cancelled``."""
        self._closed.set()

    def _telling(self, tell: Tell | None) -> Tell:
        def telling(what: str, done: int = 0, total: int = 0) -> None:
            if self._closed.is_set():
                raise Cancelled
            if tell is not None:
                tell(what, done, total)

        return telling
