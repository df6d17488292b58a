"""``joyvasa prepare``: folders of talking videos become a training set.

Each video is worked on in segments, on as many workers as are wanted; finished segments wait in a
folder and are packed into shards at the end. The process may be killed at any moment: run again,
it goes on, and the set comes out as if nothing had happened.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from joyvasa_lib.datasets.prepare.data_card import data_card
from joyvasa_lib.datasets.prepare.engines import Engine, run_jobs
from joyvasa_lib.datasets.prepare.outcomes import Outcome, Reason, Tally, tally
from joyvasa_lib.datasets.prepare.packing import (
    pack,
    read_report,
    staged_files,
    write_report,
)
from joyvasa_lib.datasets.prepare.recipe import PrepareRecipe
from joyvasa_lib.datasets.prepare.segment_work import (
    STAGING,
    SegmentJob,
    load_encoder,
    prepare_segment,
)
from joyvasa_lib.datasets.prepare.videos import (
    Segment,
    VideoFile,
    find_files,
    inspect_files,
    segments_of,
)
from joyvasa_lib.datasets.prepared.index import PreparedIndex
from joyvasa_lib.documents import read_object
from joyvasa_lib.errors import MediaError, OptionError, OutputError
from joyvasa_lib.media.files import write_text

RECIPE = "recipe.json"
_LEFTOVER = re.compile(r"\.(train|valid|report|index|recipe|README)\b.*-[0-9a-f]{12}\.\w+")
"""Names of temporary files, which a killed process leaves behind."""


@dataclass(frozen=True)
class Progress:
    """How far the work is.

    Attributes:
        seconds: of video, done.
        total: seconds of video to do in this run.
        clips: made in this run.
    """

    seconds: float
    total: float
    clips: int


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a run came to.

    Attributes:
        index: of the set.
        outcomes: of every stretch of every video, earlier runs included.
        notes: what the caller should know about the split.
        clips: made in this run.
        video_seconds: of video worked on in this run.
        elapsed: seconds that this run worked on videos.
    """

    index: PreparedIndex
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...]
    clips: int
    video_seconds: float
    elapsed: float

    @property
    def tallies(self) -> dict[Reason, Tally]:
        """Count and seconds of each reason."""
        return tally(self.outcomes)

    @property
    def clips_per_minute(self) -> float:
        """Clips made in a minute of this run."""
        return 60.0 * self.clips / max(self.elapsed, 1e-9)


def prepare_videos(
    videos: str | os.PathLike[str],
    output: str | os.PathLike[str],
    recipe: PrepareRecipe | None = None,
    *,
    workers: int = 1,
    engine: Engine = "local",
    progress: Callable[[Progress], None] | None = None,
) -> Prepared:
    """Makes a training set of all talking videos below a folder, or goes on making it.

    What cannot be used is left out, with its reason in ``report.jsonl``. Videos that are new since
    the last run are added; those already in the set are not read again.

    Args:
        videos: folder of videos; with ``split_by="person"`` each folder in it is one person.
        output: folder of the set, made if missing.
        recipe: the options; a set is continued with those that it was begun with.
        workers: segments worked on side by side.
        engine: ``"local"`` processes or a ``"ray"`` cluster that sees both folders.
        progress: called before the first and after each segment. Raise
            :class:`~joyvasa_lib.errors.Cancelled` in it to stop: workers are ended, and a later
            call continues with the segments that are not done.

    Returns:
        What was made, and what became of every stretch.

    Raises:
        MediaError: there is no such folder, or no video in it, or nothing of them can be used.
        OutputError: the set cannot be written, or another process is writing it.
        OptionError: an option is not allowed, or differs from those the set was begun with.
        CheckpointError: the encoder cannot be loaded.
        MissingDependencyError: the engine is not installed.
        JoyVASAError: a worker died.
    """
    source, folder = Path(videos).expanduser(), Path(output).expanduser()
    recipe = recipe or PrepareRecipe()
    if Path(recipe.encoder).is_dir():  # workers may be started elsewhere
        recipe = replace(recipe, encoder=str(Path(recipe.encoder).resolve()))
    space = load_encoder(recipe.encoder).space
    found = None if _is_begun(folder) else _find_videos(source)  # before a set is begun in vain
    with _locked(folder):
        _begin(folder, recipe)
        usable, refused = found or _find_videos(source)
        earlier = [outcome for outcome in read_report(folder) if outcome.segment]
        done = {v.segment for v in earlier} | {path.stem for path in staged_files(folder)}
        segments = [
            segment
            for video in usable
            for segment in segments_of(video)
            if segment.name not in done
        ]
        started = time.monotonic()
        clips = _work(source, folder, recipe, segments, workers, engine, progress)
        elapsed = time.monotonic() - started
        outcomes = write_report(folder, refused, earlier)
        if not any(outcome.reason is Reason.KEPT for outcome in outcomes):
            raise MediaError(
                f"Nothing in {source} can be used: {_in_words(outcomes)}; see {folder}/report.jsonl"
            )
        index = pack(folder, recipe, space)
        notes = _notes(index, recipe)
        write_text(folder / "README.md", data_card(index, outcomes, notes))
    seconds = sum(segment.seconds for segment in segments)
    return Prepared(index, tuple(outcomes), notes, clips, seconds, elapsed)


