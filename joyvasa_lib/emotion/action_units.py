"""The facial action units: names, muscles, sides, regions and ARKit equivalents in one table.

Numbers, names and muscles are those of the Facial Action Coding System (Ekman, Friesen & Hager
2002, FACS manual, 2nd ed.). The equivalents among ARKit's 52 blendshapes are this library's
reading of both systems. A unit that can act on one side alone has one *component* per side, such
as ``AU12_left``; left and right are the person's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from joyvasa_lib.errors import OptionError

REGIONS = ("brow", "eye", "cheek", "nose", "mouth", "jaw", "head")
"""Regions of the face from top to bottom, and the head."""
PAIR = ("left", "right")
LIPS = ("upper", "lower")
WHOLE = ("",)
"""The only side of a unit that cannot act on one side alone."""


@dataclass(frozen=True)
class ActionUnit:
    """One action unit.

    Attributes:
        code: its FACS number, such as ``AU12``.
        name: what FACS calls it.
        muscles: the muscles that contract or relax.
        region: one of :data:`REGIONS`.
        sides: ``("left", "right")``, ``("upper", "lower")`` (FACS's T and B) or ``("",)``.
        arkit: for each side, activations of ARKit's blendshapes at intensity 1, FACS's E; above 1
            where the blendshape alone is weaker than that. Empty for head units.
        pose: pitch, yaw, roll in degrees and natural logarithm of the scale at intensity 1.
        in_facs: whether FACS has the unit; False for one added here for an ARKit blendshape that
            no unit of FACS describes.
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
        """Names of its components, one per side."""
        return tuple(f"{self.code}_{side}" if side else self.code for side in self.sides)


def _pair(code: int, name: str, muscles: str, region: str, **arkit: float) -> ActionUnit:
    """A unit with a left and a right side, each with the ARKit blendshapes of that side."""
    table = {side: {f"{u}{side.title()}": w for u, w in arkit.items()} for side in PAIR}
    return ActionUnit(f"AU{code}", name, tuple(muscles.split(", ")), region, PAIR, table)


def _whole(code: int, name: str, muscles: str, region: str, **arkit: float) -> ActionUnit:
    """A unit without sides."""
    return ActionUnit(f"AU{code}", name, tuple(muscles.split(", ")), region, WHOLE, {"": arkit})


def _lips(code: int, name: str, muscles: str, upper: str, lower: str) -> ActionUnit:
    """A unit with an upper and a lower lip."""
    table = {"upper": {upper: 1.0}, "lower": {lower: 1.0}}
    return ActionUnit(f"AU{code}", name, tuple(muscles.split(", ")), "mouth", LIPS, table)


def _gaze(code: int, name: str, muscles: str, left: str, right: str) -> ActionUnit:
    """A gaze direction of both eyes, each with its own ARKit blendshape."""
    table = {"left": {left: 1.0}, "right": {right: 1.0}}
    return ActionUnit(f"AU{code}", name, tuple(muscles.split(", ")), "eye", PAIR, table)


def _head(code: int, name: str, **pose: float) -> ActionUnit:
    """A movement of the head."""
    turn = tuple(pose.get(axis, 0.0) for axis in ("pitch", "yaw", "roll", "size"))
    return ActionUnit(f"AU{code}", name, ("neck",), "head", WHOLE, {"": {}}, turn)  # type: ignore[arg-type]


_ORBICULARIS_ORIS = "orbicularis oris"
_PTERYGOIDS = "lateral and medial pterygoids"

ACTION_UNITS: tuple[ActionUnit, ...] = (
    _whole(1, "Inner brow raiser", "frontalis (pars medialis)", "brow", browInnerUp=1.25),
    _pair(2, "Outer brow raiser", "frontalis (pars lateralis)", "brow", browOuterUp=1.0),
    _pair(
        4,
        "Brow lowerer",
        "corrugator supercilii, depressor supercilii, procerus",
        "brow",
        browDown=1.1,
    ),
    _pair(5, "Upper lid raiser", "levator palpebrae superioris", "eye", eyeWide=1.0),
    _pair(
        6,
        "Cheek raiser",
        "orbicularis oculi (pars orbitalis)",
        "cheek",
        cheekSquint=1.0,
        eyeSquint=0.55,  # the raised cheek narrows the eye
    ),
    _pair(7, "Lid tightener", "orbicularis oculi (pars palpebralis)", "eye", eyeSquint=1.0),
    _whole(8, "Lips toward each other", _ORBICULARIS_ORIS, "mouth", mouthClose=1.0),
    _pair(
        9,
        "Nose wrinkler",
        "levator labii superioris alaeque nasi",
        "nose",
        noseSneer=1.6,
        mouthUpperUp=1.5,  # the muscle inserts into the upper lip
        browDown=0.75,
    ),
    _pair(10, "Upper lip raiser", "levator labii superioris", "mouth", mouthUpperUp=1.5),
    _pair(12, "Lip corner puller", "zygomaticus major", "mouth", mouthSmile=1.0),
    _pair(14, "Dimpler", "buccinator", "mouth", mouthDimple=1.0),
    _pair(
        15,
        "Lip corner depressor",
        "depressor anguli oris",
        "mouth",
        mouthFrown=1.5,
        mouthStretch=0.75,  # corners go down and outwards
    ),
    _pair(16, "Lower lip depressor", "depressor labii inferioris", "mouth", mouthLowerDown=1.0),
    _lips(17, "Chin raiser", "mentalis", "mouthShrugUpper", "mouthShrugLower"),
    _whole(18, "Lip pucker", "incisivii labii superioris and inferioris", "mouth", mouthPucker=1.0),
    _whole(19, "Tongue show", "genioglossus", "mouth", tongueOut=1.0),
    _pair(
        20,
        "Lip stretcher",
        "risorius, platysma",
        "mouth",
        mouthStretch=1.9,
        mouthDimple=0.5,  # straight outwards: the blendshape alone pulls down, too
    ),
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
    _whole(26, "Jaw drop", "masseter (relaxed), temporalis (relaxed)", "jaw", jawOpen=0.5),
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
"""All units, in the order of FACS."""

ALIASES: Mapping[str, str] = MappingProxyType({"AU45": "AU43", "AU46": "AU43"})
"""FACS codes of a blink and a wink: brief eye closures, of both eyes or of one."""

UNITS: Mapping[str, ActionUnit] = MappingProxyType({unit.code: unit for unit in ACTION_UNITS})
"""The units by code."""

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
    """The components of a name: both sides for ``AU12``, one for ``AU12_left``.

    Other accepted forms are ``12``, ``AU12L``, for lips ``AU28T`` and ``AU28B``, and ``AU45`` and
    ``AU46`` for ``AU43``.

    Raises:
        OptionError: no such unit, or the unit has no such side; the message lists the choices.
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
