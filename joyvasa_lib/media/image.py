"""Images: any file, Pillow image, array or tensor, as uint8 [h, w, 3] RGB."""

from __future__ import annotations

import io
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from joyvasa_lib.errors import JoyVASAError, MediaError, OptionError, OutputError
from joyvasa_lib.media.files import atomic_path, check_readable
from joyvasa_lib.media.image_files import check_pixels, open_image
from joyvasa_lib.media.pixels import image_from_array, to_eight_bits
from joyvasa_lib.media.provenance.mark import SYNTHETIC_IMAGE, Mark
from joyvasa_lib.media.provenance.signing import Signer, check_signed
from joyvasa_lib.media.provenance.writing import image_parameters
from joyvasa_lib.media.tensors import is_tensor, to_numpy

if TYPE_CHECKING:
    import torch

Pixels: TypeAlias = npt.NDArray[np.uint8]
ImageSource: TypeAlias = "str | os.PathLike[str] | Image.Image | npt.NDArray[Any] | torch.Tensor"

SMALLEST_SIDE = 64
"""Pixels; a face in less has no mouth to move."""

LARGEST_KEPT = 4096
"""Pixels of the longer side that an image keeps by default."""

BACKGROUND = (128, 128, 128, 255)
"""Mid-grey, what shows through transparent parts: it biases neither a dark nor a bright edge."""

WRITTEN_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")

_EXIF_ORIENTATION = 0x0112
_TURNS: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image upright, by its EXIF orientation."""
_REDUCIBLE = {"L", "RGB", "LA", "RGBA", "CMYK", "YCbCr"}
_TRANSPARENT = {"LA", "PA", "RGBA", "La", "RGBa"}

logger = logging.getLogger(__name__)


def load_image(source: ImageSource, max_side: int | None = LARGEST_KEPT) -> Pixels:
    """Gives any image as 8-bit RGB, upright, opaque and of a workable size.

    Images are turned as their EXIF orientation says. Transparent parts are composited over mid-grey
    (128, 128, 128). Colours of an embedded profile, such as Display P3, become sRGB. 16-bit images
    keep their upper 8 bits' worth by rounding. An animation gives its first frame. A side longer
    than `max_side` is scaled down to it, keeping the aspect ratio.

    Args:
        source: an image file; a Pillow image; or an array or tensor [h, w], [h, w, c] or
            [c, h, w] with 1 to 4 channels in RGB order, of uint8, uint16, bool, or floats in
            [0, 1].
        max_side: pixels of the longer side, at least 64; None for any.

    Returns:
        uint8 [h, w, 3] RGB, a copy.

    Raises:
        MediaError: the source is missing, not an image, damaged, above the budget
            `image_pixels` (200 megapixels), below 64 pixels a side, or holds numbers outside its
            range.
        MissingDependencyError: it is a HEIC image and the extra ``heic`` is not installed.
        OptionError: `max_side` is below 64.
    """
    if max_side is None:
        max_side = sys.maxsize
    if max_side < SMALLEST_SIDE:
        raise OptionError(f"max_side={max_side} is not allowed; give at least {SMALLEST_SIDE}")
    if isinstance(source, str | os.PathLike):
        return _load_file(check_readable(source, "image"), max_side)
    if isinstance(source, Image.Image):
        return _load_image(source, "The image", max_side)
    if is_tensor(source):
        source = to_numpy(source)
    if isinstance(source, np.ndarray):
        return _load_image(image_from_array(source), "The array", max_side)
    raise MediaError(
        f"A portrait must be an image file, a Pillow image, an array or a tensor, not "
        f"{type(source).__name__}"
    )


def save_image(
    path: str | os.PathLike[str],
    image: Pixels,
    note: str | None = SYNTHETIC_IMAGE,
    *,
    model: str = "",
    signer: Signer | None = None,
) -> Path:
    """Writes an image, whole or not at all; returns its path.

    Args:
        path: the file; its suffix chooses the format. PNG, BMP and TIFF keep every pixel.
        image: uint8 [h, w, 3] RGB.
        note: a description that goes into the file's EXIF data, beside XMP that says that the image
            is synthetic; None leaves both out. BMP has no place for them.
        model: name of the portrait model, for the XMP.
        signer: who signs the file with Content Credentials, not in BMP; None for nobody.

    Raises:
        MediaError: the image is not uint8 [h, w, 3].
        OptionError: the suffix is not of an image format that is written or, with a signer, signed;
            or there is a signer and no note.
        OutputError: the file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in WRITTEN_SUFFIXES:
        raise OptionError(
            f"Images named *{target.suffix or target.name} are not written; "
            f"use one of {', '.join(WRITTEN_SUFFIXES)}"
        )
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise MediaError(f"save_image takes uint8 [h, w, 3], not {image.dtype} {image.shape}")
    if signer is not None:
        check_signed(target)
        if note is None:
            raise OptionError("A signer signs what the note says; give a note, too")
    mark = None if note is None else Mark.ours(note, model)
    parameters = image_parameters(target.suffix.lower(), mark)
    with atomic_path(target) as temporary:
        try:
            Image.fromarray(image).save(temporary, quality=95, **parameters)
        except (OSError, ValueError) as error:
            raise OutputError(f"Cannot write {target} ({error}); choose another place") from error
        if mark is not None and signer is not None:
            signer.sign(temporary, target.name, mark)
    return target


