"""``joyvasa live``: a portrait that speaks what is heard, as it is heard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joyvasa_lib.checks import checked_float
from joyvasa_lib.cli.options.emotion import NamedEmotion
from joyvasa_lib.cli.options.groups import with_option_groups
from joyvasa_lib.cli.options.inputs import FaceOptions, ModelOptions, Portrait
from joyvasa_lib.cli.options.signing import Sign, read_signer
from joyvasa_lib.cli.output import Reporting
from joyvasa_lib.errors import JoyVASAError, OptionError

if TYPE_CHECKING:
    from joyvasa_lib.live.avatar import Avatar
    from joyvasa_lib.live.frame import LiveFrame
    from joyvasa_lib.live.recorder import Recorder

_PIECE = 0.02
"""Seconds of the pieces in which a file is spoken as if it were live."""
_REST = 0.6
"""Seconds of idling after a file has been spoken."""


@with_option_groups
def live(
    *,
    portrait: Portrait,
    audio: Annotated[
        Path | None, typer.Argument(help="Speech, played as if it were live; or --microphone.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Recording: .mp4, .mov or .mkv")
    ] = None,
    microphone: Annotated[
        bool,
        typer.Option(
            "--microphone", help="Speak what the microphone hears until Ctrl-C (extra: live)."
        ),
    ] = False,
    window: Annotated[bool, typer.Option("--window", help="Show it in a window.")] = False,
    camera: Annotated[
        bool, typer.Option("--camera", help="Show it on a virtual camera (extra: live).")
    ] = False,
    loudspeaker: Annotated[
        bool, typer.Option("--loudspeaker", help="Play the sound with the frames (extra: live).")
    ] = False,
    microphone_device: Annotated[str, typer.Option(help="Name of the microphone.")] = "",
    camera_device: Annotated[str, typer.Option(help="Device of the virtual camera.")] = "",
    seconds: Annotated[
        float | None, typer.Option(help="Stop after so long; without one at the file's end.")
    ] = None,
    size: Annotated[int, typer.Option(help="Pixels of a frame's longer side at most.")] = 512,
    full: Annotated[
        bool, typer.Option("--full/--crop", help="Whole image, or the square around the face.")
    ] = False,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 25.0,
    seed: Annotated[int, typer.Option(help="Of all that is drawn at random.")] = 0,
    style: Annotated[
        str, typer.Option(help="calm, neutral, lively or presenter, or dials such as head=0.5.")
    ] = "",
    sign: Sign = None,
    emotions: NamedEmotion,
    faces: FaceOptions,
    model: ModelOptions,
    reporting: Reporting,
) -> None:
    """Makes PORTRAIT speak AUDIO, or what the microphone hears, while it is heard."""
    from joyvasa_lib.live.recorder import Recorder
    from joyvasa_lib.media.audio import load_speech
    from joyvasa_lib.media.video import check_video_path
    from joyvasa_lib.speech.notation import read_style

    if (audio is None) == (not microphone):
        raise OptionError("Give a recording to speak, or --microphone, one of both")
    if output is None and not (window or camera):
        raise OptionError("Nothing would be seen: give --output, --window or --camera")
    if seconds is not None:
        checked_float("--seconds", seconds, above=0.0, most=86400.0)
    if output is None and sign is not None:
        raise OptionError("--sign belongs to --output")
    signer = None if output is None else read_signer(sign, check_video_path(output))
    model.check()
    faces.detector()
    emotion = emotions.editor(seed)
    speech = None if audio is None else load_speech(audio)
    pipe = model.load()
    limit = None if full else size
    encoded = faces.encode(pipe, portrait, size if full else 4096, crop_size=limit)
    with ExitStack() as stack:
        avatar = stack.enter_context(
            pipe.live(
                encoded,
                fps=fps,
                size=size,
                paste_back=full,
                emotion=emotion,
                seed=seed,
                style=read_style(style, "--style"),
            )
        )
        recorder = None
        if output is not None:
            preset = pipe.portrait_model.preset or ""
            recorder = Recorder(output, avatar.size, avatar.fps, model=preset, signer=signer)
        show = _sinks(stack, avatar, recorder, window, camera, loudspeaker, camera_device)
        if speech is None:
            failed = _hear(stack, avatar, microphone_device)
        else:
            failed = _speak(stack, avatar, speech.waveform)
        with suppress(*(() if speech is not None else (KeyboardInterrupt,))):
            _run(avatar, show, failed, seconds, ends=speech is not None)
        metrics = avatar.metrics
    reporting.close(
        f"{output or 'live'}: {metrics}",
        {"output": None if output is None else str(output), **metrics.to_dict()},
    )


Sink = Callable[["LiveFrame"], bool]
"""Shows a frame; says whether it can be seen any longer."""


def _sinks(
    stack: ExitStack,
    avatar: Avatar,
    recorder: Recorder | None,
    window: bool,
    camera: bool,
    loudspeaker: bool,
    camera_device: str,
) -> list[Sink]:
    """Everything that frames go to, open until the end."""
    from joyvasa_lib.live import devices
    from joyvasa_lib.media.audio import SAMPLE_RATE

    sinks: list[Sink] = []
    delay = 0.0
    if loudspeaker:
        speaker = stack.enter_context(devices.Loudspeaker(SAMPLE_RATE))
        delay = speaker.delay
        sinks.append(_always(speaker.send))
    if camera:
        opened = devices.VirtualCamera(avatar.size, avatar.fps, camera_device or None, delay)
        sinks.append(_always(stack.enter_context(opened).send))
    if recorder is not None:
        sinks.append(_always(stack.enter_context(recorder).write))
    if window:
        screen = stack.enter_context(devices.Window(avatar.size))

        def show(frame: LiveFrame) -> bool:
            screen.send(frame)
            return bool(screen.open)

        sinks.append(show)
    return sinks


def _always(send: Callable[[LiveFrame], None]) -> Sink:
    def sink(frame: LiveFrame) -> bool:
        send(frame)
        return True

    return sink


def _speak(stack: ExitStack, avatar: Avatar, waveform: Any) -> Callable[[], Exception | None]:
    """Pushes a recording in small pieces as fast as it sounds, on a thread."""
    from joyvasa_lib.media.audio import SAMPLE_RATE

    stop = threading.Event()
    errors: list[JoyVASAError] = []

    def push() -> None:
        step = round(_PIECE * SAMPLE_RATE)
        started = time.monotonic()
        try:
            for start in range(0, len(waveform), step):
                if stop.wait(max(0.0, started + start / SAMPLE_RATE - time.monotonic())):
                    return
                avatar.push_audio(waveform[start : start + step], SAMPLE_RATE)
            avatar.flush()
        except JoyVASAError as error:
            errors.append(error)

    thread = threading.Thread(target=push, name="joyvasa-live-file", daemon=True)
    thread.start()
    stack.callback(thread.join)
    stack.callback(stop.set)
    return lambda: errors[0] if errors else None


def _hear(stack: ExitStack, avatar: Avatar, device: str) -> Callable[[], Exception | None]:
    """Pushes what the microphone hears."""
    from joyvasa_lib.live.devices import Microphone

    opened = stack.enter_context(Microphone(avatar.push_audio, device or None))
    return lambda: opened.failure


def _run(
    avatar: Avatar,
    sinks: list[Sink],
    failed: Callable[[], Exception | None],
    seconds: float | None,
    ends: bool,
) -> None:
    """Shows frames until the time is over, the recording has been spoken, or a window is closed."""
    spoken: float | None = None
    for frame in avatar:
        error = failed()
        if error is not None:
            raise error
        if not all([sink(frame) for sink in sinks]):
            return
        if frame.utterance_end and ends and avatar.waiting == 0.0:
            spoken = frame.time
        if seconds is not None and frame.time >= seconds - frame.periods / avatar.fps:
            return
        if seconds is None and spoken is not None and frame.time - spoken >= _REST:
            return
