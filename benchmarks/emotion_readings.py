"""Emotions as a stranger reads them: blendshape scores of rendered portraits, and a forced choice.

    python benchmarks/emotion_readings.py [--folder PORTRAITS] [--sheet sheet.png] [--heads 16]
        [--speech learned_from.wav measured_on.wav --talking 6]

Every portrait shows each basic emotion at five levels; the scores that are read from the frame are
compared with those of the image. Asked for, as the median of the changes at level 0.8, is what the
table names; the last column counts the portraits on which a score rises from level to level. Then
each frame is named after the nearest of seven prototypes, which are fitted on rendered heads alone:
seven answers, so that one in seven is right by chance. The depth of folds is measured where the
nose wrinkles, as the mean change of luminance across the bridge. With two recordings, the rendered
heads say the first with each emotion at level 0.8, which gives prototypes of talking faces; some
portraits say the second, and their frames are named after these: by what has changed against the
image, and against the same person who talks without an emotion, as one who knows them sees it. The
sheet shows every portrait at level 0.8.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.heads.drawing.appearance import random_appearance
from joyvasa_lib.datasets.heads.drawing.renderer import HeadRenderer
from joyvasa_lib.datasets.heads.drawing.texture import SkinMap
from joyvasa_lib.datasets.heads.shape import random_shape
from joyvasa_lib.emotion.emotion import Emotion
from joyvasa_lib.emotion.prototypes import BASIC
from joyvasa_lib.errors import JoyVASAError
from joyvasa_lib.face.crop import crop_face
from joyvasa_lib.face.landmarks.blendshape_scores import blendshape_scores
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.reading import read_face
from joyvasa_lib.media.image import load_image, save_image
from joyvasa_lib.motion import BLENDSHAPES
from joyvasa_lib.motion.data import ARRAYS
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.pipeline import EncodedPortrait, JoyVASAPipeline
from joyvasa_lib.rig.head_rig import bundled_rig

Pixels = NDArray[np.uint8]
Scores = NDArray[np.float64]

LEVELS = (0.2, 0.4, 0.6, 0.8, 1.0)
AT, WEAK = 0.8, 0.4
"""The level at which changes are asked for, and a weaker one for the forced choice."""
NAMED, NAMED_WEAK = 0.85, 0.60
"""Shares of portraits whose emotion is to be named right at both levels."""
ASKED: dict[str, tuple[tuple[str, float], ...]] = {
    "happiness": (("mouthSmile", 0.5), ("eyeSquint", 0.15)),
    "sadness": (("mouthFrown", 0.25), ("browInnerUp", 0.35)),
    "surprise": (("browInnerUp", 0.4), ("browOuterUp", 0.4), ("eyeWide", 0.25), ("jawOpen", 0.25)),
    "fear": (("browInnerUp", 0.4), ("eyeWide", 0.25), ("mouthStretch", 0.2)),
    "anger": (("browDown", 0.45), ("eyeSquint", 0.2), ("mouthPress", 0.15)),
    "disgust": (("mouthUpperUp", 0.3), ("browDown", 0.2)),
    "contempt": (("mouthSmileRight", 0.25),),
}
"""Scores of each emotion and their asked change at level 0.8; both sides' mean where not named."""
PLAIN = "without"
"""Name of speech without an emotion."""
SPOKEN, STRIDE, LEARNING_STRIDE = 100, 8, 18
"""Frames of speech, and the distance of those that are read on portraits and on rendered heads."""
READABLE = 0.8
_SIDE = 512
_TILE = 220


def score(values: Scores, name: str) -> Scores:
    """A score [...] of values [..., 52]: one blendshape, or the mean of both its sides."""
    both = [
        i for i, found in enumerate(BLENDSHAPES) if found in (name, f"{name}Left", f"{name}Right")
    ]
    return np.asarray(values[..., both].mean(-1))


def read(detector: MediaPipeFaceDetector, image: Pixels) -> Scores:
    """Scores [52] of a frame; NaN where no face is found."""
    faces = detector.detect(image)
    if not faces:
        return np.full(len(BLENDSHAPES), np.nan)
    return blendshape_scores(detector.look_closely(image, faces[0])[0].landmarks).astype(float)


def encoded(
    pipe: JoyVASAPipeline, image: Pixels, detector: MediaPipeFaceDetector
) -> EncodedPortrait:
    face = read_face(image, detector.detect(image)[0], detector).face
    crop = crop_face(image, face, size=_SIDE)
    return EncodedPortrait(pipe.portrait_model.encode(crop), crop)


