"""What is shown and said, tick by tick: nothing is lost, nothing jumps, speech starts in time."""

from __future__ import annotations

import numpy as np
import pytest

from joyvasa_lib.live.stage import PATIENCE, Shot, Stage
from live_parts import FPS, JAW, SPACE, Say, jaw_of, performer, tone


@pytest.fixture
def stage() -> Stage:
    return Stage(performer(), FPS)


@pytest.fixture
def say(stage: Stage) -> Say:
    return Say(stage)


def shots(stage: Stage, count: int) -> list[Shot]:
    return [stage.next(1.0 + stage.tick / FPS) for _ in range(count)]


def test_every_sample_is_said_once_and_in_order_at_the_rate_it_came(stage: Stage, say: Say) -> None:
    sound = np.linspace(-0.5, 0.5, 44100, dtype=np.float32)
    say(sound, rate=44100)
    played = shots(stage, 40)
    said = [shot for shot in played if shot.speaking]
    assert np.array_equal(np.concatenate([shot.audio for shot in said]), sound)
    assert len(said) == 25
    assert {len(shot.audio) for shot in said} == {1764}
    assert {shot.sample_rate for shot in said} == {44100}


@pytest.mark.parametrize("rate", [8000, 24000, 44100, 48000])
def test_a_long_utterance_of_any_rate_is_said_to_its_end(stage: Stage, say: Say, rate: int) -> None:
    sound = tone(3.0, rate=rate)
    for start in range(0, len(sound), 5000):
        say(sound[start : start + 5000], rate=rate, flush=start + 5000 >= len(sound))
    said = [shot for shot in shots(stage, 90) if shot.speaking]
    assert np.array_equal(np.concatenate([shot.audio for shot in said]), sound)
    assert len(said) == 75 and said[-1].end
    assert min(jaw_of(shot.motion) for shot in said[4:-1]) > 0.4


def test_the_jaw_of_a_frame_is_that_of_the_sound_beside_it(stage: Stage, say: Say) -> None:
    loud = np.repeat([0.1, 0.8, 0.3, 0.0, 0.6] * 3, 640).astype(np.float32)
    say(loud)
    said = [shot for shot in shots(stage, 15) if shot.speaking][3:]
    levels = [float(np.abs(shot.audio).max()) for shot in said]
    assert [jaw_of(shot.motion) for shot in said] == pytest.approx(levels, abs=0.01)


def test_an_utterance_starts_and_ends_once(stage: Stage, say: Say) -> None:
    say(tone(0.4))
    say(tone(0.2))
    flags = [(shot.start, shot.end, shot.speaking) for shot in shots(stage, 20)]
    assert [start for start, _, _ in flags].count(True) == 2
    assert [end for _, end, _ in flags].count(True) == 2
    assert flags[0] == (True, False, True) and flags[9][1] and flags[10][0] and flags[14][1]
    assert not any(speaking for _, _, speaking in flags[15:])


def test_speech_as_it_is_spoken_waits_for_a_third_of_a_second(stage: Stage, say: Say) -> None:
    say(tone(0.2), flush=False, now=10.0)
    assert not stage.next(10.2).speaking
    assert stage.next(10.45).speaking


def test_speech_that_is_there_at_once_starts_at_once(stage: Stage, say: Say) -> None:
    say(tone(1.0), flush=False, now=10.0)
    assert stage.next(10.0).start


def test_sound_that_stops_coming_is_said_to_its_end(stage: Stage, say: Say) -> None:
    utterance = say(tone(0.8), flush=False)
    before = shots(stage, round(PATIENCE * FPS))
    assert 0 < sum(shot.speaking for shot in before) < 20
    before += shots(stage, 2)
    assert utterance.flushed
    say.move(utterance)
    after = shots(stage, 10)
    samples = sum(len(shot.audio) for shot in before + after)
    assert samples == 12800
    assert [shot for shot in after if shot.speaking][-1].end


def test_ticks_that_are_decided_at_once_after_a_delay_do_not_end_an_utterance(
    stage: Stage, say: Say
) -> None:
    first = say(tone(0.4), flush=False, now=10.0)
    late = [stage.next(10.9) for _ in range(22)]
    assert not first.flushed
    assert say(tone(0.4), now=10.9) is first
    rest = [stage.next(10.9 + number / FPS) for number in range(22)]
    assert sum(len(shot.audio) for shot in late + rest) == round(0.8 * 16000)
    assert [shot.end for shot in late + rest].count(True) == 1


def test_a_pause_of_the_sound_is_told_and_the_utterance_goes_on(stage: Stage, say: Say) -> None:
    say(tone(0.52), flush=False)
    first = shots(stage, 14)
    assert [shot.stalled for shot in first] == [False] * 10 + [True] * 4
    say(tone(0.4))
    rest = shots(stage, 20)
    assert sum(len(shot.audio) for shot in first + rest) == round(0.92 * 16000)
    assert sum(shot.start for shot in first + rest) == 1


