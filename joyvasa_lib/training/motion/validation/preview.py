"""A short video of the model in training, for what metrics do not show.

Axis legend: ``n`` samples at 16 kHz.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.pipeline import JoyVASAPipeline

DEMO_PORTRAIT = Path(__file__).parents[3] / "demo_assets" / "astronaut.jpg"


def render_preview(
    checkpoint: str | Path,
    waveform: NDArray[np.float32],
    path: Path,
    portrait: str | Path = "",
    seconds: float = 4.0,
) -> Path:
    """Renders the beginning of a recording with a checkpoint.

    Args:
        checkpoint: folder of the checkpoint or the run.
        waveform: float32 [n], 16 kHz.
        path: video to write; its folder is made if missing.
        portrait: image; the package's demonstration portrait if not given.
        seconds: length.

    Returns:
        ``path``.

    Raises:
        MediaError, NoFaceError: the portrait cannot be used.
        OutputError: the video cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    pipe = JoyVASAPipeline.from_pretrained(checkpoint)
    beginning = waveform[: round(seconds * SAMPLE_RATE)]
    animation = pipe(
        portrait or DEMO_PORTRAIT, beginning, sample_rate=SAMPLE_RATE, paste_back=False
    )
    return animation.save(path)
