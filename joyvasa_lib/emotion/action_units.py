"""The facial action units: one table of names, muscles, sides, regions and ARKit equivalents.

Numbers, names and muscles are those of the Facial Action Coding System (Ekman, Friesen & Hager
2002, FACS manual, 2nd ed.); the equivalents among Apple's 52 blend shapes are this library's
reading of both. A unit that can act on one side only has one *component* a side, such as
``AU12_left``; left and right are the person's own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.errors import OptionError
from joyvasa_lib.motion.blendshapes import BLENDSHAPES

REGIONS = ("brow", "eye", "cheek", "nose", "mouth", "jaw", "head")
"""Parts of the face, top to bottom, and the head."""
LETTERS = "ABCDE"
"""FACS intensities: A trace, B slight, C pronounced, D severe, E maximum."""
PAIR = ("left", "right")
LIPS = ("upper", "lower")
WHOLE = ("",)
"""Sides of a unit that acts as one."""


@dataclass(frozen=True)
class ActionUnit:
    """One action unit.

    Attributes:
        code: its FACS number, such as ``AU12``.
        name: what FACS calls it.
        muscles: what contracts, or relaxes.
        region: one of :data:`REGIONS`.
        sides: ``("left", "right")``, ``("upper", "lower")`` (FACS's T and B) or ``("",)``.
        arkit: side: ARKit units with their activation at intensity 1; empty for head units.
        pose: pitch, yaw, roll in degrees and natural logarithm of the size at intensity 1.
        in_facs: whether the unit is in FACS, rather than added here for an ARKit unit without one.
    """

    code: str
    name: str
    muscles: tuple[str, ...]
    region: str
    sides: tuple[str, ...] = WHOLE
    arkit: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    pose: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    in_facs: bool = True

    @property
    def components(self) -> tuple[str, ...]:
        """Names of its components, one a side."""
        return tuple(f"{self.code}_{side}" if side else self.code for side in self.sides)


def _pair(code: int, name: str, muscles: str, region: str, **arkit: float) -> ActionUnit:
    """A unit of two sides, each with the ARKit units of its side."""
    table = {side: {f"{u}{side.title()}": w for u, w in arkit.items()} for side in PAIR}
    return ActionUnit(f"AU{code}", name, tuple(muscles.split(", ")), region, PAIR, table)


def _whole(code: int, name: str, muscles: str, region: str, **arkit: float) -> ActionUnit:
    """A unit that acts as one."""
    return ActionUnit(f"AU{code}", name, tuple(muscles.split(", ")), region, WHOLE, {"": arkit})


def _lips(code: int, name: str, muscles: str, upper: str, lower: str) -> ActionUnit:
    """A unit of upper and lower lip."""
    table = {"upper": {upper: 1.0}, "lower": {lower: 1.0}}
    return ActionUnit(f"AU{code}", name, tuple(muscles.split(", ")), "mouth", LIPS, table)


def _gaze(code: int, name: str, muscles: str, left: str, right: str) -> ActionUnit:
    """A turn of both eyes, each with its own ARKit unit."""
    table = {"left": {left: 1.0}, "right": {right: 1.0}}
    return ActionUnit(f"AU{code}", name, tuple(muscles.split(", ")), "eye", PAIR, table)


def _head(code: int, name: str, **pose: float) -> ActionUnit:
    """A movement of the head."""
    turn = tuple(pose.get(axis, 0.0) for axis in ("pitch", "yaw", "roll", "size"))
    return ActionUnit(f"AU{code}", name, ("neck",), "head", WHOLE, {"": {}}, turn)  # type: ignore[arg-type]


_ORBICULARIS_ORIS = "orbicularis oris"
_PTERYGOIDS = "lateral and medial pterygoids"

ACTION_UNITS: tuple[ActionUnit, ...] = (
    _whole(1, "Inner brow raiser", "frontalis (pars medialis)", "brow", browInnerUp=1.0),
    _pair(2, "Outer brow raiser", "frontalis (pars lateralis)", "brow", browOuterUp=1.0),
    _pair(
        4,
        "Brow lowerer",
        "corrugator supercilii, depressor supercilii, procerus",
        "brow",
        browDown=1.0,
    ),
    _pair(5, "Upper lid raiser", "levator palpebrae superioris", "eye", eyeWide=1.0),
    _pair(6, "Cheek raiser", "orbicularis oculi (pars orbitalis)", "cheek", cheekSquint=1.0),
    _pair(7, "Lid tightener", "orbicularis oculi (pars palpebralis)", "eye", eyeSquint=1.0),
    _whole(8, "Lips toward each other", _ORBICULARIS_ORIS, "mouth", mouthClose=1.0),
    _pair(
        9,
        "Nose wrinkler",
        "levator labii superioris alaeque nasi",
        "nose",
        noseSneer=1.0,
        mouthUpperUp=0.5,  # the muscle ends in the upper lip
        browDown=0.4,
    ),
    _pair(10, "Upper lip raiser", "levator labii superioris", "mouth", mouthUpperUp=1.0),
    _pair(12, "Lip corner puller", "zygomaticus major", "mouth", mouthSmile=1.0),
    _pair(14, "Dimpler", "buccinator", "mouth", mouthDimple=1.0),
    _pair(15, "Lip corner depressor", "depressor anguli oris", "mouth", mouthFrown=1.0),
    _pair(16, "Lower lip depressor", "depressor labii inferioris", "mouth", mouthLowerDown=1.0),
    _lips(17, "Chin raiser", "mentalis", "mouthShrugUpper", "mouthShrugLower"),
    _whole(18, "Lip pucker", "incisivii labii superioris and inferioris", "mouth", mouthPucker=1.0),
    _whole(19, "Tongue show", "genioglossus", "mouth", tongueOut=1.0),
    _pair(20, "Lip stretcher", "risorius, platysma", "mouth", mouthStretch=1.0),
    _whole(22, "Lip funneler", _ORBICULARIS_ORIS, "mouth", mouthFunnel=1.0),
    _whole(
        23,
        "Lip tightener",
        _ORBICULARIS_ORIS,
        "mouth",
        mouthPressLeft=0.5,
        mouthPressRight=0.5,
        mouthRollUpper=0.35,
        mouthRollLower=0.35,
    ),
    _pair(24, "Lip pressor", _ORBICULARIS_ORIS, "mouth", mouthPress=1.0),
    _whole(
        25,
        "Lips part",
        "depressor labii inferioris, mentalis (relaxed), orbicularis oris (relaxed)",
        "mouth",
        mouthLowerDownLeft=0.5,
        mouthLowerDownRight=0.5,
        mouthUpperUpLeft=0.3,
        mouthUpperUpRight=0.3,
    ),
    _whole(26, "Jaw drop", "masseter (relaxed), temporalis (relaxed)", "jaw", jawOpen=0.4),
    _whole(27, "Mouth stretch", "pterygoids, digastric", "jaw", jawOpen=1.0),
    _lips(28, "Lip suck", _ORBICULARIS_ORIS, "mouthRollUpper", "mouthRollLower"),
    _whole(29, "Jaw thrust", _PTERYGOIDS, "jaw", jawForward=1.0),
    ActionUnit(
        "AU30",
        "Jaw sideways",
        (_PTERYGOIDS,),
        "jaw",
        PAIR,
        {"left": {"jawLeft": 1.0}, "right": {"jawRight": 1.0}},
    ),
    _whole(34, "Cheek puff", "buccinator (relaxed)", "cheek", cheekPuff=1.0),
    _pair(
        43,
        "Eye closure",
        "levator palpebrae superioris (relaxed), orbicularis oculi",
        "eye",
        eyeBlink=1.0,
    ),
    _head(51, "Head turn left", yaw=-10.0),
    _head(52, "Head turn right", yaw=10.0),
    _head(53, "Head up", pitch=-6.0),
    _head(54, "Head down", pitch=6.0),
    _head(55, "Head tilt left", roll=10.0),
    _head(56, "Head tilt right", roll=-10.0),
    _head(57, "Head forward", size=0.06),
    _head(58, "Head back", size=-0.06),
    _gaze(61, "Eyes turn left", "recti", "eyeLookOutLeft", "eyeLookInRight"),
    _gaze(62, "Eyes turn right", "recti", "eyeLookInLeft", "eyeLookOutRight"),
    _gaze(63, "Eyes up", "superior rectus, inferior oblique", "eyeLookUpLeft", "eyeLookUpRight"),
    _gaze(
        64, "Eyes down", "inferior rectus, superior oblique", "eyeLookDownLeft", "eyeLookDownRight"
    ),
    ActionUnit(
        "MS",
        "Mouth sideways",
        ("zygomaticus major", "risorius (one side)"),
        "mouth",
        PAIR,
        {"left": {"mouthLeft": 1.0}, "right": {"mouthRight": 1.0}},
        in_facs=False,
    ),
)
"""Every unit, in the order of FACS."""

ALIASES: Mapping[str, str] = MappingProxyType({"AU45": "AU43", "AU46": "AU43"})
"""Blink and wink are the eye closure of a moment, of both eyes or of one."""

UNITS: Mapping[str, ActionUnit] = MappingProxyType({unit.code: unit for unit in ACTION_UNITS})
"""The units by their code."""

COMPONENTS: tuple[str, ...] = tuple(name for unit in ACTION_UNITS for name in unit.components)
"""Names of all components: the axes of the emotion space."""

UNIT_OF: Mapping[str, ActionUnit] = MappingProxyType(
    {name: unit for unit in ACTION_UNITS for name in unit.components}
)
"""The unit of each component."""

FACE_COMPONENTS: tuple[str, ...] = tuple(n for n in COMPONENTS if UNIT_OF[n].region != "head")
"""The components that deform the face; the others move the head."""

_NAME = re.compile(r"(?:AU|au)?0*([1-9]\d*)(?:[_ ]?(left|right|upper|lower|L|R|T|B))?$")
_SIDE_LETTERS = {"L": "left", "R": "right", "T": "upper", "B": "lower"}


def resolve_components(name: str) -> tuple[str, ...]:
    """The components that a name means: ``AU12`` both sides, ``AU12_left`` one.

    Also understood: ``12``, ``AU12L`` and, of the lips, ``AU28T`` and ``AU28B``; ``AU45`` and
    ``AU46``, which are ``AU43``.

    Raises:
        OptionError: there is no such unit, or it has no such side; the message lists what is.
    """
    code, side = name, ""
    if found := _NAME.match(name):
        code = f"AU{found[1]}"
        side = _SIDE_LETTERS.get(found[2] or "", found[2] or "")
    elif name.partition("_")[0] in UNITS:
        code, _, side = name.partition("_")
    unit = UNITS.get(ALIASES.get(code, code))
    if unit is None:
        raise OptionError(
            f"There is no action unit {name!r}; there are {', '.join([*UNITS, *ALIASES])}"
        )
    if not side:
        return unit.components
    if side not in unit.sides:
        has = f"only {' and '.join(unit.sides)}" if unit.sides != WHOLE else "no sides"
        raise OptionError(f"{unit.code} ({unit.name.lower()}) has {has}; got {name!r}")
    return (f"{unit.code}_{side}",)


def letter_intensity(letter: str) -> float:
    """Intensity of a FACS letter: A 0.2, B 0.4, C 0.6, D 0.8, E 1.

    FACS orders the letters without numbering them; equal steps are those of data sets that code
    them as 1 to 5 (DISFA, Mavadati et al. 2013).

    Raises:
        OptionError: the letter is not one of A to E.
    """
    place = LETTERS.find(letter.upper()) + 1 if len(letter) == 1 else 0
    if not place:
        raise OptionError(f"A FACS intensity is one of {', '.join(LETTERS)}, not {letter!r}")
    return place / len(LETTERS)


def intensity_letter(intensity: float) -> str:
    """The FACS letter of an intensity, the nearest step of a fifth; empty below a tenth.

    Raises:
        OptionError: the intensity is not in [0, 1].
    """
    if not 0.0 <= intensity <= 1.0:
        raise OptionError(f"An intensity lies between 0 and 1, not {intensity}")
    place = math.floor(intensity * len(LETTERS) + 0.5)
    return LETTERS[place - 1] if place else ""


@lru_cache(maxsize=1)
def arkit_matrix() -> NDArray[np.float64]:
    """[n, 52] activation of each ARKit unit for each component at intensity 1, read-only.

    Rows in the order of :data:`COMPONENTS`, columns in that of
    :data:`~joyvasa_lib.motion.blendshapes.BLENDSHAPES`. Head components have empty rows.
    """
    matrix = np.zeros((len(COMPONENTS), len(BLENDSHAPES)))
    for row, name in enumerate(COMPONENTS):
        unit = UNIT_OF[name]
        side = name.partition("_")[2]
        for arkit, weight in unit.arkit[side].items():
            matrix[row, BLENDSHAPES.index(arkit)] = weight
    matrix.flags.writeable = False
    return matrix


@lru_cache(maxsize=1)
def arkit_home() -> Mapping[str, str]:
    """For each of the 52 the component that it belongs to: the first that has it in full."""
    matrix = arkit_matrix()
    return MappingProxyType(
        {
            arkit: COMPONENTS[int(np.argmax(matrix[:, column] == 1.0))]
            for column, arkit in enumerate(BLENDSHAPES)
        }
    )


@lru_cache(maxsize=1)
def arkit_inverse() -> NDArray[np.float64]:
    """[52, n] intensity of each component for each ARKit unit alone: the other way, exact.

    Only home components are used. A unit that drags others along is compensated by them:
    ``noseSneerLeft`` alone is AU9 less what it does to lip and brow.
    """
    homes = [COMPONENTS.index(arkit_home()[arkit]) for arkit in BLENDSHAPES]
    inverse = np.zeros((len(BLENDSHAPES), len(COMPONENTS)))
    inverse[:, homes] = np.linalg.inv(arkit_matrix()[homes])
    inverse.flags.writeable = False
    return inverse


@lru_cache(maxsize=1)
def pose_matrix() -> NDArray[np.float64]:
    """[n, 4] pitch, yaw, roll in degrees and log-size of each component at intensity 1."""
    matrix = np.array([UNIT_OF[name].pose for name in COMPONENTS])
    matrix.flags.writeable = False
    return matrix
