"""``joyvasa evaluate``: numbers for videos, motion files, or a folder of results."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from joyvasa_lib.cli.options.groups import with_option_groups
from joyvasa_lib.cli.output import Advance, Reporting, print_wide
from joyvasa_lib.errors import JoyVASAError, OptionError

if TYPE_CHECKING:
    from joyvasa_lib.evaluation import Behaviour, Evaluation

T = TypeVar("T")


@with_option_groups
def evaluate(
    *,
    source: Annotated[
        list[Path], typer.Argument(help="Videos, motions (.safetensors), or folders of videos.")
    ],
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
    behaviour: Annotated[
        bool,
        typer.Option(
            "--behaviour", help="How the face looks while it speaks, beside real people, instead."
        ),
    ] = False,
    face: Annotated[
        str,
        typer.Option(help="Whom to follow with --behaviour: largest, or the rank by size from 0."),
    ] = "largest",
    reporting: Reporting,
) -> None:
    """Measures lips, blinks, head, identity and lengths of SOURCE; or how it behaves."""
    several = len(source) > 1 or source[0].is_dir()
    if several and (audio is not None or portrait is not None):
        raise OptionError("--audio and --portrait are for one video, not for several or a folder")
    if behaviour:
        if segments is not None or portrait is not None:
            raise OptionError("--segments and --portrait are not used with --behaviour")
        _behaviour(source, audio, face, several, reporting)
        return
    if face != "largest":
        raise OptionError(f"--face {face} is for --behaviour; other measures follow the largest")
    if several:
        results = _each(source, lambda path: _several_one(path, segments), reporting)
        if reporting.as_json:
            _write_json([one.to_dict() for one in results])
        else:
            from joyvasa_lib.evaluation.table import folder_table

            print_wide(folder_table(results))
        return
    result = _one(source[0], audio, segments, portrait, reporting)
    if reporting.as_json:
        _write_json(result.to_dict())
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


def _several_one(path: Path, folder: Path | None) -> Evaluation:
    """One of several videos or motions, whose segments lie in a folder or beside it."""
    from joyvasa_lib.evaluation.evaluate import evaluate_motion, evaluate_video, find_segments
    from joyvasa_lib.motion import Motion

    segments = find_segments(path, folder)
    if path.suffix == ".safetensors":
        return evaluate_motion(Motion.load(path), segments=segments, name=path.name)
    return evaluate_video(path, segments=segments)


def _behaviour(
    source: list[Path], audio: Path | None, face: str, several: bool, reporting: Reporting
) -> None:
    """Prints how faces look while they speak."""
    from joyvasa_lib.evaluation.behaviour.table import behaviour_table, behaviours_table, verdict

    if several:
        results = _each(source, lambda path: _behaves(path, None, face, None), reporting)
        if reporting.as_json:
            _write_json([one.to_dict() for one in results])
        else:
            print_wide(behaviours_table(results))
        return
    with reporting.progress(None, source[0].name) as advance:
        result = _behaves(source[0], audio, face, advance)
    if reporting.as_json:
        _write_json(result.to_dict())
        return
    print_wide(behaviour_table(result))
    outside = ", ".join(one.row.title for one in result.outside) or "none"
    sys.stdout.write(f"Inside the range of people: {verdict(result)}. Outside: {outside}.\n")


def _behaves(source: Path, audio: Path | None, face: str, advance: Advance | None) -> Behaviour:
    from joyvasa_lib.evaluation import behaviour_of_motion, behaviour_of_video
    from joyvasa_lib.motion import Motion

    if source.suffix == ".safetensors":
        return behaviour_of_motion(Motion.load(source), audio, name=source.name)
    return behaviour_of_video(source, audio, face=face, progress=advance)


def _each(source: list[Path], measure: Callable[[Path], T], reporting: Reporting) -> list[T]:
    """What can be measured of several files and of the videos in folders; others are named.

    Raises:
        OptionError: nothing can be measured.
        MediaError: a folder holds no videos.
    """
    from joyvasa_lib.evaluation.evaluate import list_videos

    paths = [path for one in source for path in (list_videos(one) if one.is_dir() else [one])]
    results: list[T] = []
    with reporting.progress(None, f"{len(paths)} videos") as advance:
        for number, path in enumerate(paths, start=1):
            try:
                results.append(measure(path))
            except JoyVASAError as error:
                reason = " ".join(str(error).split())
                sys.stderr.write(f"joyvasa: {path.name} left out: {reason}\n")
            if advance is not None:
                advance(number)
    if not results:
        where = source[0] if len(source) == 1 else "the given places"
        raise OptionError(f"None of the {len(paths)} videos in {where} could be measured")
    return results


def _write_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