def test_after_speech_that_had_to_stop_the_next_waits_longer(stage: Stage, say: Say) -> None:
    say(tone(0.52), flush=False)
    shots(stage, 14)
    say(tone(0.2))
    shots(stage, 12)
    say(tone(0.2), flush=False, now=10.0)
    assert not stage.next(10.38).speaking
    assert stage.next(10.6).speaking


def test_the_mouth_rests_within_four_ticks_of_an_interruption(stage: Stage, say: Say) -> None:
    say(tone(2.0, level=0.9))
    before = shots(stage, 20)[-1]
    assert jaw_of(before.motion) > 0.8
    assert stage.interrupt()
    after = shots(stage, 30)
    jaws = np.array([jaw_of(before.motion), *(jaw_of(shot.motion) for shot in after)])
    assert abs(jaws[4:]).max() < 0.02
    assert (np.diff(jaws[:5]) <= 1e-6).all(), "the mouth does not open again on its way"
    assert np.abs(np.diff(jaws)).max() < 0.6, "it takes more than one frame"
    assert not any(len(shot.audio) or shot.speaking for shot in after)


def test_nothing_jumps_where_speech_begins_ends_or_breaks_off(stage: Stage, say: Say) -> None:
    everything = shots(stage, 60)
    say(tone(1.0))
    everything += shots(stage, 40)
    say(tone(2.0))
    everything += shots(stage, 20)
    stage.interrupt()
    everything += shots(stage, 40)
    turns = np.concatenate([shot.motion.rotation for shot in everything])
    assert np.ptp(turns, axis=0).max() > 1.0, "the head lives"
    # Heads of speakers turn by 120 degrees a second at most; a jump would be of a frame's length.
    assert np.abs(np.diff(turns, axis=0)).max() < 1.0


def test_somebody_who_speaks_is_listened_to(stage: Stage) -> None:
    assert not any(shot.listening for shot in shots(stage, 10))
    rng = np.random.default_rng(0)
    stage.hearing.push((0.2 * rng.standard_normal(16000)).astype(np.float32))
    heard = shots(stage, 100)
    assert heard[10].listening and heard[30].listening
    assert not heard[-1].listening


def test_whoever_speaks_does_not_count_as_listening(stage: Stage, say: Say) -> None:
    stage.hearing.push(tone(2.0))
    say(tone(1.0))
    played = shots(stage, 25)
    assert all(shot.speaking and not shot.listening for shot in played)


def test_what_is_shorter_than_half_a_frame_is_passed_over(stage: Stage, say: Say) -> None:
    say(tone(0.01))
    assert not any(shot.speaking for shot in shots(stage, 10))
    assert not stage.utterances


@pytest.mark.parametrize("fps", [12.5, 24.0, 30.0, 50.0])
def test_other_frame_rates_say_everything_too(fps: float) -> None:
    stage = Stage(performer(fps), fps)
    sound = tone(1.0, rate=24000)
    Say(stage)(sound, rate=24000)
    played = [stage.next(1.0) for _ in range(round(1.4 * fps))]
    said = [shot for shot in played if shot.speaking]
    assert len(said) == round(fps)
    assert np.array_equal(np.concatenate([shot.audio for shot in said]), sound)


def test_an_utterance_of_few_frames_a_second_ends_even_if_its_last_was_shown_before() -> None:
    stage = Stage(performer(5.0), 5.0)
    say, sound = Say(stage), tone(0.24)
    first = say(sound, flush=False)
    played = [stage.next(1.0), stage.next(1.2)]
    assert [shot.speaking for shot in played] == [True, False]
    first.flushed = True
    say.move(first)
    say(sound, now=1.4)
    played += [stage.next(1.4 + number / 5.0) for number in range(4)]
    assert [shot.end for shot in played].count(True) == 2
    assert sum(len(shot.audio) for shot in played) == 2 * len(sound)


def test_an_emotion_comes_softly_and_leaves_the_lips_to_speech(stage: Stage, say: Say) -> None:
    from joyvasa_lib.emotion.editor import EmotionEditor

    smile = SPACE.blendshape_index("mouthSmileLeft")
    quiet = shots(stage, 5)[-1].motion.blendshapes[0, smile]
    stage.performer.feel(EmotionEditor("happiness:0.9"))
    smiles = np.array([shot.motion.blendshapes[0, smile] for shot in shots(stage, 25)])
    assert smiles[0] - quiet < 0.1 < smiles[-1] - quiet
    assert np.diff(smiles).max() < 0.15
    stage.performer.feel(EmotionEditor("surprise"))
    shots(stage, 25)
    open_at_rest = stage.next(1.0).motion.blendshapes[0, JAW]
    say(np.zeros(16000, np.float32))  # lips that speak closed
    closed = shots(stage, 20)[-1].motion.blendshapes[0, JAW]
    assert open_at_rest > closed + 0.03
