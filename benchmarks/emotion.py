"""Emotions under real speech: what the learned map explains, and what lips keep.

    python benchmarks/emotion.py [--out FOLDER] [--portraits N] [--speech FILE] [--json]

How emotions are read is measured by ``benchmarks/emotion_readings.py``. Portraits and speech come
from the folder that JOYVASA_REAL_INPUTS names, else the bundled ones are used. The questions:

- Does the learned map explain held-out heads, and better than the linear basis?
- Do lips keep opening and closing with the speech? This is the correlation of the mouth opening on
  the mesh, edited against unedited. Portraits on which the mesh does not follow the unedited lips
  are left out and named.
- Do closed lips stay closed? Flow follows the outlines of the lips from the unedited to the edited
  frame, because the opening of closed lips on the mesh depends on the brows.

Targets are printed beside the numbers; nothing is asserted. Contact sheets are written for viewing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.emotion.prototypes import BASIC

if TYPE_CHECKING:
    from joyvasa_lib.motion import Motion
    from joyvasa_lib.pipeline import EncodedPortrait, JoyVASAPipeline

Curve = NDArray[np.float64]
Frame = NDArray[np.uint8]

UPPER = ("brow", "eye", "cheek")
SILENCE_S = 1.0
"""Seconds of silence before the speech."""
SIDE = 384
"""Side of the rendered crops in pixels."""
FOLLOWED = 0.85
"""Least correlation of the opening on the mesh with the motion's own at which the mesh follows."""
CLOSED = 0.005
"""Opening of a motion's lips, in distances of the eye corners, that counts as a closure."""
APART = 0.01
"""Largest increase of the opening in a closure that counts as kept: a tenth of the usual opening in
speech. Closed lips of the rig overlap by as much."""
HELD_OUT_HEADS, HELD_OUT_SEED = 48, 987
"""Heads that test the learned map, of a seed that no recipe uses."""
EXPLAINED = 0.95
LEVEL = 0.8
"""Level of the emotions that speech is edited with: severe."""
UPPER_KEPT, WHOLE_KEPT = 0.95, 0.88
"""Least correlation of the opening curve, with units of the upper face alone and with all."""
KEPT, LOST = 0.95, 0.5
"""Least share of closures kept with protection of speech, and largest without."""


@dataclass(frozen=True)
class Row:
    """One number with its target."""

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


def encode(pipe: JoyVASAPipeline, path: Path) -> EncodedPortrait:
    """The portrait in a crop of :data:`SIDE` pixels."""
    from joyvasa_lib.face.crop import crop_face
    from joyvasa_lib.face.landmarks.detector import select_face
    from joyvasa_lib.media.image import load_image
    from joyvasa_lib.pipeline import EncodedPortrait

    full_image = load_image(path)
    face = select_face(pipe.detector.detect(full_image), "largest")
    crop = crop_face(full_image, face, size=SIDE)
    return EncodedPortrait(pipe.portrait_model.encode(crop), crop)


def speech_motion(pipe: JoyVASAPipeline, path: Path, seconds: float) -> Motion:
    """Motion of silence followed by a number of seconds of speech."""
    from joyvasa_lib.media.audio import SAMPLE_RATE, load_speech

    waveform = load_speech(path).waveform[: round(seconds * SAMPLE_RATE)]
    silence = np.zeros(round(SILENCE_S * SAMPLE_RATE), np.float32)
    return pipe.generate_motion(np.concatenate([silence, waveform]), head_motion=0.5)


def measured(landmarks: NDArray[np.floating]) -> Curve:
    from joyvasa_lib.evaluation.expression import NAMES, measure_face

    values = measure_face(landmarks)
    return np.array([getattr(values, name) for name in NAMES])


def rendered(
    pipe: JoyVASAPipeline, portrait: EncodedPortrait, motion: Motion
) -> Iterator[tuple[Frame, NDArray[np.float32] | None]]:
    """Frames with the mesh [468, 3] of their face."""
    from joyvasa_lib.evaluation.track import follow_face

    for frame, face in follow_face(pipe.render(portrait, motion, paste_back=False).frames()):
        yield frame, None if face is None else face.landmarks


