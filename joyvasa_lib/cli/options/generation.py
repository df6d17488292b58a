"""Options that say how motion is generated from speech."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from joyvasa_lib.pipeline import JoyVASAPipeline
    from joyvasa_lib.speech.options import GenerationKwargs


@dataclass(frozen=True)
class GenerationChoice:
    """How motion is generated."""

    seed: Annotated[int, typer.Option(help="The same seed gives the same motion.")] = 0
    guidance_scale: Annotated[
        float | None,
        typer.Option(
            help="How strongly speech drives the motion, 0 to 20; the checkpoint's own by default."
        ),
    ] = None
    steps: Annotated[
        int | None, typer.Option(help="Denoising steps; 10, or all of training with --compat.")
    ] = None
    scheduler: Annotated[
        str | None,
        typer.Option(help="dpmsolver++, ddim, ddpm; the first, or ddpm with --compat."),
    ] = None
    head_motion: Annotated[
        str,
        typer.Option(
            help="Factor on head motion; 0 keeps the head still. Or three, of pitch, yaw and roll, "
            "such as 1,0.5,1."
        ),
    ] = "1"
    head_limit: Annotated[
        str,
        typer.Option(help="Degrees that the head stays within: one number, or pitch,yaw,roll."),
    ] = ""
    head_pose: Annotated[
        str, typer.Option(help="Where the head is at rest: pitch,yaw,roll in degrees.")
    ] = "0,0,0"
    head_from: Annotated[
        Path | None,
        typer.Option(help="Take the head from this video, .safetensors motion or .pkl template."),
    ] = None
    style: Annotated[
        str,
        typer.Option(
            help='calm, neutral, lively or presenter, or dials such as "head=0.5,smile=1.5".'
        ),
    ] = ""

    def keywords(self, pipe: JoyVASAPipeline, compat: str | None) -> GenerationKwargs:
        """Keyword arguments of ``pipe.perform``: few steps, or the published code's.

        Raises:
            OptionError: what must be numbers is not.
            MediaError: there is no such file to take the head from.
        """
        from joyvasa_lib.media.files import check_readable
        from joyvasa_lib.speech.notation import read_axes, read_pose, read_style

        steps, scheduler = 10, "dpmsolver++"
        if compat is not None:
            steps, scheduler = len(pipe.motion_generator.betas), "ddpm"
        if self.head_from is not None:
            check_readable(self.head_from, "driving")
        return {
            "seed": self.seed,
            "guidance_scale": self.guidance_scale,
            "head_motion": read_axes(self.head_motion, "--head-motion"),
            "head_limit": read_axes(self.head_limit, "--head-limit") if self.head_limit else None,
            "head_pose": read_pose(self.head_pose, "--head-pose"),
            "head_from": self.head_from,
            "num_inference_steps": steps if self.steps is None else self.steps,
            "scheduler": self.scheduler or scheduler,
            "style": read_style(self.style, "--style"),
        }
