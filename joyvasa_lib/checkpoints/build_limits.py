"""Networks that a configuration describes, measured before they are built.

A ``config.json`` of a few bytes can describe a network of terabytes, or of a billion layers. It is
first built on torch's meta device, where tensors have sizes and no memory, and given up as soon as
it is larger than the weights that are there for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

LARGEST_NUMBER = 2**24
"""Of a configuration; vocabularies have 50,000 words, tables a few thousand rows."""
_SPARE_NUMBERS = 2**24
"""Numbers that any network may have beside its weights: tables that it computes."""
_STEPS, _SPARE_STEPS = 10, 1000
"""Steps of torch for each tensor of the file (networks take up to 3), and for any network."""


class TooLarge(ValueError):
    """A configuration describes a network that its weights are not for."""


def check_buildable(
    build: Callable[..., nn.Module], config: Mapping[str, Any], tensors: int, numbers: int
) -> None:
    """Refuses a configuration that takes much more memory or time than its weights warrant.

    Args:
        build: makes the network of the configuration's values, given by name.
        config: the values.
        tensors: how many the network is going to hold.
        numbers: how many there are in them.

    Raises:
        TooLarge: it does.
        Exception: what ``build`` raises.
    """
    for name, value in config.items():
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int | float) and abs(number) > LARGEST_NUMBER:
                raise TooLarge(f"{name} is {number}, above {LARGEST_NUMBER}")
    with torch.device("meta"), _Limit(numbers + _SPARE_NUMBERS, _STEPS * tensors):
        build(**config)


class _Limit(TorchDispatchMode):
    """Ends a build whose largest tensor, or whose steps, are above a limit."""

    def __init__(self, numbers: int, steps: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self._numbers, self._steps = numbers, steps + _SPARE_STEPS

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self._steps -= 1
        result = func(*args, **(kwargs or {}))
        largest = result.numel() if isinstance(result, Tensor) else 0
        if self._steps < 0 or largest > self._numbers:
            raise TooLarge("it describes a larger network than the weights beside it")
        return result
