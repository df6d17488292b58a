"""How somebody speaks: names, dials, changes over time, and what a model makes of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from joyvasa_lib.errors import OptionError
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.speech.options import GenerationOptions
from joyvasa_lib.speech.style import DIALS, STYLES, SpeakingStyle, style_track


@pytest.fixture(scope="module")
def bundled() -> MotionGenerator:
    return MotionGenerator.from_pretrained()


@pytest.fixture(scope="module")
def styled(bundled: MotionGenerator) -> MotionGenerator:
    """The bundled generator with an untrained condition, whose weights are not small."""
    config = {k: v for k, v in bundled.denoiser.config.items() if not k.startswith("_")}
    denoiser = MotionDenoiser(**{**config, "style_dim": len(DIALS)})
    missing = denoiser.load_state_dict(bundled.denoiser.state_dict(), strict=False)
    assert set(missing.missing_keys) == {"style_map.weight", "style_map.bias", "null_style_feat"}
    torch.manual_seed(0)
    torch.nn.init.normal_(denoiser.style_map.weight, std=0.4)
    return MotionGenerator(
        bundled.audio_encoder, denoiser, bundled.normalizer, bundled.betas, bundled.prediction_type
    )


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


def test_a_model_without_styles_says_so(bundled: MotionGenerator) -> None:
    if bundled.denoiser.config.style_dim:
        pytest.skip("the bundled model has styles")
    with pytest.raises(OptionError, match="without speaking styles"):
        bundled.check(style="calm")


def test_a_style_is_heard_by_the_model_and_an_unknown_one_is_its_own(
    bundled: MotionGenerator, styled: MotionGenerator
) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 3 * 16000).astype(np.float32)
    calm, again, lively = (styled.generate(sound, style=s) for s in ("calm", "calm", "lively"))
    assert calm.vector.tobytes() == again.vector.tobytes()
    assert np.abs(calm.blendshapes - lively.blendshapes).max() > 0.05
    plain = styled.generate(sound)  # the null feature is 0 before training
    np.testing.assert_allclose(plain.vector, bundled.generate(sound).vector, atol=1e-4)


def test_a_style_that_changes_changes_the_motion_from_then_on(styled: MotionGenerator) -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, 6 * 16000).astype(np.float32)
    options = GenerationOptions(window_frames=25)
    calm = styled.generate(sound, replace(options, style="calm"))
    both = styled.generate(sound, replace(options, style=[(0.0, "calm"), (3.0, "lively")]))
    before, after = slice(0, 50), slice(100, 150)
    assert np.array_equal(calm.vector[before], both.vector[before])
    assert np.abs(calm.vector[after] - both.vector[after]).max() > 0.02


def test_dials_are_numbers_from_0_to_2() -> None:
    assert SpeakingStyle().array().tolist() == [1.0] * len(DIALS)
    with pytest.raises(OptionError, match="smile"):
        SpeakingStyle(smile=-0.1)
