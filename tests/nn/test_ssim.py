"""Structural similarity, against scikit-image and between arrays and tensors."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import uniform_filter
from skimage.metrics import structural_similarity as reference

from joyvasa_lib.nn.ssim import structural_similarity
from joyvasa_lib.training.image_losses import ssim_map

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.random((40, 50))
OTHER = np.clip(IMAGE + RANDOM.normal(0.0, 0.2, IMAGE.shape), 0.0, 1.0)
INSIDE = np.s_[4:-4, 4:-4]


def box(values: np.ndarray) -> np.ndarray:
    return np.asarray(uniform_filter(values, 7))


def test_a_box_window_gives_the_values_of_scikit_image() -> None:
    ours = structural_similarity(IMAGE, OTHER, box, peak=1.0)
    _, full = reference(
        IMAGE, OTHER, win_size=7, data_range=1.0, use_sample_covariance=False, full=True
    )
    np.testing.assert_allclose(ours[INSIDE], full[INSIDE], atol=1e-9)


def test_the_peak_scales_with_the_pixels() -> None:
    unit = structural_similarity(IMAGE, OTHER, box, peak=1.0)
    levels = structural_similarity(255.0 * IMAGE, 255.0 * OTHER, box, peak=255.0)
    np.testing.assert_allclose(levels, unit, atol=1e-9)


def test_the_loss_of_tensors_is_the_same_formula() -> None:
    image, other = (torch.from_numpy(x)[None, None] for x in (IMAGE, OTHER))
    ours = structural_similarity(IMAGE, OTHER, box, peak=1.0)
    np.testing.assert_allclose(ssim_map(image, other)[0, 0][INSIDE], ours[INSIDE], atol=1e-9)