def _load_file(path: Path, max_side: int) -> Pixels:
    try:
        with open_image(path) as full_image:
            # JPEG alone can be decoded at 1/2, 1/4 or 1/8, for less work and memory.
            full_image.draft(None, _fitted(full_image.size, 2 * max_side))
            return _load_image(full_image, str(path), max_side)
    except JoyVASAError:
        raise
    except Exception as error:  # Pillow's readers raise almost anything on damaged files.
        raise MediaError(
            f"The image {path} is damaged ({error}); give another one or export it again"
        ) from error


def _load_image(full_image: Image.Image, name: str, max_side: int) -> Pixels:
    """The steps from any Pillow image to pixels; each leaves an ordinary one as it is."""
    _check_size(full_image.size, name)
    profile = full_image.info.get("icc_profile")
    full_image.load()  # some formats turn themselves
    turn = _turn(full_image)
    if full_image.mode not in _REDUCIBLE:
        full_image = _eight_bits(full_image, name)
    size = _fitted(full_image.size, max_side)
    if size != full_image.size:
        _refuse_tiny(size, name, f" once its longer side is brought down to {max_side}")
        full_image = full_image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    if profile:
        full_image = _in_srgb(full_image, profile, name)
    if full_image.mode in _TRANSPARENT or "transparency" in full_image.info:
        layer = full_image.convert("RGBA")
        full_image = Image.alpha_composite(Image.new("RGBA", layer.size, BACKGROUND), layer)
    if full_image.mode != "RGB":
        full_image = full_image.convert("RGB")
    if turn is not None:  # at last, when the image is as small as it becomes
        full_image = full_image.transpose(turn)
    return np.array(full_image)


def _eight_bits(full_image: Image.Image, name: str) -> Image.Image:
    """Deep grey (I, I;16, F) by its range; palettes, bitmaps and the rest by Pillow."""
    if full_image.mode.startswith(("I", "F")):
        return Image.fromarray(to_eight_bits(np.asarray(full_image), name))
    transparent = full_image.mode in _TRANSPARENT or "transparency" in full_image.info
    return full_image.convert("RGBA" if transparent else "RGB")


def _in_srgb(full_image: Image.Image, profile: bytes, name: str) -> Image.Image:
    """Colours by an embedded profile to sRGB; a profile of sRGB itself changes nothing."""
    if full_image.mode not in {"RGB", "RGBA", "CMYK"}:
        return full_image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return full_image
        mode = "RGBA" if full_image.mode == "RGBA" else "RGB"
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        target = ImageCms.createProfile("sRGB")
        changed = ImageCms.profileToProfile(full_image, source, target, intent, mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        logger.warning("The colour profile of %s is unusable and was ignored: %s", name, error)
        return full_image
    return full_image if changed is None else changed


def _turn(full_image: Image.Image) -> Image.Transpose | None:
    """What makes an image upright, as EXIF says; an unreadable EXIF block says nothing."""
    try:
        return _TURNS.get(full_image.getexif().get(_EXIF_ORIENTATION))
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError):
        return None


def _fitted(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """The size brought down, in its shape, to a longest side of `max_side`."""
    longest = max(size)
    if longest <= max_side:
        return size
    width, height = (max(1, round(side * max_side / longest)) for side in size)
    return width, height


def _check_size(size: tuple[int, int], name: str) -> None:
    check_pixels(size, name)
    _refuse_tiny(size, name)


def _refuse_tiny(size: tuple[int, int], name: str, after: str = "") -> None:
    if min(size) < SMALLEST_SIDE:
        raise MediaError(
            f"{name} has only {size[0]}x{size[1]} pixels{after}; "
            f"give at least {SMALLEST_SIDE} a side"
        )
