"""Fine-tunes on data of your own form: here a folder of NAME.wav with NAME.safetensors beside it.

    python examples/custom_dataset.py recordings/ runs/mine [section.key=value ...]

Whatever holds your recordings (a database, a bucket, motion capture), a class with one method gives
them to the trainer. If the folder is empty, four recordings are made up, so that this runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import joyvasa_lib
from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.media.audio import SAMPLE_RATE, load_speech, write_wav
from joyvasa_lib.training.motion.source import MotionSource, Recording, Take, values_of
from joyvasa_lib.training.motion.train import train_motion

ROOT = Path(__file__).parent.parent
DEMO = Path(joyvasa_lib.__file__).parent / "demo_assets"


class Pairs(MotionSource):
    """Recordings with their motion beside them; every fourth recording is held out.

    The base class says that the motion is of the compact preset's blendshapes, relative to each
    person's usual pose; ``space_name``, ``layout`` and ``reference`` would say otherwise.
    """

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.glob("*.wav"))
        self.lengths = [len(Motion.load(path.with_suffix(".safetensors"))) for path in self.files]

    def recordings(self, split: str) -> Sequence[Recording]:
        """Only names and lengths: a recording is read when the trainer calls ``load``."""
        return [
            Recording(path.stem, frames, lambda path=path: self.load(path))
            for index, (path, frames) in enumerate(zip(self.files, self.lengths, strict=True))
            if (index % 4 == 3) == (split == "valid")
        ]

    @staticmethod
    def load(path: Path) -> Take:
        """One recording: 16 kHz waveform, and the values of each frame at 25 a second."""
        motion = Motion.load(path.with_suffix(".safetensors")).retime(fps=25.0)
        return Take(load_speech(path).waveform, values_of(motion))


def make_up(folder: Path, count: int = 4) -> None:
    """Recordings of somebody who mumbles: the mouth moves half as far as it should."""
    folder.mkdir(parents=True, exist_ok=True)
    pipe = JoyVASAPipeline.from_pretrained()
    sentence = load_speech(DEMO / "hello.flac").waveform
    for index in range(count):
        waveform = np.roll(sentence, -index * SAMPLE_RATE // 2)[: 2 * SAMPLE_RATE]
        motion = pipe.generate_motion(waveform, sample_rate=SAMPLE_RATE, seed=index).with_gains(
            mouth=0.5
        )
        motion.save(folder / f"{index}.safetensors")
        write_wav(folder / f"{index}.wav", waveform)


def main(folder: Path, run: Path, changes: list[str]) -> None:
    if not any(folder.glob("*.wav")):
        make_up(folder)
    recipe = ROOT / "configs" / "motion.yaml"
    train_motion(recipe, run, changes=changes, source=Pairs(folder))
    print(f"{run}: joyvasa animate portrait.jpg speech.wav --checkpoint {run}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