@dataclass(frozen=True)
class Watched:
    """Measurements of one rendered portrait.

    Attributes:
        opening: [t] openings on the mesh.
        frames: the requested frames, with their mesh.
    """

    opening: Curve
    frames: dict[int, tuple[Frame, NDArray[np.float32]]]


def watch(
    pipe: JoyVASAPipeline, portrait: EncodedPortrait, motion: Motion, keep: Iterable[int] = ()
) -> Watched:
    """The curve of the mouth opening on the mesh, and some frames with their mesh."""
    from joyvasa_lib.evaluation.expression import NAMES

    column, kept = NAMES.index("aperture"), set(keep)
    curve, frames = [], {}
    for index, (frame, mesh) in enumerate(rendered(pipe, portrait, motion)):
        curve.append(np.nan if mesh is None else measured(mesh)[column])
        if index in kept and mesh is not None:
            frames[index] = (frame.copy(), mesh)
    return Watched(np.array(curve), frames)


def parted(closures: list[tuple[int, int]], before: Watched, after: Watched) -> list[float]:
    """Increase of the lips' opening in each closure, where it is smallest."""
    from joyvasa_lib.evaluation.expression import lips_parted

    return [
        min(
            lips_parted(before.frames[i][0], after.frames[i][0], before.frames[i][1])
            for i in range(start, stop)
            if i in before.frames and i in after.frames
        )
        for start, stop in closures
    ]


def meant_closures(motion: Motion, meant: Curve) -> list[tuple[int, int]]:
    """Runs of frames in which a motion of openings [t] closes lips that were open."""
    from joyvasa_lib.evaluation.curves import runs

    speaking = np.arange(len(motion)) >= round(SILENCE_S * motion.fps)
    return list(runs(speaking & (meant < CLOSED) & (_near(meant, 4) > 4 * CLOSED)))


def speech_rows(
    pipe: JoyVASAPipeline,
    portraits: dict[str, EncodedPortrait],
    motion: Motion,
    names: Iterable[str],
) -> Iterator[Row]:
    """How well lips keep their speech: correlation of opening curves, and closures."""
    from joyvasa_lib.emotion.emotion import Emotion
    from joyvasa_lib.evaluation.curves import correlation
    from joyvasa_lib.evaluation.track import track_motion

    meant = track_motion(motion).aperture
    closures = meant_closures(motion, meant)
    instants = [i for start, stop in closures for i in range(start, stop)]
    plain = {name: watch(pipe, one, motion, instants) for name, one in portraits.items()}
    for name, seen in list(plain.items()):
        value = correlation(seen.opening, meant)
        blind = not value >= FOLLOWED
        note = "left out: the mesh does not follow" if blind else ""
        yield Row(f"opening seen against motion, {name}", f"{value:.3f}", note, True)
        if blind:
            del plain[name]
    if not plain or not closures:
        return

    def seen_apart(edited: Motion) -> tuple[list[float], list[float]]:
        agreement, apart = [], []
        for name, before in plain.items():
            after = watch(pipe, portraits[name], edited, instants)
            agreement.append(correlation(after.opening, before.opening))
            apart += parted(closures, before, after)
        return agreement, apart

    def rows(what: str, edited: Motion, wanted: float) -> Iterator[Row]:
        agreement, apart = seen_apart(edited)
        kept = float(np.mean(np.array(apart) <= APART))
        values = f"{np.mean(agreement):.3f} (worst {min(agreement):.3f})"
        target = f">= {wanted:g}" if wanted else ""
        yield Row(f"opening curve, {what}", values, target, min(agreement) >= wanted)
        values = f"{100 * kept:.0f} % of {len(apart)} ({np.mean(apart):+.3f})"
        if wanted:
            yield Row(f"closures kept, {what}", values, f">= {KEPT:.0%}", kept >= KEPT)
        else:  # an unprotected mouth shows that the measure can fail
            yield Row(f"closures kept, {what}", values, f"<= {LOST:.0%}", kept <= LOST)

    for name in names:
        emotion = Emotion.named(name, LEVEL)
        if not emotion.only(*UPPER).is_neutral:
            yield from rows(f"{name}, upper face", motion.edit(emotion.only(*UPPER)), UPPER_KEPT)
        yield from rows(f"{name}, whole face", motion.edit(emotion), WHOLE_KEPT)
    for emotion in ("surprise", "happiness,AU26:0.8"):
        free = motion.edit(Emotion.parse(emotion), protect_speech=False)
        yield from rows(f"{emotion}, without protection", free, 0.0)


