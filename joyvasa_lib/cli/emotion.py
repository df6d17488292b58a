"""``joyvasa edit`` and ``joyvasa emotions``, and the options by which others take an emotion."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from joyvasa_lib.cli.common import (
    Checkpoint,
    Device,
    Json,
    Quiet,
    Subject,
    load_pipeline,
    print_wide,
    progress,
    report,
)
from joyvasa_lib.cli.faces import Box, FaceRank, Landmarks, Square, face_for
from joyvasa_lib.errors import OptionError

if TYPE_CHECKING:
    from joyvasa_lib.emotion.editor import EmotionEditor

EmotionText = Annotated[
    str, typer.Option(help='Emotions with levels, such as "happiness:0.6,AU4:0.2".')
]
TimelineFile = Annotated[
    Path | None, typer.Option(help="Emotions over time: a YAML or JSON file of keyframes.")
]
Units = Annotated[
    list[str] | None, typer.Option(help="One action unit, such as AU12=0.4; may be repeated.")
]
Strength = Annotated[float, typer.Option(help="Factor on the emotion, 0 to 2.")]
Protect = Annotated[
    bool,
    typer.Option("--protect-speech/--free-mouth", help="Whether lips keep what speech needs."),
]
Liveliness = Annotated[
    float, typer.Option(help="0 holds the expression still, 1 lets it live: it wavers, blinks.")
]


def edit(
    source: Annotated[Path, typer.Argument(help="Image with a face, or motion (.safetensors).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A file of the same kind.")],
    emotion: EmotionText = "",
    emotion_timeline: TimelineFile = None,
    au: Units = None,
    emotion_strength: Strength = 1.0,
    protect_speech: Protect = True,
    liveliness: Liveliness = 0.0,
    seed: Annotated[int, typer.Option(help="Of the liveliness.")] = 0,
    full: Annotated[
        bool, typer.Option("--full/--crop", help="Whole image, or the square at the face.")
    ] = True,
    face: FaceRank = "largest",
    box: Box = "",
    landmarks: Landmarks = None,
    square: Square = False,
    device: Device = None,
    checkpoint: Checkpoint = None,
    subject: Subject = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Gives an image or a saved motion an emotion."""
    from joyvasa_lib.media.files import check_writable

    editor = chosen_emotion(
        emotion, emotion_timeline, au, emotion_strength, protect_speech, liveliness, seed
    )
    if editor is None:
        raise OptionError("Give --emotion, --emotion-timeline or --au; see joyvasa emotions")
    check_writable(output)
    values: dict[str, object] = {"output": str(output)}
    if source.suffix == ".safetensors":
        from joyvasa_lib.checkpoints.folder import resolve_checkpoint
        from joyvasa_lib.emotion.maps.learned import load_unit_map
        from joyvasa_lib.motion import Motion

        if output.suffix != ".safetensors":
            raise OptionError(f"An edited motion is a .safetensors file, not {output.name}")
        motion = Motion.load(source)
        options = {}
        if checkpoint is not None:
            options["mapping"] = load_unit_map(resolve_checkpoint(checkpoint), motion.space)
        motion = motion.edit(editor, **options)
        motion.save(output)
        line = f"{output}: {len(motion)} frames"
        values |= {"frames": len(motion), "fps": motion.fps}
    else:
        from joyvasa_lib.media.image import SYNTHETIC_IMAGE, save_image

        if emotion_timeline is not None:
            raise OptionError("--emotion-timeline is for motions; an image has one moment")
        if output.suffix == ".safetensors":
            raise OptionError(f"An edited image is an image file, not {output.name}")
        pipe = load_pipeline(checkpoint, device, subject, with_speech=False)
        prepared = pipe.encode(source, face=face, detector=face_for(pipe, box, landmarks, square))
        full_image = pipe.edit(prepared, editor, paste_back=full)
        save_image(output, full_image, SYNTHETIC_IMAGE)
        height, width = full_image.shape[:2]
        line = f"{output}: {width} x {height} pixels"
        values |= {"size": [width, height]}
    report(as_json, quiet, line, {**values, "emotion": str(editor.emotion)})


def emotions(
    sheet: Annotated[
        Path | None, typer.Option(help="Draw them all on this portrait; needs --output.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The contact sheet, an image file.")
    ] = None,
    device: Device = None,
    checkpoint: Checkpoint = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Lists the emotions and action units there are; with --sheet draws them on a portrait."""
    if (sheet is None) != (output is None):
        raise OptionError("--sheet portrait.jpg and --output sheet.png belong together")
    if sheet is not None and output is not None:
        _draw_sheet(sheet, output, device, checkpoint, quiet, as_json)
        return
    from joyvasa_lib.emotion.table import space_as_dict, space_tables

    if as_json:
        sys.stdout.write(json.dumps(space_as_dict()) + "\n")
        return
    for table in space_tables():
        print_wide(table)


def chosen_emotion(
    text: str,
    timeline: Path | None,
    units: list[str] | None,
    strength: float,
    protect_speech: bool,
    liveliness: float,
    seed: int,
) -> EmotionEditor | None:
    """The editor that the options describe; None where they name no emotion.

    ``--emotion``, ``--au`` and the timeline add up.

    Raises:
        OptionError: an unknown name, malformed text, or a value out of range.
        MediaError: there is no such timeline file.
    """
    from joyvasa_lib.emotion.editor import EmotionEditor
    from joyvasa_lib.emotion.emotion import Emotion
    from joyvasa_lib.emotion.timeline import EmotionTimeline

    total = Emotion.parse(text) if text else Emotion.neutral()
    given = bool(text or units or timeline)
    for unit in units or ():
        name, equals, level = unit.partition("=")
        if not equals:
            raise OptionError(f"--au is a unit with its intensity, such as AU12=0.4; not {unit!r}")
        try:
            total = total + Emotion.units({name.strip(): float(level)})
        except ValueError as error:
            raise OptionError(f"--au {unit}: {error}") from error
    editor = EmotionEditor(
        total if timeline is None else EmotionTimeline.load(timeline) + total,
        strength,
        protect_speech=protect_speech,
        liveliness=liveliness,
        seed=seed,
    )
    return editor if given else None


def _draw_sheet(
    portrait: Path,
    output: Path,
    device: str | None,
    checkpoint: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    from joyvasa_lib.evaluation.contact_sheet import contact_sheet, emotion_cells, unit_cells
    from joyvasa_lib.media.files import check_writable
    from joyvasa_lib.media.image import SYNTHETIC_IMAGE, save_image

    check_writable(output)
    pipe = load_pipeline(checkpoint, device, with_speech=False)
    prepared = pipe.encode(portrait)
    groups = [emotion_cells(), unit_cells()]
    total = 1 + sum(map(len, groups))
    with progress(total, quiet or as_json) as advance:
        full_image = contact_sheet(pipe, prepared, groups, progress=advance)
    save_image(output, full_image, SYNTHETIC_IMAGE)
    height, width = full_image.shape[:2]
    values = {"output": str(output), "size": [width, height], "faces": total}
    report(as_json, quiet, f"{output}: {total} faces", values)
