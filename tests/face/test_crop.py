"""Squares around faces: geometry against the reference, pixels against the image."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import places
from joyvasa_lib.errors import MediaError, NoFaceError, OptionError
from joyvasa_lib.face.crop import (
    FaceCrop,
    PixelSquare,
    crop_face,
    crop_upright,
    crop_whole,
)
from joyvasa_lib.face.crop_geometry import apply_matrix, face_square, source_size
from joyvasa_lib.face.landmark_sets import outline_points
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.face_landmarker import mean_mesh
from joyvasa_lib.face.sampling import as_rgb, sample, upright_matrix

FIXTURES = places.PARITY
PARITY = np.load(FIXTURES / "crop_geometry.npz")
PASTE = np.load(FIXTURES / "paste_back.npz")
CASES = [str(case) for case in PARITY["cases"]]
PIXEL = 1e-3
"""Tolerance of the reference geometry in pixels."""


def face_at(x: float, y: float, height: float, roll: float = 0.0) -> Face:
    """The mean face with its middle at a place, of a height in pixels, leaning clockwise."""
    mesh = np.asarray(mean_mesh(), dtype=np.float64)
    points = mesh * height / np.ptp(mesh[:, 1])
    cos, sin = np.cos(roll), np.sin(roll)
    points[:, :2] = points[:, :2] @ np.array([[cos, sin], [-sin, cos]]) + [x, y]
    box = np.concatenate([points[:, :2].min(0), points[:, :2].max(0)])
    return Face(box.astype(np.float32), points.astype(np.float32), 1.0, "mediapipe478")


def smooth_image(height: int = 300, width: int = 400, seed: int = 0) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    blurred = cv2.GaussianBlur(noise, (0, 0), 6)
    return np.asarray(cv2.normalize(blurred, None, 0, 255, cv2.NORM_MINMAX), dtype=np.uint8)


@pytest.mark.parametrize("case", CASES)
def test_the_square_is_the_reference_s(case: str) -> None:
    points = PARITY[f"{case}/lmk"]
    square = face_square(points, shift=(0.05, -0.125))
    found = [*square.centre, square.side, square.side, square.angle]
    np.testing.assert_allclose(found, PARITY[f"{case}/rect_uselip1"], atol=PIXEL)
    square = face_square(points)
    np.testing.assert_allclose(square.corners(), PARITY[f"{case}/bbox_rot"], atol=PIXEL)
    np.testing.assert_allclose(square.upright().corners(), PARITY[f"{case}/bbox"], atol=PIXEL)


@pytest.mark.parametrize("case", CASES)
def test_the_map_into_the_crop_is_the_reference_s(case: str) -> None:
    points = PARITY[f"{case}/lmk"]
    source = face_square(points)
    for name, square, size in (
        ("src", source, 512),
        ("src_norot", source.upright(), 512),
        ("lmk", face_square(points, scale=1.5, shift=(0.0, -0.1)), 224),
    ):
        matrix = square.matrix(size)
        np.testing.assert_allclose(matrix, PARITY[f"{case}/{name}/M_o2c"], atol=PIXEL)
        np.testing.assert_allclose(
            np.linalg.inv(matrix), PARITY[f"{case}/{name}/M_c2o"], atol=PIXEL
        )
        np.testing.assert_allclose(
            apply_matrix(matrix, points), PARITY[f"{case}/{name}/pt_crop"], atol=PIXEL
        )


def test_a_face_without_height_stands_upright_as_in_the_reference() -> None:
    square = face_square(PARITY["degenerate/lmk"], scale=1.5, shift=(0.0, -0.1))
    found = [*square.centre, square.side, square.side, square.angle]
    np.testing.assert_allclose(found, PARITY["degenerate/rect"], atol=PIXEL)


def test_the_crop_s_pixels_are_the_reference_s() -> None:
    points = np.concatenate([PASTE["lmk"], np.zeros((203, 1), np.float32)], 1)
    face = Face(np.zeros(4, np.float32), points, 1.0, "liveportrait203")
    crop = crop_upright(PASTE["image"], face, 96, border="black", method="bilinear")
    np.testing.assert_allclose(crop.matrix, PASTE["M_o2c"], atol=PIXEL)
    difference = np.abs(crop.image.astype(int) - PASTE["img_crop"])
    assert difference.max() <= 2
    assert difference.mean() < 0.1


@pytest.mark.parametrize("index", range(5))
def test_a_source_image_s_size_is_the_reference_s(index: int) -> None:
    height, width, longest, division, *wanted = PASTE[f"resize_{index}"].tolist()
    assert source_size(height, width, longest, division)[1] == tuple(wanted)


@given(st.floats(0.3, 8.0), st.floats(-3.1, 3.1), st.floats(-300, 300), st.sampled_from(CASES))
def test_the_square_goes_with_the_face(scale: float, angle: float, shift: float, case: str) -> None:
    points = PARITY[f"{case}/lmk"].astype(np.float64)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = scale * np.array([[cos, sin], [-sin, cos]])
    square, moved = face_square(points), face_square(points @ turn + shift)
    assert moved.side == pytest.approx(scale * square.side, rel=1e-6)
    np.testing.assert_allclose(moved.centre, square.centre @ turn + shift, atol=1e-5 * scale)
    np.testing.assert_allclose(
        np.exp(1j * moved.angle), np.exp(1j * (square.angle + angle)), atol=1e-6
    )
    # The crop shows the face at the same place.
    np.testing.assert_allclose(
        apply_matrix(moved.matrix(256), points @ turn + shift),
        apply_matrix(square.matrix(256), points),
        atol=1e-5,
    )


def test_a_mesh_s_square_leaves_out_the_forehead() -> None:
    face = face_at(200, 150, 120)
    outline = outline_points(face.landmarks, face.scheme)
    assert outline[:, 1].max() == face.landmarks[:, 1].max()  # down to the chin
    assert outline[:, 1].min() > face.landmarks[:, 1].min() + 0.15 * 120  # up to the brows
    assert np.ptp(outline[:, 0]) == np.ptp(face.landmarks[:, 0])  # from ear to ear
    square = face_square(face.landmarks, face.scheme, scale=1.0)
    assert square.side == pytest.approx(np.ptp(outline, axis=0).max(), rel=1e-4)


CROPPERS: dict[str, Callable[..., FaceCrop]] = {
    "aligned": crop_face,
    "upright": crop_upright,
    "whole": crop_whole,
}


@pytest.mark.parametrize("name", CROPPERS)
@pytest.mark.parametrize("size", [256, 333])
def test_a_dot_on_the_face_is_where_the_crop_says(name: str, size: int) -> None:
    face = face_at(190, 160, 130, roll=0.4)
    full_image = np.zeros((300, 400, 3), np.uint8)
    x, y = 210, 141
    full_image[y - 2 : y + 3, x - 2 : x + 3] = 255
    crop = CROPPERS[name](full_image, face, size)
    assert crop.image.shape == (size, size, 3)
    mass = crop.image[..., 0].astype(float)
    rows, columns = np.mgrid[:size, :size]
    centre = [(mass * columns).sum() / mass.sum(), (mass * rows).sum() / mass.sum()]
    np.testing.assert_allclose(centre, apply_matrix(crop.matrix, [x, y]), atol=0.15)


@pytest.mark.parametrize("name", CROPPERS)
@pytest.mark.parametrize("place", [(190, 160), (10, 20), (395, 290)])
def test_a_crop_never_stretches(name: str, place: tuple[int, int]) -> None:
    crop = CROPPERS[name](smooth_image(), face_at(*place, 130, roll=-0.3), 256)
    turn = crop.matrix[:2, :2] / crop.scale
    np.testing.assert_allclose(turn @ turn.T, np.eye(2), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1.0)
    inside = crop.landmarks
    np.testing.assert_allclose(
        inside[:, :2], apply_matrix(crop.matrix, crop.face.landmarks[:, :2]), atol=1e-3
    )
    np.testing.assert_allclose(inside[:, 2], crop.face.landmarks[:, 2] * crop.scale, atol=1e-3)


def test_an_aligned_crop_has_the_image_s_own_pixels() -> None:
    full_image = smooth_image(900, 900)
    crop = crop_face(full_image, face_at(450, 470, 200))
    square = crop.square
    assert square is not None
    assert square.side == crop.size
    np.testing.assert_array_equal(
        crop.image,
        full_image[square.top : square.top + square.side, square.left : square.left + square.side],
    )


def test_no_line_leads_out_of_the_image() -> None:
    """Stripes that end at the border are not drawn on beyond it; broad colours are."""
    full_image = smooth_image()
    full_image[::2] //= 2
    crop = crop_face(full_image, face_at(30, 150, 160))
    square = crop.square
    assert square is not None
    assert square.left < -50
    assert crop.seen[0] == -square.left
    rows = slice(crop.seen[1] + 20, crop.seen[3] - 20)
    inside, next_to, far = (
        crop.image[rows, column].astype(int) for column in (crop.seen[0], crop.seen[0] - 2, 20)
    )
    assert np.abs(np.diff(inside, axis=0)).mean() > 20  # the stripes
    assert np.abs(np.diff(far, axis=0)).mean() < 2
    assert abs(far.mean() - inside.mean()) < 12
    assert np.abs(next_to - inside).mean() < np.abs(far - inside).mean()
    np.testing.assert_array_equal(
        crop.image[:, crop.seen[0] :][crop.seen[1] : crop.seen[3]],
        full_image[: square.top + square.side, : square.left + square.side][
            : crop.seen[3] - crop.seen[1]
        ],
    )


def test_upright_crops_continue_as_the_published_code_does() -> None:
    full_image = smooth_image()
    upright = crop_upright(full_image, face_at(30, 150, 160), 256)
    assert np.abs(np.diff(upright.image[:, :30].astype(int), axis=1)).max() <= 1
    black = crop_upright(full_image, face_at(30, 150, 160), 256, border="black")
    assert (black.image[:, :30] == 0).all()


def test_an_upright_crop_does_not_see_how_the_image_is_turned(
    astronaut: NDArray[np.uint8],
) -> None:
    face = face_at(224, 125, 100)
    angle = np.deg2rad(28.0)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    shift = np.array([255.5, 255.5]) - turn @ np.array([224.0, 125.0])
    matrix = np.concatenate([turn, shift[:, None]], 1)
    turned = np.asarray(cv2.warpAffine(astronaut, matrix, (512, 512)), dtype=np.uint8)
    points = face.landmarks.copy()
    points[:, :2] = points[:, :2] @ turn.T + shift
    ours = crop_upright(turned, Face(face.box, points, 1.0, face.scheme), 192, scale=1.5)
    theirs = crop_upright(astronaut, face, 192, scale=1.5)
    difference = np.abs(ours.image.astype(int) - theirs.image)
    assert difference.mean() < 4.0
    flat = crop_upright(
        turned, Face(face.box, points, 1.0, face.scheme), 192, scale=1.5, rotate=False
    )
    assert np.abs(flat.image.astype(int) - theirs.image).mean() > 20.0


def test_a_small_crop_of_a_large_image_is_smooth() -> None:
    rows, columns = np.mgrid[:1200, :1200]
    chess = np.repeat((((rows + columns) % 2) * 255).astype(np.uint8)[..., None], 3, 2)
    face = face_at(600, 600, 500, roll=0.2)
    smooth = crop_upright(chess, face, 128)
    assert np.abs(smooth.image.astype(int) - 127).max() <= 3
    assert crop_upright(chess, face, 128, method="bilinear").image.std() > 30


def test_a_whole_square_image_is_its_own_crop() -> None:
    full_image = smooth_image(300, 300)
    np.testing.assert_array_equal(crop_whole(full_image, face_at(150, 160, 130)).image, full_image)


def test_a_whole_image_that_is_not_square_is_filled_up() -> None:
    full_image = smooth_image(300, 400)
    crop = crop_whole(full_image, face_at(150, 160, 130))
    assert crop.square == PixelSquare(0, -50, 400)
    np.testing.assert_array_equal(crop.image[50:350], full_image)
    above = crop.image[:50].astype(int)
    assert np.abs(above[-1] - full_image[0]).max() <= 2  # the edge goes on
    assert np.abs(above.mean((0, 1)) - full_image[0].mean(0)).max() < 12


@pytest.mark.parametrize("name", CROPPERS)
def test_grey_and_alpha_images_are_cropped_as_colour(name: str) -> None:
    face, full_image = face_at(190, 160, 130), smooth_image()
    grey = CROPPERS[name](full_image[..., 0], face, 256)
    assert (grey.image == grey.image[..., :1]).all()
    alpha = np.concatenate([full_image, full_image[..., :1]], 2)
    np.testing.assert_array_equal(
        CROPPERS[name](alpha, face, 256).image, CROPPERS[name](full_image, face, 256).image
    )


def test_unusable_options_are_named() -> None:
    face, full_image = face_at(190, 160, 130), smooth_image()
    with pytest.raises(OptionError, match=r"between 1.2 and 6, not 0.5"):
        crop_face(full_image, face, scale=0.5)
    with pytest.raises(OptionError, match="at least 64 pixels, not 8"):
        crop_upright(full_image, face, 8)
    with pytest.raises(OptionError, match="'repeat' or 'black', not 'grey'"):
        crop_upright(full_image, face, border="grey")
    with pytest.raises(OptionError, match="'smooth' or 'bilinear', not 'cubic'"):
        crop_upright(full_image, face, method="cubic")
    with pytest.raises(OptionError, match="must be above 0, not -1"):
        face_square(face.landmarks, scale=-1)
    with pytest.raises(OptionError, match="all in one place"):
        face_square(np.ones((203, 2)))
    with pytest.raises(OptionError, match="1 at least"):
        source_size(0, 10)


def test_a_face_that_is_too_small_or_nowhere_is_refused() -> None:
    with pytest.raises(NoFaceError, match="only 15 pixels wide; at least 24 are needed"):
        crop_face(smooth_image(), face_at(190, 160, 15))
    points = np.full((468, 3), np.nan, np.float32)
    with pytest.raises(NoFaceError, match="not finite"):
        crop_whole(smooth_image(), Face(np.zeros(4, np.float32), points, 1.0, "mediapipe478"))


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(MediaError, match="not float64"):
        as_rgb(np.zeros((4, 4, 3)))
    with pytest.raises(MediaError, match=r"not \(4, 4, 2\)"):
        as_rgb(np.zeros((4, 4, 2), np.uint8))
    with pytest.raises(MediaError, match=r"\(0, 4, 3\)"):
        as_rgb(np.zeros((0, 4, 3), np.uint8))


@given(st.floats(-2000, 2000), st.floats(-2000, 2000), st.floats(4, 3000), st.floats(-3, 3))
def test_any_square_can_be_sampled(x: float, y: float, side: float, angle: float) -> None:
    full_image = smooth_image(60, 90)
    matrix = upright_matrix(np.array([x, y]), side, angle, 32)
    for method in ("smooth", "bilinear"):
        seen = sample(full_image, matrix, 32, method=method)
        assert seen.shape == (32, 32, 3)
        assert full_image.min() <= seen.min() <= seen.max() <= full_image.max()


def test_sampling_a_part_is_sampling_the_whole() -> None:
    full_image = smooth_image()
    matrix = upright_matrix(np.array([350.0, 200.0]), 160.0, 0.5, 160)
    whole = cv2.warpAffine(
        full_image, matrix[:2], (160, 160), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    assert np.abs(sample(full_image, matrix, 160).astype(int) - whole).max() <= 2


def test_a_crop_is_what_its_fields_say() -> None:
    full_image = smooth_image()
    crop = FaceCrop(
        full_image, full_image[:64, :64], PixelSquare(0, 0, 64).matrix(64), face_at(30, 30, 30)
    )
    np.testing.assert_allclose(crop.matrix, np.eye(3))
    assert crop.size == 64
    assert crop.scale == pytest.approx(1.0)
