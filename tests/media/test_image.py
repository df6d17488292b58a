"""Images: every kind of file or array shows the same colours, or a sentence says why not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from joyvasa_lib.errors import MediaError, OptionError, OutputError
from joyvasa_lib.media.image import load_image, save_image

HEIGHT, WIDTH = 80, 120


@pytest.fixture
def full_image() -> np.ndarray:
    """Left to right red grows, top to bottom green grows; no symmetry."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([2 * x, 3 * y, np.full_like(x, 60)], axis=2).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_lossless_files_come_back_exactly(
    tmp_path: Path, full_image: np.ndarray, suffix: str
) -> None:
    path = save_image(tmp_path / f"a{suffix}", full_image)
    np.testing.assert_array_equal(load_image(path), full_image)
    np.testing.assert_array_equal(load_image(str(path)), full_image)


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".webp"])
def test_lossy_files_come_back_closely(tmp_path: Path, full_image: np.ndarray, suffix: str) -> None:
    loaded = load_image(save_image(tmp_path / f"a{suffix}", full_image))
    assert np.abs(loaded.astype(int) - full_image).mean() < 3


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.swapaxes(0, 1)),
        (6, lambda a: np.rot90(a, 1)),
        (7, lambda a: np.rot90(a, 2).swapaxes(0, 1)),
        (8, lambda a: np.rot90(a, -1)),
    ],
)
def test_images_stand_upright_whatever_their_exif_orientation(
    tmp_path: Path, full_image: np.ndarray, orientation: int, stored: object
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored_array = np.ascontiguousarray(stored(full_image))
    Image.fromarray(stored_array).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(load_image(tmp_path / "a.png"), full_image)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_a_lying_image_that_is_scaled_stands_upright_too(tmp_path: Path, suffix: str) -> None:
    y, x = np.mgrid[0:160, 0:240]
    standing = np.stack([x, y, np.full_like(x, 60)], axis=2).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.fromarray(np.ascontiguousarray(np.rot90(standing)))
    lying.save(tmp_path / f"a{suffix}", exif=exif, quality=95)
    for most, size in ((None, (160, 240, 3)), (120, (80, 120, 3))):
        loaded = load_image(tmp_path / f"a{suffix}", most)
        assert loaded.shape == size
        expected = load_image(standing, most)
        assert np.abs(loaded.astype(int) - expected).mean() < 3


def test_transparent_parts_show_mid_grey(tmp_path: Path, full_image: np.ndarray) -> None:
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    alpha[:40], alpha[40:60] = 0, 128
    layered = np.concatenate([full_image, alpha], axis=2)
    Image.fromarray(layered).save(tmp_path / "a.png")
    expected = (full_image * (alpha / 255.0) + 128 * (1 - alpha / 255.0)).round()
    for source in (tmp_path / "a.png", layered, Image.fromarray(layered)):
        assert np.abs(load_image(source) - expected).max() <= 1


def test_a_transparent_palette_shows_mid_grey(tmp_path: Path) -> None:
    indexed = Image.new("P", (100, 100), 0)
    indexed.putpalette([255, 0, 0, 0, 255, 0] + [0] * 762)
    indexed.paste(1, (0, 0, 50, 100))
    indexed.save(tmp_path / "a.png", transparency=0)
    loaded = load_image(tmp_path / "a.png")
    assert loaded[50, 20].tolist() == [0, 255, 0]
    assert loaded[50, 80].tolist() == [128, 128, 128]


def test_grey_palette_bitmap_and_cmyk_show_their_colours(
    tmp_path: Path, full_image: np.ndarray
) -> None:
    grey = Image.fromarray(full_image).convert("L")
    grey.save(tmp_path / "grey.png")
    np.testing.assert_array_equal(
        load_image(tmp_path / "grey.png"), np.repeat(np.array(grey)[:, :, None], 3, axis=2)
    )
    few = Image.fromarray(full_image).quantize(16)
    few.save(tmp_path / "few.png")
    np.testing.assert_array_equal(load_image(tmp_path / "few.png"), np.array(few.convert("RGB")))
    bits = grey.convert("1")
    bits.save(tmp_path / "bits.png")
    assert set(np.unique(load_image(tmp_path / "bits.png"))) == {0, 255}
    Image.fromarray(full_image).convert("CMYK").save(tmp_path / "ink.jpg", quality=95)
    assert np.abs(load_image(tmp_path / "ink.jpg").astype(int) - full_image).mean() < 4


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_keep_their_brightness(tmp_path: Path, suffix: str) -> None:
    deep = np.linspace(0, 65535, 100 * 100).astype(np.uint16).reshape(100, 100)
    Image.fromarray(deep).save(tmp_path / f"a{suffix}")
    expected = np.rint(deep / 257.0)
    for source in (tmp_path / f"a{suffix}", deep):
        loaded = load_image(source)
        assert np.abs(loaded[:, :, 0] - expected).max() <= 1


def test_the_first_frame_of_an_animation_is_taken(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (90, 70), colour) for colour in ("red", "blue"))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert (load_image(tmp_path / "a.gif") == (255, 0, 0)).all()