def _near(curve: Curve, frames: int) -> Curve:
    """The largest value within a number of frames on both sides."""
    padded = np.pad(curve, frames, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * frames + 1).max(axis=1)


def write_sheet(pipe: JoyVASAPipeline, portrait: EncodedPortrait, path: Path) -> None:
    from joyvasa_lib.evaluation.contact_sheet import contact_sheet
    from joyvasa_lib.media.image import SYNTHETIC_IMAGE, save_image

    save_image(path, contact_sheet(pipe, portrait), SYNTHETIC_IMAGE)


def edit_seconds(motion: Motion) -> float:
    """Seconds for editing ten minutes of motion, the best of three."""
    from joyvasa_lib.emotion.emotion import Emotion
    from joyvasa_lib.motion import Motion

    repeats = -(-15000 // len(motion))
    long = Motion.concatenate([motion] * repeats)[:15000]
    times = []
    for _ in range(3):
        started = time.perf_counter()
        long.edit(Emotion.fear())
        times.append(time.perf_counter() - started)
    return min(times)


def map_rows() -> Iterator[Row]:
    """Variance of the true deformation that the learned map explains on held-out heads."""
    from joyvasa_lib.datasets.heads.expression_pairs import (
        ExpressionPairsConfig,
        expression_pairs_of,
        join_pairs,
    )
    from joyvasa_lib.emotion.maps.choose import bundled_map
    from joyvasa_lib.motion import get_space
    from joyvasa_lib.training.emotion.metrics import linear_change, measure_change

    config = ExpressionPairsConfig(seed=HELD_OUT_SEED)
    pairs = join_pairs([expression_pairs_of(head, config) for head in range(HELD_OUT_HEADS)])
    learned, space = bundled_map(), get_space()
    expression = space.from_blendshapes(pairs.present)
    moved = [
        learned.deformation(*of_head)
        for of_head in zip(pairs.activations, expression, pairs.keypoints, strict=True)
    ]
    found = measure_change(pairs, space.to_blendshapes(np.stack(moved)))
    basis = measure_change(pairs, linear_change(pairs))
    for way in ("moved", "drawn"):
        for region, value in getattr(found, way).items():
            other = getattr(basis, way)[region]
            text, wanted = f"{value:.3f} (basis {other:.3f})", f">= {EXPLAINED:g}, basis"
            met = value >= max(EXPLAINED, other)
            yield Row(f"variance explained, {way}, {region}", text, wanted, met)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures emotions on rendered frames.")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the sheets")
    parser.add_argument("--portraits", type=int, default=7, help="largest number of portraits")
    parser.add_argument("--seconds", type=float, default=4.0, help="seconds of speech")
    parser.add_argument("--speech", type=Path, help="another recording")
    for part in ("map", "curves", "sheets"):
        parser.add_argument(f"--no-{part}", action="store_true")
    parser.add_argument("--only", nargs="*", choices=list(BASIC), help="these emotions")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    from joyvasa_lib.pipeline import JoyVASAPipeline

    pipe = JoyVASAPipeline.from_pretrained()
    paths, speech = inputs(options.portraits)
    portraits = [encode(pipe, path) for path in paths]
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
    if not options.no_map:
        for row in map_rows():
            add(row)
    if not options.no_curves:
        named = dict(zip([path.stem for path in paths], portraits, strict=True))
        for row in speech_rows(pipe, named, motion, options.only or BASIC):
            add(row)
    if options.json:
        sys.stdout.write(json.dumps([row.__dict__ for row in rows]) + "\n")
    if not options.no_sheets:
        options.out.mkdir(parents=True, exist_ok=True)
        for path, portrait in zip(paths, portraits, strict=True):
            write_sheet(pipe, portrait, options.out / f"emotions_{path.stem}.png")


if __name__ == "__main__":
    main()
