"""Rendered crops back in their images: where pixels must be exact, and what a blend is."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import places
from joyvasa_lib.errors import OptionError
from joyvasa_lib.face.crop import FaceCrop, crop_face, crop_upright, crop_whole
from joyvasa_lib.face.crop_geometry import PixelSquare, apply_matrix
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.face_landmarker import mean_mesh
from joyvasa_lib.face.paste_back import (
    PasteBack,
    border_mask,
    paste_back_liveportrait,
    warp_to_image,
)

pytestmark = pytest.mark.slow

PARITY = np.load(places.PARITY / "paste_back.npz")
RNG = np.random.default_rng(0)
Pixels = NDArray[np.uint8]


def face_at(x: float, y: float, height: float, roll: float = 0.0) -> Face:
    mesh = np.asarray(mean_mesh(), dtype=np.float64)
    points = mesh * height / np.ptp(mesh[:, 1])
    cos, sin = np.cos(roll), np.sin(roll)
    points[:, :2] = points[:, :2] @ np.array([[cos, sin], [-sin, cos]]) + [x, y]
    box = np.concatenate([points[:, :2].min(0), points[:, :2].max(0)])
    return Face(box.astype(np.float32), points.astype(np.float32), 1.0, "mediapipe478")


def noise(*shape: int) -> Pixels:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


FRAMINGS: dict[str, Callable[[Pixels], FaceCrop]] = {
    "native": lambda full_image: crop_face(full_image, face_at(300, 260, 120)),
    "enlarged": lambda full_image: crop_face(full_image, face_at(300, 260, 120), 400),
    "reduced": lambda full_image: crop_face(full_image, face_at(300, 260, 200), 256),
    "turned": lambda full_image: crop_upright(full_image, face_at(300, 260, 120, 0.4), 256),
    "turned, finer": lambda full_image: crop_upright(full_image, face_at(300, 260, 120, -0.4), 640),
    "at the edge": lambda full_image: crop_face(full_image, face_at(40, 30, 120)),
    "turned at the edge": lambda full_image: crop_upright(
        full_image, face_at(580, 490, 120, 0.7), 256
    ),
    "whole": lambda full_image: crop_whole(full_image, face_at(300, 260, 120), 256),
}


def shown(crop: FaceCrop) -> NDArray[np.bool_]:
    """Pixels of the image that the crop's square touches."""
    height, width = crop.full_image.shape[:2]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    place = apply_matrix(crop.matrix, np.stack([x, y], -1))
    reach = 0.5 + crop.scale
    return np.asarray(((place > -reach) & (place < crop.size - 1 + reach)).all(-1))


@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_crop_itself_gives_the_image_back(framing: str) -> None:
    full_image = noise(512, 600, 3)
    crop = FRAMINGS[framing](full_image)
    pasted = PasteBack(crop, border_mask(crop.size))(crop.image)
    np.testing.assert_array_equal(pasted, full_image)


@pytest.mark.parametrize("unchanged", ["source", "frame"])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_outside_the_square_nothing_changes(framing: str, unchanged: str) -> None:
    full_image = noise(512, 600, 3)
    crop = FRAMINGS[framing](full_image)
    mask = np.ones((crop.size, crop.size), np.float32)
    pasted = PasteBack(crop, mask, unchanged)(255 - crop.image)
    outside = ~shown(crop)
    np.testing.assert_array_equal(pasted[outside], full_image[outside])
    assert (pasted != full_image).any()


def test_in_the_image_s_own_pixels_the_frame_is_exact_where_the_mask_is_one() -> None:
    full_image = noise(600, 700, 3)
    crop = FRAMINGS["native"](full_image)
    square = crop.square
    assert square is not None
    assert square.side == crop.size
    frame = noise(crop.size, crop.size, 3)
    pasted = PasteBack(crop, border_mask(crop.size))(frame)
    part = pasted[square.top : square.top + square.side, square.left : square.left + square.side]
    core = border_mask(crop.size) == 1
    assert core.mean() > 0.8
    np.testing.assert_array_equal(part[core], frame[core])


def test_a_soft_mask_is_a_weighted_mean() -> None:
    full_image = noise(600, 700, 3)
    crop = FRAMINGS["native"](full_image)
    square = crop.square
    assert square is not None
    frame, mask = noise(crop.size, crop.size, 3), RNG.random((crop.size, crop.size))
    pasted = PasteBack(crop, mask)(frame)
    rows = slice(square.top, square.top + square.side)
    columns = slice(square.left, square.left + square.side)
    wanted = mask[..., None] * frame + (1 - mask[..., None]) * full_image[rows, columns]
    assert np.abs(pasted[rows, columns] - wanted).max() <= 1.0


