"""When frames come: on a grid of time, late ones left out, their sound never."""

from __future__ import annotations

import numpy as np
import pytest

from joyvasa_lib.live.frame import LiveFrame
from joyvasa_lib.live.metrics import Tally
from joyvasa_lib.live.pacing import AWAY, MOST_AHEAD, Pacer
from joyvasa_lib.live.stage import Stage
from joyvasa_lib.motion import Motion
from live_parts import FPS, Floats, Say, jaw_image, performer, tone

PERIOD = 1.0 / FPS


class Scene:
    """A pacer over a stage, at a time that the test says."""

    def __init__(self) -> None:
        self.tally = Tally(FPS)
        self.stage = Stage(performer(), FPS)
        self.pacer = Pacer(FPS, self.stage.next, self.tally)
        self.say = Say(self.stage)
        self.now = 50.0
        self.tally.rendered(0.02)

    def render(self, cost: float = 0.0) -> bool:
        """Renders the next image if one is wanted."""
        wanted = self.pacer.to_render(self.now)
        if isinstance(wanted, float):
            return False
        tick, motion = wanted
        self.now += cost
        self.pacer.rendered(tick, jaw_image(motion))
        return True

    def frame(self) -> LiveFrame:
        """Time passes until a frame is due, and images are rendered at once."""
        for _ in range(10_000):
            while self.render():
                pass
            taken = self.pacer.take(self.now)
            if isinstance(taken, LiveFrame):
                return taken
            self.now += min(taken, 0.001)
        raise AssertionError("no frame came")


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_frames_come_on_a_grid_of_time(scene: Scene) -> None:
    start = scene.now
    frames = []
    for number in range(50):
        frames.append(scene.frame())
        assert scene.now - start == pytest.approx(number * PERIOD, abs=0.002)
    assert [frame.time for frame in frames] == pytest.approx(np.arange(50) * PERIOD)
    assert scene.tally.dropped == 0


def test_nothing_is_decided_long_before_it_is_due(scene: Scene) -> None:
    for number in range(30):
        scene.frame()
        assert scene.stage.tick <= number + 1 + MOST_AHEAD


def collected(scene: Scene, frames: list[LiveFrame]) -> Floats:
    return np.concatenate([frame.audio for frame in frames])


def test_a_late_reader_gets_one_frame_with_the_sound_of_all(scene: Scene) -> None:
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 32000).astype(np.float32)
    scene.frame()
    scene.say(sound)
    frames = [scene.frame() for _ in range(5)]
    scene.now += 4 * PERIOD
    late = scene.frame()
    frames += [late] + [scene.frame() for _ in range(60)]
    assert late.periods == 4 == scene.tally.dropped + 1
    assert np.array_equal(collected(scene, frames), sound)
    following = [frame.time for frame in frames[5:8]]
    assert following == pytest.approx([late.time, late.time + 0.16, late.time + 0.2])


def test_a_frame_of_speech_stands_for_four_ticks_at_most(scene: Scene) -> None:
    scene.frame()
    scene.say(tone(4.0))
    frames = [scene.frame() for _ in range(5)]
    for late in (3, 9, 14, 20):
        scene.now += late * PERIOD
        frames += [scene.frame() for _ in range(8)]
    assert max(frame.periods for frame in frames if frame.speaking) == 4
    metrics = scene.tally.snapshot()
    assert metrics.av_offset_p01_ms >= -40.0 and metrics.av_offset_p99_ms <= 60.0


def test_after_a_late_frame_the_grid_is_as_before(scene: Scene) -> None:
    start = scene.now
    scene.frame()
    scene.now += 0.21
    scene.frame()
    frame = scene.frame()
    assert scene.now - start == pytest.approx(frame.time, abs=0.002)


def test_an_image_that_is_not_ready_is_stood_in_for_by_the_one_before(scene: Scene) -> None:
    scene.frame()
    scene.now = scene.pacer.due(1)
    waiting = scene.pacer.take(scene.now)
    assert isinstance(waiting, float) and 0 < waiting <= PERIOD / 2 + 1e-9
    scene.now += waiting + 1e-6
    frame = scene.pacer.take(scene.now)
    assert isinstance(frame, LiveFrame) and frame.repeated and frame.periods == 1
    assert scene.tally.dropped == scene.tally.repeated == 1