def rendered_heads(count: int) -> Iterator[Pixels]:
    """Images of random heads that no portrait shows."""
    rig, skin = bundled_rig(), SkinMap(bundled_rig())
    for seed in range(count):
        random = np.random.default_rng((77, seed))
        renderer = HeadRenderer(rig, random_appearance(rig, skin, random), _SIDE)
        turned = rotation_matrix(random.normal(0.0, [4.0, 6.0, 4.0])).astype(np.float32)
        scale = float(random.uniform(0.125, 0.15)) * _SIDE
        place = np.array([0.5 * _SIDE, 0.54 * _SIDE, 0.0])
        vertices = scale * (random_shape(rig, random) @ turned) + place
        yield renderer.render(np.asarray(vertices, np.float32)).image


def changes(
    pipe: JoyVASAPipeline,
    portraits: dict[str, EncodedPortrait],
    detector: MediaPipeFaceDetector,
    levels: tuple[float, ...] = LEVELS,
) -> dict[str, Scores]:
    """Changes [portraits, levels, 52] of the scores under each emotion."""
    own = np.array([read(detector, one.crop.image) for one in portraits.values()])
    found = {}
    for name in BASIC:
        frames = [
            [
                read(detector, pipe.edit(one, Emotion.named(name, level), paste_back=False))
                for level in levels
            ]
            for one in portraits.values()
        ]
        found[name] = np.array(frames) - own[:, None]
    return found


def features(values: Scores) -> Scores:
    """What the forced choice looks at [..., f]: changes of both sides' mean, and of their
    difference where the mouth is pulled to one side. Not at blinks and gaze, which are no part of
    these emotions: people who talk blink and look around under each."""
    names = sorted({name.removesuffix("Left").removesuffix("Right") for name in BLENDSHAPES})
    names = [name for name in names if name != "eyeBlink" and not name.startswith("eyeLook")]
    means = [score(values, name) for name in names]
    left, right = (score(values, f"mouthSmile{side}") for side in ("Left", "Right"))
    return np.nan_to_num(np.stack([*means, right - left], -1))


class ForcedChoice:
    """Names a change after the nearest prototype, by the angle between them.

    Args:
        examples: changes [heads, 52] of each emotion, on rendered heads.
    """

    def __init__(self, examples: dict[str, Scores]) -> None:
        self.names = list(examples)
        seen = np.concatenate([features(one) for one in examples.values()])
        self._spread = np.sqrt(np.square(seen).mean(0)) + 0.03
        self._prototypes = np.array(
            [np.median(features(one), axis=0) / self._spread for one in examples.values()]
        )

    def name(self, change: Scores) -> str:
        given = features(change) / self._spread
        length = np.linalg.norm(self._prototypes, axis=1) * max(float(np.linalg.norm(given)), 1e-9)
        return self.names[int(np.argmax(self._prototypes @ given / length))]


def spoken_scores(
    pipe: JoyVASAPipeline,
    portraits: list[EncodedPortrait],
    detector: MediaPipeFaceDetector,
    speech: Path,
    stride: int,
) -> dict[str, Scores]:
    """Scores [portraits, frames, 52] of talking portraits without and under each emotion."""
    motion = pipe.generate_motion(speech, seed=0)[:SPOKEN]
    found = {}
    for name in (PLAIN, *BASIC):
        said = motion if name == PLAIN else motion.edit(Emotion.named(name, AT))
        # Frames are drawn one by one, from the first one's pose: the others need not be.
        seen = replace(said, **{array: getattr(said, array)[::stride] for array in ARRAYS})
        found[name] = np.array(
            [
                [
                    read(detector, frame)
                    for frame in pipe.render(one, seen, paste_back=False).frames()
                ]
                for one in portraits
            ]
        )
    return found


def changed(scores: dict[str, Scores], portraits: Scores | None) -> dict[str, Scores]:
    """Changes [frames, 52] of each emotion's frames.

    Args:
        scores: result of :func:`spoken_scores`.
        portraits: scores [portraits, 52] of the images; None for changes against the median of
            the same person who talks without an emotion.
    """
    own = np.nanmedian(scores[PLAIN], axis=1) if portraits is None else portraits
    return {name: (scores[name] - own[:, None]).reshape(-1, own.shape[-1]) for name in BASIC}


def tile(image: Pixels, portrait: EncodedPortrait) -> Pixels:
    marks = portrait.crop.landmarks[:468, :2]
    factor = _TILE / (1.3 * float(np.ptp(marks[:, 1])))
    matrix = np.array([[factor, 0, 0], [0, factor, 0]])
    matrix[:, 2] = _TILE / 2 - factor * marks.mean(0)
    return np.asarray(cv2.warpAffine(image, matrix, (_TILE, _TILE), flags=cv2.INTER_AREA))


