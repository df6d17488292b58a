"""The round trip of emotions: given to portraits, rendered, and read from the image again.

    python benchmarks/emotion_from_image.py [--folder PORTRAITS] [--levels 0.2 0.4 0.6 0.8 1]

Every portrait shows each basic emotion at several levels. ``Emotion.from_image`` reads each frame,
with the portrait at rest as ``neutral`` and without. Told are the share of frames that are named
right (one in seven by chance), the median level that is read, and how it correlates with the level
given, portrait by portrait.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from pathlib import Path

import numpy as np

from joyvasa_lib.emotion.emotion import Emotion
from joyvasa_lib.emotion.nearest import nearest_emotion
from joyvasa_lib.emotion.prototypes import BASIC
from joyvasa_lib.errors import JoyVASAError
from joyvasa_lib.pipeline import EncodedPortrait, JoyVASAPipeline

LEVELS = (0.2, 0.4, 0.6, 0.8, 1.0)
AT = 0.8
"""Level of the column of names, or the nearest that is given."""
BUNDLED = Path(__file__).parents[1] / "joyvasa_lib" / "demo_assets" / "astronaut.jpg"


def read(image: object, neutral: object, name: str) -> tuple[str, float]:
    """The name that is read, and the level of the emotion that is shown."""
    try:
        emotion = Emotion.from_image(image, neutral=neutral)  # type: ignore[arg-type]
    except JoyVASAError:
        return "no face", 0.0
    return emotion.nearest[0], nearest_emotion(emotion, {name: BASIC[name]})[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    real = os.environ.get("JOYVASA_REAL_INPUTS")
    parser.add_argument("--folder", type=Path, default=Path(real) / "portraits" if real else None)
    parser.add_argument("--levels", type=float, nargs="+", default=LEVELS)
    options = parser.parse_args()
    levels_given = tuple(options.levels)
    paths = [BUNDLED, *(sorted(options.folder.iterdir()) if options.folder else [])]
    pipe = JoyVASAPipeline.from_pretrained()
    portraits: list[EncodedPortrait] = []
    for path in paths:
        try:
            portraits.append(pipe.encode(path))
        except JoyVASAError:
            print(f"{path.name}: no image of a face")
    names = np.empty((2, len(portraits), len(BASIC), len(levels_given)), dtype=object)
    found = np.zeros(names.shape)
    for p, portrait in enumerate(portraits):
        for e, name in enumerate(BASIC):
            for number, level in enumerate(levels_given):
                frame = pipe.edit(portrait, Emotion.named(name, level), paste_back=False)
                for way, neutral in enumerate((portrait.at_rest, None)):
                    at = way, p, e, number
                    names[at], found[at] = read(frame, neutral, name)
    at_level = int(np.argmin(np.abs(np.array(levels_given) - AT)))
    shown = np.array(list(BASIC))[None, None, :, None]
    for way, what in enumerate(("with neutral", "without")):
        right = (names == shown)[way]
        print(f"\n{len(portraits)} portraits, {what}")
        print("named right at", {f"{x:g}": round(float(right[..., i].mean()), 3)
                                 for i, x in enumerate(levels_given)})  # fmt: skip
        print(f"| emotion | named at {levels_given[at_level]:g} | taken for | level read ", end="")
        print("| correlation | rises on |")
        print("|---|---|---|---|---|---|")
        for e, name in enumerate(BASIC):
            levels = found[way, :, e]
            moving = levels[np.ptp(levels, axis=1) > 0.0]
            correlation = [float(np.corrcoef(one, levels_given)[0, 1]) for one in moving]
            rising = int((np.diff(levels, axis=1) >= 0).all(1).sum())
            wrong = Counter(x for x in names[way, :, e, at_level] if x != name).most_common()
            medians = " ".join(f"{x:.2f}" for x in np.median(levels, axis=0))
            taken = ", ".join(f"{x} {n}" for x, n in wrong)
            cells = f"{int(right[:, e, at_level].sum())} | {taken} | {medians}"
            cells += f" | {np.median(correlation or np.nan):.2f}"
            print(f"| {name} | {cells} | {rising} of {len(levels)} |")


if __name__ == "__main__":
    main()
