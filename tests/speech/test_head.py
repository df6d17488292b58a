"""The head of generated motion: factors, limits, a pose at rest, and somebody else's head."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from joyvasa_lib.errors import OptionError
from joyvasa_lib.motion import BLENDSHAPES, LIVEPORTRAIT_21, Motion, get_space
from joyvasa_lib.motion.driving.head import head_change
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.diffusion.schedulers import cosine_betas
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.speech.encoders.compact_wav2vec2 import CompactWav2Vec2Config, CompactWav2Vec2Model
from joyvasa_lib.speech.head import HeadShape
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.speech.options import GenerationOptions
from official_motion import small_generator

SpeechLike = Callable[..., NDArray[np.float32]]
STILL = np.array([1, 0, 0, 0, 0, 0, 0], np.float32)


def wild(frames: int = 400) -> NDArray[np.float32]:
    """Poses [t, 7] that turn up to 40 degrees."""
    rng = np.random.default_rng(1)
    waves = np.sin(np.arange(frames)[:, None] * rng.uniform(0.05, 0.3, 7) + rng.uniform(0, 6, 7))
    return (STILL + waves * [0.1, 0.1, 0.1, 0.1, 20, 30, 40]).astype(np.float32)


def shape(motion=1.0, limit=None, rest=(0.0, 0.0, 0.0), source=None, absolute=False, image=False):
    return HeadShape(motion, limit, rest, source, fps=25.0, absolute=absolute, within_image=image)


def turning(frames: int, degrees: float, space=None) -> Motion:
    """A head that turns to the side and back, relative to a source."""
    rotation = np.zeros((frames, 3), np.float32)
    rotation[:, 1] = degrees * np.sin(np.linspace(0, np.pi, frames))
    still = Motion.neutral(frames, space=space)
    return Motion.build(still.expression, rotation=rotation, space=still.space)


# Shaping poses


@pytest.mark.parametrize("absolute", [False, True])
def test_without_options_poses_keep_their_bits(absolute: bool) -> None:
    poses = wild()
    assert shape(absolute=absolute)(poses).tobytes() == poses.tobytes()


def test_three_factors_act_each_on_its_axis_and_on_the_shift_that_goes_with_it() -> None:
    poses = wild()
    shaped = shape((0.5, 0.0, 2.0))(poses)
    np.testing.assert_allclose(shaped[:, 4:], poses[:, 4:] * [0.5, 0.0, 2.0], rtol=1e-6)
    np.testing.assert_array_equal(shaped[:, 1], 0.0)  # a head that does not turn stays in place
    np.testing.assert_allclose(shaped[:, 2], 0.5 * poses[:, 2], rtol=1e-6)
    np.testing.assert_allclose(shaped[:, 0] - 1.0, (poses[:, 0] - 1.0) * 2.5 / 3, atol=1e-6)
    assert shape((0.7, 0.7, 0.7))(poses).tobytes() == shape(0.7)(poses).tobytes()


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("rest", [(0.0, 0.0, 0.0), (3.0, -5.0, 6.0)])
def test_the_head_stays_within_its_limits_around_any_rest(absolute: bool, rest) -> None:
    poses = wild()
    own = poses[0] if absolute else STILL
    shaped = shape(limit=(4.0, 8.0, 9.0), rest=rest, absolute=absolute)(poses)
    reached = np.abs(shaped - own)[:, 4:].max(axis=0)
    assert (reached <= np.array([4.0, 8.0, 9.0]) + 1e-4).all()
    assert (reached > 0.9 * np.array([4.0, 8.0, 9.0])).all()  # and uses its room
    steps = np.abs(np.diff(shaped[:, 4:], axis=0))
    assert (steps <= np.abs(np.diff(poses[:, 4:], axis=0)) + np.abs(rest) * 0.07 + 1e-4).all()


def test_a_limit_is_never_wider_than_what_an_image_can_show() -> None:
    shaped = shape(limit=90.0, image=True)(wild())
    assert (np.abs(shaped[:, 4:]).max(axis=0) <= [8.0, 12.0, 15.0]).all()


def test_a_still_head_rests_exactly_at_its_pose_from_the_first_frame() -> None:
    poses = np.tile(STILL, (5, 1))
    shaped = shape(rest=(2.0, -11.5, 3.0), image=True)(poses)
    np.testing.assert_allclose(shaped[:, 4:], [[2.0, -11.5, 3.0]] * 5)
    np.testing.assert_array_equal(shaped[:, :4], poses[:, :4])


def test_extracted_poses_start_from_the_first_and_reach_the_rest_within_a_second() -> None:
    first = np.array([1.3, 0.1, 0.2, 0.0, 5.0, -20.0, 1.0], np.float32)
    shaped = shape(rest=(0.0, 10.0, 0.0), absolute=True)(np.tile(first, (40, 1)))
    np.testing.assert_array_equal(shaped[0], first)
    assert shaped[25:, 5] == pytest.approx(-10.0)
    assert (np.diff(shaped[:26, 5]) > 0).all()


@pytest.mark.parametrize("absolute", [False, True])
def test_pieces_are_shaped_as_the_whole(absolute: bool) -> None:
    poses = wild(90)
    options = {
        "motion": (0.5, 1.0, 2.0),
        "limit": 9.0,
        "rest": (1.0, 2.0, 3.0),
        "source": turning(20, 8.0),
        "absolute": absolute,
    }
    whole, in_pieces = shape(**options)(poses), shape(**options)
    parts = [in_pieces(poses[start : start + 13]) for start in range(0, 90, 13)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


def test_another_head_replaces_the_generated_one_and_factors_act_on_it() -> None:
    source = turning(50, 18.0)
    shaped = shape(source=source, image=True)(wild(50))
    np.testing.assert_allclose(shaped[:, 4:], source.rotation, atol=1e-5)
    assert shaped[:, 5].max() > 17.9  # a head that was seen is not held to what is made up
    half = shape(0.5, source=source, image=True)(wild(50))
    np.testing.assert_allclose(half[:, 5], 0.5 * shaped[:, 5], atol=1e-5)


# Generating


@pytest.fixture(scope="module")
def compact() -> MotionGenerator:
    torch.manual_seed(0)
    config = CompactWav2Vec2Config(
        mel_bands=40, conv_dim=(16,) * 7, hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=24, num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    denoiser = MotionDenoiser(
        audio_dim=16, feature_dim=16, n_layers=1, n_heads=2, hidden_dim=16, n_diff_steps=50
    )
    offset, spread = np.zeros(59, np.float32), np.full(59, 0.1, np.float32)
    offset[:52], offset[52], spread[56:] = 0.3, 1.0, 3.0
    encoder = AudioEncoder(CompactWav2Vec2Model(config))
    return MotionGenerator(encoder, denoiser, MotionNormalizer(offset, spread), cosine_betas(50))


def in_pieces(model: MotionGenerator, sound: NDArray[np.float32], **options) -> Motion:
    chunks = (sound[start : start + 1234] for start in range(0, len(sound), 1234))
    return Motion.concatenate(list(model.stream(chunks, **options)))


@pytest.mark.slow
def test_lips_are_the_speechs_and_the_head_is_the_other_motions_also_in_a_stream(
    compact: MotionGenerator, speech_like: SpeechLike
) -> None:
    sound, head = speech_like(5.0), turning(60, 10.0)
    options = {"head_from": head, "gaze": "model", "num_inference_steps": 3}
    motion = compact.generate(sound, **options)
    plain = compact.generate(sound, gaze="model", num_inference_steps=3)
    np.testing.assert_allclose(motion.rotation[:60], head.rotation, atol=1e-5)
    assert np.abs(np.diff(motion.rotation[:, 1])).max() < 0.85  # beyond its end, no jump
    np.testing.assert_array_equal(motion.expression, plain.expression)
    assert motion == in_pieces(compact, sound, **options)


@pytest.mark.slow
def test_eyes_look_against_the_head_that_is_shown(
    compact: MotionGenerator, speech_like: SpeechLike
) -> None:
    sound = speech_like(2.0)
    looks = [BLENDSHAPES.index(f"eyeLook{way}Left") for way in ("Out", "In")]

    def towards_the_left(**options) -> float:
        shown = compact.generate(sound, num_inference_steps=2, **options).blendshapes
        return float((shown[:, looks[0]] - shown[:, looks[1]]).mean())

    ahead = towards_the_left(head_motion=0.0)
    # 0.8 of 10 degrees, and an eye turns 28 for an activation of 1.
    turned = towards_the_left(head_motion=0.0, head_pose=(0.0, 10.0, 0.0))
    assert 0.1 < turned - ahead < 0.3
    still = Motion.build(np.zeros((2, 64, 3)), rotation=[[0, -10, 0]] * 2, space=get_space())
    assert -0.3 < towards_the_left(head_from=still) - ahead < -0.1


@pytest.mark.slow
def test_the_official_space_shapes_the_change_from_the_first_frame(
    speech_like: SpeechLike,
) -> None:
    model, sound = small_generator(), speech_like(3.0)
    full = model.generate(sound)
    change = full.rotation - full.rotation[0]
    shaped = model.generate(sound, head_motion=(0.0, 0.5, 1.0))
    np.testing.assert_allclose(
        shaped.rotation, full.rotation[0] + change * [0.0, 0.5, 1.0], atol=1e-4
    )
    bound = 0.5 * float(np.abs(change).max())
    limited = model.generate(sound, head_limit=bound)
    assert np.abs(limited.rotation - full.rotation[0]).max() <= bound + 1e-4
    posed = model.generate(sound, head_motion=0.0, head_pose=(0.0, 9.0, 0.0))
    np.testing.assert_allclose(
        posed.rotation[25:] - full.rotation[0], [[0.0, 9.0, 0.0]] * (len(posed) - 25), atol=1e-4
    )
    np.testing.assert_array_equal(shaped.expression, full.expression)
    head = turning(75, 15.0, LIVEPORTRAIT_21)
    followed = model.generate(sound, head_from=head)
    seen = head_change(followed)
    np.testing.assert_allclose(seen.rotation, head.rotation, atol=1e-3)
    np.testing.assert_array_equal(followed.expression, full.expression)


# What cannot be


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"head_motion": (1.0, 2.0)}, "one number, or three for pitch, yaw and roll"),
        ({"head_motion": (1.0, -2.0, 1.0)}, "yaw of head_motion must be a number from 0 to 3"),
        ({"head_motion": "1,1,1"}, "head_motion must be a number"),
        ({"head_limit": 0}, "head_limit must be a number above 0 and at most 90"),
        ({"head_limit": (5, 5, float("nan"))}, "roll of head_limit"),
        ({"head_pose": 5.0}, "pitch, yaw and roll in degrees"),
        ({"head_pose": (0, 30, 0)}, "yaw of head_pose must be a number from -12 to 12"),
        ({"head_pose": (0, 6, 0), "head_limit": 5}, "outside head_limit, 5; raise head_limit"),
        ({"head_from": "head.mp4"}, "JoyVASAPipeline, which reads both"),
        ({"head_from": Motion.neutral(0)}, "without frames"),
        (
            {"head_from": Motion.build(np.zeros((2, 64, 3)), space=get_space(),
                                       reference="absolute")},
            "head_change",
        ),
    ],
)  # fmt: skip
def test_an_option_that_cannot_be_is_refused_with_its_remedy(options, named: str) -> None:
    with pytest.raises(OptionError, match=named):
        GenerationOptions(**options)


def test_options_are_kept_as_numbers() -> None:
    options = GenerationOptions(
        head_motion=np.array([1, 0.5, 1]), head_limit=[3, 3, 3], head_pose=[0, 1, 2]
    )
    assert options.head_motion == (1.0, 0.5, 1.0)
    assert options.head_limit == 3.0
    assert options.head_pose == (0.0, 1.0, 2.0)


def test_a_head_of_another_space_is_refused(compact: MotionGenerator) -> None:
    with pytest.raises(OptionError, match="space 'liveportrait-21', this checkpoint's is"):
        compact.check(head_from=Motion.neutral(3, space=LIVEPORTRAIT_21))
