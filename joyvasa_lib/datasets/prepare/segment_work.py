"""The work on one segment of one video, the same on every engine: from frames to a file of clips.

The file appears in the folder ``.staging`` of the set when everything in it is decided. So a
segment is finished or has not begun, whatever happens to the process.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from joyvasa_lib.checkpoints.folder import resolve_checkpoint
from joyvasa_lib.datasets.prepare.checks.candidates import Candidate, Refusal, choose
from joyvasa_lib.datasets.prepare.checks.sync import Sync, measure_sync
from joyvasa_lib.datasets.prepare.checks.voice import Floats, lip_loudness, speech_frames
from joyvasa_lib.datasets.prepare.clips import channels_of, make_clips
from joyvasa_lib.datasets.prepare.face_runs import find_runs
from joyvasa_lib.datasets.prepare.outcomes import Outcome, Reason
from joyvasa_lib.datasets.prepare.recipe import PrepareRecipe
from joyvasa_lib.datasets.prepare.videos import Segment
from joyvasa_lib.datasets.prepared.clips import Clip, write_shard
from joyvasa_lib.errors import JoyVASAError, MediaError, OutputError
from joyvasa_lib.media.excerpt import ExcerptReader
from joyvasa_lib.portrait.model import PortraitModel
from joyvasa_lib.pretrained import load_portrait_model

STAGING = ".staging"


@dataclass(frozen=True)
class SegmentJob:
    """What a worker is told.

    Attributes:
        videos: folder of the videos.
        output: folder of the set.
        segment: what to work on.
        recipe: how.
    """

    videos: Path
    output: Path
    segment: Segment
    recipe: PrepareRecipe

    @property
    def result(self) -> Path:
        """The file that the job makes."""
        return self.output / STAGING / f"{self.segment.name}.safetensors"


@dataclass(frozen=True)
class SegmentDone:
    """What a worker tells.

    Attributes:
        segment: what it worked on.
        clips: how many it made.
    """

    segment: Segment
    clips: int


@lru_cache(maxsize=1)
def load_encoder(name: str) -> PortraitModel:
    """The portrait model that reads motion: ``"bundled"``, or of a checkpoint's folder.

    Raises:
        CheckpointError: the folder is missing or incomplete.
    """
    folder = resolve_checkpoint(None if name == "bundled" else name, speech=False)
    return load_portrait_model(folder)


def prepare_segment(job: SegmentJob) -> SegmentDone:
    """Makes the clips of a segment and writes them with the outcome of every part of it.

    A segment that cannot be worked on gets one outcome that says why; it is no error.

    Raises:
        CheckpointError: the encoder cannot be loaded.
        OutputError: the result cannot be written.
    """
    segment = job.segment
    model = load_encoder(job.recipe.encoder)
    try:
        clips, outcomes = _work(job, model)
    except OutputError:
        raise
    except JoyVASAError as error:
        clips, outcomes = [], [_whole(segment, Reason.DAMAGED, str(error))]
    except Exception as error:  # one odd file must not end a long run; the report shows it
        where = traceback.extract_tb(error.__traceback__)[-1]
        detail = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        clips, outcomes = [], [_whole(segment, Reason.FAILED, detail)]
    about = {"verdicts": [outcome.to_dict() for outcome in outcomes]}
    write_shard(job.result, clips, channels_of(model.space), about)
    return SegmentDone(segment, len(clips))


def _work(job: SegmentJob, model: PortraitModel) -> tuple[list[Clip], list[Outcome]]:
    segment, rate = job.segment, job.segment.video.rate
    with _reader(job) as reader:
        runs, count = find_runs(reader, rate)
        audio = reader.waveform()
    if count < 2:
        return [], [_whole(segment, Reason.TOO_SHORT, f"{count} frame")]
    waveform = audio.astype(np.float32) / 32768.0
    candidates, refusals = choose(runs, speech_frames(waveform, count, rate), job.recipe, rate)
    sync = _sync(candidates, waveform, count, job.recipe, rate)
    if sync is not None and not sync.in_step:
        refused = [_out_of_step(candidate, sync) for candidate in candidates]
        refusals, candidates = sorted([*refusals, *refused], key=lambda r: r.first), []
    outcomes = [_outcome(segment, refusal) for refusal in refusals]
    clips: list[Clip] = []
    if candidates:
        with _reader(job) as frames:
            clips = list(make_clips(frames, candidates, audio, model, job.recipe, segment, sync))
    if len(clips) < len(candidates):
        raise MediaError(f"{segment.video.name} gave fewer frames when it was read again")
    kept = [
        _kept(segment, candidate, clip) for candidate, clip in zip(candidates, clips, strict=True)
    ]
    return clips, sorted([*outcomes, *kept], key=lambda outcome: outcome.start)


def _reader(job: SegmentJob) -> ExcerptReader:
    segment = job.segment
    path = job.videos / segment.video.name
    return ExcerptReader(path, segment.start, segment.readable, fps=segment.video.rate)


def _sync(
    candidates: Sequence[Candidate],
    waveform: Floats,
    count: int,
    recipe: PrepareRecipe,
    rate: float,
) -> Sync | None:
    loudness = lip_loudness(waveform, count, rate)
    curves = (
        (candidate.run.track.aperture[candidate.rows], loudness[candidate.first : candidate.stop])
        for candidate in candidates
    )
    return measure_sync(curves, rate, recipe.max_lag_ms)


def _out_of_step(candidate: Candidate, sync: Sync) -> Refusal:
    if sync.lag_ms is None:
        detail = f"lips and audio agree at no shift ({sync.agreement:.2f} at best)"
    else:
        detail = f"lips {sync.lag_ms:+.0f} ms after the audio"
    detail += f", {sync.certainty:.1f} deviations of chance in {sync.seconds:.0f} s"
    return Refusal(candidate.first, candidate.stop, Reason.OUT_OF_STEP, detail)


def _outcome(segment: Segment, refusal: Refusal) -> Outcome:
    rate = segment.video.rate
    start, stop = (segment.start + number / rate for number in (refusal.first, refusal.stop))
    return Outcome(
        segment.video.name, start, stop, refusal.reason, refusal.detail, segment=segment.name
    )


def _kept(segment: Segment, candidate: Candidate, clip: Clip) -> Outcome:
    rate = segment.video.rate
    start, stop = (segment.start + number / rate for number in (candidate.first, candidate.stop))
    return Outcome(
        segment.video.name, start, stop, Reason.KEPT, clip=clip.info.name, segment=segment.name
    )


def _whole(segment: Segment, reason: Reason, detail: str) -> Outcome:
    stop = segment.start + segment.seconds
    short = " ".join(detail.split())[:200]
    return Outcome(segment.video.name, segment.start, stop, reason, short, segment=segment.name)
