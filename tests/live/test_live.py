"""``pipe.live``: the real stages behind an avatar. No test measures time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

import places
from encoded_once import encode_once
from joyvasa_lib import EncodedPortrait, JoyVASAPipeline, Motion
from joyvasa_lib.errors import JoyVASAError, LiveError, MediaError, NoFaceError, OptionError
from joyvasa_lib.evaluation.behaviour.track import behaviour_track
from joyvasa_lib.evaluation.curves import correlation
from joyvasa_lib.live.frame import LiveFrame
from joyvasa_lib.live.performer import Performer
from joyvasa_lib.live.stage import Stage
from joyvasa_lib.live.start import Spoken
from joyvasa_lib.live.utterance import Utterance
from joyvasa_lib.media.audio import load_speech
from live_parts import live_threads

pytestmark = pytest.mark.slow

ASTRONAUT = places.DEMO / "astronaut.jpg"


@pytest.fixture(scope="module")
def small(pipe: JoyVASAPipeline) -> EncodedPortrait:
    return pipe.encode(ASTRONAUT, crop_size=256)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert not live_threads()


def spoken(pipe: JoyVASAPipeline, portrait: EncodedPortrait, **options: object) -> list[LiveFrame]:
    """Frames of half a second of speech."""
    sound = load_speech(places.DEMO / "hello.flac").waveform[8000:16000]
    frames: list[LiveFrame] = []
    with pipe.live(portrait, **options) as avatar:  # type: ignore[arg-type]
        avatar.push_audio(sound, 16000)
        avatar.flush()
        for frame in avatar:
            frames.append(frame)
            if frame.utterance_end:
                break
        assert avatar.size == frames[0].image.shape[1::-1]
    said = np.concatenate([frame.audio for frame in frames])
    assert np.array_equal(said, sound)
    return frames


def test_a_portrait_says_what_is_pushed_and_its_lips_move(
    pipe: JoyVASAPipeline, small: EncodedPortrait
) -> None:
    frames = spoken(pipe, small, num_inference_steps=2, seed=3)
    assert frames[0].image.shape == (256, 256, 3)
    idle = next(frame.image for frame in frames)
    moved = max(np.abs(frame.image.astype(int) - idle).mean() for frame in frames)
    assert moved > 0.3


def test_frames_may_be_whole_images(pipe: JoyVASAPipeline, small: EncodedPortrait) -> None:
    frames = spoken(pipe, small, paste_back=True, size=200, num_inference_steps=1)
    assert max(frames[0].image.shape) == 200


def test_a_square_has_at_most_the_size_that_is_asked_for(
    pipe: JoyVASAPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode_once(monkeypatch)
    own = pipe.encode(ASTRONAUT).portrait.size
    assert pipe.encode(ASTRONAUT, crop_size=4096).portrait.size == own
    with pipe.live(ASTRONAUT, size=200) as avatar:
        assert own > 200 and avatar.size == (200, 200)
        assert next(iter(avatar)).image.shape == (200, 200, 3)


def test_what_is_heard_and_felt_is_seen(pipe: JoyVASAPipeline, small: EncodedPortrait) -> None:
    with pipe.live(small, emotion="sadness:0.8", liveliness=0.0) as avatar:
        frames = iter(avatar)
        sad = next(frames).image.astype(int)
        avatar.set_emotion("happiness:0.8")
        for _ in range(40):
            happy = next(frames).image
        avatar.set_emotion(None)
        for _ in range(40):
            neutral = next(frames).image
    assert np.abs(happy - sad).mean() > 0.3
    assert np.abs(happy.astype(int) - neutral).mean() > 0.2


def test_what_is_seen_live_is_what_is_said_offline(pipe: JoyVASAPipeline) -> None:
    """Sound comes as it is spoken, a tick at a time; lips correlate by .9, idle eyes and all."""
    sound = load_speech(places.DEMO / "hello.flac").waveform[: 8 * 16000]
    generator = pipe.motion_generator
    stream = generator.answer(num_inference_steps=6, blinks="model", gaze="model")
    stage = Stage(Performer(generator.space, 25.0, pipe.editor("neutral:0")), 25.0)
    utterance = Utterance(Spoken(stream), 16000, 25.0, 0.0)
    stage.utterances.append(utterance)
    motions = []
    for tick in range(240):
        utterance.push(sound[640 * tick : 640 * (tick + 1)])
        stage.pushed()
        utterance.flushed = 640 * (tick + 1) >= len(sound)
        while (work := utterance.pending()) is not None:
            utterance.add(*utterance.work(work, None))
        shot = stage.next(tick / 25.0)
        if shot.speaking:
            motions.append(shot.motion)
    live, whole = Motion.concatenate(motions), generator.generate(sound)
    assert len(live) == len(whole) == 200
    shown, wanted = (behaviour_track(motion) for motion in (live, whole))
    assert correlation(shown.aperture, wanted.aperture) >= 0.9
    assert correlation(shown.width, wanted.width) >= 0.92


def blank() -> NDArray[np.uint8]:
    return np.full((200, 200, 3), 128, np.uint8)


WRONG = {
    "no face": ({"portrait": blank()}, NoFaceError, "No face"),
    "no file": ({"portrait": "absent.jpg"}, MediaError, "absent.jpg"),
    "fps": ({"fps": 500}, OptionError, "fps must be a number from 5 to 60"),
    "size": ({"size": 10}, OptionError, "size must be"),
    "emotion": ({"emotion": "joy"}, OptionError, "'joy'"),
    "style": ({"style": "wild"}, OptionError, "'wild'"),
    "liveliness": ({"liveliness": 3}, OptionError, "liveliness"),
    "steps": ({"num_inference_steps": 0}, OptionError, "num_inference_steps"),
    "unknown": ({"steps": 3}, OptionError, "'steps'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_told_at_the_call(
    pipe: JoyVASAPipeline, small: EncodedPortrait, name: str
) -> None:
    given, error, message = WRONG[name]
    options = {"portrait": small, **given}
    with pytest.raises(error, match=message):
        pipe.live(**options)  # type: ignore[arg-type]
    assert issubclass(error, JoyVASAError)


def test_the_published_code_does_not_speak_live(pipe: JoyVASAPipeline) -> None:
    other = JoyVASAPipeline(pipe.portrait_model, None)
    other._compat = "joyvasa"
    with pytest.raises(OptionError, match="compat"):
        other.live(ASTRONAUT)


def test_an_unknown_style_or_emotion_leaves_the_avatar_as_it_is(
    pipe: JoyVASAPipeline, small: EncodedPortrait
) -> None:
    with pipe.live(small) as avatar:
        with pytest.raises(OptionError, match="'wild'"):
            avatar.set_style("wild")  # type: ignore[arg-type]
        with pytest.raises(OptionError, match="'joy'"):
            avatar.set_emotion("joy")
        avatar.set_style("calm")
        assert next(iter(avatar)).idle
    with pytest.raises(LiveError, match="closed"):
        avatar.set_style("calm")
