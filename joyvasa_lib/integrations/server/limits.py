"""``Limits``: how much one server takes, keeps and does at once; options of ``joyvasa serve``.

Needs no package of the extra ``server``, so that the command line can list them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from joyvasa_lib.checks import checked_int

CORES_PER_AVATAR = 2
"""Processor cores that render a live avatar of 512 pixels in real time."""


def _limit(default: int, least: int, most: int, help: str) -> Any:
    """A field with its range and the text of its option."""
    return field(default=default, metadata={"least": least, "most": most, "help": help})


@dataclass(frozen=True)
class Limits:
    """Limits of a server; the help of each field is its documentation.

    Raises:
        OptionError: a limit is not a whole number in its range.
    """

    upload_mb: int = _limit(64, 1, 65536, "Megabytes of a request, counted while it arrives.")
    upload_seconds: int = _limit(120, 1, 86400, "Seconds that a request may take to arrive.")
    uploads: int = _limit(8, 1, 1024, "Requests that arrive at once.")
    image_megapixels: int = _limit(40, 1, 200, "Megapixels of an image.")
    speech_seconds: int = _limit(600, 1, 21600, "Seconds of speech of a job.")
    size: int = _limit(1920, 64, 8192, "Pixels of a video's longer side.")
    steps: int = _limit(50, 1, 1000, "Denoising steps of a job.")
    jobs: int = _limit(1, 1, 256, "Jobs that are worked on at once.")
    queue: int = _limit(16, 1, 10000, "Jobs that wait.")
    results: int = _limit(64, 1, 10000, "Results that are kept; the oldest goes first.")
    result_seconds: int = _limit(3600, 1, 604800, "Seconds that a result is kept.")
    portraits: int = _limit(32, 1, 10000, "Portraits that are kept; the least used goes first.")
    portrait_seconds: int = _limit(3600, 1, 604800, "Seconds that an unused portrait is kept.")
    live_clients: int = _limit(
        0, 0, 1024, "Live avatars at once; 0 for as many as the cores serve in real time."
    )
    live_size: int = _limit(512, 64, 2048, "Pixels of a live avatar's frames.")
    live_seconds: int = _limit(3600, 1, 604800, "Seconds that a live avatar stays.")
    live_waiting: int = _limit(120, 1, 600, "Seconds of speech that wait in a live avatar.")
    live_stalled: int = _limit(10, 1, 600, "Seconds in which a live client takes no frame.")
    connections: int = _limit(256, 2, 65536, "Connections at once.")

    def __post_init__(self) -> None:
        """Checks every limit."""
        for one in fields(self):
            value = getattr(self, one.name)
            least, most = one.metadata["least"], one.metadata["most"]
            checked_int(one.name, value, least=least, most=most)

    @property
    def live_slots(self) -> int:
        """Live avatars at once."""
        from joyvasa_lib.concurrency import cores

        return self.live_clients or max(1, cores() // CORES_PER_AVATAR)

    @property
    def upload_bytes(self) -> int:
        """Bytes of a request."""
        return self.upload_mb * 2**20
