"""``joyvasa edit`` and ``joyvasa emotions``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joyvasa_lib.cli.options.emotion import EmotionChoice
from joyvasa_lib.cli.options.groups import with_option_groups
from joyvasa_lib.cli.options.inputs import FaceOptions, ModelOptions, Wrinkles
from joyvasa_lib.cli.options.signing import Sign, read_signer
from joyvasa_lib.cli.output import Full, Reporting, check_motion_path, print_wide
from joyvasa_lib.errors import OptionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from joyvasa_lib.emotion.editor import EmotionEditor
    from joyvasa_lib.media.provenance.signing import Signer


@with_option_groups
def edit(
    *,
    source: Annotated[Path, typer.Argument(help="Image with a face, or motion (.safetensors).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A file of the same kind.")],
    emotions: EmotionChoice,
    wrinkles: Wrinkles = None,
    seed: Annotated[int, typer.Option(help="Of the liveliness.")] = 0,
    full: Full = True,
    sign: Sign = None,
    faces: FaceOptions,
    model: ModelOptions,
    reporting: Reporting,
) -> None:
    """Gives an image or a saved motion an emotion."""
    from joyvasa_lib.media.files import check_writable

    editor = emotions.editor(seed)
    if editor is None:
        raise OptionError("Give --emotion, --emotion-timeline or --au; see joyvasa emotions")
    check_writable(output)
    signer = read_signer(sign, output)
    if source.suffix == ".safetensors":
        if wrinkles is not None:
            raise OptionError("--wrinkles is for images; a motion has no skin")
        if faces != FaceOptions() or not full:
            raise OptionError(
                "--face, --box, --landmarks, --square, --strict and --crop are for images; a "
                "motion has no face to find"
            )
        line, values = _edit_motion(source, output, editor, model)
    else:
        if emotions.emotion_timeline is not None:
            raise OptionError("--emotion-timeline is for motions; an image has one moment")
        if output.suffix == ".safetensors":
            raise OptionError(f"An edited image is an image file, not {output.name}")
        pipe = model.load(with_speech=False, wrinkles=wrinkles)
        image = pipe.edit(faces.encode(pipe, source), editor, paste_back=full)
        line, values = _save_image(image, output, pipe.portrait_model.preset or "", signer)
    reporting.close(line, {"output": str(output), **values, "emotion": str(editor.emotion)})


Result = tuple[str, dict[str, Any]]
"""The closing line, and what the JSON object says."""


def _edit_motion(source: Path, output: Path, editor: EmotionEditor, model: ModelOptions) -> Result:
    from joyvasa_lib.checkpoints.folder import resolve_checkpoint
    from joyvasa_lib.checkpoints.hub import locate_checkpoint
    from joyvasa_lib.emotion.maps.choose import load_unit_map
    from joyvasa_lib.motion import Motion

    check_motion_path(output)
    motion = Motion.load(source)
    options = {}
    if model.checkpoint is not None:
        folder = resolve_checkpoint(locate_checkpoint(model.checkpoint))
        options["mapping"] = load_unit_map(folder, motion.space)
    motion = motion.edit(editor, **options)
    motion.save(output)
    return f"{output}: {len(motion)} frames", {"frames": len(motion), "fps": motion.fps}


def _save_image(
    image: NDArray[np.uint8], output: Path, preset: str, signer: Signer | None
) -> Result:
    from joyvasa_lib.media.image import save_image

    save_image(output, image, model=preset, signer=signer)
    height, width = image.shape[:2]
    return f"{output}: {width} x {height} pixels", {"size": [width, height]}


@with_option_groups
def emotions(
    *,
    sheet: Annotated[
        Path | None, typer.Option(help="Draw them all on this portrait; needs --output.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The contact sheet, an image file.")
    ] = None,
    read: Annotated[
        Path | None, typer.Option("--read", help="Read the emotion of the face in this image.")
    ] = None,
    neutral: Annotated[
        Path | None, typer.Option(help="With --read: the same person at rest.")
    ] = None,
    face: Annotated[
        str, typer.Option(help="With --read: largest, or the rank by size from 0 on.")
    ] = "largest",
    sign: Sign = None,
    model: ModelOptions,
    reporting: Reporting,
) -> None:
    """Lists emotions and action units; draws them on a portrait, or reads those of an image."""
    if read is not None and sheet is not None:
        raise OptionError("--read and --sheet are two jobs; give one of them")
    if read is None and neutral is not None:
        raise OptionError("--neutral belongs to --read image.jpg")
    if read is None and face != "largest":
        raise OptionError(f"--face {face} belongs to --read image.jpg")
    if read is not None and (output is not None or sign is not None):
        raise OptionError("--read writes no file; --output and --sign belong to --sheet")
    if read is not None:
        _read(read, neutral, face, reporting)
        return
    if sign is not None and sheet is None:
        raise OptionError("--sign belongs to --sheet portrait.jpg")
    if (sheet is None) != (output is None):
        raise OptionError("--sheet portrait.jpg and --output sheet.png belong together")
    if sheet is not None and output is not None:
        _draw_sheet(sheet, output, sign, model, reporting)
        return
    from joyvasa_lib.emotion.table import space_as_dict, space_tables

    if reporting.as_json:
        sys.stdout.write(json.dumps(space_as_dict()) + "\n")
        return
    for table in space_tables():
        print_wide(table)


def _read(image: Path, neutral: Path | None, face: str, reporting: Reporting) -> None:
    from joyvasa_lib.emotion.emotion import Emotion

    emotion = Emotion.from_image(image, neutral=neutral, face=face)
    name, level = emotion.nearest
    shown = f"{name}:{level:.2f}" if level else name
    line = f"{emotion}\nFACS: {emotion.facs or 'none'}\nnearest: {shown}"
    values = {
        "emotion": str(emotion),
        "facs": emotion.facs,
        "nearest": name,
        "level": round(level, 3),
        "units": dict(emotion.items()),
    }
    reporting.close(line, values)


def _draw_sheet(
    portrait: Path, output: Path, sign: Sign, model: ModelOptions, reporting: Reporting
) -> None:
    from joyvasa_lib.evaluation.contact_sheet import contact_sheet, emotion_cells, unit_cells
    from joyvasa_lib.media.files import check_writable
    from joyvasa_lib.media.image import save_image

    check_writable(output)
    signer = read_signer(sign, output)
    pipe = model.load(with_speech=False)
    encoded = pipe.encode(portrait)
    groups = [emotion_cells(), unit_cells()]
    total = 1 + sum(map(len, groups))
    with reporting.progress(total, "rendering") as advance:
        image = contact_sheet(pipe, encoded, groups, progress=advance)
    save_image(output, image, model=pipe.portrait_model.preset or "", signer=signer)
    height, width = image.shape[:2]
    values = {"output": str(output), "size": [width, height], "faces": total}
    reporting.close(f"{output}: {total} faces", values)
