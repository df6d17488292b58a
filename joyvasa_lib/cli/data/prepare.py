"""``joyvasa prepare``: folders of talking videos become a training set."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from joyvasa_lib.datasets.prepare.prepare import Prepared, Progress


class EngineName(str, Enum):
    """Where the work runs."""

    local = "local"
    ray = "ray"


class SplitName(str, Enum):
    """What never is in both splits."""

    person = "person"
    file = "file"
    clip = "clip"


def prepare(
    videos: Annotated[Path, typer.Argument(help="Folder of talking videos, searched in depth.")],
    output: Annotated[Path, typer.Argument(help="Folder of the training set; continued if there.")],
    workers: Annotated[int, typer.Option(min=1, help="Segments worked on side by side.")] = 1,
    engine: Annotated[
        EngineName, typer.Option(help="Processes here, or a Ray cluster (extra ray).")
    ] = EngineName.local,
    encoder: Annotated[
        str, typer.Option(help="Motion extractor: bundled, or the folder of a checkpoint.")
    ] = "bundled",
    crop: Annotated[
        int, typer.Option(min=0, help="Store face crops of this side for portrait training.")
    ] = 0,
    split_by: Annotated[
        SplitName, typer.Option(help="What never is in both splits; person: folder in VIDEOS.")
    ] = SplitName.file,
    validation: Annotated[float, typer.Option(help="Share that is held out.")] = 0.1,
    min_seconds: Annotated[float, typer.Option(help="Shortest clip.")] = 2.0,
    max_seconds: Annotated[float, typer.Option(help="Longest clip.")] = 20.0,
    min_face: Annotated[float, typer.Option(help="Smallest face, pixels.")] = 80.0,
    min_sharpness: Annotated[
        float, typer.Option(help="Least detail; 0 keeps blurred faces.")
    ] = 0.11,
    max_yaw: Annotated[float, typer.Option(help="Largest turn aside, degrees.")] = 50.0,
    max_pitch: Annotated[float, typer.Option(help="Largest nod, degrees.")] = 40.0,
    min_speech: Annotated[float, typer.Option(help="Least share of time with a voice.")] = 0.2,
    max_lag_ms: Annotated[
        float, typer.Option(help="Largest shift of lips and audio, milliseconds.")
    ] = 150.0,
    face_hz: Annotated[float, typer.Option(help="Smooths faster expression; 0 does not.")] = 8.0,
    head_hz: Annotated[float, typer.Option(help="Smooths faster head motion; 0 does not.")] = 3.0,
    shard_mb: Annotated[float, typer.Option(help="Megabytes of a full shard.")] = 256.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar, no table.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Makes a training set of VIDEOS: tracked, cropped, 25 fps, 16 kHz, with motion per frame.

    It can be stopped at any moment, and goes on when run again. What is not usable is left out;
    OUTPUT/report.jsonl says why for every stretch.
    """
    from joyvasa_lib.datasets.prepare.prepare import prepare_videos
    from joyvasa_lib.datasets.prepare.recipe import PrepareRecipe

    recipe = PrepareRecipe(
        encoder=encoder, crop=crop, split_by=split_by.value, validation=validation,
        min_seconds=min_seconds, max_seconds=max_seconds, min_face=min_face,
        min_sharpness=min_sharpness, max_yaw=max_yaw, max_pitch=max_pitch, min_speech=min_speech,
        max_lag_ms=max_lag_ms, face_hz=face_hz, head_hz=head_hz, shard_mb=shard_mb,
    )  # fmt: skip
    with _bar(quiet or as_json) as advance:
        made = prepare_videos(
            videos, output, recipe, workers=workers, engine=engine.value, progress=advance
        )
    if as_json:
        sys.stdout.write(json.dumps(_summary(made)) + "\n")
    elif not quiet:
        _print(made, output)


def _summary(made: Prepared) -> dict[str, Any]:
    tallies = made.tallies.items()
    return {
        "train": dict(zip(("clips", "seconds"), made.index.count("train"), strict=True)),
        "valid": dict(zip(("clips", "seconds"), made.index.count("valid"), strict=True)),
        "split_by": made.index.split_by,
        "reasons": {
            r.value: {"count": t.count, "seconds": round(t.seconds, 2)} for r, t in tallies
        },
        "notes": list(made.notes),
        "this_run": {
            "clips": made.clips,
            "video_seconds": round(made.video_seconds, 2),
            "elapsed": round(made.elapsed, 2),
            "clips_per_minute": round(made.clips_per_minute, 2),
        },
    }


def _print(made: Prepared, output: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("what", "stretches", "minutes", "meaning")
    for reason, found in made.tallies.items():
        table.add_row(reason.value, str(found.count), f"{found.seconds / 60:.1f}", reason.meaning)
    console.print(table)
    for split in ("train", "valid"):
        clips, seconds = made.index.count(split)
        console.print(f"{split}: {clips} clips, {seconds / 60:.1f} minutes", highlight=False)
    for note in made.notes:
        console.print(note, highlight=False)
    console.print(
        f"{output}: see README.md and report.jsonl there", highlight=False, soft_wrap=True
    )


@contextmanager
def _bar(silent: bool) -> Iterator[Callable[[Progress], None] | None]:
    """A bar over the seconds of video, with the time that is left."""
    if silent:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[clips]} clips"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Inspecting the videos", total=None, clips=0)

        def advance(now: Progress) -> None:
            bar.update(
                task,
                description="Preparing",
                total=now.total,
                completed=now.seconds,
                clips=now.clips,
            )

        yield advance
