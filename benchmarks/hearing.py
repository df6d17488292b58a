"""How much of lips and their opening is heard: in the speech corpus, and of people.

    python benchmarks/hearing.py CORPUS [--encoder FOLDER ...]

A ridge regression from the features of a speech encoder to the opening of the lips is fitted to
recordings of the corpus, once for each encoder. Printed are correlations on held-out voices and
languages, and with the openings of the ten talking people in the folder that JOYVASA_REAL_INPUTS
names, in windows of 100, 25 and 12 frames with the look-ahead of live speech. The first row is the
bundled checkpoint's encoder.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from speaking import default_cache, real_lips

from joyvasa_lib.checkpoints.folder import BUNDLED
from joyvasa_lib.datasets.speech_corpus.recordings import SpeechCorpus, SpeechItem
from joyvasa_lib.evaluation.behaviour.rows import LONGEST_LAG
from joyvasa_lib.evaluation.behaviour.track import RATE
from joyvasa_lib.evaluation.curves import agreement
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.motion.data import SAMPLES_PER_FRAME
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.training.encoder.features import encode
from joyvasa_lib.training.motion.validation.metrics import lip_gap

Curve = NDArray[np.float64]

WINDOWS = (100, 25, 12)
LOOK_AHEAD = 5
LEARNED, HELD_OUT = 300, 24
"""Recordings that the regression is fitted to, and those of each held-out split."""
_RIDGE = 0.01


def features(
    encoder: AudioEncoder, waveform: NDArray[np.float32], frames: int, window: int
) -> Curve:
    return encode(encoder, waveform, frames, window, LOOK_AHEAD).astype(np.float64)


class Regression:
    """The opening of the lips, linear in features.

    Args:
        encoder: gives the features.
        items: what the regression is fitted to.
    """

    def __init__(self, encoder: AudioEncoder, items: list[SpeechItem]) -> None:
        self.encoder = encoder
        heard = np.concatenate(
            [features(encoder, one.samples(), len(one.values), WINDOWS[0]) for one in items]
        )
        opening = np.concatenate([lip_gap(one.blendshapes) for one in items])
        self._mean, self._spread = heard.mean(0), heard.std(0) + 1e-6
        scaled = (heard - self._mean) / self._spread
        size = len(scaled[0])
        self._weights = np.linalg.solve(
            scaled.T @ scaled + _RIDGE * len(scaled) * np.eye(size),
            scaled.T @ (opening - opening.mean()),
        )

    def __call__(self, waveform: NDArray[np.float32], frames: int, window: int) -> Curve:
        heard = features(self.encoder, waveform, frames, window)
        return np.asarray((heard - self._mean) / self._spread @ self._weights)


def main() -> None:
    """Reads the command line and prints a row for each encoder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--encoder", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    corpus = SpeechCorpus(options.corpus)
    folder = os.environ.get("JOYVASA_REAL_INPUTS")
    if folder is None:
        parser.error("set JOYVASA_REAL_INPUTS to a folder with talking people in it")
    clips = sorted(path for path in (Path(folder) / "talking").iterdir() if path.is_file())
    people = [(load_speech(one).waveform, real_lips(one, default_cache())[0]) for one in clips]
    heads = " | ".join(f"people, {window} frames" for window in WINDOWS)
    print(f"| encoder | held-out voices | held-out languages | {heads} |\n|---|" + "---:|" * 5)
    for place in (BUNDLED / "audio_encoder", *options.encoder):
        encoder = AudioEncoder.from_pretrained(place).eval()
        opening = Regression(encoder, corpus.items("train")[:LEARNED])
        row = []
        for split in ("valid", "valid_language"):
            items = corpus.items(split)[:HELD_OUT]
            said = [opening(one.samples(), len(one.values), WINDOWS[0]) for one in items]
            real = [lip_gap(one.blendshapes) for one in items]
            row.append(float(np.corrcoef(np.concatenate(said), np.concatenate(real))[0, 1]))
        for window in WINDOWS:
            found = [
                agreement(
                    opening(sound, round(len(sound) / SAMPLES_PER_FRAME), window),
                    lips,
                    RATE,
                    LONGEST_LAG,
                ).correlation
                for sound, lips in people
            ]
            row.append(float(np.nanmean(found)))
        name = "bundled" if place.is_relative_to(BUNDLED) else place
        print(f"| {name} | " + " | ".join(f"{one:.2f}" for one in row) + " |", flush=True)


if __name__ == "__main__":
    main()
