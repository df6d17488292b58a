"""``joyvasa drive``: a portrait does what another person does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from joyvasa_lib.cli.options.groups import with_option_groups
from joyvasa_lib.cli.options.inputs import FaceOptions, ModelOptions, Portrait, Wrinkles
from joyvasa_lib.cli.output import Reporting, VideoOutput


@with_option_groups
def drive(
    *,
    portrait: Portrait,
    driving: Annotated[
        Path, typer.Argument(help="Video with a face, .safetensors motion, or .pkl template.")
    ],
    audio: Annotated[
        Path | None, typer.Option(help="Audio of the result; the driving video's by default.")
    ] = None,
    video: VideoOutput,
    fps: Annotated[
        float | None, typer.Option(help="Frames a second; the driving motion's by default.")
    ] = None,
    faces: FaceOptions,
    driving_face: Annotated[
        str, typer.Option(help="Whom to follow in the video: largest, or the rank by size from 0.")
    ] = "largest",
    wrinkles: Wrinkles = None,
    model: ModelOptions,
    reporting: Reporting,
) -> None:
    """Makes PORTRAIT do what the person in DRIVING does; the video's audio is kept."""
    from joyvasa_lib.media.audio import load_speech
    from joyvasa_lib.media.files import check_readable

    started = time.perf_counter()
    model.check()
    video.check(fps)
    check_readable(driving, "driving")
    faces.detector()
    speech = None if audio is None else load_speech(audio)
    pipe = model.load(with_speech=False, wrinkles=wrinkles)
    encoded = faces.encode(pipe, portrait, video.of_image)
    with reporting.progress(_frames_in(driving), "watching") as advance:
        animation = pipe.drive(
            encoded,
            driving,
            speech=speech,
            driving_face=driving_face,
            paste_back=video.full,
            fps=fps,
            max_size=video.largest,
            progress=advance,
        )
    watched = time.perf_counter()
    video.save(animation, reporting)
    timings = {"watch": watched - started, "render": time.perf_counter() - watched}
    video.close(animation, encoded, started, timings, reporting)


def _frames_in(driving: Path) -> int:
    """About how many frames will be read, for the progress bar; 1 for files of motion."""
    from joyvasa_lib.media.video import probe
    from joyvasa_lib.motion.templates import motion_file_kind

    if motion_file_kind(driving) is not None:
        return 1
    info = probe(driving)
    return max(1, round((info.duration or 0.0) * (info.fps or 25.0)))
