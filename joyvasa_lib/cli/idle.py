"""``joyvasa idle``: a portrait that does not speak, but lives."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, cast

import typer

from joyvasa_lib.cli.options.emotion import NamedEmotion
from joyvasa_lib.cli.options.groups import with_option_groups
from joyvasa_lib.cli.options.inputs import FaceOptions, ModelOptions, Portrait, Wrinkles
from joyvasa_lib.cli.output import Reporting, VideoOutput


@with_option_groups
def idle(
    *,
    portrait: Portrait,
    video: VideoOutput,
    seconds: Annotated[
        float | None,
        typer.Option(help="Length; 10, or that of the recording that is listened to."),
    ] = None,
    listening_to: Annotated[
        Path | None,
        typer.Option(help="Recording of the other person: nods and blinks answer it."),
    ] = None,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 25.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same motion.")] = 0,
    liveliness: Annotated[
        float, typer.Option(help="How much head and face move, 0 (still) to 2.")
    ] = 1.0,
    gaze: Annotated[
        str, typer.Option(help="placed: now and then aside; viewer: always on the viewer.")
    ] = "placed",
    emotions: NamedEmotion,
    wrinkles: Wrinkles = None,
    faces: FaceOptions,
    model: ModelOptions,
    reporting: Reporting,
) -> None:
    """Makes PORTRAIT breathe, look and blink without speaking; the video has no sound."""
    from joyvasa_lib.motion.living.idle import IdleGaze

    started = time.perf_counter()
    model.check()
    video.check(fps)
    faces.detector()
    editor = emotions.editor(seed)
    pipe = model.load(with_speech=False, wrinkles=wrinkles)
    performance = pipe.perform_idle(
        10.0 if seconds is None and listening_to is None else seconds,
        listening_to=listening_to,
        fps=fps,
        seed=seed,
        liveliness=liveliness,
        gaze=cast("IdleGaze", gaze),
    )
    encoded = faces.encode(pipe, portrait, video.of_image)
    if editor is not None:
        performance = performance.edit(pipe.editor(editor, encoded))
    ready = time.perf_counter()
    animation = pipe.render(encoded, performance, paste_back=video.full, max_size=video.largest)
    video.save(animation, reporting)
    timings = {
        "encode": ready - started,
        "motion": performance.seconds,
        "render": time.perf_counter() - ready - performance.seconds,
    }
    video.close(animation, encoded, started, timings, reporting)
