"""Where real lips go on each group of sounds: fits the targets of the corpus' face animator.

    python benchmarks/lip_targets.py

Reads the opening and the width of the mouth in sentences of the GRID corpus (JOYVASA_REAL_INPUTS
names a folder with them in `talking`), whose phonemes lie in `grid_phonemes` with their times, and
fits target, dominance, kernel and lead of each as joyvasa_lib.datasets.speech_corpus.face.lips uses
them. Printed are the correlations with sentences that were left out of the fit, one at a time, and
the numbers that lip_targets.yaml rounds: openings and widths are in deviations of these readers
there, and scaled to those of public speakers.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from speaking import default_cache, real_lips

from joyvasa_lib.datasets.speech_corpus.face.lips import LipTargets, lip_curves, lip_targets
from joyvasa_lib.datasets.speech_corpus.phonemes import SILENCE, TimedPhoneme, split_diphthongs
from joyvasa_lib.documents import read_yaml

Doubles = NDArray[np.float64]

HERE = Path(__file__).parent
DATA = "joyvasa_lib/datasets/speech_corpus/face/lip_targets.yaml"
SECONDS, FRAMES = 3.0, 75
CURVES = ("aperture", "width")
UNIT = {"aperture": 0.055, "width": 0.0235}
"""Mean deviations of the readers, outer eye-corner distances."""
RIDGE, AS_MUCH = 0.02, 0.5
"""Pull towards the start, and towards a gain of 1 for each reader."""
SOFT = 6.0
LONG = "\N{MODIFIER LETTER TRIANGULAR COLON}"


@dataclass
class Sentence:
    """One clip: what is said, and what the mouth does in deviations of the readers."""

    name: str
    phonemes: list[TimedPhoneme]
    lips: dict[str, Doubles]


def main() -> None:
    """Fits both curves, leaving out each sentence in turn, and then with all."""
    real = os.environ.get("JOYVASA_REAL_INPUTS")
    if real is None:
        raise SystemExit("Set JOYVASA_REAL_INPUTS to a folder with `talking` in it")
    sentences = [sentence(path, Path(real) / "talking") for path in spoken()]
    names = list(read_yaml(HERE.parent / DATA)["groups"])
    for curve in CURVES:
        found = []
        for number, one in enumerate(sentences):
            others = sentences[:number] + sentences[number + 1 :]
            found.append(likeness(one, curve, fit(others, curve)))
        print(f"{curve}: correlation with sentences left out {np.mean(found):.3f}", end="; ")
        print(
            ", ".join(
                f"{one.name} {value:.2f}" for one, value in zip(sentences, found, strict=True)
            )
        )
        shipped = np.mean([likeness(one, curve, lip_targets()) for one in sentences])
        print(f"  of the targets that the animator has: {shipped:.3f} with all sentences")
        targets = fit(sentences, curve)
        spread, lead = targets.kernels[curve]
        print(f"  kernel {spread:.3f} s, lead {lead:.3f} s, stress {targets.stress:.2f}")
        for name, (target, dominance) in zip(names, getattr(targets, curve), strict=True):
            print(f"  {name:6} {target / UNIT[curve]:6.2f} {dominance:6.2f}", flush=True)


def spoken() -> list[Path]:
    """Files of the phonemes' times."""
    return sorted((HERE / "grid_phonemes").glob("*.csv"))


def sentence(path: Path, folder: Path) -> Sentence:
    """A clip with its phonemes and the real lips."""
    clip = next(one for one in folder.iterdir() if one.stem == path.stem)
    curves = real_lips(clip, default_cache())[:, :FRAMES]
    lips = {name: row / UNIT[name] for name, row in zip(CURVES, curves, strict=True)}
    return Sentence(path.stem, split_diphthongs(read_phonemes(path)), lips)


def read_phonemes(path: Path) -> list[TimedPhoneme]:
    """Phonemes of a sentence from 0 to its end, silence included."""
    found: list[TimedPhoneme] = []
    time = 0.0
    for row in csv.DictReader(path.open(encoding="utf-8")):
        start, end = float(row["start"]), float(row["end"])
        if start > time:
            found.append(TimedPhoneme(SILENCE, time, start))
        stressed = row["phone"][0] in "ˈˌ"
        symbol = row["phone"].lstrip("ˈˌ").replace(LONG, "")
        found.append(TimedPhoneme(symbol, start, end, stressed))
        time = end
    return [*found, TimedPhoneme(SILENCE, time, SECONDS)]


def fit(sentences: list[Sentence], curve: str) -> LipTargets:
    """Targets that explain a curve best, near those that are known."""
    known = lip_targets()
    start = getattr(known, curve)
    count = len(start)
    moved = np.concatenate([start[:, 0] / UNIT[curve], np.log(start[:, 1])])
    first = np.concatenate([moved, [np.log(known.kernels[curve][0]), known.kernels[curve][1], 0.1]])

    def targets(x: Doubles) -> LipTargets:
        pairs = np.stack([x[:count] * UNIT[curve], np.exp(x[count : 2 * count])], axis=1)
        kernels = {**known.kernels, curve: (float(np.exp(x[-3])), float(x[-2]))}
        if curve == "aperture":
            return replace(known, aperture=pairs, kernels=kernels, stress=float(x[-1]))
        return replace(known, width=pairs, kernels=kernels)

    def misses(x: Doubles) -> Doubles:
        parts = []
        for one in sentences:
            wanted = one.lips[curve] - one.lips[curve].mean()
            made = predicted(one, curve, targets(x))
            made = made - made.mean()
            gain = (made @ wanted + AS_MUCH * FRAMES) / (made @ made + AS_MUCH * FRAMES)
            spread = one.lips[curve].std() * np.sqrt(FRAMES * len(sentences))
            parts.append((gain * made - wanted) / spread)
        pull = (x - first) * np.concatenate(
            [np.full(count, 0.5), np.full(count, 0.7), [2.0, 10.0, 2.0]]
        )
        return np.concatenate([*parts, np.sqrt(RIDGE) * pull])

    return targets(least_squares(misses, first, max_nfev=8).x)


def predicted(one: Sentence, curve: str, targets: LipTargets) -> Doubles:
    """The curve [t] of a sentence; lips that press are closed and no more."""
    aperture, width, _ = lip_curves(one.phonemes, FRAMES, targets=targets)
    if curve == "width":
        return width / UNIT[curve]
    return np.logaddexp(0.0, SOFT * aperture / UNIT[curve]) / SOFT


def likeness(one: Sentence, curve: str, targets: LipTargets) -> float:
    """Correlation of the made and the real curve."""
    return float(np.corrcoef(predicted(one, curve, targets), one.lips[curve])[0, 1])


if __name__ == "__main__":
    main()
