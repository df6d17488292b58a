"""Options that say which emotion a face shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from joyvasa_lib.errors import OptionError

if TYPE_CHECKING:
    from joyvasa_lib.emotion.editor import EmotionEditor


@dataclass(frozen=True)
class NamedEmotion:
    """Which emotion a face shows."""

    emotion: Annotated[
        str, typer.Option(help='Emotions with levels, such as "happiness:0.6,AU4:0.2".')
    ] = ""
    emotion_timeline: Annotated[
        Path | None, typer.Option(help="Emotions over time: a YAML or JSON file of keyframes.")
    ] = None
    au: Annotated[
        list[str] | None, typer.Option(help="One action unit, such as AU12=0.4; may be repeated.")
    ] = None
    emotion_strength: Annotated[float, typer.Option(help="Factor on the emotion, 0 to 2.")] = 1.0

    def editor(self, seed: int) -> EmotionEditor | None:
        """The editor that the options describe; None where they name no emotion.

        ``--emotion``, ``--au`` and the timeline add up.

        Args:
            seed: of the liveliness.

        Raises:
            OptionError: an unknown name, malformed text, or a value out of range.
            MediaError: there is no such timeline file.
        """
        return self._editor(seed)

    def _editor(
        self, seed: int, *, protect_speech: bool = True, liveliness: float = 0.0
    ) -> EmotionEditor | None:
        from joyvasa_lib.emotion.editor import EmotionEditor
        from joyvasa_lib.emotion.emotion import Emotion
        from joyvasa_lib.emotion.timeline import EmotionTimeline

        total = Emotion.parse(self.emotion) if self.emotion else Emotion.neutral()
        for unit in self.au or ():
            name, equals, level = unit.partition("=")
            if not equals:
                raise OptionError(
                    f"--au is a unit with its intensity, such as AU12=0.4; not {unit!r}"
                )
            try:
                total = total + Emotion.units({name.strip(): float(level)})
            except ValueError as error:
                raise OptionError(f"--au {unit}: {error}") from error
        timeline = self.emotion_timeline
        editor = EmotionEditor(
            total if timeline is None else EmotionTimeline.load(timeline) + total,
            self.emotion_strength,
            protect_speech=protect_speech,
            liveliness=liveliness,
            seed=seed,
        )
        return editor if self.emotion or self.au or timeline else None


@dataclass(frozen=True)
class EmotionChoice(NamedEmotion):
    """Which emotion a speaking face shows, and how."""

    protect_speech: Annotated[
        bool,
        typer.Option("--protect-speech/--free-mouth", help="Whether lips keep what speech needs."),
    ] = True
    liveliness: Annotated[
        float | None,
        typer.Option(
            help="0 holds the expression still; up to 1 it varies, with blinks. "
            "By default 0.5 in a video of speech, 0 elsewhere."
        ),
    ] = None

    def editor(self, seed: int, usual: float = 0.0) -> EmotionEditor | None:
        """As of :class:`NamedEmotion`, for a face that speaks.

        Args:
            seed: of the liveliness.
            usual: liveliness where none is asked for.

        Raises:
            OptionError: an unknown name, malformed text, or a value out of range.
            MediaError: there is no such timeline file.
        """
        lively = usual if self.liveliness is None else self.liveliness
        return self._editor(seed, protect_speech=self.protect_speech, liveliness=lively)
