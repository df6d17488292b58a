"""``Emotion``: a vector over action units, and the arithmetic that makes emotions a linear space.

After LES-Talker (arXiv 2411.09268, sections 1 and 3 as far as published): emotions are vectors over
facial action units, fine in type, level and unit, and changing an emotion is adding a vector.
Components are real numbers and the algebra is exactly linear; a face can show 0 to 1, so they are
limited where an emotion is applied, not here.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.emotion.action_units import (
    COMPONENTS,
    REGIONS,
    UNIT_OF,
    arkit_inverse,
    arkit_matrix,
    resolve_components,
)
from joyvasa_lib.errors import OptionError
from joyvasa_lib.motion.blendshapes import BLENDSHAPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joyvasa_lib.motion import Motion

DECIMALS = 12
"""Components are kept to so many decimals, so that sums do not depend on their order."""
LARGEST = 1000.0
"""Magnitude up to which they are; no face needs more than 1."""

_AXIS = {name: i for i, name in enumerate(COMPONENTS)}


class Emotion:
    """An immutable vector over action-unit components.

    Made by name (``Emotion.happiness(0.7)``), from units (``Emotion.units(AU12=0.5)``), from text
    (``Emotion.parse("happiness:0.6,AU4:0.2")``) or from other emotions by ``+``, ``-`` and ``*``.

    Attributes:
        vector: [n] the components in the order of
            :data:`~joyvasa_lib.emotion.action_units.COMPONENTS`, read-only; 1 is the strongest
            contraction (FACS E), below zero takes away what a motion has.
    """

    __slots__ = ("vector",)
    __array_ufunc__ = None  # NumPy's numbers leave multiplication to this class
    vector: NDArray[np.float64]

    def __init__(self, vector: ArrayLike | None = None) -> None:
        """Takes a vector [n]; the neutral emotion without one.

        Raises:
            OptionError: another length, or a component that is not a number up to 1000.
        """
        values = np.array(np.zeros(len(COMPONENTS)) if vector is None else vector, np.float64)
        if values.shape != (len(COMPONENTS),):
            raise OptionError(
                f"An emotion is a vector of {len(COMPONENTS)} components, not of {values.shape}"
            )
        if not (np.abs(values) <= LARGEST).all():
            raise OptionError(
                f"Components of an emotion are numbers up to {LARGEST:g}; got "
                f"{values[~(np.abs(values) <= LARGEST)][0]}"
            )
        values = np.round(values, DECIMALS) + 0.0  # -0.0 and 0.0 are one number
        values.flags.writeable = False
        object.__setattr__(self, "vector", values)

    # Making one

    @classmethod
    def units(cls, units: Mapping[str, float] | None = None, /, **more: float) -> Emotion:
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
            number = checked_intensity(intensity, f"The intensity of {name}")
            for component in resolve_components(name):
                if component in seen:
                    raise OptionError(
                        f"{component} is given twice, by {seen[component]!r} and {name!r}"
                    )
                seen[component] = name
                values[_AXIS[component]] = number
        return cls(values)

    @classmethod
    def named(cls, name: str, level: float = 1.0) -> Emotion:
        """An emotion by name, such as ``"fear"`` or ``"happily surprised"``.

        Args:
            name: see ``joyvasa emotions``; spaces, hyphens and underscores are alike.
            level: in [-1, 1]; 1 is the full expression.

        Raises:
            OptionError: unknown name or level out of range.
        """
        from joyvasa_lib.emotion.prototypes import prototype

        return checked_intensity(level, f"The level of {name}") * prototype(name).emotion

    @classmethod
    def neutral(cls) -> Emotion:
        """The zero of the space: an edit with it changes nothing."""
        return cls()

    @classmethod
    def happiness(cls, level: float = 1.0) -> Emotion:
        """Raised cheeks and lip corners (6+12) at a level in [-1, 1]."""
        return cls.named("happiness", level)

    @classmethod
    def sadness(cls, level: float = 1.0) -> Emotion:
        """Inner brows up and together, lip corners down (1+4+15) at a level in [-1, 1]."""
        return cls.named("sadness", level)

    @classmethod
    def surprise(cls, level: float = 1.0) -> Emotion:
        """Brows and lids up, jaw down (1+2+5B+26) at a level in [-1, 1]."""
        return cls.named("surprise", level)

    @classmethod
    def fear(cls, level: float = 1.0) -> Emotion:
        """Brows up and together, eyes wide, lips stretched (1+2+4+5+7+20+26), level in [-1, 1]."""
        return cls.named("fear", level)

    @classmethod
    def anger(cls, level: float = 1.0) -> Emotion:
        """Brows down, lids and lips tight (4+5+7+23) at a level in [-1, 1]."""
        return cls.named("anger", level)

    @classmethod
    def disgust(cls, level: float = 1.0) -> Emotion:
        """Wrinkled nose, lip corners and lower lip down (9+15+16) at a level in [-1, 1]."""
        return cls.named("disgust", level)

    @classmethod
    def contempt(cls, level: float = 1.0) -> Emotion:
        """One lip corner pulled and tightened (R12A+R14A) at a level in [-1, 1]."""
        return cls.named("contempt", level)

    @classmethod
    def parse(cls, text: str) -> Emotion:
        """Reads the text form, ``"happiness:0.6,AU4:0.2"``: a sum of named emotions and units.

        A level is a number in [-1, 1] or a FACS letter; left out it is 1.

        Raises:
            OptionError: malformed text, an unknown name, or a level out of range.
        """
        from joyvasa_lib.emotion.notation import parse_emotion

        return parse_emotion(text)

    @classmethod
    def from_facs(cls, formula: str) -> Emotion:
        """Reads a FACS formula such as ``"1+2+5B+26"`` or ``"R12A+R14A"``.

        A unit without a letter counts as maximal.

        Raises:
            OptionError: malformed formula or unknown unit.
        """
        from joyvasa_lib.emotion.facs import parse_facs

        return parse_facs(formula)

    @classmethod
    def from_arkit(cls, activations: Mapping[str, float]) -> Emotion:
        """An emotion that shows given activations of ARKit's 52 units exactly.

        Raises:
            OptionError: an unknown unit, or an activation outside [-1, 1].
        """
        values = np.zeros(len(BLENDSHAPES))
        for name, activation in activations.items():
            if name not in BLENDSHAPES:
                raise OptionError(
                    f"There is no ARKit unit {name!r}; there are {', '.join(BLENDSHAPES)}"
                )
            values[BLENDSHAPES.index(name)] = checked_intensity(activation, f"{name}'s activation")
        return cls(values @ arkit_inverse())

    # Looking at it

    def __getitem__(self, name: str) -> float:
        """Intensity of a component; of a unit with sides, their mean.

        Raises:
            OptionError: unknown unit.
        """
        index = [_AXIS[component] for component in resolve_components(name)]
        return float(self.vector[index].mean())

    def items(self) -> Iterator[tuple[str, float]]:
        """Components that are not zero, with their values."""
        return ((COMPONENTS[i], float(self.vector[i])) for i in np.flatnonzero(self.vector))

    @property
    def is_neutral(self) -> bool:
        """Whether every component is zero."""
        return not self.vector.any()

    @property
    def intensity(self) -> float:
        """The largest magnitude of a component: the level of a named emotion."""
        return float(np.abs(self.vector).max())

    def arkit(self) -> dict[str, float]:
        """Activations of ARKit's units that are not zero; head units have none."""
        values = self.vector @ arkit_matrix()
        return {BLENDSHAPES[i]: float(values[i]) for i in np.flatnonzero(values)}

    @property
    def facs(self) -> str:
        """The FACS formula of what is above zero, intensities as the nearest letters."""
        from joyvasa_lib.emotion.facs import print_facs

        return print_facs(self)

    def __str__(self) -> str:
        from joyvasa_lib.emotion.notation import print_emotion

        return print_emotion(self)

    def __repr__(self) -> str:
        return f"Emotion.parse({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Emotion):
            return NotImplemented
        return np.array_equal(self.vector, other.vector)

    def __hash__(self) -> int:
        return hash(self.vector.tobytes())

    def allclose(self, other: Emotion, *, atol: float = 1e-9) -> bool:
        """Whether all components agree within a tolerance."""
        return np.allclose(self.vector, other.vector, rtol=0.0, atol=atol)

    # Arithmetic

    def __add__(self, other: Emotion) -> Emotion:
        return Emotion(self.vector + other.vector) if isinstance(other, Emotion) else NotImplemented

    def __sub__(self, other: Emotion) -> Emotion:
        return Emotion(self.vector - other.vector) if isinstance(other, Emotion) else NotImplemented

    def __neg__(self) -> Emotion:
        return Emotion(-self.vector)

    def __mul__(self, factor: float) -> Emotion:
        if not isinstance(factor, numbers.Real | np.number):
            return NotImplemented
        return Emotion(self.vector * checked_number(factor, "A factor on an emotion"))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Emotion:
        if not isinstance(divisor, numbers.Real | np.number):
            return NotImplemented
        if divisor == 0:
            raise OptionError("An emotion cannot be divided by zero")
        return Emotion(self.vector / checked_number(divisor, "A divisor of an emotion"))

    def level(self, level: float) -> Emotion:
        """The same emotion with its strongest unit at this level; the neutral one stays neutral.

        Raises:
            OptionError: the level is not in [-1, 1].
        """
        wanted = checked_intensity(level, "A level")
        return self if self.is_neutral else self * (wanted / self.intensity)

    def only(self, *parts: str) -> Emotion:
        """The emotion with nothing outside the given regions or units.

        Args:
            *parts: of ``"brow"``, ``"eye"``, ``"cheek"``, ``"nose"``, ``"mouth"``, ``"jaw"``,
                ``"head"``, or units such as ``"AU12"``.

        Raises:
            OptionError: unknown region or unit.
        """
        return Emotion(np.where(_mask(parts), self.vector, 0.0))

    def without(self, *parts: str) -> Emotion:
        """The emotion with nothing in the given regions or units; see :meth:`only`.

        Raises:
            OptionError: unknown region or unit.
        """
        return Emotion(np.where(_mask(parts), 0.0, self.vector))

    def mirrored(self) -> Emotion:
        """The emotion of the face in a mirror: left and right exchanged, gaze and head too."""
        return Emotion(self.vector[_MIRROR])

    def saturated(self) -> Emotion:
        """The emotion as a face can show it: components limited to [-1, 1]."""
        return Emotion(np.clip(self.vector, -1.0, 1.0))

    # What a motion asks of whatever edits it

    def edit_motion(self, motion: Motion, **options: Any) -> Motion:
        """The motion with this emotion; see :class:`~joyvasa_lib.emotion.editor.EmotionEditor`.

        Raises:
            OptionError: unknown option, or a value out of range.
            MotionError: nothing is known about the motion's space.
        """
        from joyvasa_lib.emotion.editor import make_editor

        return make_editor(self, **options)(motion)

    def edit_pieces(self, pieces: Iterable[Motion], **options: Any) -> Iterator[Motion]:
        """Consecutive pieces of one motion with this emotion; see :meth:`edit_motion`."""
        from joyvasa_lib.emotion.editor import make_editor

        return make_editor(self, **options).edit_pieces(pieces)

    def __reduce__(self) -> tuple[Any, ...]:
        return Emotion, (self.vector,)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"An emotion cannot be changed; make another one (setting {name!r})")


def blend(a: Emotion, b: Emotion, t: float) -> Emotion:
    """``(1 - t) a + t b``: from one emotion at t = 0 to the other at t = 1.

    Raises:
        OptionError: t is not in [0, 1].
    """
    share = checked_number(t, "t of a blend")
    if not 0.0 <= share <= 1.0:
        raise OptionError(f"t of a blend lies between 0 and 1, not {t}")
    return (1.0 - share) * a + share * b


def checked_number(value: Any, what: str) -> float:
    """A finite number as a float.

    Raises:
        OptionError: it is not one.
    """
    is_number = isinstance(value, numbers.Real | np.number) and not isinstance(value, bool)
    number = float(value) if is_number else math.nan
    if not math.isfinite(number):
        raise OptionError(f"{what} must be a finite number, not {value!r}")
    return number


def checked_intensity(value: Any, what: str) -> float:
    """An intensity as a float.

    Raises:
        OptionError: it is not a number in [-1, 1].
    """
    number = checked_number(value, what)
    if not -1.0 <= number <= 1.0:
        raise OptionError(
            f"{what} must lie between 0 and 1 (or down to -1, to take away), not {value}"
        )
    return number


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
