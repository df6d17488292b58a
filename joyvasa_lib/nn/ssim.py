"""Structural similarity of images, for NumPy arrays and for tensors alike.

The formula is that of Wang et al. 2004, "Image quality assessment: from error visibility to
structural similarity", equation 13. The window is the caller's: measures use the paper's Gaussian
one, losses a box, which is faster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

Values = TypeVar("Values", "NDArray[np.float64]", "Tensor")


def structural_similarity(
    image: Values, reference: Values, local_mean: Callable[[Values], Values], peak: float
) -> Values:
    """Structural similarity around every pixel; 1 where both images are equal.

    Args:
        image: an image, of any shape that ``local_mean`` takes.
        reference: an image of the same shape.
        local_mean: mean of values of that shape within a window around every pixel.
        peak: the largest value a pixel may have.

    Returns:
        Values of the same shape, in [-1, 1].
    """
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    a, b = local_mean(image), local_mean(reference)
    variance_a = local_mean(image * image) - a * a
    variance_b = local_mean(reference * reference) - b * b
    covariance = local_mean(image * reference) - a * b
    top = (2 * a * b + c1) * (2 * covariance + c2)
    bottom = (a * a + b * b + c1) * (variance_a + variance_b + c2)
    return top / bottom
