"""Measures emotions on rendered frames of real portraits that speak real sentences.

    python benchmarks/emotion.py [--out FOLDER] [--portraits N] [--speech FILE] [--json]

Portraits and speech are those of the folder that JOYVASA_REAL_INPUTS names, or else the bundled
ones. The face mesh looks at every rendered frame. Three questions:

- Does each basic emotion move its own measures the right way, more with every level?
- Do lips keep opening and closing with the sound: correlation of the mouth-opening curve, edited
  against unedited?
- Do closures stay closures?

Targets are printed beside the numbers; nothing is asserted. A contact sheet is written for the eye.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from joyvasa_lib.emotion.emotion_space import Emotion
    from joyvasa_lib.motion import Motion
    from joyvasa_lib.pipeline import JoyVASAPipeline, PreparedPortrait

Curve = NDArray[np.float64]

LEVELS = (0.25, 0.5, 0.75, 1.0)
OWN_MEASURES = {
    "happiness": ("smile",),
    "sadness": ("corner_drop",),
    "surprise": ("inner_brow", "outer_brow", "lids", "jaw"),
    "fear": ("inner_brow", "lids", "smile"),
    "anger": ("brow_drop",),
    "disgust": ("nose", "brow_drop"),
    "contempt": ("one_corner",),
}
"""What each emotion must make larger. Fear's stretched lips count as mouth width, in ``smile``."""
UPPER = ("brow", "eye", "cheek")
SILENCE_S = 1.5
"""Seconds of silence before the sentence: the face is there before it speaks."""
STRIDE = 4
"""Every so many frames are enough for a mean; curves need all."""
CLOSED = 0.005
"""Opening of a motion's lips, in distances of the eye corners, that counts as a closure."""


@dataclass(frozen=True)
class Row:
    """One number with what is wanted of it."""

    what: str
    value: str
    target: str
    met: bool


def inputs(count: int) -> tuple[list[Path], list[Path]]:
    """Portraits and speech: the bundled ones first, then those of JOYVASA_REAL_INPUTS."""
    import joyvasa_lib

    bundled = Path(joyvasa_lib.__file__).parent / "demo_assets"
    portraits, speech = [bundled / "astronaut.jpg"], [bundled / "hello.flac"]
    folder = os.environ.get("JOYVASA_REAL_INPUTS")
    if folder:
        portraits += sorted((Path(folder) / "portraits").iterdir())
        speech = sorted((Path(folder) / "speech").iterdir())
    return portraits[:count], speech


def speech_motion(pipe: JoyVASAPipeline, path: Path, seconds: float) -> Motion:
    """Motion of silence and then so many seconds of speech."""
    from joyvasa_lib.media.audio import SAMPLE_RATE, load_speech

    waveform = load_speech(path).waveform[: round(seconds * SAMPLE_RATE)]
    silence = np.zeros(round(SILENCE_S * SAMPLE_RATE), np.float32)
    return pipe.generate_motion(np.concatenate([silence, waveform]), head_motion=0.5)


def every(motion: Motion, stride: int) -> Motion:
    """Every so many frames of a motion."""
    names = ("expression", "rotation", "translation", "scale")
    return replace(motion, **{name: getattr(motion, name)[::stride] for name in names})


def seen(pipe: JoyVASAPipeline, portrait: PreparedPortrait, motion: Motion) -> Curve:
    """Measures [t, m] on the rendered frames; NaN where the mesh finds no face."""
    from joyvasa_lib.evaluation.expression import NAMES, measure_face
    from joyvasa_lib.evaluation.track import follow_face

    rows = []
    frames = pipe.render(portrait, motion, paste_back=False).frames()
    for _, face in follow_face(frames):
        if face is None:
            rows.append([np.nan] * len(NAMES))
        else:
            measured = measure_face(face.landmarks)
            rows.append([getattr(measured, name) for name in NAMES])
    return np.array(rows)


def levels_table(
    pipe: JoyVASAPipeline, portraits: list[PreparedPortrait], motion: Motion
) -> Iterator[tuple[str, str, Curve]]:
    """For each emotion and own measure its mean change [portraits, levels], in percent."""
    from joyvasa_lib.emotion.emotion_space import Emotion
    from joyvasa_lib.evaluation.expression import NAMES

    few = every(motion, STRIDE)
    neutral = [np.nanmean(seen(pipe, portrait, few), axis=0) for portrait in portraits]
    for name, measures in OWN_MEASURES.items():
        changes = np.zeros((len(portraits), len(LEVELS), len(NAMES)))
        for column, level in enumerate(LEVELS):
            edited = every(motion.edit(Emotion.named(name, level)), STRIDE)
            for row, portrait in enumerate(portraits):
                mean = np.nanmean(seen(pipe, portrait, edited), axis=0)
                changes[row, column] = 100.0 * (mean - neutral[row])
        for measure in measures:
            yield name, measure, changes[:, :, NAMES.index(measure)]


