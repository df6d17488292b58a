"""``JobOptions``: how a video is made; form fields named as options of ``joyvasa animate``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from joyvasa_lib.checks import checked_int
from joyvasa_lib.emotion.editor import SPEAKING_LIVELINESS, EmotionEditor
from joyvasa_lib.emotion.emotion import Emotion
from joyvasa_lib.integrations.server.limits import Limits
from joyvasa_lib.media.audio import Speech
from joyvasa_lib.portrait.encoded import EncodedPortrait
from joyvasa_lib.speech.notation import read_axes, read_pose, read_style

if TYPE_CHECKING:
    from joyvasa_lib.pipeline import JoyVASAPipeline
    from joyvasa_lib.speech.options import GenerationKwargs

_Factor = Annotated[float, Field(ge=0.0, le=5.0)]


class JobOptions(BaseModel):
    """How a video is made."""

    model_config = ConfigDict(extra="forbid")

    seed: int = Field(0, ge=0, lt=2**63, description="The same seed gives the same motion.")
    emotion: str = Field(
        "", max_length=500, description='Emotions with levels: "happiness:0.6,AU4:0.2".'
    )
    emotion_strength: float = Field(1.0, ge=0.0, le=2.0, description="Factor on the emotion.")
    protect_speech: bool = Field(True, description="Whether lips keep what speech needs.")
    liveliness: float = Field(
        SPEAKING_LIVELINESS, ge=0.0, le=1.0, description="How much the expression varies."
    )
    style: str = Field(
        "", max_length=200, description="calm, neutral, lively, presenter, or dials: head=0.5."
    )
    head_motion: str = Field(
        "1", max_length=100, description="Factor on head motion, or three: pitch,yaw,roll."
    )
    head_limit: str = Field("", max_length=100, description="Degrees that the head stays within.")
    head_pose: str = Field("0,0,0", max_length=100, description="The head at rest, in degrees.")
    guidance_scale: float | None = Field(
        None, ge=0.0, le=20.0, description="How strongly speech drives; null: the checkpoint's own."
    )
    steps: int = Field(10, ge=1, description="Denoising steps.")
    fps: float = Field(25.0, ge=1.0, le=60.0, description="Frames a second.")
    size: int | None = Field(
        None, ge=64, description="Pixels of a frame's longer side; the server's most by default."
    )
    full: bool = Field(True, description="The whole image, or the square around the face.")
    blink: _Factor = Field(1.0, description="Factor on blinks.")
    mouth: _Factor = Field(1.0, description="Factor on mouth movement.")
    brows: _Factor = Field(1.0, description="Factor on brow movement.")

    def largest(self, limits: Limits) -> int:
        """Pixels of a frame's longer side.

        Raises:
            OptionError: the server makes none that large.
        """
        return (
            limits.size if self.size is None else checked_int("size", self.size, most=limits.size)
        )

    def generation(self, pipe: JoyVASAPipeline, limits: Limits) -> GenerationKwargs:
        """Keyword arguments of ``pipe.perform``, checked.

        Raises:
            OptionError: a value is not allowed.
        """
        keywords: GenerationKwargs = {
            "seed": self.seed,
            "guidance_scale": self.guidance_scale,
            "num_inference_steps": checked_int("steps", self.steps, most=limits.steps),
            "head_motion": read_axes(self.head_motion, "head_motion"),
            "head_limit": read_axes(self.head_limit, "head_limit") if self.head_limit else None,
            "head_pose": read_pose(self.head_pose, "head_pose"),
            "style": read_style(self.style),
        }
        pipe.motion_generator.check(**keywords)
        return keywords

    def editor(self) -> EmotionEditor | None:
        """The editor of the emotion; None for none.

        Raises:
            OptionError: an unknown name, or a level out of range.
        """
        if not self.emotion:
            return None
        return EmotionEditor(
            Emotion.parse(self.emotion),
            self.emotion_strength,
            protect_speech=self.protect_speech,
            liveliness=self.liveliness,
            seed=self.seed,
        )


Report = Callable[[int, int], None]
"""Takes the frames done and those in all; raises ``Cancelled`` to stop the work."""


def animate(
    pipe: JoyVASAPipeline,
    encoded: EncodedPortrait,
    speech: Speech,
    options: JobOptions,
    limits: Limits,
    output: Path,
    report: Report,
) -> None:
    """Makes a video.

    Args:
        pipe: what makes it.
        encoded: who speaks.
        speech: what is said.
        options: how.
        limits: of the server.
        output: the file, .mp4.
        report: called after every window of motion and after every frame.

    Raises:
        OptionError: an option's value is not allowed.
        OutputError: the file cannot be written.
    """
    total = max(1, round(speech.duration * options.fps))
    done = 0

    def moved(_: int) -> None:
        report(done, total)

    def drawn(frames: int) -> None:
        nonlocal done
        done = frames
        report(done, total)

    generation: dict[str, Any] = {**options.generation(pipe, limits)}
    performance = pipe.perform(speech, fps=options.fps, progress=moved, **generation)
    performance = performance.with_gains(
        blink=options.blink, mouth=options.mouth, brows=options.brows
    )
    editor = options.editor()
    if editor is not None:
        performance = performance.edit(pipe.editor(editor, encoded))
    most = options.largest(limits)
    animation = pipe.render(encoded, performance, speech, paste_back=options.full, max_size=most)
    total = animation.n_frames
    report(0, total)
    animation.save(output, progress=drawn)