def bridge_shading(pipe: JoyVASAPipeline, portrait: EncodedPortrait) -> float:
    """Mean change of luminance across the bridge of the nose that disgust at 0.8 folds, percent."""
    folds = portrait.portrait.appearance.folds  # type: ignore[attr-defined]
    if "bridge" not in folds.names:
        return 0.0
    emotion = Emotion.disgust(AT)
    activations = np.zeros(len(BLENDSHAPES), np.float32)
    for side in ("Left", "Right"):
        activations[BLENDSHAPES.index(f"noseSneer{side}")] = emotion[f"AU9_{side.lower()}"]
    number = folds.names.index("bridge")
    shade = np.abs(folds.shades[number])
    return 100.0 * float(
        folds.depths(activations)[number] * shade[shade > 0.2 * shade.max()].mean()
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    real = os.environ.get("JOYVASA_REAL_INPUTS")
    parser.add_argument("--folder", type=Path, default=Path(real) / "portraits" if real else None)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--speech", type=Path, nargs=2)
    parser.add_argument("--talking", type=int, default=6)
    options = parser.parse_args()
    if options.folder is None:
        parser.error("name a folder of portraits: --folder, or JOYVASA_REAL_INPUTS")
    pipe, detector = JoyVASAPipeline.from_pretrained(), MediaPipeFaceDetector()
    portraits: dict[str, EncodedPortrait] = {}
    for path in sorted(options.folder.iterdir()):
        try:
            portraits[path.stem] = encoded(pipe, load_image(path), detector)
        except (JoyVASAError, IndexError):
            print(f"{path.name}: no image of a face")
    found = changes(pipe, portraits, detector)
    at = LEVELS.index(AT)
    heading = " | ".join(f"{level:g}" for level in LEVELS)
    print(f"| emotion | score | asked at {AT:g} | {heading} | rises on |")
    print("|---" * (len(LEVELS) + 4) + "|")
    met = total = 0
    for name, asked in ASKED.items():
        for what, least in asked:
            values = score(found[name], what)
            median = np.nanmedian(values, axis=0)
            steps = np.diff(np.concatenate([np.zeros((len(values), 1)), values], 1), axis=1)
            rising = int((steps > 0).all(1).sum())
            met, total = met + bool(median[at] >= least), total + 1
            cells = " | ".join(f"{value:+.2f}" for value in median)
            print(f"| {name} | {what} | +{least:g} | {cells} | {rising} of {len(values)} |")
    print(f"\n{met} of {total} medians as asked")
    shading = [bridge_shading(pipe, one) for one in portraits.values()]
    print(f"wrinkled nose: luminance across the bridge changes by {np.median(shading):.1f} %\n")
    heads: dict[str, EncodedPortrait] = {}
    for number, image in enumerate(rendered_heads(options.heads)):
        if detector.detect(image):
            heads[str(number)] = encoded(pipe, image, detector)
    choice = ForcedChoice({n: v[:, 0] for n, v in changes(pipe, heads, detector, (AT,)).items()})
    for level, least in ((AT, NAMED), (WEAK, NAMED_WEAK)):
        answers = {
            name: [choice.name(change) for change in values[:, LEVELS.index(level)]]
            for name, values in found.items()
        }
        right = [answer == name for name, given in answers.items() for answer in given]
        print(f"forced choice at {level:g}: {100 * np.mean(right):.0f} % (asked {100 * least:.0f})")
        for name, given in answers.items():
            wrong = sorted({a for a in given if a != name})
            confused = ", ".join(f"{a} {given.count(a)}" for a in wrong)
            print(
                f"  {name}: {given.count(name)} of {len(given)}{'; ' + confused if wrong else ''}"
            )
    if options.speech is not None:
        learned, measured = options.speech
        some = list(portraits.values())[:: max(len(portraits) // options.talking, 1)]
        known = list(heads.values())
        learn = spoken_scores(pipe, known, detector, learned, LEARNING_STRIDE)
        test = spoken_scores(pipe, some, detector, measured, STRIDE)
        images = [np.array([read(detector, one.crop.image) for one in of]) for of in (known, some)]
        print(f"talking at {AT:g}, {len(some)} portraits, frames named right")
        for against, (theirs, own) in (("the image", images), ("their own speech", (None, None))):
            spoken = ForcedChoice(changed(learn, theirs))
            talking = {
                name: float(np.mean([spoken.name(change) == name for change in values]))
                for name, values in changed(test, own).items()
            }
            share = 100 * float(np.mean(list(talking.values())))
            print(f"  against {against}: {share:.0f} % (asked {100 * READABLE:.0f})")
            named = ", ".join(f"{name} {100 * value:.0f}" for name, value in talking.items())
            print(f"    {named}")
    if options.sheet is not None:
        rows = []
        for one in portraits.values():
            frames = [pipe.edit(one, Emotion.named(n, AT), paste_back=False) for n in BASIC]
            rows.append(np.concatenate([tile(f, one) for f in (one.crop.image, *frames)], 1))
        save_image(options.sheet, np.concatenate(rows, 0))


if __name__ == "__main__":
    main()
