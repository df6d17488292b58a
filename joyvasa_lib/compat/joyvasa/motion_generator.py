"""Stage two as JoyVASA's published code runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joyvasa_lib.compat.joyvasa.windows import JoyVASAStream, frame_count
from joyvasa_lib.errors import OptionError
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.speech.options import GenerationKwargs, GenerationOptions, make_options

if TYPE_CHECKING:
    from typing_extensions import Unpack


class JoyVASAMotionGenerator(MotionGenerator):
    """Draws windows as the published code does, to reproduce its numbers.

    See :mod:`~joyvasa_lib.compat.joyvasa.windows` for what that costs. The published numbers need
    ``scheduler="ddpm"`` and all training steps, too.
    """

    @classmethod
    def of(cls, generator: MotionGenerator) -> JoyVASAMotionGenerator:
        """The same networks, run as the published code does."""
        return cls(
            generator.audio_encoder,
            generator.denoiser,
            generator.normalizer,
            generator.betas,
            generator.prediction_type,
        )

    def check(
        self, options: GenerationOptions | None = None, **changes: Unpack[GenerationKwargs]
    ) -> GenerationOptions:
        """Returns options that :meth:`generate` takes, without generating.

        Raises:
            OptionError: an option is unknown or out of this model's range, or the head is not left
                as it is drawn.
        """
        return _with_own_head(super().check(options, **changes))

    def frame_count(
        self,
        samples: int,
        options: GenerationOptions | None = None,
        **changes: Unpack[GenerationKwargs],
    ) -> int:
        """The number of frames of a number of samples: ``(samples + 1920) // 640``.

        Raises:
            OptionError: an option is unknown or out of range.
        """
        _with_own_head(make_options(options, **changes))
        return frame_count(samples)

    def _make_stream(self, options: GenerationOptions) -> JoyVASAStream:
        return JoyVASAStream(self.audio_encoder, self.diffusion, self.normalizer, options)


def _with_own_head(options: GenerationOptions) -> GenerationOptions:
    """The options, if they leave the head as it is drawn.

    Raises:
        OptionError: ``head_motion`` is not 1, or another option shapes the head.
    """
    for name in ("head_motion", "head_limit", "head_pose", "head_from"):
        value, own = getattr(options, name), getattr(GenerationOptions, name)
        if value != own:
            must = f"{name} must be {own:g}" if name == "head_motion" else f"leave out {name}"
            raise OptionError(
                f"compat='joyvasa' leaves the head as drawn: {must}, not {value!r}; apply "
                "Motion.with_gains(head=...) to the result"
            )
    return options
