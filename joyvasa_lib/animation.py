"""A talking portrait: frames rendered when they are read, with their audio."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.media.audio import Speech
from joyvasa_lib.media.provenance.signing import Signer
from joyvasa_lib.media.video import SYNTHETIC_NOTE, VideoWriter
from joyvasa_lib.motion import Motion
from joyvasa_lib.motion.performance import Performance

Frames = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Animation:
    """A talking portrait. Holds no frames: they are rendered again each time they are read.

    Attributes:
        performance: the motion, made piece by piece as frames are read.
        size: width and height of the frames in pixels.
        speech: the recording that the video gets, or None.
        render: makes the iterator over frames [h, w, 3] uint8 RGB.
        warnings: what makes a good result doubtful, one sentence each; they are logged, too.
        model: name of the portrait model, which videos say beside that they are synthetic.
    """

    performance: Performance
    size: tuple[int, int]
    speech: Speech | None
    render: Callable[[], Iterator[Frames]]
    warnings: tuple[str, ...] = ()
    model: str = ""

    @property
    def motion(self) -> Motion:
        """The whole motion, made now if it is not there yet."""
        return self.performance.motion

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.performance.fps

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.performance)

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.n_frames / self.fps

    def frames(self) -> Generator[Frames]:
        """Frames [h, w, 3] uint8 RGB, one after the other; ``close()`` it to stop early."""
        yield from self.render()

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        crf: int = 18,
        progress: Callable[[int], None] | None = None,
        signer: Signer | None = None,
    ) -> Path:
        """Renders into a video file with audio and marks that it is synthetic.

        The file appears only when it is complete.

        Args:
            path: the file, named .mp4, .mov or .mkv.
            crf: H.264 constant rate factor, 0 (lossless) to 51; smaller is better and larger.
            progress: called with the number of frames done after each. Raise
                :class:`~joyvasa_lib.errors.Cancelled` in it to stop; then there is no file, or the
                one that was there before.
            signer: who signs the file with Content Credentials, in .mp4 and .mov.

        Returns:
            The path of the file, a leading ``~`` expanded.

        Raises:
            OptionError: unknown suffix, or one that is not signed, or impossible ``crf``.
            OutputError: the file cannot be written or signed.
        """
        saved = VideoWriter(
            path,
            self.size,
            self.fps,
            self.speech,
            SYNTHETIC_NOTE,
            crf,
            model=self.model,
            signer=signer,
        )
        with (
            saved as writer,
            closing(self.frames()) as frames,
        ):
            for done, frame in enumerate(frames, start=1):
                writer.write(frame)
                if progress is not None:
                    progress(done)
        return writer.path

    def _repr_html_(self) -> str:
        """The video itself, for notebooks."""
        with tempfile.TemporaryDirectory() as folder:
            data = self.save(Path(folder) / "animation.mp4", crf=23).read_bytes()
        encoded = base64.b64encode(data).decode("ascii")
        width, height = self.size
        return (
            f'<video controls width="{min(width, 640)}" '
            f'src="data:video/mp4;base64,{encoded}" title="{width} x {height}"></video>'
        )
