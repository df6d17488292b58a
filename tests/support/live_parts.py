"""Parts of an avatar that are quick and known: a clock, motion that is its sound, plain images."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib import Emotion, Motion
from joyvasa_lib.emotion.editor import EmotionEditor, EmotionSource, make_editor
from joyvasa_lib.live.avatar import Avatar
from joyvasa_lib.live.engine import Engine
from joyvasa_lib.live.performer import Performer
from joyvasa_lib.live.stage import Stage
from joyvasa_lib.live.styles import StyleRamp
from joyvasa_lib.live.utterance import Utterance
from joyvasa_lib.motion.space import get_space

Floats = NDArray[np.float32]

SPACE = get_space()
JAW = SPACE.blendshape_index("jawOpen")
FPS = 25.0


class EchoMotion:
    """Motion whose jaw opens as far as the sound is loud; three frames behind it."""

    def __init__(self) -> None:
        self.sound: Floats = np.zeros(0, np.float32)
        self.finished = False
        self.done = 0
        self.dials: list[Floats | None] = []

    @property
    def total(self) -> int:
        return round(len(self.sound) / 640) if self.finished else len(self.sound) // 640

    @property
    def ready(self) -> bool:
        return self.total - self.done > (0 if self.finished else 3)

    def push(self, chunk: Floats) -> None:
        self.sound = np.concatenate([self.sound, chunk])

    def finish(self) -> None:
        self.finished = True
        self.sound = np.pad(self.sound, (0, 640))[: max(640 * self.total, len(self.sound))]

    def step(self, dials: Floats | None = None) -> Motion | None:
        if not self.ready:
            return None
        self.dials.append(dials)
        end = min(self.total if self.finished else self.total - 3, self.done + 25)
        pieces = [self.sound[640 * t : 640 * (t + 1)] for t in range(self.done, end)]
        self.done = end
        jaw = np.array([np.abs(piece).max(initial=0.0) for piece in pieces])
        activations = np.zeros((len(jaw), len(SPACE.blendshape_names)), np.float32)
        activations[:, JAW] = jaw
        return Motion.from_blendshapes(activations)


def jaw_of(motion: Motion) -> float:
    return float(motion.blendshapes[0, JAW])


def performer(fps: float = FPS, **options: float) -> Performer:
    return Performer(SPACE, fps, EmotionEditor(Emotion.neutral()), **options)  # type: ignore[arg-type]


def tone(seconds: float, rate: int = 16000, level: float = 0.5) -> Floats:
    """A loud tone, [round(seconds * rate)]."""
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * 200.0 * time)).astype(np.float32)


class Say:
    """Puts utterances on a stage, without threads."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def __call__(
        self, sound: Floats, *, rate: int = 16000, flush: bool = True, now: float = 0.0
    ) -> Utterance:
        utterance = self.stage.open
        if utterance is None:
            utterance = Utterance(EchoMotion(), rate, self.stage.fps, now)
            self.stage.utterances.append(utterance)
        utterance.push(sound)
        self.stage.pushed()
        utterance.flushed = flush
        self.move(utterance)
        return utterance

    def move(self, utterance: Utterance) -> None:
        """Makes all motion that can be made."""
        while (work := utterance.pending()) is not None:
            utterance.add(*utterance.work(work, None))


@dataclass
class Clock:
    """Time that passes when it is told to."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def jaw_image(motion: Motion) -> NDArray[np.uint8]:
    """An image whose grey level says how far the jaw is open."""
    level = round(255 * min(max(jaw_of(motion), 0.0), 1.0))
    return np.full((4, 4, 3), level, np.uint8)


def make_avatar(
    render: Callable[[Motion], NDArray[np.uint8]] = jaw_image,
    clock: Callable[[], float] | None = None,
    begin: Callable[[int], EchoMotion] = lambda _: EchoMotion(),
    fps: float = FPS,
) -> Avatar:
    """An avatar of quick parts, with real threads."""
    engine = Engine(
        begin, render, performer(fps), fps, StyleRamp(), **({"clock": clock} if clock else {})
    )

    def editor(source: EmotionSource) -> EmotionEditor:
        return make_editor(source)

    return Avatar(engine, size=(4, 4), fps=fps, editor=editor, styles=lambda _: None)


def live_threads() -> list[threading.Thread]:
    """Threads of avatars."""
    return [one for one in threading.enumerate() if one.name.startswith("joyvasa-live")]
