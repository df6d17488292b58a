"""Wrong arguments of every public entry: an error of this library, or a right answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joyvasa_lib import (
    DrivingOptions,
    Emotion,
    EmotionEditor,
    EmotionTimeline,
    GenerationOptions,
    JoyVASAPipeline,
    Motion,
    MotionGenerator,
)
from joyvasa_lib.errors import JoyVASAError, MotionError, OptionError
from joyvasa_lib.face.landmarks.detector import select_face
from joyvasa_lib.motion import get_space
from joyvasa_lib.motion.living.idle import idle_performance
from joyvasa_lib.rig.head_rig import bundled_rig

MOTION = Motion.neutral(6, space=get_space())
PARTS = {name: getattr(MOTION, name) for name in ("expression", "rotation", "translation", "scale")}

WRONG: list[Any] = [
    None, True, "", "x", "²", b"x", math.nan, math.inf, -math.inf, -1, -1.5, 0, 2.5, 10**30, 1e300,
    1j, np.float32(np.nan), np.array(3), np.array([]), np.zeros((2, 2)), np.array(["a"]), [],
    [1, "a"], [[1], [1, 2]], {}, {"a": 1}, set(), (1, 2, 3), range(3), object(), len,
]  # fmt: skip
"""Values of many types; most are wrong wherever they are given."""


def motion_field(name: str) -> Callable[[Any], object]:
    return lambda value: Motion(
        **{**PARTS, "fps": 25.0, "space": MOTION.space, "reference": "source", name: value}
    )


def option(kind: Callable[..., object], name: str, **others: Any) -> Callable[[Any], object]:
    return lambda value: kind(**{**others, name: value})


def edited(name: str) -> Callable[[Any], object]:
    return lambda value: EmotionEditor(**{"emotion": "happiness:0.5", name: value})(MOTION)


ENTRIES: dict[str, Callable[[Any], object]] = {
    "Motion.neutral(v)": Motion.neutral,
    "Motion.neutral(space)": lambda v: Motion.neutral(1, space=v),
    "Motion.neutral(fps)": lambda v: Motion.neutral(1, fps=v),
    **{f"Motion({name})": motion_field(name) for name in (*PARTS, "fps", "space", "reference")},
    "Motion.load": Motion.load,
    "Motion.allclose": MOTION.allclose,
    "Motion.between(v)": MOTION.between,
    "Motion.between(0, v)": lambda v: MOTION.between(0.0, v),
    "Motion.concatenate(v)": Motion.concatenate,
    "Motion.concatenate(crossfade)": lambda v: Motion.concatenate([MOTION] * 2, crossfade=v),
    "Motion.concatenate([m, v])": lambda v: Motion.concatenate([MOTION, v]),
    "Motion.edit": MOTION.edit,
    "Motion.retime(interpolation)": lambda v: MOTION.retime(fps=20, interpolation=v),
    **{f"Motion.retime({n})": option(MOTION.retime, n) for n in ("fps", "n_frames")},
    **{
        f"Motion.with_gains({n})": option(MOTION.with_gains, n)
        for n in ("head", "blink", "mouth", "brows")
    },
    "Motion.smooth(v)": MOTION.smooth,
    "Motion.smooth(parts)": lambda v: MOTION.smooth("mean", parts=v),
    **{
        f"Motion.smooth({method}, {n})": option(MOTION.smooth, n, method=method)
        for method, n in [
            ("mean", "window"), ("median", "window"), ("savgol", "window"), ("savgol", "order"),
            ("ema", "alpha"), ("whittaker", "cutoff"), ("one-euro", "min_cutoff"),
            ("one-euro", "beta"), ("one-euro", "derivative_cutoff"),
        ]
    },
    "get_space": get_space,
    **{f"GenerationOptions({f.name})": option(GenerationOptions, f.name)
       for f in fields(GenerationOptions)},
    **{f"DrivingOptions({f.name})": option(DrivingOptions, f.name)
       for f in fields(DrivingOptions)},
    **{f"EmotionEditor({f.name})": edited(f.name) for f in fields(EmotionEditor)},
    "Emotion": Emotion,
    "Emotion.parse": Emotion.parse,
    "Emotion.from_image": Emotion.from_image,
    "Emotion.from_image(face)": lambda v: Emotion.from_image("nowhere.jpg", face=v),
    "EmotionTimeline": EmotionTimeline,
    "EmotionTimeline.from_video": EmotionTimeline.from_video,
    "EmotionTimeline.from_video(face)": lambda v: EmotionTimeline.from_video("nowhere.mp4", face=v),
    **{
        f"idle({n})": lambda v, n=n: idle_performance(
            **{"seconds": 1.0, "space": MOTION.space, n: v}
        )
        for n in ("seconds", "fps", "seed", "liveliness", "gaze")
    },
    "select_face": lambda v: select_face([], v),
    "JoyVASAPipeline.from_pretrained(device)": lambda v: JoyVASAPipeline.from_pretrained(
        "nowhere", v, offline=True
    ),
    "JoyVASAPipeline.from_pretrained(source)": lambda v: v is None
    or JoyVASAPipeline.from_pretrained(v, offline=True),
    "JoyVASAPipeline.from_official(directory)": JoyVASAPipeline.from_official,
    "JoyVASAPipeline.from_official(device)": lambda v: JoyVASAPipeline.from_official("nowhere",
                                                                                   device=v),
    "JoyVASAPipeline.from_official(subject)": lambda v: JoyVASAPipeline.from_official("nowhere", v),
    "MotionGenerator.from_pretrained": lambda v: v is None
    or MotionGenerator.from_pretrained(v, offline=True),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def only_our_errors(entry: Callable[[Any], object], value: Any) -> None:
    try:
        entry(value)
    except JoyVASAError as error:
        assert str(error)
    except IndexError:
        pytest.fail(f"IndexError for {value!r}")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ENTRIES)
def test_a_wrong_value_raises_an_error_of_this_library(name: str) -> None:
    for value in WRONG:
        only_our_errors(ENTRIES[name], value)


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.binary(max_size=3)
)
nested = st.recursive(anything, lambda inner: st.lists(inner, max_size=3), max_leaves=5)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(name=st.sampled_from(sorted(set(ENTRIES) - {"GenerationOptions(scheduler)"})), value=nested)
def test_whatever_is_given_raises_only_errors_of_this_library(name: str, value: Any) -> None:
    only_our_errors(ENTRIES[name], value)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: GenerationOptions(seed=1.5), OptionError),  # type: ignore[arg-type]
        (lambda: GenerationOptions(num_inference_steps=2.5), OptionError),  # type: ignore[arg-type]
        (lambda: GenerationOptions(window_frames=30.5), OptionError),  # type: ignore[arg-type]
        (lambda: Motion.neutral(-1), MotionError),
        (lambda: MOTION.smooth("mean", window="a"), MotionError),
        (lambda: MOTION.with_gains(head="x"), MotionError),  # type: ignore[arg-type]
        (lambda: MOTION.retime(n_frames="x"), MotionError),  # type: ignore[arg-type]
        (lambda: select_face([], "²"), OptionError),
    ],
)
def test_the_error_is_of_the_documented_kind(
    call: Callable[[], object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        call()


def test_values_that_are_right_are_taken() -> None:
    assert len(bundled_rig().mean) > 0
    assert len(Motion.neutral(np.int64(3))) == 3
    assert MOTION.smooth("mean", window=np.int32(10**6)).allclose(MOTION)
    assert len(MOTION.between(0.0, math.inf)) == len(MOTION)
    assert DrivingOptions() == DrivingOptions()
