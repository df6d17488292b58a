"""Read-only float32 arrays, from whatever holds numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.errors import MotionError


def read_only(values: ArrayLike) -> NDArray[np.float32]:
    """A float32 array that cannot be written to; copies unless ``values`` already is one.

    Raises:
        MotionError: ``values`` are complex numbers.
    """
    detach = getattr(values, "detach", None)  # a torch tensor, without importing torch
    if detach is not None:
        tensor = detach().cpu()
        values = tensor.numpy() if tensor.is_complex() else tensor.float().numpy()
    if np.iscomplexobj(values):
        raise MotionError("complex numbers are none of a motion; give real ones")
    array = np.asarray(values, dtype=np.float32)
    if array.flags.writeable:
        array = array.copy() if np.may_share_memory(array, np.asarray(values)) else array
        array.flags.writeable = False
    return array


def numbers(name: str, values: ArrayLike) -> NDArray[np.float32]:
    """:func:`read_only`, with an error that names the argument.

    Raises:
        MotionError: ``values`` are not numbers, or complex ones.
    """
    try:
        with np.errstate(over="ignore"):  # infinity, which callers refuse
            return read_only(values)
    except (TypeError, ValueError) as error:  # MotionError among them
        raise MotionError(f"{name} is not an array of numbers: {error}") from error
