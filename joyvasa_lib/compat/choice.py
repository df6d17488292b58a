"""Which classes stand for a name of other code, or for none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
    from joyvasa_lib.speech.motion_generator import MotionGenerator

Compat = Literal["joyvasa"]
"""Whose published behaviour is asked for."""
COMPATS = (None, "joyvasa")


def portrait_class(compat: Compat | None) -> type[LivePortraitModel]:
    """Stage one of the official preset."""
    if compat == "joyvasa":
        from joyvasa_lib.compat.joyvasa.portrait_model import JoyVASAPortraitModel

        return JoyVASAPortraitModel
    from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel

    return LivePortraitModel


def generator_class(compat: Compat | None) -> type[MotionGenerator]:
    """Stage two."""
    if compat == "joyvasa":
        from joyvasa_lib.compat.joyvasa.motion_generator import JoyVASAMotionGenerator

        return JoyVASAMotionGenerator
    from joyvasa_lib.speech.motion_generator import MotionGenerator

    return MotionGenerator
