"""Named emotions: the action units that show them, their intensities and their sources.

Units: basic emotions after EMFACS (Friesen & Ekman 1983, *EMFACS-7: Emotional Facial Action
Coding System*, University of California, San Francisco; Ekman, Friesen & Hager 2002, FACS
Investigator's Guide, chapter 10); compound emotions after Du, Tao & Martinez 2014, *Compound facial
expressions of emotion*, PNAS 111(15), table 1: units that more than 70 % of the people show, and
more weakly those that at least half of them show.

Intensities: EMFACS grades few units and Du et al. none. Those at level 1 were chosen on rendered
portraits so that viewers recognise the emotion; the strongest unit of each is 1. One grade is not
followed: the upper lid that EMFACS raises slightly in surprise (5B) was not seen at all.

Axis legend: ``t`` frames, ``n`` components of an emotion, ``b`` basic emotions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType

import numpy as np

from joyvasa_lib.emotion.curve import Curve
from joyvasa_lib.emotion.facs import parse_facs
from joyvasa_lib.emotion.vector import EmotionVector, checked_intensity
from joyvasa_lib.errors import OptionError

EMFACS = "EMFACS"
DU_2014 = "Du et al. 2014"
SOURCES = (
    "EMFACS: Friesen & Ekman 1983, EMFACS-7, University of California, San Francisco",
    "Du et al. 2014: Compound facial expressions of emotion, PNAS 111(15), table 1",
)

_UNGRADED = 0.6
"""Intensity in a compound emotion of a unit that none of its basic emotions has."""
_SOME = 0.6
"""Factor on the intensity of units that only some of the people show."""


@dataclass(frozen=True, eq=False)
class Prototype:
    """A named emotion.

    Attributes:
        name: in lower case, words joined by hyphens.
        facs: its units as published, a FACS formula; units that only some people show are in
            brackets.
        source: the publication.
        intensities: at level 1, by unit or component.
    """

    name: str
    facs: str
    source: str
    intensities: Mapping[str, float]

    @cached_property
    def emotion(self) -> EmotionVector:
        """The emotion at level 1."""
        return EmotionVector.units(self.intensities)


def _basic(name: str, facs: str, **intensities: float) -> Prototype:
    return Prototype(name, facs, EMFACS, MappingProxyType(intensities))


BASIC: Mapping[str, Prototype] = MappingProxyType(
    {
        one.name: one
        for one in (
            _basic("happiness", "6+12", AU6=1.0, AU12=1.0),
            _basic("sadness", "1+4+15", AU1=1.0, AU4=0.5, AU15=1.0),
            _basic("surprise", "1+2+5B+26", AU1=1.0, AU2=1.0, AU5=0.8, AU26=1.0),
            _basic(
                "fear",
                "1+2+4+5+7+20+26",
                AU1=1.0,
                AU2=0.5,
                AU4=0.2,
                AU5=1.0,
                AU7=0.1,
                AU20=1.0,
                AU26=0.4,
            ),
            _basic("anger", "4+5+7+23", AU4=1.0, AU5=0.3, AU7=0.85, AU23=1.0),
            _basic("disgust", "9+10+15+17", AU9=1.0, AU10=0.6, AU15=0.45, AU17=0.6),
            _basic("contempt", "R12A+R14A", AU12_right=0.5, AU14_right=1.0),
        )
    }
)
"""Ekman's six basic emotions and contempt."""


def _compound(name: str, most: str, many: str, *of: str) -> Prototype:
    """Units of ``most`` and ``many`` people, as strong as in the basic emotions named in ``of``."""
    strongest = np.max([BASIC[one].emotion.vector for one in of], axis=0)
    strongest = np.where(strongest > 0.0, strongest, _UNGRADED)
    values = parse_facs(most).vector * strongest
    if many:
        values = values + parse_facs(many).vector * strongest * _SOME
    facs = f"{most} [{many}]" if many else most
    units = dict(EmotionVector(values).level(1.0).items())
    return Prototype(name, facs, DU_2014, MappingProxyType(units))


COMPOUND: Mapping[str, Prototype] = MappingProxyType(
    {
        one.name: one
        for one in (
            _compound("happily-surprised", "1+2+12+25", "5+26", "happiness", "surprise"),
            _compound("happily-disgusted", "10+12+25", "6+9", "happiness", "disgust"),
            _compound("sadly-fearful", "1+4+20+25", "", "sadness", "fear"),
            _compound("sadly-angry", "4+15", "17", "sadness", "anger"),
            _compound("sadly-surprised", "1+4+25+26", "", "sadness", "surprise"),
            _compound("sadly-disgusted", "4+10", "6+15", "sadness", "disgust"),
            _compound("fearfully-angry", "4+20+25", "", "fear", "anger"),
            _compound("fearfully-surprised", "1+2+5+20+25", "26", "fear", "surprise"),
            _compound("fearfully-disgusted", "1+4+10+20+25", "2+5", "fear", "disgust"),
            _compound("angrily-surprised", "4+25+26", "7", "anger", "surprise"),
            _compound("angrily-disgusted", "4+10+17", "7+9", "anger", "disgust"),
            _compound("disgustedly-surprised", "1+2+5+10", "17", "disgust", "surprise"),
            _compound("appalled", "4+10", "9+17", "disgust", "anger"),
            _compound("hatred", "4+10", "7+17", "anger", "disgust"),
            _compound("awe", "1+2+5+25", "20+26", "surprise", "fear"),
        )
    }
)
"""Fifteen compound emotions."""

NEUTRAL = Prototype("neutral", "", "zero", MappingProxyType({}))

PROTOTYPES: Mapping[str, Prototype] = MappingProxyType({NEUTRAL.name: NEUTRAL, **BASIC, **COMPOUND})
"""All named emotions."""


def prototype(name: str) -> Prototype:
    """The named emotion; spaces, hyphens, underscores and capitals do not matter.

    Raises:
        OptionError: unknown name; the message lists the known ones.
    """
    found = PROTOTYPES.get("-".join(name.lower().replace("_", " ").replace("-", " ").split()))
    if found is None:
        raise OptionError(
            f"There is no emotion {name!r}; there are {', '.join(PROTOTYPES)}, and action units "
            "such as AU12 or AU12_left"
        )
    return found


def named_emotion(name: str, level: float = 1.0) -> EmotionVector:
    """A named emotion at a level in [-1, 1].

    Raises:
        OptionError: unknown name or level out of range.
    """
    return checked_intensity(f"The level of {name}", level) * prototype(name).emotion


_SHARPNESS = 8
"""Exponent of the similarity to basic emotions. It makes fear move as fear, although its vector has
a similarity of three quarters to surprise."""


@lru_cache(maxsize=1)
def _directions() -> Curve:
    """Basic emotions [b, n], of unit length."""
    vectors = np.stack([one.emotion.vector for one in BASIC.values()])
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def likeness(vectors: Curve) -> Curve:
    """Shares [t, b] of the basic emotions in emotions [t, n], in the order of ``BASIC``.

    They follow the cosine similarity and sum to 1, or to 0 where none is similar.
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = np.maximum(vectors @ _directions().T, 0.0) / np.maximum(length, 1e-9)
    weight = similarity**_SHARPNESS
    return np.asarray(weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-9))
