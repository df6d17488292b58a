"""Pipecat: a pipeline that runs in this process, with its own output. No test measures time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import numpy as np
import pytest

import places
from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.integrations import playout
from joyvasa_lib.live.avatar import Avatar
from joyvasa_lib.media.audio import load_speech
from live_parts import live_threads, make_avatar, tone

pytest.importorskip("pipecat", reason="the extra pipecat is not installed")

from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    MetricsFrame,
    OutputAudioRawFrame,
    OutputImageRawFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.metrics.metrics import TTFBMetricsData
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

from joyvasa_lib.integrations.pipecat import AvatarVideoService

HANGS = 300.0
"""Seconds after which a test counts as one that hangs."""


def pcm(seconds: float, rate: int = 24000) -> bytes:
    return (tone(seconds, rate) * 32767).astype("<i2").tobytes()


def speech(seconds: float, rate: int = 24000) -> list[Frame]:
    """What a synthesiser gives: pieces of 20 ms between their start and their stop."""
    whole, size = pcm(seconds, rate), rate // 50 * 2
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    sound = [TTSAudioRawFrame(piece, rate, 1) for piece in pieces]
    return [TTSStartedFrame(), *sound, TTSStoppedFrame()]


class Recorder(FrameProcessor):
    """Keeps the frames that come to it."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        await self.push_frame(frame, direction)

    def of(self, *kinds: type[Frame]) -> list[Any]:
        return [one for one in self.frames if isinstance(one, kinds)]

    @property
    def heard(self) -> bytes:
        return b"".join(one.audio for one in self.of(TTSAudioRawFrame))

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            await asyncio.sleep(0.01)

    async def stopped(self, times: int = 1) -> None:
        await self.until(lambda: len(self.of(TTSStoppedFrame)) >= times)


Script = Callable[[PipelineWorker, Recorder], Awaitable[None]]


def converse(
    avatar: Avatar, script: Script, behind: list[FrameProcessor] | None = None
) -> tuple[AvatarVideoService, Recorder]:
    """Runs a pipeline while a script gives it frames; the pipeline ends after the script."""

    async def run() -> tuple[AvatarVideoService, Recorder]:
        service, recorder = AvatarVideoService(avatar), Recorder()
        worker = PipelineWorker(
            Pipeline([service, *(behind or []), recorder]),
            params=PipelineParams(enable_metrics=True),
            cancel_on_idle_timeout=False,
            enable_rtvi=False,
        )
        started = asyncio.Event()

        @worker.event_handler("on_pipeline_started")
        async def on_started(*_: Any) -> None:
            started.set()

        async def talk() -> None:
            await started.wait()
            await script(worker, recorder)
            await worker.queue_frame(EndFrame())

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await asyncio.gather(runner.run(), talk())
        return service, recorder

    return asyncio.run(asyncio.wait_for(run(), HANGS))


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert not live_threads()


def test_somebody_is_seen_before_the_first_word() -> None:
    async def script(worker: PipelineWorker, seen: Recorder) -> None:
        await seen.until(lambda: len(seen.of(OutputImageRawFrame)) >= 5)

    with make_avatar() as avatar:
        _, seen = converse(avatar, script)
    assert isinstance(seen.frames[0], StartFrame) and isinstance(seen.frames[-1], EndFrame)
    assert seen.heard == b""
    image = seen.of(OutputImageRawFrame)[0]
    assert (image.size, image.format, len(image.image)) == ((4, 4), "RGB", 48)


def test_what_follows_speech_waits_until_it_is_spoken() -> None:
    async def script(worker: PipelineWorker, seen: Recorder) -> None:
        for seconds in (0.5, 0.3):
            await worker.queue_frames(speech(seconds))
        await worker.queue_frame(TTSTextFrame("said", "sentence"))
        await seen.until(lambda: bool(seen.of(TTSTextFrame)))

    with make_avatar() as avatar:
        service, seen = converse(avatar, script)
        assert service.live_metrics.utterances == 2
        assert service.live_metrics.first_frame_ms is not None
    order = seen.of(TTSStartedFrame, TTSAudioRawFrame, TTSStoppedFrame, TTSTextFrame)
    kinds = [type(one) for one in order]
    first = kinds.index(TTSStoppedFrame)
    assert b"".join(one.audio for one in order[1:first]) == pcm(0.5)
    assert kinds[first + 1] is TTSStartedFrame
    assert b"".join(one.audio for one in order[first + 2 : -2]) == pcm(0.3)
    assert kinds[-2:] == [TTSStoppedFrame, TTSTextFrame]
    grey = [max(one.image) for one in seen.of(OutputImageRawFrame)]
    assert max(grey) > 100 and min(grey) < 30  # a mouth that opened and closed