@pytest.mark.parametrize("framing", ["enlarged", "reduced", "turned", "turned, finer"])
def test_where_all_has_changed_the_frame_shows_alone(framing: str) -> None:
    smooth = cv2.GaussianBlur(noise(512, 600, 3).astype(np.float32), (0, 0), 12)
    full_image = np.clip(60 + smooth / 4, 0, 255).astype(np.uint8)
    crop = FRAMINGS[framing](full_image)
    frame = crop.image + np.uint8(90)
    mask = border_mask(crop.size)
    kept = PasteBack(crop, mask, "source")(frame).astype(int)
    plain = PasteBack(crop, mask, "frame")(frame).astype(int)
    assert np.abs(kept - plain).max() <= 1
    # A constant brightening of a smooth image comes back as one, under the mask.
    difference = plain - full_image
    assert difference.max() == pytest.approx(90, abs=3)
    weight = np.where(shown(crop)[..., None], difference / 90, 0)
    assert weight.mean() == pytest.approx(mask.sum() / crop.scale**2 / (512 * 600), rel=0.02)


def test_a_change_in_one_place_leaves_the_rest_of_the_image() -> None:
    full_image = noise(700, 700, 3)
    crop = crop_face(full_image, face_at(350, 350, 250), 256)
    frame = crop.image.copy()
    frame[100:130, 100:130] ^= 128
    pasted = PasteBack(crop, border_mask(256))(frame)
    low = apply_matrix(np.linalg.inv(crop.matrix), [90, 90]).astype(int)
    high = apply_matrix(np.linalg.inv(crop.matrix), [140, 140]).astype(int) + 1
    changed = (pasted != full_image).any(-1)
    assert changed[low[1] : high[1], low[0] : high[0]].mean() > 0.3
    changed[low[1] : high[1], low[0] : high[0]] = False
    assert not changed.any()


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_dot_in_the_crop_lands_where_the_map_says(framing: str) -> None:
    full_image = np.zeros((512, 600, 3), np.uint8)
    crop = FRAMINGS[framing](full_image)
    x, y = round(0.62 * crop.size), round(0.66 * crop.size)
    if framing == "turned at the edge":
        x, y = int(0.3 * crop.size), int(0.3 * crop.size)
    frame = crop.image.copy()
    cv2.circle(frame, (x, y), max(4, round(4 * crop.scale)), (255, 255, 255), -1)
    pasted = PasteBack(crop, np.ones((crop.size, crop.size)))(frame)[..., 0].astype(float)
    rows, columns = np.mgrid[:512, :600]
    centre = [(pasted * columns).sum() / pasted.sum(), (pasted * rows).sum() / pasted.sum()]
    wanted = apply_matrix(np.linalg.inv(crop.matrix), [x, y])
    np.testing.assert_allclose(centre, wanted, atol=0.3)


def test_grey_images_stay_grey_and_alpha_is_kept() -> None:
    full_image = noise(512, 600, 4)
    for framing in ("native", "turned"):
        crop = FRAMINGS[framing](full_image)
        frame = noise(crop.size, crop.size, 3)
        mask = border_mask(crop.size)
        pasted = PasteBack(crop, mask)(frame)
        np.testing.assert_array_equal(pasted[..., 3], full_image[..., 3])
        colour = PasteBack(FRAMINGS[framing](full_image[..., :3]), mask)(frame)
        np.testing.assert_array_equal(pasted[..., :3], colour)
        for grey in (full_image[..., 0], full_image[..., :1]):
            crop = FRAMINGS[framing](grey)
            pasted = PasteBack(crop, mask)(np.repeat(frame[..., :1], 3, 2))
            assert pasted.shape == grey.shape
            wanted = PasteBack(FRAMINGS[framing](np.repeat(full_image[..., :1], 3, 2)), mask)(
                np.repeat(frame[..., :1], 3, 2)
            )
            np.testing.assert_array_equal(pasted.reshape(512, 600), wanted[..., 0])


def test_writing_into_an_earlier_result_gives_the_same_image() -> None:
    for framing in FRAMINGS:
        crop = FRAMINGS[framing](noise(512, 600, 3))
        paste = PasteBack(crop, border_mask(crop.size))
        first, second = (noise(crop.size, crop.size, 3) for _ in range(2))
        buffer = paste(first)
        wanted = paste(second)
        assert paste(second, out=buffer) is buffer
        np.testing.assert_array_equal(buffer, wanted)


