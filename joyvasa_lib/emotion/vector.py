"""``EmotionVector``: a vector over action units, and the arithmetic of emotions.

After LES-Talker (arXiv 2411.09268, sections 1 and 3 as far as published): emotions are vectors over
facial action units, and changing an emotion is adding a vector. Components are real numbers and the
arithmetic is exactly linear. A face can show -1 to 1, so components are limited where an emotion is
applied, not here.

Axis legend: ``n`` components.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.checks import checked_float
from joyvasa_lib.emotion.action_units import COMPONENTS, REGIONS, UNIT_OF, resolve_components
from joyvasa_lib.emotion.curve import Curve, EmotionCurve
from joyvasa_lib.emotion.unit_effects import arkit_inverse, arkit_matrix
from joyvasa_lib.errors import OptionError
from joyvasa_lib.motion.blendshapes import BLENDSHAPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

DECIMALS = 12
"""Decimals to which components are rounded, so that sums do not depend on their order."""
LARGEST = 1000.0
"""Largest magnitude of a component at which that rounding is exact; no face needs more than 1."""

_AXIS = {name: i for i, name in enumerate(COMPONENTS)}


class EmotionVector(EmotionCurve):
    """An immutable vector over action-unit components.

    Attributes:
        vector: [n] the components in the order of
            :data:`~joyvasa_lib.emotion.action_units.COMPONENTS`, read-only. 1 is the strongest
            contraction (FACS intensity E); negative values reduce what a motion shows.
    """

    __slots__ = ("vector",)
    __array_ufunc__ = None  # products with NumPy scalars are left to this class
    vector: NDArray[np.float64]

    def __init__(self, vector: ArrayLike | None = None) -> None:
        """Takes a vector [n]; the neutral emotion without one.

        Raises:
            OptionError: another length, or a component that is not a number up to 1000.
        """
        try:
            values = np.array(np.zeros(len(COMPONENTS)) if vector is None else vector, np.float64)
        except (TypeError, ValueError) as error:
            raise OptionError(f"An emotion is a vector of numbers, not {vector!r}") from error
        if values.shape != (len(COMPONENTS),):
            raise OptionError(
                f"An emotion is a vector of {len(COMPONENTS)} components, not of {values.shape}"
            )
        if not (np.abs(values) <= LARGEST).all():
            raise OptionError(
                f"Components of an emotion are numbers up to {LARGEST:g}; got "
                f"{values[~(np.abs(values) <= LARGEST)][0]}"
            )
        values = np.round(values, DECIMALS) + 0.0  # turns -0.0 into 0.0
        values.flags.writeable = False
        object.__setattr__(self, "vector", values)

    @classmethod
    def units(cls, units: Mapping[str, float] | None = None, /, **more: float) -> Self:
        """An emotion of single action units: ``Emotion.units(AU12=0.5, AU6_left=0.3)``.

        Args:
            units: intensities in [-1, 1] by unit (both sides) or component.
            **more: the same as keyword arguments.

        Raises:
            OptionError: an unknown unit or side, one given twice, or an intensity out of range.
        """
        values = np.zeros(len(COMPONENTS))
        seen: dict[str, str] = {}
        for name, intensity in [*(units or {}).items(), *more.items()]:
            number = checked_intensity(f"The intensity of {name}", intensity)
            for component in resolve_components(name):
                if component in seen:
                    raise OptionError(
                        f"{component} is given twice, by {seen[component]!r} and {name!r}"
                    )
                seen[component] = name
                values[_AXIS[component]] = number
        return cls(values)

    @classmethod
    def from_arkit(cls, activations: Mapping[str, float]) -> Self:
        """The emotion that gives ARKit's blendshapes exactly these activations.

        Raises:
            OptionError: an unknown blendshape, or an activation outside [-1, 1].
        """
        values = np.zeros(len(BLENDSHAPES))
        for name, activation in activations.items():
            if name not in BLENDSHAPES:
                raise OptionError(
                    f"There is no ARKit blendshape {name!r}; there are {', '.join(BLENDSHAPES)}"
                )
            values[BLENDSHAPES.index(name)] = checked_intensity(
                f"The activation of {name}", activation
            )
        return cls(values @ arkit_inverse())

    # Reading it

    def __getitem__(self, name: str) -> float:
        """Intensity of a component; for a unit with sides their mean.

        Raises:
            OptionError: unknown unit.
        """
        index = [_AXIS[component] for component in resolve_components(name)]
        return float(self.vector[index].mean())

    def items(self) -> Iterator[tuple[str, float]]:
        """Names and values of the components that are not zero."""
        return ((COMPONENTS[i], float(self.vector[i])) for i in np.flatnonzero(self.vector))

    @property
    def is_neutral(self) -> bool:
        """Whether every component is zero."""
        return not self.vector.any()

    @property
    def used(self) -> NDArray[np.bool_]:
        """Which components [n] are not zero."""
        return self.vector != 0.0

    def sample(self, times: ArrayLike) -> Curve:
        """The vector as [1, n]: it is the same at all times."""
        return self.vector[None]

    @property
    def intensity(self) -> float:
        """The largest magnitude of a component: the level of a named emotion."""
        return float(np.abs(self.vector).max())

    def arkit(self) -> dict[str, float]:
        """Activations of ARKit's blendshapes that are not zero; head units have none."""
        values = self.vector @ arkit_matrix()
        return {BLENDSHAPES[i]: float(values[i]) for i in np.flatnonzero(values)}

    def __repr__(self) -> str:
        return f"{type(self).__name__}.units({dict(self.items())!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EmotionVector):
            return NotImplemented
        return np.array_equal(self.vector, other.vector)

    def __hash__(self) -> int:
        return hash(self.vector.tobytes())

    def allclose(self, other: EmotionVector, *, atol: float = 1e-9) -> bool:
        """Whether all components agree within a tolerance."""
        return np.allclose(self.vector, other.vector, rtol=0.0, atol=atol)

    # Arithmetic

    def __add__(self, other: EmotionVector) -> Self:
        if not isinstance(other, EmotionVector):
            return NotImplemented
        return type(self)(self.vector + other.vector)

    def __sub__(self, other: EmotionVector) -> Self:
        if not isinstance(other, EmotionVector):
            return NotImplemented
        return type(self)(self.vector - other.vector)

    def __neg__(self) -> Self:
        return type(self)(-self.vector)

    def __mul__(self, factor: float) -> Self:
        if not isinstance(factor, numbers.Real | np.number):
            return NotImplemented
        return type(self)(self.vector * checked_float("A factor on an emotion", factor))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Self:
        if not isinstance(divisor, numbers.Real | np.number):
            return NotImplemented
        if divisor == 0:
            raise OptionError("An emotion cannot be divided by zero")
        return type(self)(self.vector / checked_float("A divisor of an emotion", divisor))

    def level(self, level: float) -> Self:
        """The same emotion with its strongest unit at this level; a neutral one stays neutral.

        Raises:
            OptionError: the level is not in [-1, 1].
        """
        wanted = checked_intensity("The level", level)
        return self if self.is_neutral else self * (wanted / self.intensity)

    def only(self, *parts: str) -> Self:
        """The emotion with every component outside the given regions or units set to zero.

        Args:
            *parts: of ``"brow"``, ``"eye"``, ``"cheek"``, ``"nose"``, ``"mouth"``, ``"jaw"``,
                ``"head"``, or units such as ``"AU12"``.

        Raises:
            OptionError: unknown region or unit.
        """
        return type(self)(np.where(_mask(parts), self.vector, 0.0))

    def without(self, *parts: str) -> Self:
        """The emotion with the components of the given regions or units set to zero.

        Args:
            *parts: see :meth:`only`.

        Raises:
            OptionError: unknown region or unit.
        """
        return type(self)(np.where(_mask(parts), 0.0, self.vector))

    def mirrored(self) -> Self:
        """The emotion with left and right exchanged, gaze and head included."""
        return type(self)(self.vector[_MIRROR])

    def saturated(self) -> Self:
        """The emotion as a face can show it: components limited to [-1, 1]."""
        return type(self)(np.clip(self.vector, -1.0, 1.0))

    # Immutability

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.vector,)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"An emotion cannot be changed; make another one (setting {name!r})")


