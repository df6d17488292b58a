"""LiveKit: its own runner, with a room that keeps what is published. No test measures time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import pytest

import places
from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.errors import LiveError
from joyvasa_lib.integrations import playout
from joyvasa_lib.live.frame import LiveFrame
from joyvasa_lib.media.audio import load_speech
from live_parts import live_threads, make_avatar, tone

pytest.importorskip("livekit.agents", reason="the extra livekit is not installed")

from livekit import rtc
from livekit.agents.voice.avatar import AudioSegmentEnd, AvatarRunner, QueueAudioOutput

from joyvasa_lib.integrations.livekit import AvatarVideoGenerator
from livekit_room import Recorder, spoken

T = TypeVar("T")
HANGS = 300.0
"""Seconds after which a test counts as one that hangs."""


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, HANGS))


def sound(seconds: float, rate: int = 24000, channels: int = 1) -> rtc.AudioFrame:
    samples = np.repeat((tone(seconds, rate) * 32767).astype("<i2")[:, None], channels, axis=1)
    return rtc.AudioFrame(samples.tobytes(), rate, channels, len(samples))


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return Recorder(monkeypatch)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert not live_threads()


async def said(output: QueueAudioOutput, seconds: float) -> Any:
    """Says something in pieces of 20 ms, and waits as an agent does."""
    whole = bytes(sound(seconds).data)
    for start in range(0, len(whole), 960):
        piece = whole[start : start + 960]
        await output.capture_frame(rtc.AudioFrame(piece, 24000, 1, len(piece) // 2))
    output.flush()
    return await output.wait_for_playout()


def test_somebody_is_seen_before_the_first_word(recorder: Recorder) -> None:
    async def work() -> None:
        with make_avatar() as avatar:
            async with recorder.running(avatar):
                await recorder.until(lambda: len(recorder.images) >= 5)

    run(work())
    assert recorder.room.tracks == ["avatar_audio", "avatar_video"]
    assert recorder.heard == b""
    assert {(one.width, one.height) for one in recorder.images} == {(4, 4)}


def test_the_agent_is_told_when_a_segment_was_said_to_its_end(recorder: Recorder) -> None:
    started: list[Any] = []

    async def work() -> list[Any]:
        with make_avatar() as avatar:
            async with recorder.running(avatar) as output:
                output.on("playback_started", started.append)
                ends = [await said(output, seconds) for seconds in (0.5, 0.3)]
            assert avatar.metrics.first_frame_ms is not None
            assert avatar.metrics.utterances == 2
        return ends

    ends = run(work())
    assert [end.playback_position for end in ends] == pytest.approx([0.5, 0.3], abs=0.1)
    assert not any(end.interrupted for end in ends)
    assert spoken(recorder.heard) == bytes(sound(0.5).data) + bytes(sound(0.3).data)
    assert len(started) == 2
    grey = [np.frombuffer(one.data, np.uint8).max() for one in recorder.images]
    assert max(grey) > 100 and min(grey) < 30  # a mouth that opened and closed


def test_interruptions_one_after_the_other_never_leave_the_agent_waiting(
    recorder: Recorder,
) -> None:
    async def work() -> Any:
        with make_avatar() as avatar:
            async with recorder.running(avatar) as output:
                for turn in range(12):
                    before = len(recorder.heard)
                    await output.capture_frame(sound(20.0))
                    if turn % 3 == 0:
                        output.flush()
                    await recorder.until(lambda: avatar.waiting > 0.0)
                    if turn % 2 == 0:
                        await recorder.until(lambda: len(recorder.heard) > before)  # noqa: B023
                    output.clear_buffer()
                    output.flush()  # an end that is late
                    end = await output.wait_for_playout()
                    assert end.interrupted and end.playback_position < 20.0
                return await said(output, 0.4)

    last = run(work())
    assert not last.interrupted
    # The runner counts a frame that it had in its hands when it was interrupted.
    assert last.playback_position == pytest.approx(0.4, abs=0.2)
    assert spoken(recorder.heard).endswith(bytes(sound(0.4).data))


def test_an_interruption_frees_who_waits_for_room(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playout, "MOST_WAITING", 2.0)

    async def work() -> Any:
        with make_avatar() as avatar:
            async with recorder.running(avatar) as output:
                for _ in range(30):
                    await output.capture_frame(sound(1.0))
                output.flush()
                await recorder.until(lambda: avatar.waiting > 2.0 and len(recorder.heard) > 0)
                assert avatar.waiting < 4.0
                output.clear_buffer()
                assert (await output.wait_for_playout()).interrupted
                return await said(output, 0.2)

    assert not run(work()).interrupted
    assert spoken(recorder.heard).endswith(bytes(sound(0.2).data))


async def items(generator: AvatarVideoGenerator, ends: int) -> list[Any]:
    """What is given out until so many segments have ended."""
    found: list[Any] = []
    async for item in generator:
        found.append(item)
        ends -= isinstance(item, AudioSegmentEnd)
        if not ends:
            break
    return found


def bytes_of(found: list[Any]) -> bytes:
    return spoken(b"".join(bytes(one.data) for one in found if isinstance(one, rtc.AudioFrame)))


def test_minutes_of_short_segments_do_not_freeze() -> None:
    """Time passes twenty times as fast."""

    async def work() -> tuple[int, int]:
        images = 0
        with make_avatar(clock=lambda: 20.0 * time.monotonic()) as avatar:
            generator = AvatarVideoGenerator(avatar)
            while avatar.metrics.seconds < 240.0 or avatar.metrics.utterances < 10:
                await generator.push_audio(sound(0.5))
                await generator.push_audio(AudioSegmentEnd())
                found = await items(generator, 1)
                assert bytes_of(found) == bytes(sound(0.5).data)
                images += sum(isinstance(one, rtc.VideoFrame) for one in found)
            return images, avatar.metrics.utterances

    images, utterances = run(work())
    assert images > utterances >= 10


def test_every_image_comes_before_its_sound_and_a_segment_that_stalls_ends_once() -> None:
    async def work() -> list[Any]:
        with make_avatar() as avatar:
            generator = AvatarVideoGenerator(avatar)
            await generator.push_audio(sound(0.3))
            read = aiter(generator)
            found = []
            while avatar.waiting or not isinstance(found[-1], rtc.VideoFrame):
                found.append(await anext(read))
            for _ in range(20):  # 0.6 seconds without sound end an utterance
                found.append(await anext(read))
            await generator.push_audio(sound(0.3))
            await generator.push_audio(AudioSegmentEnd())
            while not isinstance(found[-1], AudioSegmentEnd):
                found.append(await anext(read))
            found += [await anext(read) for _ in range(5)]
            assert avatar.metrics.utterances == 2
        return found

    found = run(work())
    assert bytes_of(found) == 2 * bytes(sound(0.3).data)
    kinds = [type(one) for one in found]
    assert kinds.count(AudioSegmentEnd) == 1
    for before, kind in pairwise(kinds):
        assert kind is not rtc.AudioFrame or before is rtc.VideoFrame


class Given:
    """An avatar whose frames are given."""

    size, fps, waiting = (4, 4), 25.0, 0.0

    def __init__(self, frames: list[LiveFrame]) -> None:
        self._frames = frames

    async def __aiter__(self) -> AsyncIterator[LiveFrame]:
        for frame in self._frames:
            yield frame

    def interrupt(self) -> None:
        """Nothing is said."""


def test_sound_stays_a_frame_ahead_in_the_queue_and_meets_its_image() -> None:
    said = [None, 1, 2, None, 3]  # what is heard in each frame
    frames = [
        LiveFrame(
            np.full((4, 4, 3), number, np.uint8),
            np.full(0 if level is None else 960, (level or 0) / 128, np.float32),
            24000,
            number / 25,
        )
        for number, level in enumerate(said)
    ]

    async def work() -> list[Any]:
        return [one async for one in AvatarVideoGenerator(Given(frames))]  # type: ignore[arg-type]

    found = run(work())
    shown = [bytes(one.data)[0] for one in found if isinstance(one, rtc.VideoFrame)]
    assert shown == [0, 0, 1, 2, 3]
    heard = [np.frombuffer(one.data, "<i2") for one in found if isinstance(one, rtc.AudioFrame)]
    assert [len(one) for one in heard] == [1920, 960, 1920]
    assert [one[0] // 256 for one in heard] == [0, 2, 0]
    assert [one[-1] // 256 for one in heard] == [1, 2, 3]


@pytest.mark.parametrize(("rate", "channels"), [(48000, 2), (16000, 1), (24000, 2)])
def test_sound_of_another_form_becomes_that_of_the_track(rate: int, channels: int) -> None:
    async def work() -> bytes:
        with make_avatar() as avatar:
            generator = AvatarVideoGenerator(avatar)
            for _ in range(10):
                await generator.push_audio(sound(0.05, rate, channels))
            await generator.push_audio(AudioSegmentEnd())
            found = await items(generator, 1)
            assert {one.sample_rate for one in found if isinstance(one, rtc.AudioFrame)} == {24000}
            return bytes_of(found)

    made = np.frombuffer(run(work()), "<i2")
    assert len(made) == pytest.approx(12000, abs=50)
    assert np.abs(made).max() == pytest.approx(0.5 * 32767, rel=0.05)


def test_whoever_waits_is_told_when_the_avatar_ends() -> None:
    async def work() -> None:
        with make_avatar() as avatar:
            generator = AvatarVideoGenerator(avatar)
            await generator.push_audio(sound(5.0))
            await generator.push_audio(AudioSegmentEnd())
            read = aiter(generator)
            await anext(read)
            avatar.close()
            rest = [one async for one in read]
            assert isinstance(rest[-1], AudioSegmentEnd)
            generator.clear_buffer()
            with pytest.raises(LiveError, match="closed"):
                await generator.push_audio(sound(0.1))

    run(work())


def test_an_avatar_that_fails_says_so_after_the_ends() -> None:
    drawn = 0

    def breaks(motion: Motion) -> np.ndarray[Any, Any]:
        nonlocal drawn
        drawn += 1
        if drawn > 5:
            raise ValueError("no paint left")
        return np.zeros((4, 4, 3), np.uint8)

    async def work() -> list[Any]:
        found: list[Any] = []
        with make_avatar(render=breaks) as avatar:
            generator = AvatarVideoGenerator(avatar)
            await generator.push_audio(sound(1.0))
            await generator.push_audio(AudioSegmentEnd())
            with pytest.raises(LiveError, match="no paint left"):
                async for item in generator:
                    found.append(item)
        return found

    assert isinstance(run(work())[-1], AudioSegmentEnd)


def test_somebody_else_is_listened_to() -> None:
    noise = (0.3 * np.random.default_rng(0).standard_normal(24000) * 32767).clip(-32768, 32767)

    async def work() -> None:
        with make_avatar() as avatar:
            generator = AvatarVideoGenerator(avatar)
            generator.listen(rtc.AudioFrame(noise.astype("<i2").tobytes(), 24000, 1, 24000))
            async for frame in avatar:
                if frame.listening:
                    return

    run(work())


@pytest.mark.slow
def test_a_portrait_speaks_in_a_room(pipe: JoyVASAPipeline, recorder: Recorder) -> None:
    waveform = load_speech(places.DEMO / "hello.flac").waveform[8000:16000]
    pcm = (waveform * 32767).astype("<i2").tobytes()

    async def work() -> Any:
        portrait = pipe.encode(places.DEMO / "astronaut.jpg", crop_size=256)
        with pipe.live(portrait, num_inference_steps=2) as avatar:
            generator = AvatarVideoGenerator(avatar, sample_rate=16000)
            output = QueueAudioOutput(sample_rate=16000)
            runner = AvatarRunner(
                recorder.room,  # type: ignore[arg-type]
                audio_recv=output,
                video_gen=generator,
                options=generator.options,
            )
            await runner.start()
            await output.capture_frame(rtc.AudioFrame(pcm, 16000, 1, len(pcm) // 2))
            output.flush()
            end = await output.wait_for_playout()
            await runner.aclose()
            assert generator.metrics.utterances == 1
            return end

    end = run(work())
    assert end.playback_position > 0.49 and not end.interrupted
    assert spoken(recorder.heard, 16000) == pcm
    assert {(one.width, one.height) for one in recorder.images} == {(256, 256)}
    images = [np.frombuffer(one.data, np.uint8).astype(int) for one in recorder.images]
    assert max(np.abs(one - images[0]).mean() for one in images) > 0.3
