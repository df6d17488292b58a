"""``Emotion``: made by name, from text or from action units, and given to :meth:`Motion.edit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joyvasa_lib.checks import checked_float
from joyvasa_lib.emotion.editor import EditsMotion
from joyvasa_lib.emotion.facs import parse_facs, print_facs
from joyvasa_lib.emotion.nearest import nearest_emotion
from joyvasa_lib.emotion.notation import parse_emotion, print_emotion
from joyvasa_lib.emotion.prototypes import named_emotion
from joyvasa_lib.emotion.vector import EmotionVector

if TYPE_CHECKING:
    from typing_extensions import Self

    from joyvasa_lib.media.image import ImageSource


class Emotion(EditsMotion, EmotionVector):
    """An immutable vector over action-unit components.

    Made by name (``Emotion.happiness(0.7)``), from units (``Emotion.units(AU12=0.5)``), from text
    (``Emotion.parse("happiness:0.6,AU4:0.2")``) or from other emotions by ``+``, ``-`` and ``*``.

    Attributes:
        vector: [n] the components in the order of
            :data:`~joyvasa_lib.emotion.action_units.COMPONENTS`, read-only. 1 is the strongest
            contraction (FACS intensity E); negative values reduce what a motion shows.
    """

    __slots__ = ()

    @classmethod
    def named(cls, name: str, level: float = 1.0) -> Self:
        """An emotion by name, such as ``"fear"`` or ``"happily surprised"``.

        Args:
            name: see ``joyvasa emotions``; spaces, hyphens and underscores are equivalent.
            level: in [-1, 1]; 1 is the full expression.

        Raises:
            OptionError: unknown name or level out of range.
        """
        return cls(named_emotion(name, level).vector)

    @classmethod
    def neutral(cls) -> Self:
        """The zero vector: an edit with it changes nothing."""
        return cls()

    @classmethod
    def happiness(cls, level: float = 1.0, *, felt: bool = True) -> Self:
        """Raised cheeks and lip corners (6+12) at a level in [-1, 1].

        Args:
            level: of the emotion.
            felt: False for a smile that is posed, whose cheeks do not rise (Ekman & Friesen 1982,
                "Felt, false, and miserable smiles").
        """
        smile = cls.named("happiness", level)
        return smile if felt else smile.without("cheek")

    @classmethod
    def sadness(cls, level: float = 1.0) -> Self:
        """Inner brows up and together, lip corners down (1+4+15) at a level in [-1, 1]."""
        return cls.named("sadness", level)

    @classmethod
    def surprise(cls, level: float = 1.0) -> Self:
        """Brows and eyelids up, jaw down (1+2+5B+26) at a level in [-1, 1]."""
        return cls.named("surprise", level)

    @classmethod
    def fear(cls, level: float = 1.0) -> Self:
        """Brows up and together, eyes wide, lips stretched (1+2+4+5+7+20+26), level in [-1, 1]."""
        return cls.named("fear", level)

    @classmethod
    def anger(cls, level: float = 1.0) -> Self:
        """Brows down, eyelids and lips tight (4+5+7+23) at a level in [-1, 1]."""
        return cls.named("anger", level)

    @classmethod
    def disgust(cls, level: float = 1.0) -> Self:
        """Nose wrinkled, upper lip and chin up, corners down (9+10+15+17) at a level in [-1, 1]."""
        return cls.named("disgust", level)

    @classmethod
    def contempt(cls, level: float = 1.0) -> Self:
        """Right lip corner pulled and tightened (R12A+R14A) at a level in [-1, 1]."""
        return cls.named("contempt", level)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the text form, ``"happiness:0.6,AU4:0.2"``: a sum of named emotions and units.

        A level is a number in [-1, 1] or a FACS letter; without one it is 1.

        Raises:
            OptionError: malformed text, an unknown name, or a level out of range.
        """
        return cls(parse_emotion(text).vector)

    @classmethod
    def from_facs(cls, formula: str) -> Self:
        """Reads a FACS formula such as ``"1+2+5B+26"`` or ``"R12A+R14A"``.

        A unit without a letter has intensity 1.

        Raises:
            OptionError: malformed formula or unknown unit.
        """
        return cls(parse_facs(formula).vector)

    @classmethod
    def from_image(
        cls,
        image: ImageSource,
        *,
        neutral: ImageSource | None = None,
        face: str | int = "largest",
    ) -> Self:
        """Reads the expression of a face: copies a smile.

        Read from landmarks: brows, eyelids, lips and jaw; not gaze, tongue, cheeks or the pose of
        the head. Raised cheeks (AU6) are inferred from a smile with narrowed eyes, a wrinkled nose
        (AU9) from a raised upper lip with lowered brows.

        Args:
            image: a file, Pillow image, array or tensor; see
                :func:`~joyvasa_lib.media.image.load_image`.
            neutral: an image of the same person at rest, of whom the largest face counts. Changes
                from it are read. Without one, a typical face at rest is assumed, and low brows or
                thin lips read as expression.
            face: ``"largest"`` or the rank by size, 0 for the largest.

        Returns:
            Components in [0, 1], FACS's E being 1; those below a trace (0.1) are 0. A face beside
            itself reads as exactly neutral.

        Raises:
            MediaError: an image cannot be read.
            NoFaceError: there is no face in an image, or not the one that was asked for.
            OptionError: ``face`` is neither ``"largest"`` nor a rank.
        """
        from joyvasa_lib.emotion.reading.still import read_image_units

        return cls(read_image_units(image, neutral, face))

    @property
    def nearest(self) -> tuple[str, float]:
        """The basic emotion it is most like, and at which level; ``("neutral", 0.0)`` if of none.

        See :func:`~joyvasa_lib.emotion.nearest.nearest_emotion`.
        """
        return nearest_emotion(self)

    @property
    def facs(self) -> str:
        """The FACS formula of the components above zero, intensities as the nearest letters."""
        return print_facs(self)

    def __str__(self) -> str:
        return print_emotion(self)

    def __repr__(self) -> str:
        return f"Emotion.parse({str(self)!r})"


def blend(a: Emotion, b: Emotion, t: float) -> Emotion:
    """``(1 - t) a + t b``: from one emotion at t = 0 to the other at t = 1.

    Raises:
        OptionError: t is not in [0, 1].
    """
    share = checked_float("t of a blend", t, least=0.0, most=1.0)
    return (1.0 - share) * a + share * b
