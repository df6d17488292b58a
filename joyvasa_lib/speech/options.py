"""Options of the motion generator: what each means, and its check."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

from joyvasa_lib.checks import checked_choice, checked_float, checked_int
from joyvasa_lib.errors import OptionError
from joyvasa_lib.speech.head import Axes, HeadSource, checked_axes, checked_head, checked_rest
from joyvasa_lib.speech.style import StyleLike, style_track

if TYPE_CHECKING:
    from typing_extensions import Unpack

SchedulerName = Literal["ddim", "ddpm", "dpmsolver++"]
Placed = Literal["placed", "model"]
Threshold = tuple[float, float, float]
"""A quantile, and the lowest and highest limit of a magnitude."""
WINDOW_FRAMES = (12, 100)
"""Fewest and most frames of a window."""


class GenerationKwargs(TypedDict, total=False):
    """Keyword arguments of every call that generates motion: see :class:`GenerationOptions`."""

    seed: int
    guidance_scale: float | None
    num_inference_steps: int
    scheduler: SchedulerName | Any
    head_motion: Axes
    head_limit: Axes | None
    head_pose: Sequence[float]
    head_from: HeadSource | None
    blinks: Placed
    gaze: Placed
    style: StyleLike | None
    window_frames: int
    smooth_pose: bool
    dynamic_threshold: Threshold | None


@dataclass(frozen=True)
class GenerationOptions:
    """How motion is drawn from the model.

    Attributes:
        seed: the same seed and speech give the same bytes of motion.
        guidance_scale: strength of classifier-free guidance, 0 to 20. 1 follows the speech as
            learned, more exaggerates what the speech adds, 0 ignores it. None is the checkpoint's
            own.
        num_inference_steps: denoising steps, 1 to the number of training steps.
        scheduler: ``"dpmsolver++"``, whose steps are dense where there is most noise, ``"ddim"``,
            ``"ddpm"``, or a diffusers scheduler, used as it is configured.
        head_motion: factor on the head's rotation and translation, 0 to 3; 0 keeps it still. Or
            three factors, of pitch, yaw and roll: that of pitch acts on the way up and down, too,
            that of yaw on the way to the sides, and their mean on size and distance.
        head_limit: degrees, above 0, or three for pitch, yaw and roll: the head stays within them
            of the portrait's own pose, softly. None leaves what the image can show as the limit.
        head_pose: where the head is at rest: pitch, yaw and roll in degrees relative to the
            portrait's own. Where poses are as extracted from images, the first frame is the
            portrait's own pose and the head goes to its rest within a second.
        head_from: whose head it is: a motion relative to a source, whose rotation, translation and
            scale replace the generated ones, while face and lips are the speech's. A shorter motion
            is run through to its end, back, and so on; a longer one is cut. A pipeline also takes
            extracted motions, motion files and videos. The three options before act on it, too.
        blinks: ``"placed"`` at random times at the rate of people who speak, or the ``"model"``'s
            own. Only in motion spaces with blendshapes can they be placed.
        gaze: ``"placed"``: on the viewer most of the time, against the turns of the head, aside now
            and then; or the ``"model"``'s own. As with blinks.
        style: how somebody speaks: ``"calm"``, ``"neutral"``, ``"lively"``, ``"presenter"``, dials
            such as ``{"head": 0.5, "smile": 1.5}`` (``articulation``, ``head``, ``brows``,
            ``smile``, from 0 to 2, 1 where not given), or pairs of a time in seconds and a style.
            None leaves it to the model. Only models that were trained with styles have them.
        window_frames: frames drawn together, 12 to 100 and at most as many as the model was trained
            on. With fewer a stream answers sooner.
        smooth_pose: whether the head pose is smoothed over time, without delay: over a tenth of a
            second, or a fifth in spaces whose poses were extracted from images.
        dynamic_threshold: quantile, lowest and highest limit of each prediction's magnitude; see
            :func:`~joyvasa_lib.speech.diffusion.sampling.limit_peak`. None is off.

    Raises:
        OptionError: a value out of range; the message names it and what is allowed.
    """

    seed: int = 0
    guidance_scale: float | None = None
    num_inference_steps: int = 10
    scheduler: SchedulerName | Any = "dpmsolver++"
    head_motion: Axes = 1.0
    head_limit: Axes | None = None
    head_pose: Sequence[float] = (0.0, 0.0, 0.0)
    head_from: HeadSource | None = None
    blinks: Placed = "placed"
    gaze: Placed = "placed"
    style: StyleLike | None = None
    window_frames: int = 100
    smooth_pose: bool = True
    dynamic_threshold: Threshold | None = None

    def __post_init__(self) -> None:
        """Checks every value."""
        least, most = WINDOW_FRAMES
        checked: dict[str, Any] = {
            "seed": checked_int("seed", self.seed, least=0, most=2**63 - 1),
            "guidance_scale": None
            if self.guidance_scale is None
            else checked_float("guidance_scale", self.guidance_scale, least=0, most=20),
            "num_inference_steps": checked_int(
                "num_inference_steps", self.num_inference_steps, least=1, most=1000
            ),
            "head_motion": checked_axes("head_motion", self.head_motion, least=0, most=3),
            "window_frames": checked_int(
                "window_frames", self.window_frames, least=least, most=most
            ),
            "smooth_pose": bool(checked_choice("smooth_pose", self.smooth_pose, (True, False))),
        }
        limit = self.head_limit
        if limit is not None:
            limit = checked_axes("head_limit", limit, above=0, most=90)
        checked |= {"head_limit": limit, "head_pose": checked_rest(self.head_pose, limit)}
        if self.head_from is not None:
            checked_head(self.head_from)
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if self.style is not None:
            style_track(self.style)
        if isinstance(self.scheduler, str):
            checked_choice("scheduler", self.scheduler, get_args(SchedulerName))
        for name in ("blinks", "gaze"):
            checked_choice(name, getattr(self, name), get_args(Placed))
        if self.dynamic_threshold is not None:
            _check_threshold(self.dynamic_threshold)


def make_options(
    options: GenerationOptions | None = None, **changes: Unpack[GenerationKwargs]
) -> GenerationOptions:
    """Returns checked options.

    Args:
        options: what to start from; the defaults if None.
        **changes: fields of :class:`GenerationOptions` that differ.

    Raises:
        OptionError: an unknown name, or a value out of range.
    """
    known = [field.name for field in fields(GenerationOptions)]
    if unknown := sorted(set(changes) - set(known)):
        raise OptionError(
            f"Motion generation has no option {unknown[0]!r}; its options are {', '.join(known)}"
        )
    if options is None:
        return GenerationOptions(**changes)
    if not isinstance(options, GenerationOptions):
        raise OptionError(
            f"options must be GenerationOptions, not {options!r}; give single values as keyword "
            "arguments"
        )
    return replace(options, **changes) if changes else options


def _check_threshold(threshold: Threshold) -> None:
    try:
        ratio, lowest, highest = (float(value) for value in threshold)
    except (TypeError, ValueError):
        ratio = lowest = highest = math.nan
    if not (0.0 < ratio <= 1.0 and 0.0 < lowest <= highest < math.inf):
        raise OptionError(
            "dynamic_threshold must be three numbers, a ratio in (0, 1] and the lowest and highest "
            f"limit, both above 0, not {threshold!r}"
        )
