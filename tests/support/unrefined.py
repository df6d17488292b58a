"""The bundled pipeline without the refiner, which takes most of the time that a frame takes."""

from __future__ import annotations

from copy import copy

from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.rig.head_rig import bundled_rig


def unrefined(pipe: JoyVASAPipeline) -> JoyVASAPipeline:
    """The same pipeline, whose frames are drawn by the rig alone."""
    other = copy(pipe)
    other.portrait_model = CompactPortraitModel(bundled_rig())
    return other