def test_every_sound_comes_with_its_image_and_latency_is_told() -> None:
    async def script(worker: PipelineWorker, seen: Recorder) -> None:
        await worker.queue_frames(speech(0.5))
        await seen.stopped()

    with make_avatar() as avatar:
        service, seen = converse(avatar, script)
    media = seen.of(TTSAudioRawFrame, OutputImageRawFrame)
    for number, one in enumerate(media):
        if isinstance(one, TTSAudioRawFrame):
            assert isinstance(media[number + 1], OutputImageRawFrame)
    told = [data for one in seen.of(MetricsFrame) for data in one.data]
    latency = [one for one in told if isinstance(one, TTFBMetricsData)]
    assert sum(one.processor == service.name and one.value > 0.0 for one in latency) == 1


def test_the_end_comes_after_everything_was_spoken() -> None:
    async def script(worker: PipelineWorker, seen: Recorder) -> None:
        await worker.queue_frames(speech(0.6)[:-1])  # nobody stops the synthesiser

    with make_avatar() as avatar:
        _, seen = converse(avatar, script)
    assert seen.heard == pcm(0.6)


def test_interruptions_one_after_the_other_leave_nothing_waiting() -> None:
    whole = pcm(10.0)

    async def script(worker: PipelineWorker, seen: Recorder) -> None:
        for turn in range(20):
            before = len(seen.heard)
            await worker.queue_frames([TTSAudioRawFrame(whole, 24000, 1), TTSStoppedFrame()])
            await seen.until(lambda: avatar.waiting > 0.0)
            if turn % 2 == 0:
                await seen.until(lambda: len(seen.heard) > before)  # noqa: B023
            await worker.queue_frame(InterruptionFrame())
            await seen.until(lambda: len(seen.of(InterruptionFrame)) > turn)  # noqa: B023
        assert not seen.of(TTSStoppedFrame)
        await worker.queue_frames(speech(0.4))
        await seen.stopped()

    with make_avatar() as avatar:
        _, seen = converse(avatar, script)
    assert seen.heard.endswith(pcm(0.4))
    last = max(seen.frames.index(one) for one in seen.of(InterruptionFrame))
    assert b"".join(f.audio for f in seen.frames[last:] if isinstance(f, TTSAudioRawFrame)) == pcm(
        0.4
    )


def test_an_interruption_frees_who_waits_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playout, "MOST_WAITING", 2.0)

    async def script(worker: PipelineWorker, seen: Recorder) -> None:
        await worker.queue_frames(speech(20.0))
        await seen.until(lambda: avatar.waiting > 1.9)
        await worker.queue_frame(InterruptionFrame())
        await seen.until(lambda: bool(seen.of(InterruptionFrame)))
        await worker.queue_frames(speech(0.2))
        await seen.stopped()

    with make_avatar() as avatar:
        _, seen = converse(avatar, script)
        assert avatar.metrics.interruptions == 1
    assert seen.heard.endswith(pcm(0.2))


def test_minutes_of_short_utterances_do_not_freeze() -> None:
    """Time passes twenty times as fast."""

    async def script(worker: PipelineWorker, seen: Recorder) -> None:
        turns = 0
        while avatar.metrics.seconds < 240.0 or turns < 10:
            turns += 1
            await worker.queue_frames(speech(0.5))
            await seen.stopped(turns)
        assert seen.heard == turns * pcm(0.5)

    with make_avatar(clock=lambda: 20.0 * time.monotonic()) as avatar:
        _, seen = converse(avatar, script)
    assert len(seen.of(OutputImageRawFrame)) > len(seen.of(TTSStoppedFrame))


