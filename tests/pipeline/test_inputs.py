"""What every call takes alike: portraits, recordings, rates; and what it says to anything else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import joyvasa_lib
import places
from joyvasa_lib import EncodedPortrait, GenerationOptions, JoyVASAPipeline, Motion
from joyvasa_lib.errors import JoyVASAError, MediaError, MotionError, OptionError
from joyvasa_lib.face.landmarks.manual import ManualFaceDetector
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.motion import BLENDSHAPES

pytestmark = pytest.mark.slow

ASTRONAUT = places.DEMO / "astronaut.jpg"
QUICK = {"num_inference_steps": 1, "seed": 3}

Frames = NDArray[np.uint8]


@pytest.fixture(scope="module")
def waveform(words: Path) -> NDArray[np.float32]:
    return load_speech(words).waveform


@pytest.fixture(scope="module")
def open_mouth() -> Motion:
    blendshapes = np.zeros((1, 52), np.float32)
    blendshapes[0, BLENDSHAPES.index("jawOpen")] = 0.5
    return Motion.from_blendshapes(blendshapes)


# Portraits

Call = Callable[[JoyVASAPipeline, Any, Path, Motion], Frames]

CALLS: dict[str, Call] = {
    "render": lambda pipe, portrait, _, motion: next(pipe.render(portrait, motion).frames()),
    "drive": lambda pipe, portrait, _, motion: next(pipe.drive(portrait, motion).frames()),
    "edit": lambda pipe, portrait, *_: pipe.edit(portrait, "surprise:0.8"),
    "editor": lambda pipe, portrait, *_: pipe.editor("fear", portrait).keypoints,  # type: ignore
    "call": lambda pipe, portrait, words, _: next(pipe(portrait, words, **QUICK).frames()),
    "stream": lambda pipe, portrait, words, _: next(
        pipe.stream(portrait, [load_speech(words).waveform], **QUICK)
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_that_takes_an_encoded_portrait_takes_an_image(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, words: Path, open_mouth: Motion, name: str
) -> None:
    of_image, of_encoded = (
        CALLS[name](pipe, portrait, words, open_mouth) for portrait in (ASTRONAUT, encoded)
    )
    np.testing.assert_array_equal(of_image, of_encoded)


def test_an_image_may_be_a_file_an_array_a_tensor_or_of_pillow(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait
) -> None:
    pixels = encoded.crop.full_image
    kinds = (str(ASTRONAUT), pixels, torch.from_numpy(pixels.copy()), Image.open(ASTRONAUT))
    for image in kinds:
        np.testing.assert_array_equal(pipe.encode(image).crop.image, encoded.crop.image)
    assert pipe.encode(encoded) is encoded


def test_which_face_and_who_finds_it_can_be_said_where_an_image_is_given(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, open_mouth: Motion
) -> None:
    box = encoded.crop.face.box
    by_hand = ManualFaceDetector(box=box)
    wanted = pipe.encode(ASTRONAUT, detector=by_hand).crop.face.landmarks
    assert np.abs(wanted - encoded.crop.face.landmarks).max() > 0.0
    keypoints = pipe.editor("fear", ASTRONAUT, detector=by_hand).keypoints
    assert keypoints is not None
    assert np.abs(keypoints - encoded.portrait.keypoints).max() > 0.0
    for face in (1, "1"):
        with pytest.raises(JoyVASAError, match="Face 1 was asked for"):
            pipe.render(ASTRONAUT, open_mouth, face=face)


# Recordings


def test_arrays_and_tensors_without_a_rate_are_16_khz_in_every_call(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, words: Path, waveform: NDArray[np.float32]
) -> None:
    wanted = pipe.generate_motion(words, **QUICK)
    for samples in (waveform, torch.from_numpy(waveform.copy())):
        assert pipe.generate_motion(samples, **QUICK) == wanted
        assert pipe.perform(samples, **QUICK).motion == wanted
        assert pipe(encoded, samples, **QUICK).motion == wanted
        speech = pipe.render(encoded, wanted, samples).speech
        assert speech is not None
        np.testing.assert_array_equal(speech.waveform, waveform)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_a_rate_is_taken_by_every_call(
    pipe: JoyVASAPipeline,
    encoded: EncodedPortrait,
    waveform: NDArray[np.float32],
    kind: Callable[[Any], Any],
) -> None:
    samples = kind(np.repeat(waveform, 2))  # the same length at twice the rate
    assert len(pipe.generate_motion(samples, sample_rate=32000, **QUICK)) == 10
    assert len(pipe.perform(samples, sample_rate=32000, **QUICK)) == 10
    assert pipe(encoded, samples, sample_rate=32000, **QUICK).n_frames == 10
    streamed = pipe.stream(encoded, [samples], sample_rate=32000, paste_back=False, **QUICK)
    assert len(list(streamed)) == 10


# What cannot be used


def test_frames_drive_at_the_rate_that_is_given(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, astronaut: Frames
) -> None:
    animation = pipe.drive(encoded, [astronaut, astronaut], fps=12.5)
    assert (animation.fps, animation.n_frames) == (12.5, 2)
    with pytest.raises(MotionError, match="give fps="):
        pipe.drive(encoded, [astronaut])


WRONG: dict[str, tuple[Callable[..., Any], type[JoyVASAError], str]] = {
    "batch size": (
        lambda pipe, encoded, motion: pipe.render(encoded, motion, batch_size="8"),
        OptionError, "batch_size must be a whole number of at least 1, not '8'",
    ),
    "motion": (
        lambda pipe, encoded, _: pipe.render(encoded, "motion.safetensors"),
        MotionError, "not str",
    ),
    "speech": (lambda pipe, *_: pipe.perform(5), MediaError, "not int"),
    "rate": (lambda pipe, encoded, m: pipe.perform(np.ones(9000), fps="fast"), MotionError, "fast"),
    "power of two": (
        lambda pipe, *_: pipe.encode(ASTRONAUT, face="\u00b2"), OptionError, "'largest' or",
    ),
    "half a face": (lambda pipe, *_: pipe.encode(ASTRONAUT, face=0.5), OptionError, "not 0.5"),
    "true face": (lambda pipe, *_: pipe.encode(ASTRONAUT, face=True), OptionError, "not True"),
    "portrait": (lambda pipe, *_: pipe.edit(5, "fear"), MediaError, "not int"),
    "portrait alone": (
        lambda pipe, encoded, m: pipe.render(encoded.portrait, m), MediaError, "CompactPortrait",
    ),
    "detector": (lambda pipe, *_: pipe.encode(ASTRONAUT, detector="yolo"), OptionError, "detect"),
    "emotion": (lambda pipe, encoded, _: pipe.edit(encoded, 5), OptionError, "not 5"),
    "driving": (lambda pipe, encoded, _: pipe.drive(encoded, 5), OptionError, "not int"),
    "frame": (
        lambda pipe, encoded, _: pipe.drive(encoded, [ASTRONAUT], fps=25), MediaError, "A frame",
    ),
    "option": (lambda pipe, *_: pipe.perform(np.ones(9000), steps=5), OptionError, "'steps'"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_of_another_type_is_told_in_one_sentence(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, open_mouth: Motion, name: str
) -> None:
    call, error, message = WRONG[name]
    with pytest.raises(error, match=message) as raised:
        call(pipe, encoded, open_mouth)
    assert "\n" not in str(raised.value)


def test_the_path_of_a_saved_video_is_where_it_lies(
    pipe: JoyVASAPipeline,
    encoded: EncodedPortrait,
    open_mouth: Motion,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = pipe.render(encoded, open_mouth).save("~/talk.mp4")
    assert path == tmp_path / "talk.mp4"
    assert path.is_file()


def test_public_names_are_those_of_their_modules() -> None:
    for name in joyvasa_lib.__all__:
        assert getattr(joyvasa_lib, name) is not None
    assert GenerationOptions().seed == 0
    assert set(joyvasa_lib.__all__) <= set(dir(joyvasa_lib))
