"""Options that say what a command works with: the portrait, its face, the recording, the model."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from joyvasa_lib.checks import checked_choice
from joyvasa_lib.errors import MediaError, NoFaceError, OptionError

if TYPE_CHECKING:
    from joyvasa_lib.compat.choice import Compat
    from joyvasa_lib.face.landmarks.detector import FaceDetector
    from joyvasa_lib.pipeline import EncodedPortrait, JoyVASAPipeline

Portrait = Annotated[Path, typer.Argument(help="Image with a face.")]
Recording = Annotated[Path, typer.Argument(help="Speech: any audio or video file.")]
Wrinkles = Annotated[
    float | None,
    typer.Option(help="Depth of the folds that skin shows as it moves: 0 none, 1 usual, to 2."),
]


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

    def load(self, *, with_speech: bool = True, wrinkles: float | None = None) -> JoyVASAPipeline:
        """The pipeline.

        Args:
            with_speech: whether stage two is needed.
            wrinkles: depth of the skin's folds; that of the checkpoint's own rules if None.

        Raises:
            CheckpointError: the checkpoint cannot be used.
            OptionError: a name is not known, the checkpoint is for the other subject, or it has
                none of the published code's rules; or the depth is out of range.
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
        if wrinkles is not None:
            pipe = copy(pipe)
            pipe.driving = replace(pipe.driving, wrinkles=wrinkles)
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
        self,
        pipe: JoyVASAPipeline,
        image: Path,
        max_size: int | None = 4096,
        crop_size: int | None = None,
    ) -> EncodedPortrait:
        """The portrait.

        LivePortrait's animals are cropped by the points as given.

        Args:
            pipe: what encodes it.
            image: the file.
            max_size: pixels of the longer side that the image is scaled down to; None for any.
            crop_size: pixels of the side of the square around the face at most; None for any.

        Raises:
            JoyVASAError: as :meth:`detector`, or there is no such face.
            NoFaceError: the face cannot be read reliably, and ``strict`` asks for that.
        """
        detector = self.detector("given" if pipe.subject == "animal" else "mesh")
        encoded = pipe.encode(
            image, face=self.face, detector=detector, max_size=max_size, crop_size=crop_size
        )
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