def beside_a_slow_renderer(scene: Scene, count: int, cost: float) -> list[LiveFrame]:
    """What a reader gets while every image takes so long, in steps of a millisecond."""
    frames: list[LiveFrame] = []
    busy: tuple[float, int, Motion] | None = None
    while len(frames) < count:
        scene.now += 0.001
        if busy is not None and scene.now >= busy[0]:
            scene.tally.rendered(cost)
            scene.pacer.rendered(busy[1], jaw_image(busy[2]))
            busy = None
        if busy is None:
            wanted = scene.pacer.to_render(scene.now)
            busy = None if isinstance(wanted, float) else (scene.now + cost, *wanted)
        taken = scene.pacer.take(scene.now)
        if isinstance(taken, LiveFrame):
            frames.append(taken)
    return frames


@pytest.mark.parametrize("periods", [1.3, 2.5, 4.0, 7.0])
def test_sound_does_not_leave_its_lips_by_more_than_a_tick(scene: Scene, periods: float) -> None:
    scene.frame()
    scene.say(tone(3.0))
    frames = beside_a_slow_renderer(scene, count=25, cost=periods * PERIOD)
    metrics = scene.tally.snapshot()
    assert metrics.av_offset_p01_ms >= -40.0 and metrics.av_offset_p99_ms <= 60.0, metrics
    assert metrics.dropped > 4
    assert (metrics.held > 0) == (periods > 3.0), "speech is slowed down only where it must be"
    said = np.concatenate([frame.audio for frame in frames if frame.speaking])
    assert np.array_equal(said, tone(3.0)[: len(said)])
    periods_said = sum(frame.periods for frame in frames if frame.speaking)
    assert len(said) / 640 == pytest.approx(periods_said, abs=3)


def test_a_slow_renderer_leaves_out_what_it_cannot_reach(scene: Scene) -> None:
    scene.frame()
    for _ in range(30):
        scene.tally.rendered(0.1)
    scene.now += 0.5
    wanted = scene.pacer.to_render(scene.now)
    assert not isinstance(wanted, float)
    assert scene.pacer.due(wanted[0]) + PERIOD / 2 >= scene.now + 0.1 - 1e-6


def test_for_a_reader_who_was_away_time_has_stood_still(scene: Scene) -> None:
    scene.frame()
    scene.say(tone(4.0))
    before = [scene.frame() for _ in range(10)]
    scene.now += AWAY + 5.0
    after = [scene.frame() for _ in range(110)]
    assert scene.tally.paused == pytest.approx((AWAY + 5.0) * FPS, abs=2)
    assert after[0].periods == 1
    assert len(collected(scene, before + after)) == 64000


def test_nobody_who_reads_is_nothing_that_is_rendered(scene: Scene) -> None:
    scene.frame()
    for _ in range(300):
        scene.render()
        scene.now += PERIOD
    assert scene.stage.tick <= 2 + AWAY * FPS


def test_an_interruption_takes_the_sound_of_what_was_decided(scene: Scene) -> None:
    scene.frame()
    scene.say(tone(2.0))
    frames = [scene.frame() for _ in range(10)]
    while scene.render():
        pass
    scene.now = scene.pacer.due(scene.stage.tick - 1)
    scene.render()
    scene.stage.interrupt()
    scene.pacer.silence()
    frames += [scene.frame() for _ in range(10)]
    assert not any(len(frame.audio) or frame.speaking for frame in frames[10:])
    assert [frame.utterance_end for frame in frames].count(True) == 1
    assert frames[10].utterance_end


def test_the_end_of_one_utterance_and_the_start_of_the_next_may_share_a_frame(
    scene: Scene,
) -> None:
    scene.frame()
    for _ in range(2):
        scene.say(tone(0.4))
    scene.frame()
    for _ in range(7):
        scene.frame()
    scene.now += 4 * PERIOD
    both = scene.frame()
    assert both.utterance_start and both.utterance_end
    scene.stage.interrupt()
    scene.pacer.silence()
    assert scene.frame().utterance_end, "the second one was going on"


def test_frames_of_two_rates_are_not_put_into_one(scene: Scene) -> None:
    scene.frame()
    scene.say(tone(0.2, rate=8000), rate=8000)
    scene.say(tone(0.2, rate=48000), rate=48000)
    frames = [scene.frame() for _ in range(4)]
    scene.now += 4 * PERIOD
    frames += [scene.frame() for _ in range(10)]
    for rate in (8000, 48000):
        said = [frame.audio for frame in frames if frame.speaking and frame.sample_rate == rate]
        assert sum(map(len, said)) == round(0.2 * rate)
