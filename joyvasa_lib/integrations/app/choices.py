"""What can be chosen on the page, and what it means to the library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, get_args

from joyvasa_lib.checks import checked_choice
from joyvasa_lib.emotion.action_units import ACTION_UNITS, REGIONS, UNITS
from joyvasa_lib.emotion.editor import SPEAKING_LIVELINESS, EmotionEditor
from joyvasa_lib.emotion.emotion import Emotion
from joyvasa_lib.emotion.prototypes import BASIC, COMPOUND
from joyvasa_lib.errors import OptionError
from joyvasa_lib.face.output_size import MAX_SIZE
from joyvasa_lib.speech.options import GenerationKwargs
from joyvasa_lib.speech.style import DIALS, MOST, StyleName

NEUTRAL = "neutral"
AS_LEARNED, OWN_DIALS = "as learned", "own dials"
EMOTIONS: tuple[str, ...] = (NEUTRAL, *BASIC, *COMPOUND)
STYLES: tuple[str, ...] = (AS_LEARNED, *get_args(StyleName), OWN_DIALS)


@dataclass(frozen=True)
class Slider:
    """A number that is chosen.

    Attributes:
        name: field of :class:`Choices`, or an action unit such as ``AU12``.
        label: what the page calls it.
        low: smallest value.
        high: largest value.
        value: where it stands at first.
        step: between two values.
        info: a few words of explanation.
    """

    name: str
    label: str
    low: float
    high: float
    value: float
    step: float = 0.05
    info: str = ""


HEAD = (
    Slider("head_motion", "Head motion", 0, 3, 1, info="0 keeps it still"),
    Slider("head_limit", "Stays within", 0, 45, 0, 1, "degrees; 0 is no limit"),
)
POSE = (
    Slider("pitch", "Down", -20, 20, 0, 1, "degrees"),
    Slider("yaw", "Aside", -20, 20, 0, 1, "degrees"),
    Slider("roll", "Tilted", -20, 20, 0, 1, "degrees"),
)
GAINS = (
    Slider("blink", "Blinks", 0, 2, 1),
    Slider("mouth", "Mouth", 0, 2, 1),
    Slider("brows", "Brows", 0, 2, 1),
)
STYLE_DIALS = tuple(Slider(f"style_{name}", name.capitalize(), 0, MOST, 1) for name in DIALS)
_DIALS = {f"style_{name}": name for name in DIALS}
UNIT_SLIDERS: Mapping[str, tuple[Slider, ...]] = {
    region: tuple(
        Slider(unit.code, f"{unit.code} {unit.name.lower()}", 0, 1, 0)
        for unit in ACTION_UNITS
        if unit.region == region and unit.code not in ("AU30", "MS")  # sides that cancel each other
    )
    for region in REGIONS
}
"""Action units by region of the face, from top to bottom."""


@dataclass(frozen=True)
class Choices:
    """How a portrait speaks; the page has a control for each.

    Attributes:
        emotion: a name of :data:`EMOTIONS`.
        level: of the emotion, 0 to 1.
        units: intensities of single action units, which are added.
        protect_speech: whether lips keep what speech needs.
        liveliness: 0 holds the expression still, up to 1 it varies.
        style: a name of :data:`STYLES`.
        dials: of an own style.
        head_motion: factor on head motion.
        head_limit: degrees that the head stays within; 0 for no limit.
        pitch: where the head is at rest, degrees; as are yaw and roll.
        yaw: see ``pitch``.
        roll: see ``pitch``.
        blink: factor on blinks.
        mouth: factor on mouth movement.
        brows: factor on brow movement.
        whole: whether frames are the whole image or the square around the face.
        size: pixels of a frame's longer side at most.
        fps: frames a second.
        seed: the same seed gives the same motion.
    """

    emotion: str = NEUTRAL
    level: float = 0.7
    units: Mapping[str, float] = field(default_factory=dict)
    protect_speech: bool = True
    liveliness: float = SPEAKING_LIVELINESS
    style: str = AS_LEARNED
    dials: Mapping[str, float] = field(default_factory=dict)
    head_motion: float = 1.0
    head_limit: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0
    blink: float = 1.0
    mouth: float = 1.0
    brows: float = 1.0
    whole: bool = True
    size: int = MAX_SIZE
    fps: float = 25.0
    seed: int = 0

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Choices:
        """From the page's values by the names of their controls.

        Args:
            values: fields of this class, action units such as ``AU12``, and dials of a style such
                as ``style_head``. An empty control is None, and means what is chosen at first.

        Raises:
            OptionError: a control that there is none of.
        """
        own = {one.name for one in fields(cls)}
        given: dict[str, Any] = {"units": {}, "dials": {}}
        for name, value in values.items():
            if name not in own and name not in UNITS and name not in _DIALS:
                raise OptionError(f"The page has no control {name!r}")
            if value is None:
                continue
            if name in UNITS:
                given["units"][name] = value
            elif name in _DIALS:
                given["dials"][_DIALS[name]] = value
            else:
                given[name] = value
        return cls(**given)

    def editor(self) -> EmotionEditor | None:
        """What adds the emotion to motion; None where nothing is felt.

        Raises:
            OptionError: an unknown name, or a value out of range.
        """
        feeling = (
            Emotion.neutral()
            if self.emotion == NEUTRAL
            else Emotion.named(self.emotion, self.level)
        )
        feeling = feeling + Emotion.units({name: x for name, x in self.units.items() if x})
        editor = EmotionEditor(
            feeling,
            protect_speech=self.protect_speech,
            liveliness=self.liveliness,
            seed=self.seed,
        )
        return None if feeling == Emotion.neutral() else editor

    def generation(self) -> GenerationKwargs:
        """How motion is drawn.

        Raises:
            OptionError: there is no such style.
        """
        checked_choice("style", self.style, STYLES)
        options: GenerationKwargs = {
            "seed": self.seed,
            "head_motion": self.head_motion,
            "head_limit": self.head_limit or None,
            "head_pose": (self.pitch, self.yaw, self.roll),
        }
        if self.style != AS_LEARNED:
            options["style"] = dict(self.dials) if self.style == OWN_DIALS else self.style  # type: ignore[typeddict-item]
        return options
