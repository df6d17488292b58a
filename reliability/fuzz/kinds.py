"""Every kind of input: how it is made, who reads it, and how much memory that may take."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from joyvasa_lib import Emotion, EmotionTimeline, Motion
from joyvasa_lib.budgets import Budgets
from joyvasa_lib.errors import JoyVASAError, OptionError
from reliability.fuzz import inputs
from reliability.fuzz.command_lines import command_line
from reliability.fuzz.inputs import Case, Make
from reliability.fuzz.requests import request
from reliability.fuzz.samples import AUDIO, IMAGES, VIDEO

MB = 2**20
BUDGETS = Budgets(
    image_pixels=4_000_000, image_bytes=4 * MB, video_pixels=1_000_000, video_frames=100,
    audio_seconds=60, crop_side=2000, pickle_bytes=4 * MB, pickle_memory=64 * MB,
    safetensors_header=MB, zip_directory=MB, zip_bytes=64 * MB, json_bytes=MB, json_values=100_000,
    yaml_bytes=MB // 4, yaml_values=20_000,
)  # fmt: skip
"""Small, so that what goes beyond them shows as memory."""
IMAGE_MEMORY = 24 * BUDGETS.image_pixels + 64 * MB
AUDIO_MEMORY = 16 * 48_000 * BUDGETS.audio_seconds + 64 * MB
VIDEO_MEMORY = 24 * BUDGETS.video_pixels + 128 * MB
PICKLE_MEMORY = 3 * BUDGETS.pickle_memory + 64 * MB
DOCUMENT_MEMORY = 64 * MB + 200 * BUDGETS.json_values
FFMPEG_MEMORY = 64 * BUDGETS.video_pixels + 256 * MB
"""Of any process that decodes."""


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes:
        share: how many inputs of a round are of it.
        make: makes one.
        read: what the library does with it; raises the library's errors, or returns.
        memory: bytes it may take above what the process had.
        quick: whether it is among the inputs of every test run.
        needs: an optional package without which the kind is left out.
    """

    share: int
    make: Make
    read: Callable[[Case, Path], None]
    memory: int
    quick: bool = True
    needs: str = ""

    @property
    def available(self) -> bool:
        """Whether what it needs is installed."""
        return not self.needs or find_spec(self.needs) is not None


def _image(case: Case, _: Path) -> None:
    from joyvasa_lib.media.image import load_image

    load_image(case.name)


def _audio(case: Case, _: Path) -> None:
    from joyvasa_lib.media.audio import load_speech

    for _block in load_speech(case.name).blocks():
        pass


def _video(case: Case, _: Path) -> None:
    from joyvasa_lib.media.audio import load_speech
    from joyvasa_lib.media.video import read_video

    for _frame in read_video(case.name):
        pass
    load_speech(case.name)


def _landmarks(case: Case, samples: Path) -> None:
    from joyvasa_lib.cli.options.inputs import FaceOptions
    from joyvasa_lib.media.image import load_image

    detector = FaceOptions(landmarks=Path(case.name)).detector()
    assert detector is not None
    detector.detect(load_image(samples / "face.png"))


def _motion(case: Case, _: Path) -> None:
    motion = Motion.load(case.name)
    motion.retime(fps=30.0).save("../out/motion.safetensors")
    Motion.load("../out/motion.safetensors")


def _template(case: Case, _: Path) -> None:
    from joyvasa_lib.motion.templates import load_motion_file

    motion = load_motion_file(case.name)
    if motion is not None:
        motion.save("../out/motion.safetensors")


def _checkpoint(case: Case, _: Path) -> None:
    from joyvasa_lib.emotion.maps.choose import load_unit_map
    from joyvasa_lib.motion.space import get_space
    from joyvasa_lib.pretrained import load_checkpoint, load_motion_generator

    stages = load_checkpoint(case.name, offline=True)
    if stages.generator is not None:
        load_motion_generator(stages.generator)
    load_unit_map(Path(case.name), get_space())


def _pickle(case: Case, _: Path) -> None:
    from joyvasa_lib.checkpoints.unpickle import read_checkpoint

    read_checkpoint(case.name, outline=len(case.files[case.name]) % 2 == 0)


def _recipe(case: Case, _: Path) -> None:
    from joyvasa_lib.datasets.speech_corpus.corpus import SpeechCorpusConfig
    from joyvasa_lib.datasets.speech_corpus.corpus_motion import FaceMotionConfig
    from joyvasa_lib.recipes import read_section
    from joyvasa_lib.training.emotion.reading import ReadingTraining
    from joyvasa_lib.training.emotion.train import EmotionTraining
    from joyvasa_lib.training.encoder.train import AudioEncoderTraining
    from joyvasa_lib.training.loop.config import read_training
    from joyvasa_lib.training.motion.recipe import MotionTraining
    from joyvasa_lib.training.portrait.recipe import NetworksTraining

    name, path = Path(case.name).stem, Path(case.name)
    if name in ("portrait", "stitching"):
        read_training(path, NetworksTraining, "portrait")
    elif name == "audio_encoder":
        read_training(path, AudioEncoderTraining, name)
    elif name == "emotion":
        read_training(path, EmotionTraining, name)
    elif name == "reading":
        read_section(path, ReadingTraining, name)
    elif name == "speech_corpus":
        read_section(path, SpeechCorpusConfig, name)
    elif name == "face_motion":
        read_section(path, FaceMotionConfig, name)
    else:
        read_training(path, MotionTraining, "motion")


