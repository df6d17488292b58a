"""``LiveMetrics``: how well an avatar keeps up, as numbers to log and to compare."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

_KEPT = 4096
"""Newest values of each kind that are kept."""


@dataclass(frozen=True)
class LiveMetrics:
    """A moment's numbers.

    Attributes:
        seconds: presentation time so far.
        frames: frames given out.
        dropped: frame periods without a frame of their own.
        repeated: frames that had to show the image before, since none was ready.
        stalled: frame periods in which speech waited for its sound or its motion.
        held: frame periods by which speech waited for images.
        paused: frame periods for which time stood still, since nobody read for over a second.
        utterances: utterances begun.
        interruptions: times that speech was interrupted.
        first_frame_ms: milliseconds from an utterance's first sound to its first frame, the newest
            one's; None before the first.
        first_frame_worst_ms: the largest of them.
        av_offset_ms: median of how far the image is behind its sound (negative) or ahead of it.
        av_offset_p01_ms: the first percentile.
        av_offset_p99_ms: the 99th percentile.
        render_ms: median time of an image.
        motion_ms: median time of a window of motion.
        real_time_factor: seconds that the busier thread works for a second of speech; above 1
            frames are dropped.
    """

    seconds: float
    frames: int
    dropped: int
    repeated: int
    stalled: int
    held: int
    paused: int
    utterances: int
    interruptions: int
    first_frame_ms: float | None
    first_frame_worst_ms: float | None
    av_offset_ms: float
    av_offset_p01_ms: float
    av_offset_p99_ms: float
    render_ms: float
    motion_ms: float
    real_time_factor: float

    def to_dict(self) -> dict[str, Any]:
        """The numbers by name."""
        return asdict(self)

    def __str__(self) -> str:
        first = "-" if self.first_frame_ms is None else f"{self.first_frame_ms:.0f} ms"
        return (
            f"{self.frames} frames in {self.seconds:.1f} s, {self.dropped} dropped, "
            f"{self.stalled} stalled; first frame {first}, A/V {self.av_offset_ms:+.0f} ms, "
            f"real-time factor {self.real_time_factor:.2f}"
        )


class Tally:
    """Counts; called under the avatar's lock."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self.frames = self.dropped = self.repeated = 0
        self.stalled = self.held = self.paused = 0
        self.utterances = self.interruptions = 0
        self.seconds = 0.0
        self.render_count = 0
        self._first: deque[float] = deque(maxlen=_KEPT)
        self._offsets: deque[float] = deque(maxlen=_KEPT)
        self._renders: deque[float] = deque(maxlen=_KEPT)
        self._windows: deque[float] = deque(maxlen=_KEPT)
        self._spent = self._made = 0.0

    def started(self, seconds: float) -> None:
        """An utterance's first frame was given out so long after its first sound."""
        self.utterances += 1
        self._first.append(1000.0 * seconds)

    def offset(self, seconds: float) -> None:
        """An image was so far ahead of its sound."""
        self._offsets.append(1000.0 * seconds)

    def rendered(self, seconds: float) -> None:
        """An image took so long."""
        self._renders.append(seconds)
        self.render_count += 1

    def moved(self, seconds: float, frames: int) -> None:
        """A window of motion took so long and has so many frames at 25 a second."""
        self._windows.append(seconds)
        self._spent += seconds
        self._made += frames / 25.0

    @property
    def render_seconds(self) -> float:
        """Median time of the newest images; a frame period before the first."""
        newest = list(self._renders)[-25:]
        return float(np.median(newest)) if newest else 1.0 / self._fps

    def snapshot(self) -> LiveMetrics:
        """The numbers of the moment."""
        offsets = np.array(self._offsets or [0.0])
        renders, windows = np.array(self._renders or [0.0]), np.array(self._windows or [0.0])
        rendering = float(renders.mean()) * self._fps
        moving = self._spent / self._made if self._made else 0.0
        return LiveMetrics(
            seconds=self.seconds,
            frames=self.frames,
            dropped=self.dropped,
            repeated=self.repeated,
            stalled=self.stalled,
            held=self.held,
            paused=self.paused,
            utterances=self.utterances,
            interruptions=self.interruptions,
            first_frame_ms=self._first[-1] if self._first else None,
            first_frame_worst_ms=max(self._first) if self._first else None,
            av_offset_ms=float(np.median(offsets)),
            av_offset_p01_ms=float(np.quantile(offsets, 0.01)),
            av_offset_p99_ms=float(np.quantile(offsets, 0.99)),
            render_ms=1000.0 * float(np.median(renders)),
            motion_ms=1000.0 * float(np.median(windows)),
            real_time_factor=max(rendering, moving),
        )
