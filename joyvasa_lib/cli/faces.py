"""Options that say where the face is, where the detector does not find it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from joyvasa_lib.errors import MediaError, OptionError

if TYPE_CHECKING:
    from joyvasa_lib.face.landmarks.detector import FaceDetector
    from joyvasa_lib.pipeline import JoyVASAPipeline

FaceRank = Annotated[str, typer.Option(help="largest, or rank by size from 0.")]
Box = Annotated[str, typer.Option(help="Face by hand: left,top,right,bottom pixels.")]
Landmarks = Annotated[
    Path | None, typer.Option(help="Face by hand: JSON list of 5, 9, 68 or 468 [x, y] points.")
]
Square = Annotated[
    bool, typer.Option("--square", help="The image is a square crop of the face already.")
]


def given_face(
    box: str, landmarks: Path | None, square: bool, *, result: str = "mesh"
) -> FaceDetector | None:
    """The detector of a face given by hand; None where none is given.

    Args:
        box: left, top, right, bottom.
        landmarks: file of points.
        square: whether the image is a crop already.
        result: of landmarks, a ``"mesh"`` laid through them, or as ``"given"``.

    Raises:
        OptionError: more than one is given, or the box is not four numbers.
        MediaError: the landmarks cannot be read.
        NoFaceError: the numbers are no face.
    """
    given = [bool(box), landmarks is not None, square]
    if not any(given):
        return None
    if sum(given) > 1:
        raise OptionError("Give only one of --box, --landmarks and --square")
    from joyvasa_lib.face.landmarks.manual import ManualFaceDetector

    if box:
        try:
            numbers = [float(part) for part in box.split(",")]
        except ValueError as error:
            raise OptionError(
                f"--box is left,top,right,bottom in pixels, such as 100,80,300,320; not {box!r}"
            ) from error
        return ManualFaceDetector(box=numbers)
    if landmarks is None:
        return ManualFaceDetector(whole_image=True)
    try:
        points = json.loads(landmarks.read_text())
        return ManualFaceDetector(landmarks=points, result=result)
    except (OSError, UnicodeDecodeError, ValueError, TypeError) as error:
        raise MediaError(
            f"Cannot read landmarks from {landmarks} ({error}); it must hold a JSON list of 5, 9, "
            "68 or 468 [x, y] points"
        ) from error


def face_for(
    pipe: JoyVASAPipeline, box: str, landmarks: Path | None, square: bool
) -> FaceDetector | None:
    """The same for a pipeline: LivePortrait's animals are cropped by the points as given."""
    return given_face(
        box, landmarks, square, result="given" if pipe.subject == "animal" else "mesh"
    )