def test_somebody_else_is_listened_to() -> None:
    noise = 0.3 * np.random.default_rng(0).standard_normal(16000) * 32767
    sound = noise.clip(-32768, 32767).astype("<i2").tobytes()
    heard: list[int] = []

    async def script(worker: PipelineWorker, seen: Recorder) -> None:
        await seen.until(lambda: bool(seen.of(OutputImageRawFrame)))
        await worker.queue_frame(InputAudioRawFrame(sound, 16000, 1))
        await seen.until(lambda: bool(seen.of(InputAudioRawFrame)) and bool(heard))

    with make_avatar() as avatar:
        listen = avatar.listen
        avatar.listen = lambda one, rate: (listen(one, rate), heard.append(len(one)))[0]  # type: ignore[method-assign]
        converse(avatar, script)
    assert heard == [32000]


def test_speech_goes_on_without_an_avatar_that_fails() -> None:
    drawn = 0

    def breaks(motion: Motion) -> np.ndarray[Any, Any]:
        nonlocal drawn
        drawn += 1
        if drawn > 5:
            raise ValueError("no paint left")
        return np.zeros((4, 4, 3), np.uint8)

    errors: list[str] = []

    async def script(worker: PipelineWorker, seen: Recorder) -> None:
        @worker.event_handler("on_pipeline_error")
        async def on_error(_: Any, frame: ErrorFrame) -> None:
            errors.append(frame.error)

        await worker.queue_frames(speech(5.0))
        await seen.stopped()
        await worker.queue_frames(speech(0.3))
        await seen.stopped(2)

    with make_avatar(render=breaks) as avatar:
        _, seen = converse(avatar, script)
    assert seen.heard.endswith(pcm(0.3))
    assert any("no paint left" in error for error in errors)


class Output(BaseOutputTransport):
    """An output that keeps what is sent; its clients come late."""

    def __init__(self, size: tuple[int, int]) -> None:
        options = TransportParams(
            audio_out_enabled=True, audio_out_sample_rate=24000, video_out_enabled=True,
            video_out_is_live=True, video_out_width=size[0], video_out_height=size[1],
            video_out_framerate=30,
        )  # fmt: skip
        super().__init__(options)
        self.heard = b""
        self.images: list[OutputImageRawFrame] = []
        self.ready, self.early = False, 0

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await asyncio.sleep(0.3)
        self.ready = True
        await self.set_transport_ready(frame)

    async def queue_frame(self, frame: Frame, *options: Any) -> None:
        self.early += isinstance(frame, OutputImageRawFrame) and not self.ready
        await super().queue_frame(frame, *options)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self.heard += frame.audio
        return True

    async def write_video_frame(self, frame: OutputImageRawFrame) -> bool:
        self.images.append(frame)
        return True


def test_an_output_is_given_images_when_it_is_ready_and_tells_when_speech_ended() -> None:
    output = Output((4, 4))
    heard: list[bytes] = []

    async def script(worker: PipelineWorker, seen: Recorder) -> None:
        await seen.until(lambda: len(output.images) >= 3)
        await worker.queue_frames(speech(0.48))
        await seen.stopped()
        await seen.until(lambda: bool(seen.of(BotStoppedSpeakingFrame)))
        heard.append(output.heard)

    with make_avatar() as avatar:
        converse(avatar, script, [output])
    assert heard == [pcm(0.48)]
    assert output.early == 0


@pytest.mark.slow
def test_a_portrait_speaks_in_a_pipeline(pipe: JoyVASAPipeline) -> None:
    waveform = load_speech(places.DEMO / "hello.flac").waveform[8000:16000]
    sound = (waveform * 32767).astype("<i2").tobytes()
    output = Output((256, 256))

    async def script(worker: PipelineWorker, seen: Recorder) -> None:
        await seen.until(lambda: len(output.images) >= 2)
        await worker.queue_frames([TTSAudioRawFrame(sound, 16000, 1), TTSStoppedFrame()])
        await seen.stopped()
        await seen.until(lambda: bool(seen.of(BotStoppedSpeakingFrame)))

    portrait = pipe.encode(places.DEMO / "astronaut.jpg", crop_size=256)
    with pipe.live(portrait, num_inference_steps=2) as avatar:
        service, _ = converse(avatar, script, [output])
        assert service.live_metrics.utterances == 1
    assert len(output.heard) >= 24000 * 2 * 0.5 * 0.98  # resampled by the output
    images = [np.frombuffer(one.image, np.uint8).astype(int) for one in output.images]
    assert {one.size for one in output.images} == {(256, 256)}
    assert max(np.abs(one - images[0]).mean() for one in images) > 0.3
