"""A portrait talks in one call, then a second, calmer take in two stages.

    python examples/quickstart.py portrait.jpg speech.wav talking.mp4

Without arguments it takes the demonstration files of the package.
"""

from __future__ import annotations

import sys
from pathlib import Path

import joyvasa_lib
from joyvasa_lib import JoyVASAPipeline

DEMO = Path(joyvasa_lib.__file__).parent / "demo_assets"


def main(portrait: Path, speech: Path, output: Path) -> None:
    pipe = JoyVASAPipeline.from_pretrained()
    pipe(portrait, speech, seed=0).save(output)

    # The same in two stages: encode a portrait once, render any motion on it.
    encoded = pipe.encode(portrait)
    motion = pipe.generate_motion(speech, seed=1)
    calm = motion.with_gains(head=0.5, brows=0.5)
    second = output.with_stem(f"{output.stem}-calm")
    pipe.render(encoded, calm, speech).save(second)
    print(f"{output} and {second}: {len(motion)} frames")


if __name__ == "__main__":
    defaults = [str(DEMO / "astronaut.jpg"), str(DEMO / "hello.flac"), "talking.mp4"]
    given = sys.argv[1:]
    main(*(Path(name) for name in given + defaults[len(given) :]))
