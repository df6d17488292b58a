"""What a speaking style changes, and what a mouth does when nobody speaks.

    python benchmarks/styles.py dials [--checkpoint FOLDER]
    python benchmarks/styles.py silence [--checkpoint FOLDER]

`dials` sets each dial of a style to five values, and prints the means of what should change and of
what should not over real recordings and seeds, then the named styles. `silence` gives digital
silence, noise at -80 dB and music, and prints how much the jaw moves from frame to frame beside the
same in speech, and how far lips are open at the ends. Recordings are those of the folder that
JOYVASA_REAL_INPUTS names (speech).
"""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.datasets.speech_corpus.sounds.music import music
from joyvasa_lib.evaluation import behaviour_of_motion
from joyvasa_lib.evaluation.behaviour.rows import ROWS
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.speech.style import DIALS, STYLES, StyleLike

Samples = NDArray[np.float32]

RECORDINGS = ("english_radio_a.flac", "french.flac")
SECONDS, SEEDS, RATE = 10, (0, 1), 16000
VALUES = (0.0, 0.5, 1.0, 1.5, 2.0)
SHOWN = {
    "aperture_sd": "aperture",
    "width_sd": "width",
    "brow_inner_up_sd": "brows",
    "smile_mean": "smile",
    "pitch_sd": "pitch",
    "yaw_sd": "yaw",
    "roll_sd": "roll",
    "head_speed": "head speed",
    "eye_squint_sd": "squint",
}
"""Rows that are shown, by key, and their heads: deviations of aperture and width in distances of
the outer eye corners, of activations, and of angles in degrees; the smile is a mean."""
LIPS = ("jawOpen", "mouthLowerDownLeft", "mouthUpperUpLeft", "mouthFunnel", "mouthPucker")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("dials", "silence"))
    parser.add_argument("--checkpoint", default=None, help="a folder; the bundled one if none")
    options = parser.parse_args()
    real = os.environ.get("JOYVASA_REAL_INPUTS")
    if real is None:
        parser.error("set JOYVASA_REAL_INPUTS to a folder with speech in it")
    logging.disable(logging.WARNING)
    pipe = JoyVASAPipeline.from_pretrained(options.checkpoint)
    said = [
        load_speech(Path(real) / "speech" / name).waveform[: SECONDS * RATE] for name in RECORDINGS
    ]
    if options.what == "dials":
        dials(pipe, said)
    else:
        silence(pipe, said)


def dials(pipe: JoyVASAPipeline, said: list[Samples]) -> None:
    """Prints a row for each value of each dial, and for each named style."""
    print("| style | " + " | ".join(SHOWN.values()) + " |")
    print("|---|" + "---:|" * len(SHOWN))
    styles: list[tuple[str, StyleLike | None]] = [("none", None)]
    styles += list(STYLES.items())
    styles += [(f"{dial} {value:g}", {dial: value}) for dial in DIALS for value in VALUES]
    for name, style in styles:
        rows = [
            measured(pipe.motion_generator.generate(sound, seed=seed, style=style))
            for sound in said
            for seed in SEEDS
        ]
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in np.mean(rows, 0)) + " |")


def measured(motion: Motion) -> list[float]:
    """The shown rows of a motion."""
    found = behaviour_of_motion(motion)
    values = {row.key: one.value for row, one in zip(ROWS, found.rows, strict=True)}
    return [float(values[key] or 0.0) for key in SHOWN]


def silence(pipe: JoyVASAPipeline, said: list[Samples]) -> None:
    """Prints the jaw's change from frame to frame over that in speech, and lips at the ends."""
    rng = np.random.default_rng(0)
    count = 8 * RATE
    sounds = {
        "digital silence": np.zeros(count, np.float32),
        "noise at -80 dB": (1e-4 * rng.standard_normal(count)).astype(np.float32),
        **{
            f"music {seed}": (0.1 * music(np.random.default_rng(seed), 8.0)).astype(np.float32)
            for seed in range(4)
        },
    }
    speech = np.mean([jaw_change(pipe.motion_generator.generate(sound, seed=0)) for sound in said])
    print("| sound | jaw's change, share of speech's | lips at most, first 5 frames | last 5 |")
    print("|---|---:|---:|---:|")
    for name, sound in sounds.items():
        motion = pipe.motion_generator.generate(sound, seed=0)
        lips = motion.blendshapes[:, [BLENDSHAPES.index(one) for one in LIPS]]
        print(
            f"| {name} | {jaw_change(motion) / speech:.3f} | {lips[:5].max():.2f} | "
            f"{lips[-5:].max():.2f} |"
        )


def jaw_change(motion: Motion) -> float:
    """Mean change of the jaw's activation from frame to frame."""
    jaw = motion.blendshapes[:, BLENDSHAPES.index("jawOpen")]
    return float(np.abs(np.diff(jaw)).mean())


if __name__ == "__main__":
    main()
