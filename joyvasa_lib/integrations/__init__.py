"""Avatars in frameworks for talking agents: ``livekit`` and ``pipecat``, each an extra."""
