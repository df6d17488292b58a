"""``joyvasa animate``, ``joyvasa demo`` and ``joyvasa motion``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from joyvasa_lib.cli.options.emotion import EmotionChoice
from joyvasa_lib.cli.options.generation import GenerationChoice
from joyvasa_lib.cli.options.groups import with_option_groups
from joyvasa_lib.cli.options.inputs import (
    FaceOptions,
    ModelOptions,
    Portrait,
    Recording,
    Wrinkles,
)
from joyvasa_lib.cli.output import Json, Quiet, Reporting, VideoOutput, check_motion_path

DEMO_ASSETS = Path(__file__).parent.parent / "demo_assets"


@with_option_groups
def animate(
    *,
    portrait: Portrait,
    audio: Recording,
    video: VideoOutput,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 25.0,
    generation: GenerationChoice,
    blink: Annotated[float, typer.Option(help="Factor on blinks.")] = 1.0,
    mouth: Annotated[float, typer.Option(help="Factor on mouth movement.")] = 1.0,
    brows: Annotated[float, typer.Option(help="Factor on brow movement.")] = 1.0,
    emotions: EmotionChoice,
    wrinkles: Wrinkles = None,
    faces: FaceOptions,
    model: ModelOptions,
    reporting: Reporting,
) -> None:
    """Makes PORTRAIT speak AUDIO."""
    from joyvasa_lib.emotion.editor import SPEAKING_LIVELINESS
    from joyvasa_lib.media.audio import load_speech

    started = time.perf_counter()
    model.check()
    video.check(fps)
    faces.detector()
    editor = emotions.editor(generation.seed, usual=SPEAKING_LIVELINESS)
    pipe = model.load(wrinkles=wrinkles)
    speech = load_speech(audio)
    encoded = faces.encode(pipe, portrait, video.of_image)
    ready = time.perf_counter()
    performance = pipe.perform(
        speech, fps=fps, **generation.keywords(pipe, model.compat)
    ).with_gains(blink=blink, mouth=mouth, brows=brows)
    if editor is not None:
        performance = performance.edit(pipe.editor(editor, encoded))
    animation = pipe.render(
        encoded, performance, speech, paste_back=video.full, max_size=video.largest
    )
    video.save(animation, reporting)
    timings = {
        "encode": ready - started,
        "motion": performance.seconds,
        "render": time.perf_counter() - ready - performance.seconds,
    }
    video.close(animation, encoded, started, timings, reporting)


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help=".mp4, .mov or .mkv")] = Path(
        "joyvasa_demo.mp4"
    ),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Makes the bundled astronaut portrait speak a bundled sentence."""
    animate(
        portrait=DEMO_ASSETS / "astronaut.jpg",
        audio=DEMO_ASSETS / "hello.flac",
        output=output,
        quiet=quiet,
        as_json=as_json,
    )


@with_option_groups
def motion(
    audio: Recording,
    output: Annotated[Path, typer.Option("--output", "-o", help=".safetensors")],
    generation: GenerationChoice,
    model: ModelOptions,
    reporting: Reporting,
) -> None:
    """Generates the motion of AUDIO and saves it, independent of any portrait."""
    from joyvasa_lib.media.audio import load_speech

    model.check()
    check_motion_path(output)
    pipe = model.load()
    performance = pipe.perform(load_speech(audio), **generation.keywords(pipe, model.compat))
    with reporting.progress(len(performance), "generating") as advance:
        told = performance if advance is None else performance.with_progress(advance)
        result = told.motion
    result.save(output)
    values = {"output": str(output), "frames": len(result), "fps": result.fps}
    reporting.close(f"{output}: {len(result)} frames", values)
