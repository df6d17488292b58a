"""``max_size``: frames above it are scaled, whichever call makes them and whatever they show."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib import EncodedPortrait, JoyVASAPipeline, Motion
from joyvasa_lib.errors import OptionError
from joyvasa_lib.face.landmarks.manual import ManualFaceDetector
from joyvasa_lib.face.output_size import MAX_SIZE
from joyvasa_lib.motion import get_space

pytestmark = pytest.mark.slow

MOTION = Motion.neutral(2, space=get_space("compact-1"))
SPEECH = np.sin(np.arange(3200) / 20) * 0.3
TOLD = "of 512x512 pixels is scaled to 400x400"


def first_frame(frames: object) -> NDArray[np.uint8]:
    return next(iter(frames))  # type: ignore[call-overload]


CALLS: dict[str, Callable[..., NDArray[np.uint8]]] = {
    "call": lambda pipe, portrait, **o: first_frame(pipe(portrait, SPEECH, **o).frames()),
    "render": lambda pipe, portrait, **o: first_frame(pipe.render(portrait, MOTION, **o).frames()),
    "drive": lambda pipe, portrait, **o: first_frame(pipe.drive(portrait, MOTION, **o).frames()),
    "stream": lambda pipe, portrait, **o: first_frame(pipe.stream(portrait, [SPEECH], **o)),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_scales_frames_of_an_image_and_says_so_once(
    pipe: JoyVASAPipeline,
    astronaut: NDArray[np.uint8],
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    frame = CALLS[name](pipe, astronaut, max_size=401)
    assert frame.shape == (400, 400, 3)
    assert [TOLD in record.getMessage() for record in caplog.records] == [True]
    small = cv2.resize(astronaut, (400, 400), interpolation=cv2.INTER_AREA)
    assert np.abs(frame[300:].astype(int) - small[300:]).mean() < 1  # the suit, which rests
    with pytest.raises(OptionError, match="max_size must be a whole number of at least 64"):
        CALLS[name](pipe, astronaut, max_size=63)


@pytest.mark.parametrize("name", CALLS)
def test_every_call_scales_frames_of_an_encoded_portrait(
    pipe: JoyVASAPipeline,
    encoded: EncodedPortrait,
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert CALLS[name](pipe, encoded, max_size=400).shape == (400, 400, 3)
    assert [TOLD in record.getMessage() for record in caplog.records] == [True]
    caplog.clear()
    for most in (None, 512, MAX_SIZE):
        assert CALLS[name](pipe, encoded, max_size=most).shape == (512, 512, 3)
    assert caplog.records == []


def test_crops_are_scaled_only_if_they_are_larger_themselves(
    pipe: JoyVASAPipeline, astronaut: NDArray[np.uint8]
) -> None:
    side = pipe.encode(astronaut).crop.size
    assert side > 200
    options = {"paste_back": False, "max_size": side}
    whole = first_frame(pipe.render(astronaut, MOTION, **options).frames())
    assert whole.shape == (side, side, 3)
    animation = pipe.render(astronaut, MOTION, paste_back=False, max_size=200)
    assert animation.size == (200, 200)
    small = cv2.resize(whole, (200, 200), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(first_frame(animation.frames()), small)


def test_without_a_limit_frames_are_those_of_before(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait
) -> None:
    free = first_frame(pipe.render(encoded, MOTION, max_size=None).frames())
    usual = first_frame(pipe.render(encoded, MOTION).frames())
    np.testing.assert_array_equal(free, usual)


def test_frames_above_the_default_have_its_size_and_an_edited_image_its_own(
    pipe: JoyVASAPipeline, astronaut: NDArray[np.uint8]
) -> None:
    large = cv2.resize(astronaut, (2101, 2101), interpolation=cv2.INTER_CUBIC)
    animation = pipe.render(large, MOTION)
    assert animation.size == (MAX_SIZE, MAX_SIZE)
    assert first_frame(animation.frames()).shape == (MAX_SIZE, MAX_SIZE, 3)
    assert pipe.render(large, MOTION, max_size=None).size == (2101, 2101)
    assert pipe.edit(large, "happiness:0.5").shape == (2101, 2101, 3)
    assert pipe.encode(large).frame_size(True) == (MAX_SIZE, MAX_SIZE)


def test_a_face_given_by_hand_is_in_the_images_own_pixels_however_large_it_is(
    pipe: JoyVASAPipeline, astronaut: NDArray[np.uint8], encoded: EncodedPortrait
) -> None:
    found = encoded.crop.face.box
    large = cv2.resize(astronaut, (4608, 4608), interpolation=cv2.INTER_LINEAR)
    by_hand = ManualFaceDetector(box=(found * 9).tolist())
    crop = pipe.encode(large, detector=by_hand, max_size=1152).crop
    assert crop.full_image.shape == (1152, 1152, 3)
    np.testing.assert_allclose(crop.face.box, found * 2.25, atol=27)