def _timeline(case: Case, _: Path) -> None:
    timeline = EmotionTimeline.load(case.name)
    timeline.at(0.5)
    timeline.save("../out/timeline.yaml")
    EmotionTimeline.load("../out/timeline.yaml")


def _notation(case: Case, _: Path) -> None:
    refused = 0
    for parse in (Emotion.parse, Emotion.from_facs, _checked_style):
        try:
            parse(case.text)
        except OptionError as error:
            refused += 1
            last = error
    if refused == 3:
        raise last


def _checked_style(text: str) -> object:
    from joyvasa_lib.speech.notation import read_style
    from joyvasa_lib.speech.style import style_track

    return style_track(read_style(text) or "neutral")


def _request(case: Case, samples: Path) -> None:
    from reliability.fuzz.serving import read_requests

    read_requests(case, samples)


class UnexpectedExit(Exception):
    """The command line ended with another code than it documents, or with a traceback."""


def _command(case: Case, samples: Path) -> None:
    """The command in this process, as ``joyvasa`` runs it."""
    from joyvasa_lib.cli import main

    sys.argv = ["joyvasa", *case.arguments]
    with Captured() as told:
        try:
            main()
            code: object = None
        except SystemExit as ended:
            code = ended.code or 0
    if code not in (0, 2) or "Traceback" in told.text:
        raise UnexpectedExit(f"exit code {code}: {told.text[-2000:]}")
    if code == 2:
        last = told.text.strip().splitlines()[-1:] or [""]
        if "Usage:" not in told.text and not last[0].startswith("joyvasa: "):
            raise UnexpectedExit(f"exit code 2 without a sentence: {told.text[-500:]!r}")
        raise JoyVASAError(last[0])
    _check_results()


def _check_results() -> None:
    """A result that is there is whole: it can be read."""
    from joyvasa_lib.media.video import probe
    from reliability.fuzz.sandbox import KEPT

    for path in Path("../out").iterdir():
        if not path.is_file() or path.read_bytes() == KEPT:
            continue
        if path.suffix in (".mp4", ".mov", ".mkv"):
            assert probe(path, count_frames=True).n_frames, f"{path} has no frames"
        elif path.suffix == ".safetensors" and path.stem == "motion":
            Motion.load(path)


class Captured:
    """Standard output and error, as long as it is entered."""

    def __enter__(self) -> Captured:
        self._file = open("../captured.txt", "w+b")  # noqa: PTH123
        self._kept = [(number, os.dup(number)) for number in (1, 2)]
        for number, _ in self._kept:
            os.dup2(self._file.fileno(), number)
        self.text = ""
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, kept in self._kept:
            os.dup2(kept, number)
            os.close(kept)
        self._file.seek(0)
        self.text = self._file.read().decode("utf-8", "replace")
        self._file.close()


KINDS: dict[str, Kind] = {
    **{f"image {s}": Kind(4 if s in ("png", "jpg", "tif") else 3, inputs.media("image", s), _image,
                          IMAGE_MEMORY, needs="pillow_heif" if s == "heic" else "")
       for s in IMAGES},
    **{f"audio {s}": Kind(3, inputs.media("sound", s), _audio, AUDIO_MEMORY) for s in AUDIO},
    **{f"video {s}": Kind(2, inputs.media("video", s), _video, VIDEO_MEMORY) for s in VIDEO},
    "landmarks": Kind(6, inputs.landmarks, _landmarks, DOCUMENT_MEMORY + IMAGE_MEMORY),
    "motion": Kind(8, inputs.motion, _motion, DOCUMENT_MEMORY),
    "template": Kind(6, inputs.template, _template, PICKLE_MEMORY),
    "checkpoint": Kind(6, inputs.checkpoint, _checkpoint, DOCUMENT_MEMORY),
    "pickle": Kind(8, inputs.official_pickle, _pickle, PICKLE_MEMORY),
    "recipe": Kind(6, inputs.recipe, _recipe, DOCUMENT_MEMORY),
    "timeline": Kind(6, inputs.timeline, _timeline, DOCUMENT_MEMORY),
    "notation": Kind(4, inputs.notation, _notation, DOCUMENT_MEMORY),
    "command": Kind(6, command_line, _command, 2 * IMAGE_MEMORY + VIDEO_MEMORY, quick=False),
    "request": Kind(6, request, _request, IMAGE_MEMORY + AUDIO_MEMORY, needs="fastapi"),
}  # fmt: skip
"""By name."""