def test_arrays_and_tensors_of_any_layout_show_the_same(full_image: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    unit = full_image.astype(np.float32) / 255
    tensor = torch.from_numpy(unit).permute(2, 0, 1)
    sources = [full_image, unit, unit.astype(np.float64), np.moveaxis(full_image, 2, 0)]
    sources += [full_image.astype(np.uint16) * 257, full_image.astype(np.int64), full_image[None]]
    sources += [
        tensor,
        tensor[None].requires_grad_(),
        tensor.double(),
        torch.from_numpy(full_image),
    ]
    for source in sources:
        np.testing.assert_array_equal(load_image(source), full_image)


def test_the_result_is_a_copy_and_the_source_stays(tmp_path: Path, full_image: np.ndarray) -> None:
    before = full_image.copy()
    load_image(full_image)[:] = 0
    np.testing.assert_array_equal(full_image, before)
    Image.fromarray(full_image).resize((1200, 800)).save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as opened:
        load_image(opened, max_side=100)
        assert opened.size == (1200, 800)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_long_side_comes_down_to_the_limit_and_keeps_shape_and_colours(
    tmp_path: Path, full_image: np.ndarray, suffix: str
) -> None:
    large = Image.fromarray(full_image).resize((1200, 800), Image.Resampling.BICUBIC)
    large.save(tmp_path / f"a{suffix}", quality=95)
    loaded = load_image(tmp_path / f"a{suffix}", max_side=WIDTH)
    assert loaded.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(loaded.astype(int) - full_image)[2:-2, 2:-2].mean() < 3


def test_ninety_megapixels_are_read_at_the_workable_size(tmp_path: Path) -> None:
    Image.new("L", (20000, 4600), 200).save(tmp_path / "wide.jpg")
    limit = Image.MAX_IMAGE_PIXELS
    assert load_image(tmp_path / "wide.jpg").shape == (942, 4096, 3)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_above_two_hundred_megapixels_is_refused_before_decoding(tmp_path: Path) -> None:
    Image.new("1", (20000, 20000)).save(tmp_path / "huge.png")
    with pytest.raises(MediaError, match=r"huge\.png has 20000x20000 pixels"):
        load_image(tmp_path / "huge.png")


def test_bad_files_get_one_sentence_naming_the_file(tmp_path: Path, full_image: np.ndarray) -> None:
    (tmp_path / "words.png").write_text("not an image\n" * 100)
    (tmp_path / "empty.png").touch()
    (tmp_path / "page.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n")
    whole = save_image(tmp_path / "whole.png", full_image)
    (tmp_path / "half.png").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    Image.new("RGB", (10, 10)).save(tmp_path / "tiny.png")
    Image.new("RGB", (5000, 64)).save(tmp_path / "strip.png")
    for name, word in (
        ("words.png", "not an image"),
        ("empty.png", "empty"),
        ("page.eps", "not an image"),
        ("half.png", "damaged"),
        ("tiny.png", "10x10"),
        ("strip.png", "4096x52"),
        ("missing.png", "no image file"),
        ("", "is a folder"),
    ):
        with pytest.raises(MediaError) as caught:
            load_image(tmp_path / name)
        message = str(caught.value)
        assert word in message and name in message and "\n" not in message


@pytest.mark.parametrize(
    ("array", "word"),
    [
        (np.full((80, 80, 3), 1.5), "1.5"),
        (np.full((80, 80, 3), -1.0), "-1"),
        (np.full((80, 80, 3), np.nan), "nan"),
        (np.zeros((80, 80, 5)), "(80, 80, 5)"),
        (np.zeros((2, 80, 80, 3), np.uint8), "(2, 80, 80, 3)"),
        (np.zeros((0, 80, 3), np.uint8), "(0, 80, 3)"),
        (np.zeros(80, np.uint8), "(80,)"),
        (np.zeros((80, 10, 3), np.uint8), "10x80"),
        (np.full((80, 80), -3), "-3"),
        (np.zeros((80, 80), complex), "complex128"),
        (None, "NoneType"),
    ],
)
def test_bad_arrays_get_one_sentence_naming_the_value(array: np.ndarray, word: str) -> None:
    with pytest.raises(MediaError) as caught:
        load_image(array)
    assert word in str(caught.value) and "\n" not in str(caught.value)


def test_an_impossible_limit_is_refused(full_image: np.ndarray) -> None:
    with pytest.raises(OptionError, match="max_side=10"):
        load_image(full_image, max_side=10)


def test_an_image_that_cannot_be_saved_leaves_nothing(
    tmp_path: Path, full_image: np.ndarray
) -> None:
    with pytest.raises(OptionError, match=r"\.xyz"):
        save_image(tmp_path / "a.xyz", full_image)
    with pytest.raises(MediaError, match="float64"):
        save_image(tmp_path / "a.png", full_image / 255)
    with pytest.raises(OutputError, match="does not exist"):
        save_image(tmp_path / "no" / "a.png", full_image)
    with pytest.raises(OutputError):
        save_image(tmp_path / "a.jpg", np.zeros((70_000, 1, 3), np.uint8))  # JPEG ends at 65535
    assert list(tmp_path.iterdir()) == []


def test_every_real_portrait_is_read() -> None:
    if "JOYVASA_REAL_INPUTS" not in os.environ:
        pytest.skip("JOYVASA_REAL_INPUTS does not name a folder of real inputs")
    paths = sorted((Path(os.environ["JOYVASA_REAL_INPUTS"]) / "portraits").iterdir())
    assert paths
    for path in paths:
        image = load_image(path)
        assert image.dtype == np.uint8 and image.ndim == 3 and image.std() > 10
