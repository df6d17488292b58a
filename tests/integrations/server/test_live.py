"""``/v1/live``: a real server and real connections; avatars of quick parts."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from live_parts import live_threads
from web_server import HANGS, QuickPipe, Running, Shown, pcm, picture, read_frame, until

pytest.importorskip("fastapi", reason="the extra server is not installed")

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from joyvasa_lib.integrations.server.limits import Limits

Start = Callable[..., Running]


def talk(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, HANGS))


def portrait(server: Running) -> str:
    answer = httpx.post(f"{server.url}/v1/portraits", files={"image": picture()})
    assert answer.status_code == 201, answer.text
    assert (answer.json()["width"], answer.json()["height"]) == (80, 64)
    return str(answer.json()["id"])


@asynccontextmanager
async def joined(server: Running, **start: Any) -> AsyncIterator[ClientConnection]:
    """A client whose avatar is ready."""
    begin = {"type": "start", "portrait": await asyncio.to_thread(portrait, server), **start}
    async with connect(server.live, max_queue=None) as client:
        await client.send(json.dumps(begin))
        ready = json.loads(await client.recv())
        assert ready == {
            "type": "ready",
            "width": 4,
            "height": 4,
            "fps": 25.0,
            "sample_rate": start.get("sample_rate", 16000),
            "warnings": [],
        }
        yield client


async def order(client: ClientConnection, kind: str, **more: Any) -> None:
    await client.send(json.dumps({"type": kind, **more}))


async def frames(client: ClientConnection, last: Callable[[Shown], bool]) -> list[Shown]:
    """Frames up to the one that is the last."""
    seen: list[Shown] = []
    while not (seen and last(seen[-1])):
        message = await client.recv()
        if isinstance(message, bytes):
            seen.append(read_frame(message))
    return seen


async def answer(client: ClientConnection) -> dict[str, Any]:
    """The next text message."""
    while True:
        message = await client.recv()
        if isinstance(message, str):
            return dict(json.loads(message))


def ends(frame: Shown) -> bool:
    return bool(frame.header["utterance_end"])


def begins(frame: Shown) -> bool:
    return bool(frame.header["utterance_start"])


def test_an_utterance_comes_back_with_its_sound_bit_for_bit(start: Start) -> None:
    server, sound = start(), pcm(0.7, 24000)

    async def work() -> list[Shown]:
        async with joined(server, sample_rate=24000) as client:
            for position in range(0, len(sound), 960):
                await client.send(sound[position : position + 960])
            await order(client, "flush")
            return await frames(client, ends)

    seen = talk(work())
    assert b"".join(frame.audio for frame in seen) == sound
    assert [frame.header["index"] for frame in seen] == list(range(len(seen)))
    spoken = [frame for frame in seen if frame.header["state"] == "speaking"]
    assert spoken[0].header["utterance_start"]
    assert {frame.header["sample_rate"] for frame in spoken} == {24000}
    assert max(float(frame.image.mean()) for frame in spoken) > 60, "the mouth opens"
    until(lambda: not live_threads(), "the avatar ends with its client")
    metrics = httpx.get(f"{server.url}/metrics").text
    assert "joyvasa_live_sessions_total 1.0" in metrics and "joyvasa_live_clients 0.0" in metrics


def test_an_interruption_drops_what_is_unsaid(start: Start) -> None:
    server = start()

    async def work() -> tuple[list[Shown], list[Shown]]:
        async with joined(server) as client:
            await client.send(pcm(20.0))
            await frames(client, begins)
            await order(client, "interrupt")
            cut = await frames(client, ends)
            await client.send(pcm(0.4))
            await order(client, "flush")
            return cut, await frames(client, ends)

    cut, after = talk(work())
    assert sum(len(frame.audio) for frame in cut) < len(pcm(2.0))
    assert b"".join(frame.audio for frame in after) == pcm(0.4)


def test_what_is_heard_is_not_said(start: Start) -> None:
    server = start()

    async def work() -> list[Shown]:
        async with joined(server) as client:
            await order(client, "listen")
            for _ in range(20):
                await client.send(pcm(0.1))
            return await frames(client, lambda frame: frame.header["state"] == "listening")

    assert all(frame.audio == b"" for frame in talk(work()))


def test_ten_thousand_tiny_pushes_are_one_utterance(start: Start) -> None:
    server = start()
    sound = pcm(0.625)  # 10,000 samples

    async def work() -> bytes:
        async with joined(server) as client:
            for position in range(0, len(sound), 2):
                await client.send(sound[position : position + 2])
            await order(client, "flush")
            return b"".join(frame.audio for frame in await frames(client, ends))

    assert talk(work()) == sound


def test_many_tiny_utterances_do_not_pile_up(start: Start) -> None:
    server = start()

    async def work() -> tuple[str, list[Shown]]:
        async with joined(server) as client:
            for _ in range(61):
                await client.send(pcm(0.0001))
                await order(client, "flush")
                await order(client, "flush")  # of nothing
            told = await answer(client)
            await order(client, "interrupt")
            await client.send(pcm(0.4))
            await order(client, "flush")
            return told["message"], await frames(client, lambda one: ends(one) and one.audio != b"")

    told, seen = talk(work())
    assert "More than 60 utterances" in told
    assert b"".join(frame.audio for frame in seen)[-len(pcm(0.4)) :] == pcm(0.4)


def test_orders_are_obeyed_and_wrong_ones_explained(start: Start) -> None:
    server = start(limits=Limits(live_waiting=2))

    async def work() -> list[str]:
        told = []
        async with joined(server) as client:
            for value in ("happiness:0.5", None, ""):
                await order(client, "emotion", value=value)
            await order(client, "style", value={"head": 0.5})
            await order(client, "metrics")
            metrics = await answer(client)
            assert metrics["type"] == "metrics" and metrics["utterances"] == 0
            wrong = [
                json.dumps({"type": "emotion", "value": "glee"}),
                json.dumps({"type": "emotion", "value": 3}),
                json.dumps({"type": "style", "value": {"head": "much"}}),
                json.dumps({"type": "style", "value": 3}),
                json.dumps({"type": "dance"}),
                '{"type": "emotion", "value": "\\ud800:0.5"}',
                '{"type": "\\ud800"}',
                "[" * 5000,
                "hello",
                b"\0",
                pcm(3.0),
            ]
            for message in wrong:
                await client.send(message)
                told.append(await answer(client))
            await client.send(pcm(0.2))
            await order(client, "flush")
            await frames(client, ends)
            await order(client, "close")
            with pytest.raises(ConnectionClosed) as closed:
                await frames(client, lambda _: False)
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1000
        assert all(one["type"] == "error" for one in told)
        return [one["message"] for one in told]

    told = talk(work())
    parts = ["glee", "text", "head", "style", "'dance'", "ud800", "ud800", "JSON", "JSON", "odd"]
    parts.append("more than 2 s")
    for part, message in zip(parts, told, strict=True):
        assert part.lower() in message.lower() and "\n" not in message


@pytest.mark.parametrize(
    ("first", "part"),
    [
        ({"type": "flush"}, "first message is start"),
        ({"type": "start"}, "portrait"),
        ({"type": "start", "portrait": "guess"}, "not kept"),
        ({"type": "start", "portrait": "{id}", "emotion": "\ud800"}, "emotion"),
        ({"type": "start", "portrait": "{id}", "style": "wild"}, "'wild'"),
        ({"type": "start", "portrait": "{id}", "style": ["wild"]}, "style"),
        ({"type": "start", "portrait": "{id}", "size": 4096}, "at most 512"),
        ({"type": "start", "portrait": "{id}", "sample_rate": 7}, "sample_rate"),
        ({"type": "start", "portrait": "{id}", "quality": 0}, "quality"),
        (b"\0\0", "is text"),
    ],
    ids=str,
)
def test_a_wrong_start_is_explained_and_closed(start: Start, first: Any, part: str) -> None:
    server = start()
    if isinstance(first, dict):
        first = json.dumps(first).replace("{id}", portrait(server))

    async def work() -> tuple[dict[str, Any], int]:
        async with connect(server.live) as client:
            await client.send(first)
            told = await answer(client)
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            return told, closed.value.rcvd.code

    told, code = talk(work())
    assert part in told["message"] and code == 1008
    assert server.service.live_used == 0


def test_one_client_too_many_is_refused_until_another_leaves(start: Start) -> None:
    server = start(limits=Limits(live_clients=2))

    async def work() -> None:
        async with joined(server):
            async with joined(server) as second:
                name = await asyncio.to_thread(portrait, server)
                async with connect(server.live) as third:
                    await order(third, "start", portrait=name)
                    assert "All 2 live avatars" in (await answer(third))["message"]
                    with pytest.raises(ConnectionClosed) as closed:
                        await third.recv()
                    assert closed.value.rcvd is not None
                    assert closed.value.rcvd.code == 1013
                    assert "All 2 live avatars" in closed.value.rcvd.reason
                await frames(second, lambda frame: frame.header["index"] > 3)
            await asyncio.to_thread(until, lambda: server.service.live_used == 1)
            async with joined(server):
                pass

    talk(work())
    assert "joyvasa_live_refused_total 1.0" in httpx.get(f"{server.url}/metrics").text


def test_of_two_clients_one_vanishes_and_the_other_notices_nothing(start: Start) -> None:
    server = start(limits=Limits(live_clients=2))
    sound = pcm(1.0)

    async def work() -> list[Shown]:
        async with joined(server) as stays, joined(server) as goes:
            await goes.send(pcm(20.0))
            await stays.send(sound)
            await frames(goes, begins)
            goes.transport.abort()
            await asyncio.to_thread(until, lambda: server.service.live_used == 1)
            await order(stays, "flush")
            return await frames(stays, ends)

    assert b"".join(frame.audio for frame in talk(work())) == sound


def test_a_slow_client_sees_fewer_frames_and_hears_everything(start: Start) -> None:
    """Its socket takes little; the server may neither keep what it does not take nor forget it."""
    noise = np.random.default_rng(0).integers(0, 255, (512, 512, 3), np.uint8)  # 200 kB of JPEG
    server = start(QuickPipe(render=lambda _: noise))
    sound = pcm(2.0)

    async def work() -> list[Shown]:
        begin = {"type": "start", "portrait": await asyncio.to_thread(portrait, server)}
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        plain.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
        async with connect(
            server.live, sock=plain, max_queue=1, max_size=None, close_timeout=0.1
        ) as client:
            await client.send(json.dumps(begin))
            await client.recv()
            await client.send(sound)
            await order(client, "flush")
            seen: list[Shown] = []
            while not (seen and ends(seen[-1])):
                await asyncio.sleep(0.1)
                seen.append(read_frame(await client.recv()))  # type: ignore[arg-type]
            return seen

    seen = talk(work())
    assert b"".join(frame.audio for frame in seen) == sound
    assert max(frame.header["periods"] for frame in seen) > 1, "frames were dropped"


def test_a_client_that_takes_nothing_is_let_go(start: Start) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (512, 512, 3), np.uint8)
    server = start(QuickPipe(render=lambda _: noise), limits=Limits(live_stalled=1))

    async def work() -> None:
        name = await asyncio.to_thread(portrait, server)
        async with connect(server.live, max_queue=1, max_size=None, close_timeout=0.1) as client:
            await order(client, "start", portrait=name)
            await asyncio.to_thread(until, lambda: server.service.live_used == 1)
            await asyncio.to_thread(until, lambda: server.service.live_used == 0)
            client.transport.abort()

    talk(work())


def test_a_conversation_ends_after_the_seconds_that_are_allowed(start: Start) -> None:
    server = start(limits=Limits(live_seconds=1))

    async def work() -> dict[str, Any]:
        async with joined(server) as client:
            return await answer(client)

    assert "1 s" in talk(work())["message"]


def test_a_server_that_stops_tells_its_clients(start: Start) -> None:
    server = start()

    async def work() -> int:
        async with joined(server) as client:
            server.stop()
            with pytest.raises(ConnectionClosed) as closed:
                await frames(client, lambda _: False)
            assert closed.value.rcvd is not None
            return closed.value.rcvd.code

    assert talk(work()) in (1001, 1012)  # the application's word, or that of its server


def test_frames_are_as_fast_as_the_clock(start: Start) -> None:
    server = start()

    async def work() -> tuple[float, list[Shown]]:
        async with joined(server) as client:
            began = time.monotonic()
            seen = await frames(client, lambda frame: frame.header["time"] >= 1.0)
            return time.monotonic() - began, seen

    seconds, seen = talk(work())
    assert sum(frame.header["periods"] for frame in seen) >= 25
    assert seconds >= 0.9
