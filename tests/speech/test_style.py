"""How somebody speaks: names, dials, changes over time, and what a model makes of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from joyvasa_lib.cli.animate import DEMO_ASSETS
from joyvasa_lib.errors import OptionError
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.speech.options import GenerationOptions
from joyvasa_lib.speech.style import DIALS, STYLES, SpeakingStyle, StyleLike, style_track


@pytest.fixture(scope="module")
def bundled() -> MotionGenerator:
    return MotionGenerator.from_pretrained()


@pytest.fixture(scope="module")
def unstyled(bundled: MotionGenerator) -> MotionGenerator:
    """The bundled generator without its condition."""
    config = {k: v for k, v in bundled.denoiser.config.items() if not k.startswith("_")}
    denoiser = MotionDenoiser(**{**config, "style_dim": 0})
    left = denoiser.load_state_dict(bundled.denoiser.state_dict(), strict=False)
    assert set(left.unexpected_keys) == {"style_map.weight", "style_map.bias", "null_style_feat"}
    assert not left.missing_keys
    return MotionGenerator(
        bundled.audio_encoder, denoiser, bundled.normalizer, bundled.betas, bundled.prediction_type
    )


@pytest.fixture(scope="module")
def said() -> NDArray[np.float32]:
    """The first seconds of the speech that comes with the package."""
    return load_speech(DEMO_ASSETS / "hello.flac").waveform[: 6 * 16000]


@pytest.fixture(scope="module")
def measured(
    bundled: MotionGenerator, said: NDArray[np.float32]
) -> Callable[[StyleLike | None], dict[str, float]]:
    """Deviations and means of what the dials are about, over two seeds."""

    @cache
    def of(style: tuple[tuple[str, float], ...] | str | None) -> dict[str, float]:
        chosen = dict(style) if isinstance(style, tuple) else style
        motions = [bundled.generate(said, seed=seed, style=chosen) for seed in range(2)]
        faces = np.stack([motion.blendshapes for motion in motions])
        turns = np.stack([motion.rotation for motion in motions])
        inner, smiles = (
            faces[..., [BLENDSHAPES.index(one) for one in names]].mean(axis=-1)
            for names in (("browInnerUp",), ("mouthSmileLeft", "mouthSmileRight"))
        )
        return {
            "articulation": float(faces[..., BLENDSHAPES.index("jawOpen")].std(axis=1).mean()),
            "head": float(turns.std(axis=1).mean()),
            "brows": float(inner.std(axis=1).mean()),
            "smile": float(smiles.mean()),
        }

    return lambda style: of(tuple(style.items()) if isinstance(style, dict) else style)  # type: ignore[arg-type]


def test_a_name_dials_and_a_whole_style_say_the_same() -> None:
    calm = STYLES["calm"]
    dials = dict(zip(DIALS, calm.array().tolist(), strict=True))
    times = np.arange(5) / 25
    rows = [style_track(style).at(times) for style in ("calm", calm, dials)]
    assert rows[0].shape == (5, len(DIALS)) and rows[0].dtype == np.float32
    assert np.allclose(rows[0], rows[1]) and np.allclose(rows[0], rows[2], atol=1e-6)
    assert style_track({"head": 0.0}).at(times)[0].tolist() == [1.0, 0.0, 1.0, 1.0]


def test_a_style_turns_into_the_next_in_half_a_second() -> None:
    track = style_track([(0.0, "calm"), (2.0, {"head": 2.0}), (4.0, "calm")])
    head = track.at(np.array([0.0, 1.99, 2.25, 2.5, 3.9, 4.5]))[:, DIALS.index("head")]
    calm = STYLES["calm"].head
    np.testing.assert_allclose(head, [calm, calm, (calm + 2) / 2, 2.0, 2.0, calm], atol=1e-5)


@pytest.mark.parametrize(
    ("style", "named"),
    [
        ("loud", "calm, neutral, lively, presenter"),
        ({"arms": 1.0}, "no dial 'arms'"),
        ({"head": 2.5}, "head"),
        ({"head": "much"}, "head"),
        ([], "holds no style"),
        ([(1.0, "calm")], "rise from 0"),
        ([(0.0, "calm"), (0.0, "lively")], "rise from 0"),
        ([(0.0, "calm"), ("soon", "lively")], "time of a style"),
        ([(0.0, "loud")], "loud"),
        (3, "pairs of"),
        ([3], "pairs of"),
    ],
)
def test_a_bad_style_is_named(style: object, named: str) -> None:
    with pytest.raises(OptionError, match=named):
        GenerationOptions(style=style)  # type: ignore[arg-type]


def test_a_model_without_styles_says_so(unstyled: MotionGenerator) -> None:
    with pytest.raises(OptionError, match="without speaking styles"):
        unstyled.check(style="calm")


def test_a_style_is_added_to_what_is_heard_and_an_unknown_one_is_its_own(
    bundled: MotionGenerator, unstyled: MotionGenerator, said: NDArray[np.float32]
) -> None:
    sound = said[: 3 * 16000]
    calm, again, lively = (bundled.generate(sound, style=s) for s in ("calm", "calm", "lively"))
    assert calm.vector.tobytes() == again.vector.tobytes()
    assert np.abs(calm.blendshapes - lively.blendshapes).max() > 0.05
    unknown, none = bundled.generate(sound), unstyled.generate(sound)
    assert np.abs(unknown.blendshapes - none.blendshapes).max() > 0.01
    silent = copy.deepcopy(bundled)
    with torch.no_grad():
        silent.denoiser.null_style_feat.zero_()
    np.testing.assert_allclose(silent.generate(sound).vector, none.vector, atol=1e-4)


@pytest.mark.parametrize("dial", DIALS)
def test_each_dial_moves_what_it_is_about_and_the_rest_little(
    measured: Callable[[StyleLike | None], dict[str, float]], dial: str
) -> None:
    low, middle, high = (measured({dial: value}) for value in (0.3, 1.0, 1.8))
    assert low[dial] < middle[dial] < high[dial]
    own = high[dial] / low[dial]
    assert own > 1.4
    for other in set(DIALS) - {dial}:
        change = max(high[other], low[other]) / min(high[other], low[other])
        assert np.log(change) < 0.7 * np.log(own), other


def test_named_styles_are_in_order(
    measured: Callable[[StyleLike | None], dict[str, float]],
) -> None:
    calm, neutral, lively = (measured(name) for name in ("calm", "neutral", "lively"))
    for part in ("articulation", "head", "brows"):
        assert calm[part] < neutral[part] < lively[part], part


def test_a_style_that_changes_changes_the_motion_from_then_on(bundled: MotionGenerator) -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, 6 * 16000).astype(np.float32)
    options = GenerationOptions(window_frames=25)
    calm = bundled.generate(sound, replace(options, style="calm"))
    both = bundled.generate(sound, replace(options, style=[(0.0, "calm"), (3.0, "lively")]))
    before, after = slice(0, 50), slice(100, 150)
    assert np.array_equal(calm.vector[before], both.vector[before])
    assert np.abs(calm.vector[after] - both.vector[after]).max() > 0.02


def test_dials_are_numbers_from_0_to_2() -> None:
    assert SpeakingStyle().array().tolist() == [1.0] * len(DIALS)
    with pytest.raises(OptionError, match="smile"):
        SpeakingStyle(smile=-0.1)
