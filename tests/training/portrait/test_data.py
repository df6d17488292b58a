"""What LivePortrait's networks learn from: pairs of images, framed, with landmarks and pose."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("accelerate")
from joyvasa_lib.datasets.heads.frames import (
    HeadFrameMaker,
    RenderedFrames,
    write_head_frames,
)
from joyvasa_lib.errors import MediaError, OptionError
from joyvasa_lib.evaluation.track import in_head_frame
from joyvasa_lib.face.crop import crop_upright
from joyvasa_lib.face.crop_geometry import FaceSquare
from joyvasa_lib.face.ratios import eye_open_ratio, lip_open_ratio
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.rig.regions import CHIN, LIP_OUTLINES
from joyvasa_lib.training.portrait.data.face_regions import (
    below_the_chin,
    cut,
    in_crop_units,
    inside,
    lip_square,
)
from joyvasa_lib.training.portrait.data.frame_pairs import (
    PairBatch,
    PairSampler,
    recolour,
    reframed,
)
from joyvasa_lib.training.portrait.data.frame_source import (
    Frame,
    HeadFrames,
    PreparedFrames,
    Split,
    open_frames,
)
from joyvasa_lib.training.portrait.objective import resized
from portrait_sets import (
    HEADS,
    SIDE,
    face_of,
    write_prepared_heads,
)

pytestmark = pytest.mark.slow


def test_regions_show_what_lies_at_their_landmarks(pairs: PairSampler) -> None:
    batch = pairs(0)
    square = lip_square(batch.source_marks)
    middle = batch.source_marks[:, list(LIP_OUTLINES)]
    low, high = middle.amin(1), middle.amax(1)
    torch.testing.assert_close(square[:, :2], (low + high) / 2)
    y, x = torch.meshgrid(*[(torch.arange(SIDE) + 0.5) * (2 / SIDE) - 1] * 2, indexing="ij")
    places = torch.stack([x, y])[None].expand(2, -1, -1, -1)  # each pixel says where it is
    seen = cut(places, square, 16)
    torch.testing.assert_close(seen.mean((2, 3)), square[:, :2], atol=1e-4, rtol=0)
    reach = (seen[:, 0, 0, -1] - seen[:, 0, 0, 0]) / 2 / (15 / 16)
    torch.testing.assert_close(reach, square[:, 2], atol=1e-3, rtol=0)


def test_pixel_centres_are_half_a_pixel_from_the_border() -> None:
    corners = np.array([[0.0, 0.0, 9.0], [63.0, 31.5, 9.0]], np.float32)
    expected = [[-1 + 1 / 64, -1 + 1 / 64], [1 - 1 / 64, 0.0]]
    np.testing.assert_allclose(in_crop_units(corners, 64), expected, atol=1e-6)


def test_masks_are_one_inside_and_zero_far_away(pairs: PairSampler) -> None:
    marks = pairs(0).source_marks
    lips = inside([lip_square(marks)], SIDE)
    chin = below_the_chin(marks, SIDE)
    for row, points in enumerate(marks):
        x, y = ((points[list(LIP_OUTLINES)].mean(0) + 1) * SIDE / 2).long().tolist()
        assert lips[row, 0, y, x] == 1.0
        assert lips[row, 0, 0, 0] == 0.0
        bottom = int((float(points[CHIN[0], 1]) + 1) * SIDE / 2)
        assert chin[row, 0, : bottom + 1].max() == 0.0
        assert chin[row, 0, -1].min() > 0.0


def test_a_batch_depends_on_its_number_alone_and_pairs_two_images(pairs: PairSampler) -> None:
    one, again, other = pairs(3), pairs(3), pairs(4)
    for part in fields(PairBatch):
        assert torch.equal(getattr(one, part.name), getattr(again, part.name))
    assert not torch.equal(one.source, other.source)
    assert ((one.source - one.driving).abs().amax((1, 2, 3)) > 0.05).all()


def test_images_are_framed_as_the_pipeline_frames_a_portrait(heads: Path) -> None:
    source = open_frames(heads)
    frames = {
        (c.name, i): source.frame(c.name, i) for c in source.clips("train") for i in range(c.frames)
    }
    batch = PairSampler(source, 3, SIDE, 0)(0)
    for row in range(3):
        crops = [crop_upright(f.image, face_of(f.landmarks), SIDE) for f in frames.values()]
        pixels = [torch.from_numpy(c.image).permute(2, 0, 1) / 255.0 for c in crops]
        errors = [float((p - batch.source[row]).abs().max()) for p in pixels]
        best = int(np.argmin(errors))
        assert errors[best] < 1e-6
        marks = in_crop_units(crops[best].landmarks, SIDE)
        np.testing.assert_allclose(batch.source_marks[row], marks, atol=1e-4)


def test_a_turned_image_has_a_turned_head(head: RenderedFrames) -> None:
    frame = Frame(head.images[0], head.landmarks[0], head.rotation[0])
    square = FaceSquare(np.array([30.0, 33.0]), 50.0, 0.6)
    there = reframed(frame, square, SIDE)
    measured, told = (
        before.T @ after
        for before, after in (
            [in_head_frame(f.landmarks.astype(np.float64))[1] for f in (frame, there)],
            [rotation_matrix(f.rotation.astype(np.float64)) for f in (frame, there)],
        )
    )
    np.testing.assert_allclose(told, measured, atol=1e-3)
    assert np.degrees(np.arccos((np.trace(told) - 1) / 2)) == pytest.approx(np.degrees(0.6))


def test_colours_vary_alike_in_both_images(heads: Path) -> None:
    source = open_frames(heads)
    plain, varied = (PairSampler(source, 2, SIDE, 0, amount)(1) for amount in (0.0, 0.3))
    assert not torch.equal(plain.source, varied.source)
    same = PairSampler(source, 2, SIDE, 0, 0.3)._draw("train", 2, np.random.default_rng(9))
    twice = recolour(replace(same, driving=same.source), np.random.default_rng(1), 0.3)
    assert torch.equal(twice.source, twice.driving)


def test_rendered_heads_tell_their_landmarks_openings_and_pose(heads: Path) -> None:
    source = open_frames(heads)
    assert isinstance(source, HeadFrames)
    clip = source.clips("train")[0]
    truth = HeadFrameMaker(HEADS).head(0)
    frame = source.frame(clip.name, 1)
    np.testing.assert_array_equal(frame.landmarks, truth.landmarks[1])
    np.testing.assert_array_equal(frame.rotation, truth.rotation[1])
    assert np.abs(frame.image.astype(int) - truth.images[1]).mean() < 4.0  # JPEG
    people = {c.person for c in source.clips("train")} & {c.person for c in source.clips("valid")}
    assert people == set()
    batch = PairSampler(source, 1, SIDE, 0, framing="whole")._draw(
        "valid", 1, np.random.default_rng(0)
    )
    names = source.clips("valid")
    shown = [source.frame(names[0].name, i).landmarks for i in range(3)]
    openings = [np.append(eye_open_ratio(x), lip_open_ratio(x)) for x in shown]
    assert any(np.allclose(batch.source_openings[0], x) for x in openings)


def test_a_set_of_heads_goes_on_and_keeps_to_its_options(heads: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in heads.glob("*.safetensors")}
    assert len(before) == 3
    write_head_frames(heads, HEADS)
    assert {path: path.stat().st_mtime_ns for path in heads.glob("*.safetensors")} == before
    with pytest.raises(OptionError, match="size 64 -> 96"):
        write_head_frames(heads, replace(HEADS, size=96))


def test_a_set_of_heads_that_is_not_finished_is_none(heads: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    shutil.copytree(heads, half)
    (half / "train-00001.safetensors").unlink()
    with pytest.raises(MediaError, match="2 heads and is not finished"):
        open_frames(half)
    write_head_frames(half, HEADS)
    assert len(open_frames(half).clips("train")) == 2
    made, again = (place / "train-00001.safetensors" for place in (heads, half))
    assert again.read_bytes() == made.read_bytes()  # the same seed gives the same head


def test_prepared_crops_are_read_one_by_one_with_the_pose_of_their_landmarks(
    head: RenderedFrames, tmp_path: Path
) -> None:
    parts: dict[Split, Sequence[RenderedFrames]] = {"train": [head], "valid": [head]}
    source = open_frames(write_prepared_heads(tmp_path / "set", parts, SIDE))
    assert isinstance(source, PreparedFrames)
    frames = [source.frame("train0", i) for i in range(3)]
    np.testing.assert_array_equal(frames[2].landmarks, head.landmarks[2])
    turned = frames[1].rotation - frames[0].rotation
    # Landmarks give the pose up to what the person's shape adds, which is the same in every frame.
    np.testing.assert_allclose(turned, head.rotation[1] - head.rotation[0], atol=2.5)
    assert source.card()["split_by"] == "person"


def test_folders_without_images_say_what_is_missing(head: RenderedFrames, tmp_path: Path) -> None:
    parts: dict[Split, Sequence[RenderedFrames]] = {"train": [head], "valid": [head]}
    with pytest.raises(MediaError, match="--crop"):
        open_frames(write_prepared_heads(tmp_path / "blind", parts, 0))
    with pytest.raises(MediaError, match="joyvasa prepare VIDEOS"):
        open_frames(tmp_path / "nothing")
    with pytest.raises(MediaError, match="held out"):
        open_frames(write_prepared_heads(tmp_path / "one", {"train": [head]}, SIDE))


def test_images_are_resized_by_means_of_pixels() -> None:
    full_image = torch.arange(16.0).view(1, 1, 4, 4) / 16
    torch.testing.assert_close(
        resized(full_image, 2), torch.tensor([[[[2.5, 4.5], [10.5, 12.5]]]]) / 16
    )
    assert resized(full_image, 8).shape == (1, 1, 8, 8)
    assert resized(full_image, 4) is full_image
