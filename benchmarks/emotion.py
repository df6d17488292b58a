"""Measures emotions on rendered frames of real portraits with real speech.

    python benchmarks/emotion.py [--out FOLDER] [--portraits N] [--speech FILE] [--json]

Portraits and speech come from the folder that JOYVASA_REAL_INPUTS names, else the bundled ones are
used. The questions:

- Does the learned map explain held-out heads, and better than the linear basis?
- Does each basic emotion change its own measures in the right direction, more with every level? The
  face mesh measures the rendered frames, and optical flow follows its points from the unedited to
  the edited frame, because the mesh hardly shows eyelids and brows of unusual expressions.
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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from joyvasa_lib.motion import Motion
    from joyvasa_lib.pipeline import EncodedPortrait, JoyVASAPipeline

Curve = NDArray[np.float64]
Frame = NDArray[np.uint8]

LEVELS = (0.25, 0.5, 0.75, 1.0)
BOTH, FLOW = ("mesh", "flow"), ("flow",)
OWN_MEASURES = {
    "happiness": {"smile": BOTH},
    "sadness": {"corner_drop": BOTH, "inner_brow": FLOW},
    "surprise": {
        "inner_brow": BOTH,
        "outer_brow": BOTH,
        "eyelids": FLOW,
        "jaw": FLOW,
        "aperture": FLOW,
    },
    "fear": {"inner_brow": BOTH, "eyelids": FLOW, "smile": BOTH},
    "anger": {"brow_drop": BOTH},
    "disgust": {"nose": FLOW, "brow_drop": BOTH},
    "contempt": {"one_corner": BOTH},
}
"""The measures that each emotion must increase, and the observers that can measure them.

The mesh hardly shows widened eyes, raised inner brows or a wrinkled nose, and its opening of the
same lips depends on the brows. Fear's stretched lips count as width in ``smile``.
"""
UPPER = ("brow", "eye", "cheek")
SILENCE_S = 1.0
"""Seconds of silence before the speech."""
SIDE = 384
"""Side of the rendered crops in pixels."""
STRIDE = 4
"""Distance of the frames that means are taken over; curves need all frames."""
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


def every(motion: Motion, stride: int) -> Motion:
    """Every ``stride``-th frame of a motion."""
    names = ("expression", "rotation", "translation", "scale")
    return replace(motion, **{name: getattr(motion, name)[::stride] for name in names})


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


def level_changes(
    pipe: JoyVASAPipeline, portrait: EncodedPortrait, motion: Motion
) -> dict[str, Curve]:
    """Mean change of the measures under each emotion, percent: [levels, mesh and flow, measures].

    The mesh is found in each frame by itself; flow moves its points from one to the other.
    """
    from joyvasa_lib.emotion.emotion import Emotion
    from joyvasa_lib.evaluation.expression import NAMES, follow_points, lips_parted

    aperture = NAMES.index("aperture")
    plain = list(rendered(pipe, portrait, every(motion, STRIDE)))
    result = {}
    for name in OWN_MEASURES:
        changes = []
        for level in LEVELS:
            edited = every(motion.edit(Emotion.named(name, level)), STRIDE)
            pairs = []
            for (before, mesh), (after, other) in zip(
                plain, rendered(pipe, portrait, edited), strict=True
            ):
                if mesh is None or other is None:
                    continue
                rest = measured(mesh)
                led = measured(follow_points(before, after, mesh)) - rest
                led[aperture] = lips_parted(before, after, mesh)
                pairs.append([measured(other) - rest, led])
            changes.append(100.0 * np.mean(pairs, axis=0))
        result[name] = np.array(changes)
    return result


def level_rows(
    pipe: JoyVASAPipeline, portraits: list[EncodedPortrait], motion: Motion
) -> Iterator[Row]:
    from joyvasa_lib.evaluation.expression import NAMES

    found = [level_changes(pipe, portrait, motion) for portrait in portraits]
    for name, measures in OWN_MEASURES.items():
        changes = np.stack([one[name] for one in found])  # [portraits, levels, how, measures]
        for measure, observers in measures.items():
            for how, observer in enumerate(BOTH):
                if observer not in observers:
                    continue
                values = changes[..., how, NAMES.index(measure)]
                mean = values.mean(axis=0)
                alone = sum(map(rises, values))
                text = " ".join(f"{value:+.2f}" for value in mean)
                wanted = f"rises ({alone} of {len(values)} alone)"
                yield Row(f"{name}: {measure}, {observer}", text, wanted, rises(mean))


def meant_closures(motion: Motion, meant: Curve) -> list[tuple[int, int]]:
    """Runs of frames in which a motion of openings [t] closes lips that were open."""
    from joyvasa_lib.evaluation.curves import runs

    speaking = np.arange(len(motion)) >= round(SILENCE_S * motion.fps)
    return list(runs(speaking & (meant < CLOSED) & (_near(meant, 4) > 4 * CLOSED)))


def speech_rows(
    pipe: JoyVASAPipeline, portraits: dict[str, EncodedPortrait], motion: Motion
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

    for name in OWN_MEASURES:
        emotion = Emotion.named(name)
        if not emotion.only(*UPPER).is_neutral:
            yield from rows(f"{name}, upper face", motion.edit(emotion.only(*UPPER)), 0.9)
        yield from rows(f"{name}, whole face", motion.edit(emotion), 0.8)
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


def rises(values: Curve) -> bool:
    """Whether values [l] are above zero and each is above the one before."""
    return bool((np.diff(np.concatenate([[0.0], values])) > 0).all())


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures emotions on rendered frames.")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the sheets")
    parser.add_argument("--portraits", type=int, default=7, help="largest number of portraits")
    parser.add_argument("--seconds", type=float, default=4.0, help="seconds of speech")
    parser.add_argument("--speech", type=Path, help="another recording")
    for part in ("map", "levels", "curves", "sheets"):
        parser.add_argument(f"--no-{part}", action="store_true")
    parser.add_argument("--only", nargs="*", choices=list(OWN_MEASURES), help="these emotions")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    from joyvasa_lib.pipeline import JoyVASAPipeline

    for name in set(OWN_MEASURES) - set(options.only or OWN_MEASURES):
        del OWN_MEASURES[name]
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
    if not options.no_levels:
        for row in level_rows(pipe, portraits, motion):
            add(row)
    if not options.no_curves:
        names = [path.stem for path in paths]
        for row in speech_rows(pipe, dict(zip(names, portraits, strict=True)), motion):
            add(row)
    if options.json:
        sys.stdout.write(json.dumps([row.__dict__ for row in rows]) + "\n")
    if not options.no_sheets:
        options.out.mkdir(parents=True, exist_ok=True)
        for path, portrait in zip(paths, portraits, strict=True):
            write_sheet(pipe, portrait, options.out / f"emotions_{path.stem}.png")


if __name__ == "__main__":
    main()
