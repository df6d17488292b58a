"""The avatar as its user meets it: threads, errors, ends, and readers. No test measures time."""

from __future__ import annotations

import asyncio
import gc
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import pytest

from joyvasa_lib import Motion
from joyvasa_lib.errors import LiveError, MediaError, OptionError
from joyvasa_lib.live.avatar import Avatar
from joyvasa_lib.live.engine import LONGEST_WAITING
from joyvasa_lib.live.frame import LiveFrame
from live_parts import Clock, EchoMotion, jaw_image, live_threads, make_avatar, tone


@pytest.fixture
def avatar() -> Iterator[Avatar]:
    with make_avatar() as one:
        yield one


def until(frames: Iterator[LiveFrame], wanted: Callable[[LiveFrame], bool]) -> list[LiveFrame]:
    """Frames up to the first one that is wanted."""
    found: list[LiveFrame] = []
    for frame in frames:
        found.append(frame)
        if wanted(frame):
            return found
        assert len(found) < 2000
    raise AssertionError("the avatar ended")


def all_end() -> bool:
    """Whether every avatar's threads end by themselves."""
    for thread in live_threads():
        thread.join(timeout=60)
    return not live_threads()


def ended(frame: LiveFrame) -> bool:
    return frame.utterance_end


def test_frames_never_stop_and_idle_without_sound(avatar: Avatar) -> None:
    frames = list(islice(avatar, 20))
    assert all(frame.idle and not len(frame.audio) for frame in frames)
    assert [frame.time for frame in frames] == sorted({frame.time for frame in frames})


def test_bytes_come_back_as_they_were_pushed(avatar: Avatar) -> None:
    pcm = np.random.default_rng(0).integers(-32768, 32767, 12000).astype("<i2").tobytes()
    frames = iter(avatar)
    for start in range(0, len(pcm), 1000):
        avatar.push_audio(pcm[start : start + 1000], 24000)
    avatar.flush()
    said = until(frames, ended)
    assert b"".join(frame.pcm16() for frame in said) == pcm
    assert sum(frame.utterance_start for frame in said) == 1
    assert {frame.sample_rate for frame in said if frame.speaking} == {24000}


def test_ten_thousand_tiny_pushes_are_one_utterance(avatar: Avatar) -> None:
    sound = tone(0.625)
    for start in range(0, 10000):
        avatar.push_audio(sound[start : start + 1], 16000)
    avatar.flush()
    said = until(iter(avatar), ended)
    assert np.array_equal(np.concatenate([frame.audio for frame in said]), sound)


def test_two_utterances_may_have_two_rates(avatar: Avatar) -> None:
    frames = iter(avatar)
    for rate in (16000, 48000):
        avatar.push_audio(tone(0.3, rate=rate), rate)
        avatar.flush()
    said = until(frames, ended) + until(frames, ended)
    for rate in (16000, 48000):
        spoken = [len(one.audio) for one in said if one.speaking and one.sample_rate == rate]
        assert sum(spoken) == round(0.3 * rate)


