"""What agents wait for: the ends of what was pushed. No framework is needed for this."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from joyvasa_lib.errors import MissingDependencyError
from joyvasa_lib.integrations import playout
from joyvasa_lib.integrations.playout import SILENT, Playout, mono
from joyvasa_lib.live.avatar import Avatar
from joyvasa_lib.live.frame import LiveFrame
from joyvasa_lib.live.pacing import AWAY
from live_parts import make_avatar, tone


@pytest.fixture
def avatar() -> Iterator[Avatar]:
    with make_avatar() as one:
        yield one


def pcm(seconds: float, rate: int = 16000) -> bytes:
    return (tone(seconds, rate) * 32767).astype("<i2").tobytes()


def shown_until(avatar: Avatar, said: Playout[str], wanted: str) -> tuple[list[str], bytes]:
    """What is due, in its order, and what is heard until something is."""
    due: list[str] = []
    heard = b""
    for number, frame in enumerate(avatar):
        heard += frame.pcm16()
        due += said.show(frame)
        if wanted in due:
            return due, heard
        assert number < 2000
    raise AssertionError("the avatar ended")


def test_an_item_is_due_when_all_sound_before_it_was_shown(avatar: Avatar) -> None:
    said: Playout[str] = Playout(avatar)
    for name in ("first", "second"):
        asyncio.run(said.push(pcm(0.3), 16000))
        said.end()
        said.hold(name)
    due, heard = shown_until(avatar, said, "first")
    assert due == ["first"] and heard == pcm(0.3)
    assert shown_until(avatar, said, "second") == (["second"], pcm(0.3))
    assert not said.unsaid


def test_a_sample_may_come_in_two_halves(avatar: Avatar) -> None:
    said: Playout[str] = Playout(avatar)
    sound = pcm(0.2)
    for start in range(0, len(sound), 333):
        asyncio.run(said.push(sound[start : start + 333], 16000))
    said.end()
    said.hold("end")
    assert shown_until(avatar, said, "end")[1] == sound


def test_what_is_too_short_to_be_shown_has_an_end(avatar: Avatar) -> None:
    said: Playout[str] = Playout(avatar)
    asyncio.run(said.push(pcm(0.005), 16000))
    said.end()
    said.hold("short")
    due, heard = shown_until(avatar, said, "short")
    assert due == ["short"] and heard == b""
    asyncio.run(said.push(pcm(0.2), 16000))
    said.end()
    said.hold("long")
    assert shown_until(avatar, said, "long") == (["long"], pcm(0.2))


def test_silence_is_longer_than_what_an_avatar_decides_ahead() -> None:
    assert SILENT > AWAY


def test_another_rate_begins_another_utterance(avatar: Avatar) -> None:
    said: Playout[str] = Playout(avatar)
    for rate in (16000, 24000):
        asyncio.run(said.push(pcm(0.2, rate), rate))
    said.end()
    said.hold("end")
    assert shown_until(avatar, said, "end")[1] == pcm(0.2) + pcm(0.2, 24000)


def test_an_interruption_drops_what_waits_for_room(
    avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playout, "MOST_WAITING", 1.0)
    said: Playout[str] = Playout(avatar)

    async def talk() -> tuple[list[bool], list[str]]:
        first = await said.push(pcm(2.0), 16000)
        said.hold("never")
        waits = asyncio.create_task(said.push(pcm(2.0), 16000))
        await asyncio.sleep(0)
        assert not waits.done()
        dropped = said.clear()
        return [first, await waits, await said.push(pcm(0.1), 16000)], dropped

    assert asyncio.run(talk()) == ([True, False, True], ["never"])
    assert avatar.waiting == pytest.approx(0.1)


def test_an_avatar_that_is_closed_may_be_interrupted(avatar: Avatar) -> None:
    said: Playout[str] = Playout(avatar)
    asyncio.run(said.push(pcm(0.2), 16000))
    said.hold("end")
    avatar.close()
    said.end()
    assert said.clear() == ["end"]
    assert not said.unsaid


def test_silence_without_sound_that_waits_changes_nothing(avatar: Avatar) -> None:
    said: Playout[str] = Playout(avatar)
    nothing = LiveFrame(np.zeros((4, 4, 3), np.uint8), np.zeros(0, np.float32), 16000, 0.0)
    assert [said.show(nothing) for _ in range(50)] == [[]] * 50
    said.hold("at once")
    assert said.show(nothing) == ["at once"]


def test_channels_are_averaged() -> None:
    stereo = np.array([[100, 200], [-3, -6], [32767, 32767]], "<i2")
    assert np.frombuffer(mono(stereo.tobytes(), 2), "<i2").tolist() == [150, -4, 32767]
    assert mono(b"\x01\x02", 1) == b"\x01\x02"


@pytest.mark.parametrize(
    ("name", "package"), [("livekit", "livekit-agents"), ("pipecat", "pipecat-ai")]
)
def test_a_missing_extra_is_told(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = f"joyvasa_lib.integrations.{name}"
    monkeypatch.delitem(sys.modules, module, raising=False)
    for loaded in [one for one in sys.modules if one.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match=rf"{package}.*joyvasa-lib\[{name}\]"):
        importlib.import_module(module)