def checked_intensity(name: str, value: Any) -> float:
    """An intensity as a float; negative values reduce what a motion shows.

    Raises:
        OptionError: it is not a number in [-1, 1].
    """
    return checked_float(name, value, least=-1.0, most=1.0)


def _mask(parts: Iterable[str]) -> NDArray[np.bool_]:
    mask = np.zeros(len(COMPONENTS), dtype=bool)
    for part in parts:
        if part in REGIONS:
            mask |= np.array([UNIT_OF[name].region == part for name in COMPONENTS])
            continue
        try:
            mask[[_AXIS[name] for name in resolve_components(part)]] = True
        except OptionError as error:
            raise OptionError(
                f"{part!r} is neither a region ({', '.join(REGIONS)}) nor a unit: {error}"
            ) from error
    return mask


def _mirror_index() -> NDArray[np.intp]:
    other = {"left": "right", "right": "left"}
    turned = {"AU51": "AU52", "AU55": "AU56", "AU61": "AU62"}
    turned |= {b: a for a, b in turned.items()}
    names = []
    for name in COMPONENTS:
        code, _, side = name.partition("_")
        side = other.get(side, side)
        names.append("_".join(part for part in (turned.get(code, code), side) if part))
    return np.array([_AXIS[name] for name in names])


_MIRROR = _mirror_index()