WRONG: dict[str, tuple[object, object, type[Exception], str]] = {
    "NaN": (np.array([0.0, np.nan], np.float32), 16000, MediaError, "NaN or infinite"),
    "loud": (np.array([0.0, 300.0], np.float32), 16000, MediaError, "reach 300"),
    "stereo": (np.zeros((2, 100), np.float32), 16000, MediaError, "must be mono"),
    "text": ("hello", 16000, MediaError, "not audio"),
    "odd": (b"\x00\x01\x02", 16000, MediaError, "two bytes a sample"),
    "rate": (np.zeros(100, np.float32), 100, OptionError, "sample_rate=100"),
    "no rate": (np.zeros(100, np.float32), None, OptionError, "sample_rate=None"),
    "half a rate": (np.zeros(100, np.float32), 16000.5, OptionError, "16000.5"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_sound_is_told_and_the_avatar_goes_on(avatar: Avatar, name: str) -> None:
    samples, rate, error, message = WRONG[name]
    for take in (avatar.push_audio, avatar.listen):
        with pytest.raises(error, match=message):
            take(samples, rate)  # type: ignore[arg-type]
    assert next(iter(avatar)).idle


def test_a_little_beyond_one_is_clipped_and_nothing_is_nothing(avatar: Avatar) -> None:
    avatar.push_audio([], 16000)  # type: ignore[arg-type]
    avatar.push_audio(b"", 16000)
    avatar.flush()
    assert avatar.waiting == 0.0
    avatar.push_audio(np.full(6400, 1.5, np.float32), 16000)
    avatar.flush()
    said = until(iter(avatar), ended)
    assert max(frame.audio.max(initial=0.0) for frame in said) == 1.0


def test_the_rate_of_an_utterance_does_not_change(avatar: Avatar) -> None:
    avatar.push_audio(tone(0.1), 16000)
    with pytest.raises(LiveError, match="16000, and 24000"):
        avatar.push_audio(tone(0.1), 24000)


def test_sound_for_hours_is_refused(avatar: Avatar) -> None:
    avatar.push_audio(np.zeros(round(LONGEST_WAITING * 2000), np.float32), 2000)
    with pytest.raises(MediaError, match="600 s"):
        avatar.push_audio(np.zeros(2000, np.float32), 2000)
    avatar.interrupt()
    avatar.push_audio(np.zeros(2000, np.float32), 2000)


def test_an_interruption_drops_what_is_not_shown(avatar: Avatar) -> None:
    frames = iter(avatar)
    avatar.push_audio(tone(30.0), 16000)
    said = until(frames, lambda frame: frame.speaking)
    avatar.interrupt()
    assert avatar.waiting == 0.0
    after = list(islice(frames, 12))
    assert not any(len(frame.audio) for frame in after)
    assert [frame.utterance_end for frame in after].count(True) == 1
    assert len(said) < 100
    # The grey level of an image is the opening of the jaw.
    assert after[-1].image.max() <= 5


def test_a_thousand_interruptions_leave_nothing_behind() -> None:
    with make_avatar() as avatar:
        frames = iter(avatar)

        def conversation(turns: int) -> None:
            for turn in range(turns):
                avatar.push_audio(tone(5.0), 16000)
                if turn % 50 == 0:
                    next(frames)
                avatar.interrupt()

        conversation(100)
        threads = len(threading.enumerate())
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        conversation(900)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert len(threading.enumerate()) == threads
        assert grown < 1_500_000, "one utterance is 640 kB of sound"
        assert avatar.metrics.interruptions == 1000


def test_what_somebody_else_says_is_listened_to(avatar: Avatar) -> None:
    rng = np.random.default_rng(0)
    noise = (0.3 * rng.standard_normal(24000)).astype(np.float32)
    frames = iter(avatar)
    next(frames)
    avatar.listen(noise, 16000)
    heard = until(frames, lambda frame: frame.listening)[-1]
    assert not heard.speaking and not heard.idle and not len(heard.audio)


def test_an_error_of_a_thread_comes_with_the_next_call() -> None:
    def broken(motion: Motion) -> np.ndarray:  # type: ignore[type-arg]
        raise ValueError("no paint left")

    with make_avatar(render=broken) as avatar:
        with pytest.raises(LiveError, match="no paint left") as caught:
            list(avatar)
        assert isinstance(caught.value.__cause__, ValueError)
        with pytest.raises(LiveError, match="no paint left"):
            avatar.push_audio(tone(0.1), 16000)
    assert not live_threads()


def test_an_error_of_the_library_comes_as_it_is() -> None:
    class Refuses(EchoMotion):
        def push(self, chunk: object) -> None:
            raise MediaError("this cannot be understood")

    with make_avatar(begin=lambda _: Refuses()) as avatar:
        frames = iter(avatar)
        next(frames)
        avatar.push_audio(tone(1.0), 16000)
        with pytest.raises(MediaError, match="cannot be understood"):
            until(frames, ended)


def test_closing_in_the_middle_of_a_word_ends_everything() -> None:
    avatar = make_avatar()
    frames = iter(avatar)
    avatar.push_audio(tone(60.0), 16000)
    until(frames, lambda frame: frame.speaking)
    avatar.close()
    assert list(frames) == []
    assert not live_threads()
    for call in (
        lambda: avatar.push_audio(tone(0.1), 16000),
        lambda: avatar.listen(tone(0.1), 16000),
        avatar.flush,
        avatar.interrupt,
        lambda: avatar.set_emotion("happiness"),
        lambda: avatar.set_style("calm"),
    ):
        with pytest.raises(LiveError, match="is closed"):
            call()
    avatar.close()
    assert avatar.metrics.utterances == 1


def test_closing_wakes_a_reader_who_waits() -> None:
    avatar = make_avatar(clock=Clock())  # time stands still: no second frame is due
    frames = iter(avatar)
    next(frames)
    rest: list[LiveFrame] = []
    reader = threading.Thread(target=lambda: rest.extend(frames))
    reader.start()
    avatar.close()
    reader.join(timeout=60)
    assert not reader.is_alive() and rest == []


def test_an_avatar_that_is_forgotten_ends() -> None:
    avatar = make_avatar()
    next(iter(avatar))
    del avatar
    gc.collect()
    assert all_end()


def test_an_avatar_lives_while_it_is_read() -> None:
    frames = iter(make_avatar())
    gc.collect()
    assert len(list(islice(frames, 3))) == 3
    del frames
    gc.collect()
    assert all_end()


def test_a_second_reader_is_refused_until_the_first_has_left(avatar: Avatar) -> None:
    first = iter(avatar)
    next(first)
    with pytest.raises(LiveError, match="Somebody else reads"):
        iter(avatar)
    del first
    for _ in avatar:
        break
    for frame in avatar:
        assert frame.time > 0.0
        break


def test_frames_come_in_an_event_loop_that_goes_on(avatar: Avatar) -> None:
    avatar.push_audio(tone(0.4), 16000)
    avatar.flush()

    async def read() -> list[LiveFrame]:
        frames: list[LiveFrame] = []
        async for frame in avatar:
            frames.append(frame)
            if frame.utterance_end:
                break
        return frames

    async def both() -> tuple[list[LiveFrame], int]:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(other())
        frames = await read()
        beside.cancel()
        return frames, turns

    frames, turns = asyncio.run(both())
    assert np.array_equal(np.concatenate([frame.audio for frame in frames]), tone(0.4))
    assert turns > len(frames)


def test_a_cancelled_task_has_taken_no_frame() -> None:
    clock = Clock()
    with make_avatar(clock=clock) as avatar:
        frames = iter(avatar)
        first = next(frames)

        async def give_up() -> None:
            waiting = asyncio.create_task(frames.__anext__())  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

        asyncio.run(give_up())
        clock.now += 0.041
        assert next(frames).time == pytest.approx(first.time + 0.04)


def test_calls_do_not_wait_for_an_image_that_takes_long() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(motion: Motion) -> np.ndarray:  # type: ignore[type-arg]
        begun.set()
        go_on.wait(timeout=60)
        return jaw_image(motion)

    with make_avatar(render=slow) as avatar:
        assert begun.wait(timeout=60)
        avatar.push_audio(tone(0.4), 16000)
        avatar.set_emotion("happiness")
        avatar.set_style("calm")
        avatar.interrupt()
        assert avatar.metrics.frames == 0  # all of this while the image is still being made
        assert not go_on.is_set()
        go_on.set()


def test_a_style_is_reached_while_somebody_speaks() -> None:
    streams: list[EchoMotion] = []

    def begin(_: int) -> EchoMotion:
        streams.append(EchoMotion())
        return streams[-1]

    with make_avatar(begin=begin) as avatar:
        avatar.push_audio(tone(0.4), 16000)
        avatar.flush()
        frames = iter(avatar)
        until(frames, ended)
        avatar.set_style({"head": 0.2})
        for _ in range(4):
            avatar.push_audio(tone(0.4), 16000)
            avatar.flush()
            until(frames, ended)
    heads = [None if dials is None else float(dials[1]) for one in streams for dials in one.dials]
    assert heads[0] is None
    after = [head for head in heads if head is not None]
    assert after[0] == 1.0 and after[-1] == pytest.approx(0.2)
    with make_avatar() as avatar, pytest.raises(OptionError, match="'wild'"):
        avatar.set_style("wild")  # type: ignore[arg-type]


def test_metrics_tell_what_happened(avatar: Avatar) -> None:
    avatar.push_audio(tone(0.4), 16000)
    avatar.flush()
    frames = until(iter(avatar), ended)
    metrics = avatar.metrics
    assert metrics.frames == len(frames) and metrics.utterances == 1
    assert metrics.dropped == sum(one.periods - 1 + one.repeated for one in frames)
    assert metrics.seconds == pytest.approx(frames[-1].time + frames[-1].periods / 25.0)
    assert metrics.first_frame_ms is not None and metrics.first_frame_ms > 0.0
    assert set(metrics.to_dict()) >= {"av_offset_ms", "real_time_factor"}
    assert "A/V" in str(metrics)