def test_neither_the_image_nor_the_frame_is_written_to() -> None:
    full_image = noise(512, 600, 3)
    full_image.flags.writeable = False
    crop = FRAMINGS["turned"](full_image)
    frame = noise(crop.size, crop.size, 3)
    frame.flags.writeable = False
    assert PasteBack(crop, border_mask(crop.size))(frame).flags.writeable


def test_a_crop_beside_the_image_changes_nothing() -> None:
    full_image = noise(100, 100, 3)
    matrix = PixelSquare(400, 400, 64).matrix(64)
    for square in (PixelSquare(400, 400, 64), None):
        crop = FaceCrop(full_image, noise(64, 64, 3), matrix, face_at(430, 430, 30), square)
        for mask in (np.ones((64, 64)), np.zeros((64, 64))):
            np.testing.assert_array_equal(PasteBack(crop, mask)(noise(64, 64, 3)), full_image)


def test_an_empty_mask_shows_the_image() -> None:
    full_image = noise(512, 600, 3)
    for framing in FRAMINGS:
        crop = FRAMINGS[framing](full_image)
        paste = PasteBack(crop, np.zeros((crop.size, crop.size)))
        np.testing.assert_array_equal(paste(255 - crop.image), full_image)


def test_a_small_face_in_a_huge_image_touches_only_its_square() -> None:
    full_image = np.zeros((5000, 7000, 3), np.uint8)
    crop = crop_upright(full_image, face_at(6000, 4000, 200, 0.3), 256)
    pasted = PasteBack(crop, border_mask(256))(np.full((256, 256, 3), 200, np.uint8))
    rows, columns = np.nonzero(pasted[..., 0])
    assert np.abs(rows - 4000).max() < 400
    assert np.abs(columns - 6000).max() < 400
    assert pasted.max() == 200


def test_what_does_not_fit_is_refused_in_one_sentence() -> None:
    crop = FRAMINGS["turned"](noise(512, 600, 3))
    with pytest.raises(OptionError, match=r"mask is \(64, 64\), the crop 256 x 256"):
        PasteBack(crop, np.ones((64, 64)))
    with pytest.raises(OptionError, match="'source' or 'frame', not 'both'"):
        PasteBack(crop, border_mask(256), "both")
    paste = PasteBack(crop, border_mask(256))
    with pytest.raises(OptionError, match=r"not uint8 of shape \(64, 64, 3\)"):
        paste(noise(64, 64, 3))
    with pytest.raises(OptionError, match="not float32"):
        paste(np.zeros((256, 256, 3), np.float32))  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="out must be uint8"):
        paste(noise(256, 256, 3), out=noise(8, 8, 3))


def test_the_reference_paste_back_is_reproduced() -> None:
    weight = warp_to_image(PARITY["mask_crop"], PARITY["M_c2o"], PARITY["image"]) / 255.0
    assert np.abs(weight - PARITY["mask_ori"]).max() <= 2 / 255
    pasted = paste_back_liveportrait(
        PARITY["generated"], PARITY["M_c2o"], PARITY["image"], PARITY["mask_crop"]
    )
    difference = np.abs(pasted.astype(int) - PARITY["result"])
    assert difference.max() <= 2
    assert difference.mean() < 0.1


def test_ours_agrees_with_the_reference_paste_back() -> None:
    points = np.concatenate([PARITY["lmk"], np.zeros((203, 1), np.float32)], 1)
    face = Face(np.zeros(4, np.float32), points, 1.0, "liveportrait203")
    crop = crop_upright(PARITY["image"], face, 96, border="black", method="bilinear")
    mask = PARITY["mask_crop"][..., 0] / 255.0
    ours = PasteBack(crop, mask, "frame")(PARITY["generated"])
    # The reference truncates, and warps the mask in 8 bits.
    difference = PARITY["result"].astype(int) - ours
    assert np.abs(difference).mean() < 1.0
    assert np.abs(difference).max() <= 3


def test_the_mask_has_the_reference_s_closed_form() -> None:
    mask = border_mask(512)
    assert mask[256, 256] == 1.0
    assert mask[0, 256] == 0.0
    assert mask[8, 256] == pytest.approx(0.5)
    assert mask[256, 500] == pytest.approx(0.75)
    assert mask[16 - 3, 16 - 4] == pytest.approx(1 - 5 / 16)
    assert border_mask(64, 4)[2, 32] == pytest.approx(0.5)
    with pytest.raises(OptionError, match="border of 0 pixels"):
        border_mask(64, 0)
