"""Puts an avatar together from the parts of a pipeline, and warms them up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checks import checked_float, checked_int
from joyvasa_lib.emotion.editor import EmotionEditor, EmotionSource
from joyvasa_lib.emotion.emotion import Emotion
from joyvasa_lib.errors import OptionError
from joyvasa_lib.live.avatar import Avatar
from joyvasa_lib.live.engine import Engine
from joyvasa_lib.live.performer import Performer, without_eyes
from joyvasa_lib.live.styles import StyleRamp
from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.motion.living.idle import LIVELIEST
from joyvasa_lib.portrait.encoded import EncodedPortrait, frame_renderer
from joyvasa_lib.portrait.model import PortraitModel
from joyvasa_lib.speech.low_delay import LowDelayStream
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.speech.options import GenerationOptions
from joyvasa_lib.speech.style import StyleLike

FEWEST_FPS, MOST_FPS = 5.0, 60.0
STEPS = 6
"""Denoising steps where a call does not say: lips agree with those of ten as well as with less."""
_WARM_UP = 0.6
"""Seconds of silence that are spoken before the first word, so that it finds all in memory."""


class Spoken:
    """The motion of one utterance, whose eyes are left to the performer."""

    def __init__(self, stream: LowDelayStream) -> None:
        """Takes over a stream that has just begun."""
        self._stream = stream

    @property
    def ready(self) -> bool:
        """Whether a step would give frames."""
        return self._stream.ready

    def push(self, chunk: NDArray[np.float32]) -> None:
        """Takes samples [n] at 16 kHz."""
        self._stream.push(chunk)

    def finish(self) -> None:
        """Ends the sound."""
        self._stream.finish()

    def step(self, dials: NDArray[np.float32] | None = None) -> Motion | None:
        """The next frames."""
        motion = self._stream.step(dials)
        return None if motion is None else without_eyes(motion)


def start_live(
    model: PortraitModel,
    encoded: EncodedPortrait,
    generator: MotionGenerator,
    editor: Callable[[EmotionSource], EmotionEditor],
    options: GenerationOptions,
    *,
    fps: float,
    size: int | None,
    paste_back: bool,
    driving: DrivingOptions | None,
    emotion: EmotionSource | None,
    liveliness: float,
) -> Avatar:
    """An avatar that is ready to speak.

    Args:
        model: stage one.
        encoded: the portrait.
        generator: stage two.
        editor: makes the editor of an emotion for this portrait.
        options: how motion is drawn.
        fps: frames a second.
        size: pixels of a frame's longer side at most; None for any.
        paste_back: whether frames are the whole image or the square around the face.
        driving: how motion is combined with what the portrait shows.
        emotion: how the person feels; None for nothing.
        liveliness: factor on what the person does unasked.

    Raises:
        OptionError: a value out of range, or the checkpoint's poses are as extracted from images.
        MotionError: the emotion cannot be expressed in the motion space.
    """
    rate = checked_float("fps", fps, least=FEWEST_FPS, most=MOST_FPS)
    amount = checked_float("liveliness", liveliness, least=0.0, most=LIVELIEST)
    if generator.normalizer.reference != "source":
        raise OptionError(
            "A live avatar needs a checkpoint whose head poses are relative to the portrait, as "
            "the bundled one's; this one's are as extracted from images"
        )
    model.check_space(generator.space)
    model.check_driving(driving or DrivingOptions())
    first = editor(Emotion.neutral() if emotion is None else emotion)
    style = StyleRamp(options.style)
    drawn = replace(options, blinks="model", gaze="model", style=None)

    def begin(number: int) -> Spoken:
        return Spoken(generator.answer(replace(drawn, seed=options.seed + number)))

    def check_style(wanted: StyleLike | None) -> None:
        generator.check(options, style=wanted)

    performer = Performer(generator.space, rate, first, seed=options.seed, liveliness=amount)
    _warm_up(begin(0))
    render = frame_renderer(model, encoded, paste_back=paste_back, driving=driving, max_size=size)
    engine = Engine(begin, render, performer, rate, style)
    avatar = Avatar(
        engine,
        size=encoded.frame_size(paste_back, size),
        fps=rate,
        editor=editor,
        styles=check_style,
        warnings=encoded.warnings,
    )
    try:
        engine.wait_until_ready()
    except BaseException:
        avatar.close()
        raise
    return avatar


def checked_size(size: int | None) -> int | None:
    """Pixels of a frame's longer side at most.

    Raises:
        OptionError: neither None nor a whole number from 64 to 4096.
    """
    return None if size is None else checked_int("size", size, least=64, most=4096)


def _warm_up(stream: Spoken) -> None:
    stream.push(np.zeros(round(_WARM_UP * SAMPLE_RATE), np.float32))
    stream.step()
