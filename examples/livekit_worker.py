"""A LiveKit agent with a face: it joins rooms, listens, answers, and is seen.

    pip install 'joyvasa-lib[livekit]'
    export LIVEKIT_URL=... LIVEKIT_API_KEY=... LIVEKIT_API_SECRET=...
    JOYVASA_PORTRAIT=portrait.jpg python examples/livekit_worker.py dev

The face is rendered in the agent's own process, on its processor: no service makes it. Recognition,
language model and voice come from LiveKit's inference here; put others in their place.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from livekit import rtc
from livekit.agents import (
    Agent,
    AgentServer,
    AgentSession,
    AutoSubscribe,
    JobContext,
    JobProcess,
    cli,
    inference,
)
from livekit.agents.voice.avatar import AvatarRunner, QueueAudioOutput

import joyvasa_lib
from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.integrations.livekit import AvatarVideoGenerator

DEMO = Path(joyvasa_lib.__file__).parent / "demo_assets"
server = AgentServer()


def prewarm(process: JobProcess) -> None:
    """Loads and encodes before anybody calls."""
    pipe = JoyVASAPipeline.from_pretrained()
    source = os.environ.get("JOYVASA_PORTRAIT", DEMO / "astronaut.jpg")
    process.userdata["pipe"], process.userdata["portrait"] = (
        pipe,
        pipe.encode(source, crop_size=512),
    )


async def give_a_face(
    session: AgentSession, room: rtc.Room, generator: AvatarVideoGenerator
) -> AvatarRunner:
    """Publishes an avatar in a room, and lets it speak what the session says."""
    voice = QueueAudioOutput(sample_rate=generator.sample_rate, wait_playback_start=True)
    runner = AvatarRunner(room, audio_recv=voice, video_gen=generator, options=generator.options)
    await runner.start()
    session.output.audio = voice
    return runner


async def listen_to(track: rtc.Track, generator: AvatarVideoGenerator) -> None:
    """The avatar hears the user, looks at them and nods."""
    async for event in rtc.AudioStream(track):
        generator.listen(event.frame)


async def entrypoint(ctx: JobContext) -> None:
    pipe, portrait = ctx.proc.userdata["pipe"], ctx.proc.userdata["portrait"]
    avatar = await asyncio.to_thread(pipe.live, portrait, style="lively")
    generator = AvatarVideoGenerator(avatar)
    hearing = []

    @ctx.room.on("track_subscribed")
    def subscribed(track: rtc.Track, *_: object) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            hearing.append(asyncio.create_task(listen_to(track, generator)))

    await ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
    session = AgentSession(
        stt=inference.STT("deepgram/nova-3"),
        llm=inference.LLM("google/gemini-2.5-flash"),
        tts=inference.TTS("cartesia/sonic-3"),
        resume_false_interruption=False,  # an avatar stops, it does not pause
    )
    runner = await give_a_face(session, ctx.room, generator)

    async def close() -> None:
        print(generator.metrics)
        for task in hearing:
            task.cancel()
        await runner.aclose()
        avatar.close()

    ctx.add_shutdown_callback(close)
    await session.start(agent=Agent(instructions="You are friendly and brief."), room=ctx.room)
    await session.generate_reply(instructions="Greet the user.")


server.setup_fnc = prewarm
server.rtc_session(entrypoint)

if __name__ == "__main__":
    cli.run_app(server)
