"""The official preset behind the portrait interface: what holds for networks of any size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from joyvasa_lib.errors import NoFaceError, OptionError
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.motion import LIVEPORTRAIT_21, Motion
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.portrait.liveportrait.fast.renderer import to_pixels
from joyvasa_lib.portrait.liveportrait.generator import SpadeGenerator
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
from joyvasa_lib.portrait.liveportrait.portrait import LivePortraitPortrait
from joyvasa_lib.portrait.model import Portrait
from small_liveportrait import crop_of, frames_of, small_networks, turning

# Encoding and extracting


def test_a_portrait_knows_its_size_mask_and_openings(portrait: LivePortraitPortrait) -> None:
    assert portrait.size == 128
    assert portrait.mask.shape == (128, 128)
    assert portrait.mask[64, 64] == 1.0
    assert portrait.mask[0, 0] == 0.0
    assert portrait.lip_ratio is not None and portrait.lip_ratio > 0
    assert portrait.eye_ratio is not None and portrait.eye_ratio.shape == (2,)


def test_landmarks_without_lids_and_lips_leave_the_openings_unknown(
    small: LivePortraitModel, crop: FaceCrop
) -> None:
    five = replace(crop.face, landmarks=crop.face.landmarks[:5], scheme="five")
    encoded = small.encode(replace(crop, face=five))
    assert encoded.lip_ratio is None
    assert encoded.eye_ratio is None


def test_a_crop_of_another_size_is_refused_with_the_size_that_is_needed(
    small: LivePortraitModel,
) -> None:
    with pytest.raises(OptionError, match=r"128 x 128 pixels.* not 300; use crop_upright"):
        small.encode(crop_of(np.zeros((300, 300, 3), np.uint8)))


def test_a_generator_without_shuffle_renders_frames_of_half_the_size(crop: FaceCrop) -> None:
    networks = replace(small_networks(), generator=SpadeGenerator(8, 8, 1, (8, 4), 4, 1).eval())
    model = LivePortraitModel(networks, dtype=torch.float32)
    half = crop_of(np.ascontiguousarray(crop.image[::2, ::2]))
    frames = frames_of(model.render(model.encode(half), turning(1)))
    assert frames.shape == (1, 64, 64, 3)


def test_extracted_motion_is_that_of_each_crop_in_order(
    small: LivePortraitModel, crop: FaceCrop, portrait: LivePortraitPortrait
) -> None:
    flipped = crop_of(np.ascontiguousarray(crop.image[:, ::-1]))
    motion = small.extract_motion(iter([crop, flipped] * 5), fps=30.0)
    assert (len(motion), motion.fps, motion.reference) == (10, 30.0, "absolute")
    assert motion.space == LIVEPORTRAIT_21
    np.testing.assert_allclose(motion.expression[8], portrait.source.expression, atol=1e-5)
    np.testing.assert_allclose(motion.rotation[8], portrait.source.rotation, atol=1e-3)
    other = small.encode(flipped).source
    np.testing.assert_allclose(motion.scale[9], other.scale, atol=1e-5)
    assert not np.allclose(motion.expression[8], motion.expression[9], atol=1e-6)


def test_no_crops_give_no_motion(small: LivePortraitModel) -> None:
    with pytest.raises(NoFaceError, match="no frame"):
        small.extract_motion(iter(()), fps=25.0)


# Rendering


def test_frames_do_not_depend_on_how_many_are_rendered_together(
    small: LivePortraitModel, portrait: LivePortraitPortrait
) -> None:
    motion = turning(5)
    batches = list(small.render(portrait, motion, batch_size=2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert all(batch.dtype == np.uint8 and batch.shape[1:] == (128, 128, 3) for batch in batches)
    alone = frames_of(small.render(portrait, motion, batch_size=1))
    assert np.abs(alone.astype(int) - frames_of(iter(batches))).max() <= 1
    assert np.abs(np.diff(alone.astype(int), axis=0)).max() > 5  # it moves


def test_pieces_with_the_whole_s_first_frame_are_rendered_as_the_whole(
    small: LivePortraitModel, portrait: LivePortraitPortrait
) -> None:
    motion = turning(4)
    whole = small.drive(portrait, motion)
    pieces = [small.drive(portrait, motion[i : i + 2], reference=motion[:1]) for i in (0, 2)]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-6)
    assert not np.allclose(small.drive(portrait, motion[2:]), whole[2:], atol=1e-3)


def test_a_motion_relative_to_the_source_counts_from_rest_in_every_piece(
    small: LivePortraitModel, portrait: LivePortraitPortrait
) -> None:
    motion = turning(4, reference="source")
    pieces = [small.drive(portrait, motion[i : i + 1]) for i in range(4)]
    np.testing.assert_allclose(np.concatenate(pieces), small.drive(portrait, motion), atol=1e-6)


def test_what_is_driven_is_stitched_by_the_network(
    small: LivePortraitModel, portrait: LivePortraitPortrait
) -> None:
    loose = small.drive(portrait, turning(3), driving=DrivingOptions(stitching=False))
    stitched = small.drive(portrait, turning(3))
    np.testing.assert_allclose(
        stitched, small.networks.stitch(portrait.source.posed, loose), atol=1e-6
    )
    assert np.abs(stitched - loose).max() > 1e-3


def test_parted_lips_are_closed_by_the_lip_network_where_the_mouth_is_relative(
    small: LivePortraitModel, portrait: LivePortraitPortrait
) -> None:
    relative = DrivingOptions(mouth="relative", stitching=False)
    closed = small.drive(portrait, turning(2), driving=relative)
    parted = small.drive(portrait, turning(2), driving=replace(relative, close_lips=False))
    ratios = np.array([[portrait.lip_ratio, 0.0]], np.float32)
    offsets = small.networks.retarget_lips(portrait.source.posed, ratios)
    np.testing.assert_allclose(closed - parted, np.repeat(offsets, 2, axis=0), atol=1e-6)


def test_no_change_of_an_image_keeps_the_source_s_own_keypoints(
    small: LivePortraitModel, portrait: LivePortraitPortrait
) -> None:
    still = Motion.neutral(1, space=LIVEPORTRAIT_21)
    changed = small.render_change(portrait, still, driving=DrivingOptions(stitching=False))
    own = torch.from_numpy(portrait.source.posed)[None]
    with torch.inference_mode():
        expected = to_pixels(small.renderer.image(portrait.warp, own))[0].numpy()
    assert np.abs(changed.astype(int) - expected).max() <= 1


@pytest.mark.slow
def test_renderings_under_different_options_do_not_affect_each_other(
    small: LivePortraitModel, portrait: LivePortraitPortrait
) -> None:
    motion = turning(4)
    rules = [None, DrivingOptions(regions="mouth", stitching=False), DrivingOptions(multiplier=0.0)]
    alone = [frames_of(small.render(portrait, motion, driving=rule)) for rule in rules]
    assert not np.array_equal(alone[0], alone[1])
    assert not np.array_equal(alone[0], alone[2])
    together = [small.render(portrait, motion, batch_size=1, driving=rule) for rule in rules]
    interleaved = [[next(frames)[0] for frames in together] for _ in range(len(motion))]
    for found, wanted in zip(zip(*interleaved, strict=True), alone, strict=True):
        assert np.abs(np.stack(found).astype(int) - wanted).max() <= 1  # other batches


def test_an_option_of_blendshapes_and_another_preset_s_portrait_are_refused(
    small: LivePortraitModel, portrait: LivePortraitPortrait
) -> None:
    still = Motion.neutral(1, space=LIVEPORTRAIT_21)
    smiling = DrivingOptions(keep_smile=0.5)
    for render in (small.render, small.render_change):
        with pytest.raises(OptionError, match=r"keep_smile=0.5 .* keypoints"):
            render(portrait, still, driving=smiling)
        with pytest.raises(OptionError, match="renders a LivePortraitPortrait, not a Portrait;"):
            render(Portrait(portrait.size, portrait.mask), still)


def test_levels_are_rounded() -> None:
    image = torch.tensor([0.0, 0.999, 1.0, 1.5, -0.2]).view(1, 1, 1, 5).expand(-1, 3, -1, -1)
    assert to_pixels(image)[0, 0, :, 0].tolist() == [0, 255, 255, 255, 0]
