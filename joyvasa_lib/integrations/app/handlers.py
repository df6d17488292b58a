"""What happens when something on the page is pressed: progress, messages, and stopping."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from joyvasa_lib.errors import Cancelled, JoyVASAError
from joyvasa_lib.integrations.app.choices import Choices
from joyvasa_lib.integrations.app.offline import gr
from joyvasa_lib.integrations.app.studio import Studio, Tell

PORTRAIT, SPEECH, SHEET_PORTRAIT, SHOWN = "portrait", "speech", "sheet_portrait", "shown"
"""Names of the controls that are no :class:`~joyvasa_lib.integrations.app.choices.Choices`."""


class Handlers:
    """Runs jobs for the page, each in the name of a browser's session."""

    def __init__(self, studio: Studio) -> None:
        """Takes what does the work."""
        self._studio = studio
        self._stops: dict[str, threading.Event] = {}

    def look(self, portrait: str | None) -> None:
        """Reads a portrait that was just chosen, so that what is wrong with it is known at once.

        Raises:
            gr.Error: it cannot be used.
        """
        if not portrait:
            return
        with told(portrait):
            warnings = self._studio.encode(portrait, Choices().size).warnings
        for warning in warnings:
            gr.Warning(html.escape(warning), title="About this portrait")

    def talk(
        self, values: Mapping[str, Any], request: gr.Request, progress: Any
    ) -> tuple[Any, str]:
        """Makes the video.

        Args:
            values: by the names of the controls.
            request: whose session it is.
            progress: gradio's progress bar.

        Returns:
            The video, and what there is to say about it.

        Raises:
            gr.Error: what was wrong, in a line.
        """
        choices = {k: v for k, v in values.items() if k not in (PORTRAIT, SPEECH)}
        portrait, speech = values[PORTRAIT], values[SPEECH]
        with self._job(request, progress) as tell, told(portrait, speech):
            made = self._studio.talk(portrait, speech, Choices.of(choices), tell)
            width, height = made.size
            line = (
                f"{made.duration:.1f} s, {made.frames} frames of {width} × {height}, made in "
                f"{made.spent:.0f} s"
            )
            return made.video, notes(line, made.warnings)
        return gr.skip(), notes("Stopped. Nothing was kept of it.")

    def sheet(
        self, values: Mapping[str, Any], request: gr.Request, progress: Any
    ) -> tuple[Any, str]:
        """Draws the contact sheet; see :meth:`talk`.

        Raises:
            gr.Error: what was wrong, in a line.
        """
        portrait = values[SHEET_PORTRAIT]
        with self._job(request, progress) as tell, told(portrait):
            made = self._studio.sheet(portrait, values[SHOWN], tell)
            return made.image, notes(f"{made.faces} faces", made.warnings)
        return gr.skip(), notes("Stopped. Nothing was kept of it.")

    def stop(self, request: gr.Request) -> None:
        """Stops the job of a session, if there is one; also when its page is closed."""
        if (stop := self._stops.get(str(request.session_hash))) is not None:
            stop.set()

    @contextmanager
    def _job(self, request: gr.Request, progress: Any) -> Iterator[Tell]:
        """Lets a job be stopped; what was stopped ends the block without an error."""
        session = str(request.session_hash)
        stop = self._stops[session] = threading.Event()

        def tell(what: str, done: int = 0, total: int = 0) -> None:
            if stop.is_set():
                raise Cancelled
            progress((done, total) if total else None, desc=what, unit="frames")

        try:
            yield tell
        except Cancelled:
            pass
        finally:
            if self._stops.get(session) is stop:
                del self._stops[session]


@contextmanager
def told(*files: str | None) -> Iterator[None]:
    """Turns an error of the library into a message on the page, with names instead of paths.

    Raises:
        gr.Error: the library raised an error in the block.
    """
    try:
        yield
    except JoyVASAError as error:
        text = " ".join(str(error).split())
        for file in filter(None, files):
            text = text.replace(str(file), Path(file).name)
        raise gr.Error(html.escape(text), duration=None, print_exception=False) from error


def notes(line: str, warnings: tuple[str, ...] = ()) -> str:
    """HTML of a line, and of warnings below it."""
    said = "".join(f'<p class="warning">{html.escape(warning)}</p>' for warning in warnings)
    return f'<p class="line">{html.escape(line)}</p>{said}'


def named(controls: Mapping[str, Any]) -> Callable[[Mapping[Any, Any]], dict[str, Any]]:
    """From values by gradio's component to values by the control's name."""
    return lambda values: {name: values[control] for name, control in controls.items()}