def _find_videos(source: Path) -> tuple[list[VideoFile], list[Outcome]]:
    """The usable videos, and why the other files and folders are not."""
    refused: list[Outcome] = []

    def unreadable(error: OSError) -> None:
        place = Path(os.fsdecode(error.filename or source))
        name = place.relative_to(source).as_posix() if place.is_relative_to(source) else str(place)
        refused.append(Outcome(name, 0.0, 0.0, Reason.UNREADABLE, error.strerror or str(error)))

    paths = find_files(source, unreadable)
    usable: list[VideoFile] = []
    for video, outcome in inspect_files(source, paths):
        if video is not None:
            usable.append(video)
        if outcome is not None:
            refused.append(outcome)
    if not usable:
        found = f"no video in it can be used: {_in_words(refused)}" if refused else "no video in it"
        raise MediaError(f"{source} holds nothing to prepare: {found}")
    return usable, refused


def _work(
    source: Path,
    folder: Path,
    recipe: PrepareRecipe,
    segments: Sequence[Segment],
    workers: int,
    engine: Engine,
    progress: Callable[[Progress], None] | None,
) -> int:
    """Does the segments; returns the number of clips."""
    total = sum(segment.seconds for segment in segments)
    seconds, clips = 0.0, 0
    if progress is not None:
        progress(Progress(seconds, total, clips))
    jobs = (SegmentJob(source.resolve(), folder.resolve(), segment, recipe) for segment in segments)
    with closing(run_jobs(prepare_segment, jobs, workers, engine)) as finished:
        for done in finished:
            seconds, clips = seconds + done.segment.seconds, clips + done.clips
            if progress is not None:
                progress(Progress(seconds, total, clips))
    return clips


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder, made if missing, for this process alone; a killed process lets go of it.

    A folder that was made, and in which nothing could be begun, is gone again.
    """
    staging, made = folder / STAGING, not folder.exists()
    lock = FileLock(staging / "lock", timeout=0)
    try:
        try:
            staging.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise OutputError(
                f"Another process is preparing {folder}; wait for it or choose another folder"
            ) from error
        except OSError as error:
            raise OutputError(
                f"Cannot write in the folder {folder} ({error.strerror}); choose another one"
            ) from error
        yield
    finally:
        lock.release()
        if made and not (folder / RECIPE).exists():
            with suppress(OSError):  # also where another process has begun meanwhile
                (staging / "lock").unlink(missing_ok=True)
                staging.rmdir()
                folder.rmdir()


def _is_begun(folder: Path) -> bool:
    try:
        return (folder / RECIPE).is_file()
    except OSError as error:  # a name that is too long
        raise OutputError(f"Cannot use {folder} ({error.strerror}); choose another name") from error


def _begin(folder: Path, recipe: PrepareRecipe) -> None:
    """Writes the recipe, or compares it; removes what a killed process left half-written."""
    path = folder / RECIPE
    if path.exists():
        try:
            made = read_object(path)
        except (OSError, ValueError) as error:
            raise OptionError(f"{path} is damaged ({error}); choose another folder") from error
        recipe.check_same(made, str(folder))
    else:
        write_text(path, json.dumps(recipe.to_dict(), indent=1) + "\n")
    leftovers = [path for path in folder.iterdir() if _LEFTOVER.fullmatch(path.name)]
    for inside in (folder, folder / STAGING):
        leftovers += inside.glob(".tmp??????")  # safetensors' own unfinished files
    for leftover in [*leftovers, *(folder / STAGING).glob(".*.safetensors")]:
        leftover.unlink(missing_ok=True)


def _notes(index: PreparedIndex, recipe: PrepareRecipe) -> tuple[str, ...]:
    notes = []
    if index.split_by != recipe.split_by:
        notes.append(
            f"There is only one {recipe.split_by}, so clips are held out by {index.split_by}."
        )
    if recipe.validation > 0 and index.count("valid")[0] == 0:
        notes.append("There is only one clip, so none is held out.")
    if index.split_by == "clip":
        notes.append("Held-out clips are of a person and a recording that training sees, too.")
    return tuple(notes)


def _in_words(outcomes: Sequence[Outcome]) -> str:
    return ", ".join(f"{found.count} {reason.value}" for reason, found in tally(outcomes).items())
