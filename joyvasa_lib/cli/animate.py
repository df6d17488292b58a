"""``joyvasa animate``, ``joyvasa demo`` and ``joyvasa motion``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from joyvasa_lib.cli.emotion import (
    EmotionText,
    Liveliness,
    Protect,
    Strength,
    TimelineFile,
    Units,
    chosen_emotion,
)
from joyvasa_lib.cli.faces import Box, FaceRank, Landmarks, Square, face_for, given_face
from joyvasa_lib.errors import OptionError

if TYPE_CHECKING:
    from joyvasa_lib.motion import Motion
    from joyvasa_lib.pipeline import JoyVASAPipeline

DEMO_ASSETS = Path(__file__).parent.parent / "demo_assets"

Seed = Annotated[int, typer.Option(help="Same seed, same motion.")]
Guidance = Annotated[float, typer.Option(help="How strongly speech drives the motion.")]
Steps = Annotated[
    int | None, typer.Option(help="Denoising steps; 10, or all of training with --compat.")
]
SchedulerName = Annotated[
    str | None, typer.Option(help="ddim, ddpm or dpmsolver++; ddim, or ddpm with --compat.")
]
Head = Annotated[float, typer.Option(help="Factor on head motion; 0 keeps the head still.")]


def animate(
    portrait: Annotated[Path, typer.Argument(help="Image with a face.")],
    audio: Annotated[Path, typer.Argument(help="Speech: any sound or video file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help=".mp4, .mov or .mkv")],
    seed: Seed = 0,
    guidance_scale: Guidance = 2.0,
    steps: Steps = None,
    scheduler: SchedulerName = None,
    head_motion: Head = 1.0,
    blink: Annotated[float, typer.Option(help="Factor on blinks.")] = 1.0,
    mouth: Annotated[float, typer.Option(help="Factor on mouth movement.")] = 1.0,
    brows: Annotated[float, typer.Option(help="Factor on brow movement.")] = 1.0,
    emotion: EmotionText = "",
    emotion_timeline: TimelineFile = None,
    au: Units = None,
    emotion_strength: Strength = 1.0,
    protect_speech: Protect = True,
    liveliness: Liveliness = 0.0,
    full: Annotated[
        bool, typer.Option("--full/--crop", help="Whole image, or the square at the face.")
    ] = True,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 25.0,
    face: FaceRank = "largest",
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
    """Makes PORTRAIT speak AUDIO."""
    from joyvasa_lib.media.audio import load_speech
    from joyvasa_lib.media.files import check_writable
    from joyvasa_lib.media.video import check_video_path

    started = time.perf_counter()
    if not 1 <= fps <= 120:
        raise OptionError(f"--fps must lie between 1 and 120, not {fps:g}")
    check_compat(compat)
    check_video_path(output)
    if motion_out is not None:
        check_writable(motion_out)
    given_face(box, landmarks, square)  # refuses what is wrong before the long work
    editor = chosen_emotion(
        emotion, emotion_timeline, au, emotion_strength, protect_speech, liveliness, seed
    )
    pipe = load_pipeline(checkpoint, device, subject, compat=compat)
    speech = load_speech(audio)
    prepared = pipe.encode(portrait, face=face, detector=face_for(pipe, box, landmarks, square))
    encoded = time.perf_counter()
    performance = pipe.perform(
        speech,
        fps=fps,
        seed=seed,
        guidance_scale=guidance_scale,
        head_motion=head_motion,
        **_sampling(pipe, steps, scheduler, compat),
    ).with_gains(blink=blink, mouth=mouth, brows=brows)
    if editor is not None:
        performance = performance.edit(pipe.editor(editor, prepared))
    if motion_out is not None:
        performance.motion.save(motion_out)
    animation = pipe.render(prepared, performance, speech, paste_back=full)
    with progress(animation.n_frames, quiet or as_json) as advance:
        animation.save(output, progress=advance)
    rendered = time.perf_counter()
    report(
        as_json,
        quiet,
        f"{output}: {animation.n_frames} frames, {animation.duration:.1f} s, made in "
        f"{rendered - started:.1f} s",
        {
            "output": str(output),
            "frames": animation.n_frames,
            "fps": animation.fps,
            "seconds": animation.duration,
            "size": list(animation.size),
            "face_score": round(prepared.crop.face.score, 3),
            "timings": {
                "encode": round(encoded - started, 3),
                "motion": round(performance.seconds, 3),
                "render": round(rendered - encoded - performance.seconds, 3),
            },
        },
    )


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help=".mp4, .mov or .mkv")] = Path(
        "joyvasa_demo.mp4"
    ),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Makes the bundled astronaut portrait speak a bundled sentence."""
    animate(
        DEMO_ASSETS / "astronaut.jpg",
        DEMO_ASSETS / "hello.flac",
        output,
        quiet=quiet,
        as_json=as_json,
    )


def motion(
    audio: Annotated[Path, typer.Argument(help="Speech: any sound or video file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help=".safetensors")],
    seed: Seed = 0,
    guidance_scale: Guidance = 2.0,
    steps: Steps = None,
    scheduler: SchedulerName = None,
    head_motion: Head = 1.0,
    device: Device = None,
    checkpoint: Checkpoint = None,
    subject: Subject = None,
    compat: Compat = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Generates the motion of AUDIO and saves it, independent of any portrait."""
    from joyvasa_lib.media.files import check_writable

    check_compat(compat)
    check_writable(output)
    pipe = load_pipeline(checkpoint, device, subject, compat=compat)
    result: Motion = pipe.generate_motion(
        str(audio),
        seed=seed,
        guidance_scale=guidance_scale,
        head_motion=head_motion,
        **_sampling(pipe, steps, scheduler, compat),
    )
    result.save(output)
    values = {"output": str(output), "frames": len(result), "fps": result.fps}
    report(as_json, quiet, f"{output}: {len(result)} frames", values)


def _sampling(
    pipe: JoyVASAPipeline, steps: int | None, scheduler: str | None, compat: str | None
) -> dict[str, Any]:
    """How windows are drawn: in few steps, or in all of them as JoyVASA's published code does."""
    if compat is None:
        return {
            "num_inference_steps": 10 if steps is None else steps,
            "scheduler": scheduler or "ddim",
        }
    if steps is None:
        steps = len(pipe.motion_generator.betas)
    return {"num_inference_steps": steps, "scheduler": scheduler or "ddpm", "compat": compat}
