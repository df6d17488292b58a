"""``joyvasa evaluate``: numbers for one video, a motion file, or a folder of results."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from joyvasa_lib.cli.option_groups import with_option_groups
from joyvasa_lib.cli.output import Reporting, print_wide
from joyvasa_lib.errors import JoyVASAError, OptionError

if TYPE_CHECKING:
    from joyvasa_lib.evaluation import Evaluation


@with_option_groups
def evaluate(
    *,
    source: Annotated[Path, typer.Argument(help="Video, motion (.safetensors), or folder.")],
    audio: Annotated[
        Path | None, typer.Option(help="The speech, where the video has none or a worse one.")
    ] = None,
    segments: Annotated[
        Path | None,
        typer.Option(
            help="Phonemes with times: TextGrid, or CSV of phone,start,end; for a folder a folder. "
            "Files named like the video beside it are found without."
        ),
    ] = None,
    portrait: Annotated[
        Path | None, typer.Option(help="Image to compare identity with; else the first frame.")
    ] = None,
    reporting: Reporting,
) -> None:
    """Measures lips, blinks, head, identity and lengths of SOURCE."""
    if source.is_dir():
        if audio is not None or portrait is not None:
            raise OptionError("--audio and --portrait are for one video, not for a folder")
        results = _folder(source, segments, reporting)
        if reporting.as_json:
            sys.stdout.write(json.dumps([one.to_dict() for one in results]) + "\n")
        else:
            from joyvasa_lib.evaluation.table import folder_table

            print_wide(folder_table(results))
        return
    result = _one(source, audio, segments, portrait, reporting)
    if reporting.as_json:
        sys.stdout.write(json.dumps(result.to_dict()) + "\n")
        return
    from rich.console import Console

    from joyvasa_lib.evaluation.table import evaluation_table

    Console().print(evaluation_table(result))


def _one(
    source: Path,
    audio: Path | None,
    segments: Path | None,
    portrait: Path | None,
    reporting: Reporting,
) -> Evaluation:
    from joyvasa_lib.evaluation.evaluate import evaluate_motion, evaluate_video, find_segments
    from joyvasa_lib.media.image import load_image
    from joyvasa_lib.motion import Motion

    segments = segments or find_segments(source)
    if source.suffix == ".safetensors":
        if portrait is not None:
            raise OptionError("--portrait is for a video; a motion has no image")
        return evaluate_motion(Motion.load(source), audio, segments, name=source.name)
    full_image = None if portrait is None else load_image(portrait)
    with reporting.progress(None, source.name) as advance:
        return evaluate_video(source, audio, segments, portrait=full_image, progress=advance)


def _folder(folder: Path, segments: Path | None, reporting: Reporting) -> list[Evaluation]:
    from joyvasa_lib.evaluation.evaluate import evaluate_folder, list_videos

    failed: list[str] = []

    def note(path: Path, error: JoyVASAError) -> None:
        failed.append(path.name)
        sys.stderr.write(f"joyvasa: {path.name} left out: {' '.join(str(error).split())}\n")

    total = len(list_videos(folder))
    results = []
    with reporting.progress(None, f"{total} videos") as advance:
        for number, one in enumerate(evaluate_folder(folder, segments, note), start=1):
            results.append(one)
            if advance is not None:
                advance(number)
    if not results:
        raise OptionError(f"None of the {total} videos in {folder} could be measured")
    return results
