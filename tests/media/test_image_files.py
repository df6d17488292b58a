"""Image files: formats that need an extra, and sizes that a file states more than once."""

from __future__ import annotations

import io
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from joyvasa_lib.budgets import Budgets, set_budgets
from joyvasa_lib.errors import MediaError, MissingDependencyError
from joyvasa_lib.media.image import load_image


@pytest.fixture(autouse=True)
def _own_budgets():
    yield
    set_budgets(None)


@pytest.fixture
def full_image() -> np.ndarray:
    y, x = np.mgrid[0:80, 0:120]
    return np.stack([2 * x, 3 * y, np.full_like(x, 60)], axis=2).astype(np.uint8)


@pytest.mark.parametrize("brands", [b"heic\0\0\0\0", b"mif1\0\0\0\0heic", b"heix\0\0\0\0mif1"])
def test_a_heic_image_without_its_extra_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brands: bytes
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "a.jpg"
    path.write_bytes(struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands + bytes(100))
    with pytest.raises(MissingDependencyError, match=r'a\.jpg.*pip install "joyvasa_lib\[heic\]"'):
        load_image(path)


def test_a_heic_image_comes_back_closely_and_upright(
    tmp_path: Path, full_image: np.ndarray
) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying, shown turned to the right
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(full_image)))
    pillow_heif.from_pillow(stored).save(tmp_path / "a.heic", quality=95, exif=exif.tobytes())
    known = set(Image.OPEN)
    loaded = load_image(tmp_path / "a.heic")
    assert loaded.shape == full_image.shape
    assert np.abs(loaded.astype(int) - full_image).mean() < 3
    assert set(Image.OPEN) == known  # nothing was registered for the whole process
    set_budgets(Budgets(image_pixels=80 * 120 - 1))
    with pytest.raises(MediaError, match="image_pixels"):
        load_image(tmp_path / "a.heic")


def test_a_real_heic_photograph_loads() -> None:
    pytest.importorskip("pillow_heif")
    if "JOYVASA_REAL_INPUTS" not in os.environ:
        pytest.skip("JOYVASA_REAL_INPUTS does not name a folder of real inputs")
    image = load_image(Path(os.environ["JOYVASA_REAL_INPUTS"]) / "faults" / "photo.heic")
    assert image.std() > 10


def test_an_icon_is_not_opened_because_its_image_may_have_any_size(tmp_path: Path) -> None:
    Image.new("RGB", (128, 128), (9, 8, 7)).save(tmp_path / "a.ico")
    with pytest.raises(MediaError, match=r"a\.ico is not an image of a known format"):
        load_image(tmp_path / "a.ico")


def _tiled(width: int) -> bytes:
    """A grey TIFF of 64 x 64 pixels in one tile that is `width` pixels wide."""
    tags = {256: 64, 257: 64, 258: 8, 259: 1, 262: 1, 277: 1, 322: width, 323: 64}
    tags |= {324: 8 + 2 + 12 * 10 + 4, 325: 64 * 64}
    entries = b"".join(struct.pack("<2H2L", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0\x08\0\0\0" + struct.pack("<H", 10) + entries + bytes(4) + b"\x07" * 64 * 64


def test_a_tile_that_is_larger_than_its_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(_tiled(64))
    assert load_image(path)[0, 0].tolist() == [7, 7, 7]
    path.write_bytes(_tiled(2**24))
    with pytest.raises(MediaError, match=r"tile of .*a\.tif has 16777216x64 pixels"):
        load_image(path)


def test_a_file_longer_than_the_budget_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    Image.new("RGB", (64, 64)).save(path)
    os.truncate(path, 2**33)  # takes no room on the disk
    with pytest.raises(MediaError, match=r"a\.webp is longer than the 1073741824 .*image_bytes"):
        load_image(path)


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def display_p3() -> bytes:
    """A small profile of Display P3: its primaries adapted to D50, and the curve of sRGB.

    Colorants as in Apple's profile; the curve has parameters of IEC 61966-2-1.
    """
    curve = b"para\0\0\0\0\0\3\0\0" + b"".join(
        map(_fixed, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
    )
    points = {
        b"wtpt": (0.9642, 1.0, 0.8249),
        b"rXYZ": (0.51512, 0.2412, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.1571, 0.06657, 0.78407),
    }
    parts = {name: b"XYZ \0\0\0\0" + b"".join(map(_fixed, xyz)) for name, xyz in points.items()}
    parts |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    text = b"Display P3\0"
    parts[b"desc"] = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)
    parts[b"cprt"] = b"text\0\0\0\0none\0"
    table, body, at = b"", b"", 128 + 4 + 12 * len(parts)
    for name, part in parts.items():
        table += name + struct.pack(">2I", at + len(body), len(part))
        body += part + bytes(-len(part) % 4)
    size = at + len(body)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + b"".join(map(_fixed, points[b"wtpt"])) + bytes(48)
    return head + struct.pack(">I", len(parts)) + table + body


P3_TO_SRGB = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])
"""Of linear light; W3C, CSS Color Module Level 4, Display P3 to sRGB, both with D65."""


def _srgb_of_p3(pixels: np.ndarray) -> np.ndarray:
    stored = pixels / 255.0
    linear = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    wanted = np.clip(linear @ P3_TO_SRGB.T, 0, 1)
    encoded = np.where(wanted <= 0.0031308, 12.92 * wanted, 1.055 * wanted ** (1 / 2.4) - 0.055)
    return encoded * 255


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_colours_of_display_p3_become_those_of_srgb(tmp_path: Path, suffix: str, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    pixels[0, 0], pixels[0, 1], pixels[0, 2] = (255, 255, 255), (0, 0, 0), (128, 128, 128)
    path = tmp_path / f"a{suffix}"
    Image.fromarray(pixels).convert(mode).save(path, icc_profile=display_p3())
    loaded = load_image(path).astype(float)
    assert np.abs(loaded - _srgb_of_p3(pixels)).max() < 3
    assert np.abs(loaded - pixels).max() > 20
    np.testing.assert_allclose(loaded[0, :3], pixels[0, :3], atol=1)  # greys stay


def test_the_profile_of_these_tests_is_one() -> None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(display_p3()))
    assert ImageCms.getProfileDescription(profile).strip() == "Display P3"
