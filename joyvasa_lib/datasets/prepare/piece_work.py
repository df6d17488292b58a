"""The work on one piece of one video, the same on every engine: from frames to a file of clips.

The file appears in the folder ``.staging`` of the set when everything in it is decided, so a piece
is finished or has not begun, whatever happens to the process.
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
from joyvasa_lib.datasets.prepare.checks.verdicts import Reason, Verdict
from joyvasa_lib.datasets.prepare.checks.voice import Floats, lip_sound, speech_frames
from joyvasa_lib.datasets.prepare.clips import channels_of, make_clips
from joyvasa_lib.datasets.prepare.face_runs import look
from joyvasa_lib.datasets.prepare.recipe import PrepareRecipe
from joyvasa_lib.datasets.prepare.videos import Piece
from joyvasa_lib.datasets.prepared.clips import Clip, write_shard
from joyvasa_lib.errors import JoyVASAError, MediaError, OutputError
from joyvasa_lib.media.excerpt import ExcerptReader
from joyvasa_lib.portrait.model import PortraitModel
from joyvasa_lib.pretrained import load_portrait_model

STAGING = ".staging"


@dataclass(frozen=True)
class PieceJob:
    """What a worker is told.

    Attributes:
        videos: folder of the videos.
        output: folder of the set.
        piece: what to work on.
        recipe: how.
    """

    videos: Path
    output: Path
    piece: Piece
    recipe: PrepareRecipe

    @property
    def result(self) -> Path:
        """The file that the job makes."""
        return self.output / STAGING / f"{self.piece.name}.safetensors"


@dataclass(frozen=True)
class PieceDone:
    """What a worker tells.

    Attributes:
        piece: what it worked on.
        clips: how many it made.
    """

    piece: Piece
    clips: int


@lru_cache(maxsize=1)
def load_encoder(name: str) -> PortraitModel:
    """The portrait model that reads motion: ``"bundled"``, or of a checkpoint's folder.

    Raises:
        CheckpointError: the folder is missing or incomplete.
    """
    folder = resolve_checkpoint(None if name == "bundled" else name, speech=False)
    return load_portrait_model(folder)


def prepare_piece(job: PieceJob) -> PieceDone:
    """Makes the clips of a piece and writes them with the verdict on every part of it.

    A piece that cannot be worked on gets one verdict that says why; it is no error.

    Raises:
        CheckpointError: the encoder cannot be loaded.
        OutputError: the result cannot be written.
    """
    piece = job.piece
    model = load_encoder(job.recipe.encoder)
    try:
        clips, verdicts = _work(job, model)
    except OutputError:
        raise
    except JoyVASAError as error:
        clips, verdicts = [], [_whole(piece, Reason.DAMAGED, str(error))]
    except Exception as error:  # one odd file must not end a long run; the report shows it
        where = traceback.extract_tb(error.__traceback__)[-1]
        detail = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        clips, verdicts = [], [_whole(piece, Reason.FAILED, detail)]
    about = {"verdicts": [verdict.to_dict() for verdict in verdicts]}
    write_shard(job.result, clips, channels_of(model.space), about)
    return PieceDone(piece, len(clips))


def _work(job: PieceJob, model: PortraitModel) -> tuple[list[Clip], list[Verdict]]:
    piece, rate = job.piece, job.piece.video.rate
    with _reader(job) as reader:
        runs, count = look(reader, rate)
        sound = reader.waveform()
    if count < 2:
        return [], [_whole(piece, Reason.TOO_SHORT, f"{count} frame")]
    heard = sound.astype(np.float32) / 32768.0
    candidates, refusals = choose(runs, speech_frames(heard, count, rate), job.recipe, rate)
    sync = _sync(candidates, heard, count, job.recipe, rate)
    if sync is not None and not sync.in_step:
        refused = [_out_of_step(candidate, sync) for candidate in candidates]
        refusals, candidates = sorted([*refusals, *refused], key=lambda r: r.first), []
    verdicts = [_verdict(piece, refusal) for refusal in refusals]
    clips: list[Clip] = []
    if candidates:
        with _reader(job) as frames:
            clips = list(make_clips(frames, candidates, sound, model, job.recipe, piece, sync))
    if len(clips) < len(candidates):
        raise MediaError(f"{piece.video.name} gave fewer frames when it was read again")
    kept = [
        _kept(piece, candidate, clip) for candidate, clip in zip(candidates, clips, strict=True)
    ]
    return clips, sorted([*verdicts, *kept], key=lambda verdict: verdict.start)


def _reader(job: PieceJob) -> ExcerptReader:
    piece = job.piece
    path = job.videos / piece.video.name
    return ExcerptReader(path, piece.start, piece.readable, fps=piece.video.rate)


def _sync(
    candidates: Sequence[Candidate], heard: Floats, count: int, recipe: PrepareRecipe, rate: float
) -> Sync | None:
    loudness = lip_sound(heard, count, rate)
    curves = (
        (candidate.run.track.aperture[candidate.rows], loudness[candidate.first : candidate.stop])
        for candidate in candidates
    )
    return measure_sync(curves, rate, recipe.max_lag_ms)


def _out_of_step(candidate: Candidate, sync: Sync) -> Refusal:
    if sync.lag_ms is None:
        detail = f"lips and sound agree at no shift ({sync.agreement:.2f} at best)"
    else:
        detail = f"lips {sync.lag_ms:+.0f} ms after the sound"
    detail += f", {sync.certainty:.1f} deviations of chance in {sync.seconds:.0f} s"
    return Refusal(candidate.first, candidate.stop, Reason.OUT_OF_STEP, detail)


def _verdict(piece: Piece, refusal: Refusal) -> Verdict:
    rate = piece.video.rate
    start, stop = (piece.start + number / rate for number in (refusal.first, refusal.stop))
    return Verdict(piece.video.name, start, stop, refusal.reason, refusal.detail, piece=piece.name)


def _kept(piece: Piece, candidate: Candidate, clip: Clip) -> Verdict:
    rate = piece.video.rate
    start, stop = (piece.start + number / rate for number in (candidate.first, candidate.stop))
    return Verdict(
        piece.video.name, start, stop, Reason.KEPT, clip=clip.info.name, piece=piece.name
    )


def _whole(piece: Piece, reason: Reason, detail: str) -> Verdict:
    stop = piece.start + piece.seconds
    short = " ".join(detail.split())[:200]
    return Verdict(piece.video.name, piece.start, stop, reason, short, piece=piece.name)