def speech_rows(
    pipe: JoyVASAPipeline, portraits: list[PreparedPortrait], motion: Motion
) -> Iterator[Row]:
    """How well lips keep the speech: correlation of opening curves, and closures."""
    from joyvasa_lib.emotion.emotion_space import Emotion
    from joyvasa_lib.evaluation.curves import correlation
    from joyvasa_lib.evaluation.expression import NAMES
    from joyvasa_lib.evaluation.scores import closed_below
    from joyvasa_lib.evaluation.track import track_motion

    aperture = NAMES.index("aperture")
    meant = track_motion(motion).aperture
    speaking = np.arange(len(motion)) >= round(SILENCE_S * motion.fps)
    closing = speaking & (meant < CLOSED) & (_near(meant, 4) > 4 * CLOSED)
    plain = [seen(pipe, portrait, motion)[:, aperture] for portrait in portraits]
    limits = [closed_below(curve, speaking) for curve in plain]
    before = np.mean([(c[closing] < at).mean() for c, at in zip(plain, limits, strict=True)])
    yield Row("closures seen, unedited", f"{100 * before:.0f} %", "", True)

    def rows(what: str, emotion: Emotion, wanted: float, **options: bool) -> Iterator[Row]:
        edited = motion.edit(emotion, **options)
        curves = [seen(pipe, portrait, edited)[:, aperture] for portrait in portraits]
        agreement = [correlation(a, b) for a, b in zip(curves, plain, strict=True)]
        worst = min(agreement)
        target = f">= {wanted:g}" if wanted else ""
        values = f"{np.mean(agreement):.3f} (worst {worst:.3f})"
        yield Row(f"opening curve, {what}", values, target, worst >= wanted)
        kept = np.mean(
            [(c[closing] < at + 0.01).mean() for c, at in zip(curves, limits, strict=True)]
        )
        wish = ">= unedited" if wanted else ""
        yield Row(
            f"closures seen, {what}", f"{100 * kept:.0f} %", wish, not wanted or kept >= before
        )

    for name in OWN_MEASURES:
        emotion = Emotion.named(name)
        if not emotion.only(*UPPER).is_neutral:
            yield from rows(f"{name}, upper face", emotion.only(*UPPER), 0.9)
        yield from rows(f"{name}, whole face", emotion, 0.8)
    yield from rows("surprise, mouth left free", Emotion.surprise(), 0.0, protect_speech=False)


def _near(curve: Curve, frames: int) -> Curve:
    """The largest value within so many frames on either side."""
    padded = np.pad(curve, frames, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * frames + 1).max(axis=1)


def write_sheet(pipe: JoyVASAPipeline, portrait: PreparedPortrait, path: Path) -> None:
    from joyvasa_lib.evaluation.contact_sheet import contact_sheet
    from joyvasa_lib.media.image import SYNTHETIC_PICTURE, save_image

    save_image(path, contact_sheet(pipe, portrait), SYNTHETIC_PICTURE)


def edit_seconds(motion: Motion) -> float:
    """Seconds that editing ten minutes of motion takes, the better of three."""
    from joyvasa_lib.emotion.emotion_space import Emotion
    from joyvasa_lib.motion import Motion

    repeats = -(-15000 // len(motion))
    long = Motion.concatenate([motion] * repeats)[:15000]
    times = []
    for _ in range(3):
        started = time.perf_counter()
        long.edit(Emotion.fear())
        times.append(time.perf_counter() - started)
    return min(times)


def rises(values: Curve) -> bool:
    """Whether values [l] are above zero and each is above the one before."""
    return bool((np.diff(np.concatenate([[0.0], values])) > 0).all())


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures emotions on rendered frames.")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the sheets")
    parser.add_argument("--portraits", type=int, default=7, help="at most so many")
    parser.add_argument("--seconds", type=float, default=4.0, help="of speech")
    parser.add_argument("--speech", type=Path, help="another sound file")
    parser.add_argument("--no-sheets", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    from joyvasa_lib.pipeline import JoyVASAPipeline

    pipe = JoyVASAPipeline.from_pretrained()
    paths, speech = inputs(options.portraits)
    portraits = [pipe.encode(path) for path in paths]
    motion = speech_motion(pipe, options.speech or speech[0], options.seconds)
    rows: list[Row] = []

    def add(row: Row) -> None:
        rows.append(row)
        if not options.json:
            mark = "" if not row.target else "yes" if row.met else "NO"
            sys.stdout.write(f"{row.what:48} {row.value:>30}  {row.target:20} {mark}\n")
            sys.stdout.flush()

    seconds = edit_seconds(motion)
    add(Row("editing ten minutes", f"{seconds:.2f} s", "<= 1", seconds <= 1.0))
    for name, measure, changes in levels_table(pipe, portraits, motion):
        mean = changes.mean(axis=0)
        text = " ".join(f"{value:+.2f}" for value in mean)
        alone = sum(rises(one) for one in changes)
        target = f"rises ({alone} of {len(changes)} alone)"
        add(Row(f"{name}: {measure}, % of eye distance", text, target, rises(mean)))
    for row in speech_rows(pipe, portraits[:3], motion):
        add(row)
    if options.json:
        sys.stdout.write(json.dumps([row.__dict__ for row in rows]) + "\n")
    if not options.no_sheets:
        options.out.mkdir(parents=True, exist_ok=True)
        for path, portrait in zip(paths, portraits, strict=True):
            write_sheet(pipe, portrait, options.out / f"emotions_{path.stem}.png")


if __name__ == "__main__":
    main()
