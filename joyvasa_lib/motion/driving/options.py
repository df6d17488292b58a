"""How a driving motion is put on a source portrait: one set of options for both presets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from joyvasa_lib.checks import checked_choice, checked_float
from joyvasa_lib.errors import OptionError
from joyvasa_lib.motion.blendshapes import REGIONS

Mode = Literal["relative", "absolute"]
DrivingOption = Literal["pose-friendly", "expression-friendly"]

MODES: tuple[str, ...] = get_args(Mode)
ALL_REGIONS = frozenset({*REGIONS, "head"})

_OF_BOTH = frozenset({"head", "expression", "mouth", "regions"})
BLENDSHAPE_OPTIONS = _OF_BOTH | {"keep_smile", "wrinkles"}
"""Options of a motion of blendshapes, the compact preset's."""
KEYPOINT_OPTIONS = _OF_BOTH | {
    "multiplier",
    "driving_option",
    "stitching",
    "close_lips",
    "lip_threshold",
}
"""Options of a motion of LivePortrait's keypoints."""


@dataclass(frozen=True)
class DrivingOptions:
    """How each part of the driving motion is combined with the source portrait's own.

    ``"relative"`` adds the motion's change to what the source has; ``"absolute"`` replaces it. The
    first four options mean the same for both presets. The others belong to one of them, which
    their description names; the other preset refuses any value but the default.

    Attributes:
        head: head pose. ``"absolute"`` replaces the rotation by that of motion extracted from
            images (generated blendshape motion has changes only), for keypoints the place as well.
            Size is never absolute.
        expression: brows, cheeks and eyes. For blendshapes the blink is excepted: it is the
            stronger of the source's and the motion's.
        mouth: mouth, jaw and tongue. None is ``"absolute"`` for people, because a smile or parted
            lips that stay under speech keep the mouth from ever closing, and ``"relative"`` for
            animals, because a person's lips do not fit theirs, and under
            ``driving_option="expression-friendly"``.
        regions: what is driven: ``"all"``, or some of ``"brows"``, ``"eyes"``, ``"cheeks"``,
            ``"mouth"``, ``"head"``; the rest stays as the source has it.
        keep_smile: blendshapes only: share of the source's own smile that an absolute mouth keeps,
            in [0, 1]. None keeps 0.15 of a slight smile and 0.4 of a broad one: lips that a grin
            has drawn thin, brought back to rest, look sour.
        wrinkles: blendshapes only: depth of the folds that skin shows as it moves, in [0, 2]; 1 is
            what its apparent age suggests, 0 leaves the skin as the image has it.
        multiplier: keypoints only: factor on the motion, above 1 exaggerates. Stitching and the
            closing of lips are not multiplied.
        driving_option: keypoints only: ``"pose-friendly"``, or LivePortrait's
            ``"expression-friendly"``: all changes since the first frame, the mouth's too, are
            scaled to the size of the source's face. It needs relative motion throughout.
        stitching: keypoints only: whether neck and shoulders are kept in place.
        close_lips: keypoints only: whether parted lips of the source are closed before a relative
            mouth is added.
        lip_threshold: keypoints only: lip ratio from which the source's lips count as parted.

    Raises:
        OptionError: a value that is not allowed, or two that exclude each other.
    """

    head: Mode = "relative"
    expression: Mode = "relative"
    mouth: Mode | None = None
    regions: str | Collection[str] = ALL_REGIONS
    keep_smile: float | None = None
    wrinkles: float = 1.0
    multiplier: float = 1.0
    driving_option: DrivingOption = "pose-friendly"
    stitching: bool = True
    close_lips: bool = True
    lip_threshold: float = 0.03

    def __post_init__(self) -> None:
        """Checks every value."""
        checked_choice("head", self.head, MODES)
        checked_choice("expression", self.expression, MODES)
        checked_choice("mouth", self.mouth, (None, *MODES))
        checked_choice("driving_option", self.driving_option, get_args(DrivingOption))
        if self.keep_smile is not None:
            checked_float("keep_smile", self.keep_smile, least=0.0, most=1.0)
        checked_float("wrinkles", self.wrinkles, least=0.0, most=2.0)
        checked_float("multiplier", self.multiplier, least=0.0)
        checked_float("lip_threshold", self.lip_threshold, least=0.0)
        object.__setattr__(self, "regions", _checked_regions(self.regions))
        if self.driving_option == "expression-friendly":
            for name in ("head", "expression", "mouth"):
                if getattr(self, name) == "absolute":
                    raise OptionError(
                        f"driving_option='expression-friendly' scales changes; {name} must be "
                        "'relative', not 'absolute'"
                    )

    def drives(self, region: str) -> bool:
        """Whether a region is driven."""
        return region in self.regions

    def require(self, known: Collection[str], motion: str) -> None:
        """Refuses options that cannot be honoured.

        Args:
            known: names of the options that can.
            motion: the kind of motion, for the message.

        Raises:
            OptionError: another option has a value that is not its default.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in known and value != field.default:
                raise OptionError(
                    f"{field.name}={value!r} is not an option of motion of {motion}, which has "
                    f"{', '.join(f.name for f in fields(self) if f.name in known)}"
                )


def _checked_regions(given: Any) -> frozenset[str]:
    """A set of regions, of one name or several; ``"all"`` is every one."""
    if isinstance(given, str):
        given = ALL_REGIONS if given == "all" else (given,)
    try:
        names = frozenset(given)
    except TypeError as error:
        raise OptionError(f"regions must be names of regions, not {given!r}") from error
    for name in sorted(names, key=str):
        checked_choice("regions", name, sorted(ALL_REGIONS))
    return names
