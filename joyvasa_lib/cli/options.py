"""Options that several commands share, each declared once, in groups, with what they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from joyvasa_lib.checks import checked_choice
from joyvasa_lib.errors import MediaError, NoFaceError, OptionError

if TYPE_CHECKING:
    from joyvasa_lib.compat.choice import Compat
    from joyvasa_lib.emotion.editor import EmotionEditor
    from joyvasa_lib.face.landmarks.detector import FaceDetector
    from joyvasa_lib.pipeline import EncodedPortrait, JoyVASAPipeline
    from joyvasa_lib.speech.options import GenerationKwargs
    from joyvasa_lib.speech.style import StyleLike

Portrait = Annotated[Path, typer.Argument(help="Image with a face.")]
Recording = Annotated[Path, typer.Argument(help="Speech: any audio or video file.")]


@dataclass(frozen=True)
class ModelOptions:
    """Which checkpoint a command works with, and where."""

    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or mps; the best there is by default.")
    ] = None
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="Checkpoint: a folder, a Hugging Face repository, or the folder of LivePortrait's "
            "and JoyVASA's published files; the bundled one by default."
        ),
    ] = None
    subject: Annotated[
        str | None, typer.Option(help="human or animal, with the published files.")
    ] = None
    compat: Annotated[
        str | None,
        typer.Option(
            help="joyvasa: the numbers of JoyVASA's published code, with the published files; to "
            "compare, not for good motion."
        ),
    ] = None

    def check(self) -> None:
        """Refuses unknown names, before anything is loaded.

        Raises:
            OptionError: a name is not known.
        """
        checked_choice("--subject", self.subject, (None, "human", "animal"))
        checked_choice("--compat", self.compat, (None, "joyvasa"))

    def load(self, *, with_speech: bool = True) -> JoyVASAPipeline:
        """The pipeline.

        Args:
            with_speech: whether stage two is needed.

        Raises:
            CheckpointError: the checkpoint cannot be used.
            OptionError: a name is not known, the checkpoint is for the other subject, or it has
                none of the published code's rules.
        """
        from joyvasa_lib.checkpoints.folder import looks_official
        from joyvasa_lib.pipeline import JoyVASAPipeline

        self.check()
        compat: Compat | None = "joyvasa" if self.compat else None
        if self.checkpoint is not None and looks_official(Path(self.checkpoint)):
            pipe = JoyVASAPipeline.from_official(
                self.checkpoint,
                self.subject or "human",
                device=self.device,
                with_speech=with_speech,
                compat=compat,
            )
        else:
            pipe = JoyVASAPipeline.from_pretrained(
                self.checkpoint, device=self.device, compat=compat
            )
        if self.subject not in (None, pipe.subject):
            raise OptionError(
                f"--subject {self.subject} needs LivePortrait's files for it as --checkpoint; this "
                f"one is for subject {pipe.subject!r}"
            )
        return pipe


@dataclass(frozen=True)
class FaceOptions:
    """Which face of the image, and where it is if the detector does not find it."""

    face: Annotated[str, typer.Option(help="largest, or the rank by size from 0.")] = "largest"
    box: Annotated[str, typer.Option(help="Face by hand: left,top,right,bottom pixels.")] = ""
    landmarks: Annotated[
        Path | None,
        typer.Option(help="Face by hand: JSON list of 5, 9, 68, 468 or 478 points x, y."),
    ] = None
    square: Annotated[
        bool, typer.Option("--square", help="The image is a square crop of the face already.")
    ] = False

    strict: Annotated[
        bool, typer.Option("--strict", help="Stop where the face cannot be read reliably.")
    ] = False

    def encode(
        self, pipe: JoyVASAPipeline, image: Path, max_size: int | None = 4096
    ) -> EncodedPortrait:
        """The portrait.

        LivePortrait's animals are cropped by the points as given.

        Args:
            pipe: what encodes it.
            image: the file.
            max_size: pixels of the longer side that the image is scaled down to; None for any.

        Raises:
            JoyVASAError: as :meth:`detector`, or there is no such face.
            NoFaceError: the face cannot be read reliably, and ``strict`` asks for that.
        """
        detector = self.detector("given" if pipe.subject == "animal" else "mesh")
        encoded = pipe.encode(image, face=self.face, detector=detector, max_size=max_size)
        if self.strict and encoded.warnings:
            raise NoFaceError(" ".join(encoded.warnings))
        return encoded

    def detector(self, result: str = "mesh") -> FaceDetector | None:
        """The detector of a face given by hand; None where none is given.

        Args:
            result: of landmarks, a ``"mesh"`` laid through them, or as ``"given"``.

        Raises:
            OptionError: more than one is given, or the box is not four numbers.
            MediaError: the landmarks cannot be read.
            NoFaceError: the numbers are no face.
        """
        given = [bool(self.box), self.landmarks is not None, self.square]
        if not any(given):
            return None
        if sum(given) > 1:
            raise OptionError("Give only one of --box, --landmarks and --square")
        from joyvasa_lib.face.landmarks.manual import ManualFaceDetector

        if self.box:
            try:
                numbers = [float(part) for part in self.box.split(",")]
            except ValueError as error:
                raise OptionError(
                    "--box is left,top,right,bottom in pixels, such as 100,80,300,320; not "
                    f"{self.box!r}"
                ) from error
            return ManualFaceDetector(box=numbers)
        if self.landmarks is None:
            return ManualFaceDetector(whole_image=True)
        from joyvasa_lib.documents import read_json

        try:
            points = read_json(self.landmarks)
            return ManualFaceDetector(landmarks=points, result=result)
        except (OSError, UnicodeDecodeError, ValueError, TypeError) as error:
            raise MediaError(
                f"Cannot read landmarks from {self.landmarks} ({error}); it must hold a JSON list "
                "of 5, 9, 68, 468 or 478 [x, y] points"
            ) from error


@dataclass(frozen=True)
class GenerationChoice:
    """How motion is generated."""

    seed: Annotated[int, typer.Option(help="The same seed gives the same motion.")] = 0
    guidance_scale: Annotated[
        float, typer.Option(help="How strongly speech drives the motion, 0 to 20.")
    ] = 2.0
    steps: Annotated[
        int | None, typer.Option(help="Denoising steps; 10, or all of training with --compat.")
    ] = None
    scheduler: Annotated[
        str | None, typer.Option(help="ddim, ddpm or dpmsolver++; ddim, or ddpm with --compat.")
    ] = None
    head_motion: Annotated[
        str,
        typer.Option(
            help="Factor on head motion; 0 keeps the head still. Or three, of pitch, yaw and roll, "
            "such as 1,0.5,1."
        ),
    ] = "1"
    head_limit: Annotated[
        str,
        typer.Option(help="Degrees that the head stays within: one number, or pitch,yaw,roll."),
    ] = ""
    head_pose: Annotated[
        str, typer.Option(help="Where the head is at rest: pitch,yaw,roll in degrees.")
    ] = "0,0,0"
    head_from: Annotated[
        Path | None,
        typer.Option(help="Take the head from this video, .safetensors motion or .pkl template."),
    ] = None
    style: Annotated[
        str,
        typer.Option(
            help='calm, neutral, lively or presenter, or dials such as "head=0.5,smile=1.5".'
        ),
    ] = ""

    def keywords(self, pipe: JoyVASAPipeline, compat: str | None) -> GenerationKwargs:
        """Keyword arguments of ``pipe.perform``: few steps, or the published code's.

        Raises:
            OptionError: what must be numbers is not.
            MediaError: there is no such file to take the head from.
        """
        from joyvasa_lib.media.files import check_readable

        steps, scheduler = 10, "ddim"
        if compat is not None:
            steps, scheduler = len(pipe.motion_generator.betas), "ddpm"
        if self.head_from is not None:
            check_readable(self.head_from, "driving")
        return {
            "seed": self.seed,
            "guidance_scale": self.guidance_scale,
            "head_motion": _axes("--head-motion", self.head_motion),
            "head_limit": _axes("--head-limit", self.head_limit) if self.head_limit else None,
            "head_pose": _pose(self.head_pose),
            "head_from": self.head_from,
            "num_inference_steps": steps if self.steps is None else self.steps,
            "scheduler": self.scheduler or scheduler,
            "style": _style(self.style),
        }


@dataclass(frozen=True)
class EmotionChoice:
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
    protect_speech: Annotated[
        bool,
        typer.Option("--protect-speech/--free-mouth", help="Whether lips keep what speech needs."),
    ] = True
    liveliness: Annotated[
        float,
        typer.Option(help="0 holds the expression still; up to 1 it varies, with blinks."),
    ] = 0.0

    def editor(self, seed: int) -> EmotionEditor | None:
        """The editor that the options describe; None where they name no emotion.

        ``--emotion``, ``--au`` and the timeline add up.

        Args:
            seed: of the liveliness.

        Raises:
            OptionError: an unknown name, malformed text, or a value out of range.
            MediaError: there is no such timeline file.
        """
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
            protect_speech=self.protect_speech,
            liveliness=self.liveliness,
            seed=seed,
        )
        return editor if self.emotion or self.au or timeline else None


def _axes(option: str, said: str) -> float | tuple[float, ...]:
    """One number, or as many as are given for pitch, yaw and roll."""
    try:
        numbers = tuple(float(part) for part in said.split(","))
    except ValueError as error:
        raise OptionError(
            f"{option} is one number, or pitch,yaw,roll such as 1,0.5,1; not {said!r}"
        ) from error
    return numbers if len(numbers) > 1 else numbers[0]


def _pose(said: str) -> tuple[float, ...]:
    """Pitch, yaw and roll in degrees."""
    numbers = _axes("--head-pose", said)
    return numbers if isinstance(numbers, tuple) else (numbers,)


def _style(said: str) -> StyleLike | None:
    """A style by its name, or by dials with their values."""
    if "=" not in said:
        return cast("StyleLike", said) if said else None
    dials = {}
    for part in said.split(","):
        name, _, value = part.partition("=")
        try:
            dials[name.strip()] = float(value)
        except ValueError as error:
            raise OptionError(
                f'--style is a name, or dials such as "head=0.5,smile=1.5"; not {said!r}'
            ) from error
    return dials
