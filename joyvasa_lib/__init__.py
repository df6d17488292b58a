"""Makes a portrait talk: speech-driven portrait animation as a library.

Public names load on first use, so importing the package is fast and silent.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from joyvasa_lib._version import __version__

if TYPE_CHECKING:
    from joyvasa_lib.animation import Animation
    from joyvasa_lib.emotion.editor import EmotionEditor
    from joyvasa_lib.emotion.emotion import Emotion
    from joyvasa_lib.emotion.timeline import EmotionTimeline
    from joyvasa_lib.errors import (
        Cancelled,
        CheckpointError,
        JoyVASAError,
        LiveError,
        MediaError,
        MissingDependencyError,
        MotionError,
        NoFaceError,
        OptionError,
        OutputError,
    )
    from joyvasa_lib.live.avatar import Avatar
    from joyvasa_lib.live.frame import LiveFrame
    from joyvasa_lib.live.metrics import LiveMetrics
    from joyvasa_lib.motion import Motion, MotionSpace
    from joyvasa_lib.motion.driving.options import DrivingOptions
    from joyvasa_lib.pipeline import JoyVASAPipeline
    from joyvasa_lib.portrait.encoded import EncodedPortrait
    from joyvasa_lib.portrait.model import Portrait, PortraitModel
    from joyvasa_lib.speech.motion_generator import MotionGenerator
    from joyvasa_lib.speech.options import GenerationOptions

__all__ = [
    "Animation",
    "Avatar",
    "Cancelled",
    "CheckpointError",
    "DrivingOptions",
    "Emotion",
    "EmotionEditor",
    "EmotionTimeline",
    "EncodedPortrait",
    "GenerationOptions",
    "JoyVASAError",
    "JoyVASAPipeline",
    "LiveError",
    "LiveFrame",
    "LiveMetrics",
    "MediaError",
    "MissingDependencyError",
    "Motion",
    "MotionError",
    "MotionGenerator",
    "MotionSpace",
    "NoFaceError",
    "OptionError",
    "OutputError",
    "Portrait",
    "PortraitModel",
    "__version__",
]

_HOMES = {
    "Animation": "joyvasa_lib.animation",
    "Avatar": "joyvasa_lib.live.avatar",
    "DrivingOptions": "joyvasa_lib.motion.driving.options",
    "Emotion": "joyvasa_lib.emotion.emotion",
    "EmotionEditor": "joyvasa_lib.emotion.editor",
    "EmotionTimeline": "joyvasa_lib.emotion.timeline",
    "EncodedPortrait": "joyvasa_lib.portrait.encoded",
    "GenerationOptions": "joyvasa_lib.speech.options",
    "JoyVASAPipeline": "joyvasa_lib.pipeline",
    "LiveFrame": "joyvasa_lib.live.frame",
    "LiveMetrics": "joyvasa_lib.live.metrics",
    "Motion": "joyvasa_lib.motion",
    "MotionGenerator": "joyvasa_lib.speech.motion_generator",
    "MotionSpace": "joyvasa_lib.motion",
    "Portrait": "joyvasa_lib.portrait.model",
    "PortraitModel": "joyvasa_lib.portrait.model",
}
"""The module of each public name; the errors all live in one."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "joyvasa_lib.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
