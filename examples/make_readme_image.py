"""Makes the pictures of the README from the demonstration.

python examples/make_readme_image.py [docs/images]

``demo.jpg`` has five moments, closed and open mouths; ``demo.webp`` moves; ``emotions.jpg`` has the
basic emotions.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import joyvasa_lib
from joyvasa_lib import Emotion, EncodedPortrait, JoyVASAPipeline, Motion
from joyvasa_lib.emotion.prototypes import BASIC
from joyvasa_lib.evaluation.contact_sheet import face_window, in_rows, labelled
from joyvasa_lib.media.image import save_image
from joyvasa_lib.media.provenance.mark import SYNTHETIC_IMAGE, Mark
from joyvasa_lib.media.provenance.writing import image_parameters
from joyvasa_lib.motion import BLENDSHAPES

DEMO = Path(joyvasa_lib.__file__).parent / "demo_assets"
COUNT = 5
APART = 10  # frames between two moments at least, so that they show different phones
GAP = 4  # pixels of white between two images
HEAD = slice(0, 240), slice(120, 330)  # rows and columns of the image that are shown
QUALITY = 55  # of the moving picture
LEVEL, CELL = 0.75, 256  # of the emotions, and the side of each in pixels


def moments(motion: Motion) -> list[int]:
    """Frames in order of time: the mouth closed, open, closed, open, closed.

    Each is the most closed or most open frame of its fifth of the sentence.
    """
    activations = {name: motion.blendshapes[:, index] for index, name in enumerate(BLENDSHAPES)}
    opening = (
        activations["jawOpen"] - activations["mouthClose"] - 0.5 * activations["mouthPressLeft"]
    )
    awake = np.maximum(activations["eyeBlinkLeft"], activations["eyeBlinkRight"]) < 0.3
    chosen = []
    for index, part in enumerate(np.array_split(np.arange(len(motion)), COUNT)):
        part = part[part >= (chosen[-1] + APART if chosen else 0)]
        score = np.where(awake[part], opening[part] * (1 if index % 2 else -1), -np.inf)
        chosen.append(int(part[score.argmax()]))
    return chosen


def strip(images: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The images [h, w, 3] side by side, with white between them."""
    gap = np.full((images[0].shape[0], GAP, 3), 255, np.uint8)
    row = [part for image in images for part in (image, gap)]
    return np.concatenate(row[:-1], axis=1)


def save_moving(output: Path, images: list[NDArray[np.uint8]], fps: float) -> None:
    """Writes every second image as an animation without end, as fast as it was."""
    first, *rest = [Image.fromarray(image) for image in images[::2]]
    first.save(
        output,
        save_all=True,
        append_images=rest,
        duration=round(2000 / fps),
        loop=0,
        quality=QUALITY,
        method=6,
        **image_parameters(".webp", Mark.ours(SYNTHETIC_IMAGE)),
    )


def emotions(pipe: JoyVASAPipeline, portrait: EncodedPortrait) -> NDArray[np.uint8]:
    """The portrait and each basic emotion, labelled, in two rows."""
    window = face_window(portrait)
    cells = [labelled(portrait.crop.image[window], "the portrait", CELL)]
    for name in BASIC:
        image = pipe.edit(portrait, Emotion.named(name, LEVEL), paste_back=False)
        cells.append(labelled(image[window], f"{name} {LEVEL:g}", CELL))
    return np.concatenate(list(in_rows(cells, 4)), axis=0)


def main(folder: Path) -> None:
    pipe = JoyVASAPipeline.from_pretrained()
    portrait = pipe.encode(DEMO / "astronaut.jpg")
    motion = pipe.generate_motion(DEMO / "hello.flac", seed=0)
    save_image(folder / "emotions.jpg", emotions(pipe, portrait))
    shown = moments(motion)
    frames = [frame[HEAD] for frame in pipe.render(portrait, motion).frames()]
    save_image(folder / "demo.jpg", strip([frames[index] for index in shown]))
    print(f"{folder / 'demo.jpg'}: frames {', '.join(map(str, shown))} of {len(motion)}")
    save_moving(folder / "demo.webp", frames, motion.fps)
    print(f"{folder / 'demo.webp'}: {(folder / 'demo.webp').stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images"))
