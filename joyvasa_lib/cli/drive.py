"""``joyvasa drive``: a portrait does what another person does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from joyvasa_lib.cli.common import (
    Checkpoint,
    Compat,
    Device,
    Json,
    Quiet,
    Subject,
    check_compat,
    load_pipeline,
    progress,
    report,
)
from joyvasa_lib.cli.faces import Box, FaceRank, Landmarks, Square, face_for, given_face
from joyvasa_lib.errors import OptionError


def drive(
    portrait: Annotated[Path, typer.Argument(help="Image with a face.")],
    driving: Annotated[
        Path, typer.Argument(help="Video with a face, .safetensors motion, or .pkl template.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help=".mp4, .mov or .mkv")],
    audio: Annotated[
        Path | None, typer.Option(help="Sound of the result; the driving video's by default.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full/--crop", help="Whole image, or the square at the face.")
    ] = True,
    fps: Annotated[
        float | None, typer.Option(help="Frames a second; the driving motion's by default.")
    ] = None,
    face: FaceRank = "largest",
    driving_face: Annotated[
        str, typer.Option(help="Whom to follow in the video: largest, or rank by size from 0.")
    ] = "largest",
    box: Box = "",
    landmarks: Landmarks = None,
    square: Square = False,
    device: Device = None,
    checkpoint: Checkpoint = None,
    subject: Subject = None,
    compat: Compat = None,
    motion_out: Annotated[Path | None, typer.Option(help="Also save the motion here.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Makes PORTRAIT do what the person in DRIVING does; the video's sound is kept."""
    from joyvasa_lib.media.audio import load_speech
    from joyvasa_lib.media.files import check_readable, check_writable
    from joyvasa_lib.media.video import check_video_path

    started = time.perf_counter()
    if fps is not None and not 1 <= fps <= 120:
        raise OptionError(f"--fps must lie between 1 and 120, not {fps:g}")
    check_compat(compat)
    check_video_path(output)
    check_readable(driving, "driving")
    if motion_out is not None:
        check_writable(motion_out)
    given_face(box, landmarks, square)  # refuses what is wrong before the long work
    sound = None if audio is None else load_speech(audio)
    pipe = load_pipeline(checkpoint, device, subject, with_speech=False, compat=compat)
    prepared = pipe.encode(portrait, face=face, detector=face_for(pipe, box, landmarks, square))
    with progress(_frames_in(driving), quiet or as_json, "watching") as advance:
        animation = pipe.drive(
            prepared,
            driving,
            speech=sound,
            driving_face=driving_face,
            paste_back=full,
            fps=fps,
            progress=advance,
        )
    watched = time.perf_counter()
    if motion_out is not None:
        animation.motion.save(motion_out)
    with progress(animation.n_frames, quiet or as_json) as advance:
        animation.save(output, progress=advance)
    report(
        as_json,
        quiet,
        f"{output}: {animation.n_frames} frames, {animation.duration:.1f} s, made in "
        f"{time.perf_counter() - started:.1f} s",
        {
            "output": str(output),
            "frames": animation.n_frames,
            "fps": animation.fps,
            "seconds": animation.duration,
            "size": list(animation.size),
            "face_score": round(prepared.crop.face.score, 3),
            "timings": {
                "watch": round(watched - started, 3),
                "render": round(time.perf_counter() - watched, 3),
            },
        },
    )


def _frames_in(driving: Path) -> int:
    """About how many frames will be read, for the progress bar; 1 for files of motion."""
    from joyvasa_lib.media.video import probe
    from joyvasa_lib.motion.templates import motion_file_kind

    if motion_file_kind(driving) is not None:
        return 1
    info = probe(driving)
    return max(1, round((info.duration or 0.0) * (info.fps or 25.0)))
