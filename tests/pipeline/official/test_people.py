"""The whole job on files as LivePortrait and JoyVASA publish them, with pseudo-weights.

What is painted looks like noise, and that is right; what is tested is everything around it.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import places
from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.errors import CheckpointError, MotionError, OptionError
from joyvasa_lib.face.crop import FaceCrop, crop_upright
from joyvasa_lib.face.landmarks.manual import ManualFaceDetector
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.media.video import SYNTHETIC_NOTE, probe
from joyvasa_lib.motion.driving.head import head_change
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.pipeline import EncodedPortrait
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
from official_pipeline import STEPS, template

pytestmark = pytest.mark.slow

DEMO = places.DEMO
ASTRONAUT, HELLO = DEMO / "astronaut.jpg", DEMO / "hello.flac"


def test_every_published_network_is_where_it_belongs(pipe: JoyVASAPipeline) -> None:
    model, generator = pipe.portrait_model, pipe.motion_generator
    assert isinstance(model, LivePortraitModel)
    assert model.networks.stitching.config.widths[-1] == 65
    assert model.networks.lip_retargeting.config.widths[0] == 65
    assert model.networks.eye_retargeting.config.widths[0] == 66
    assert model.size == 512
    assert generator.space == model.space
    assert len(generator.betas) == 50


def test_a_portrait_and_speech_become_a_video(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, tmp_path: Path
) -> None:
    """Two frames, painted by the networks at their published size."""
    syllable = load_speech(HELLO).waveform[8000:9600]
    animation = pipe(encoded, syllable, num_inference_steps=STEPS)
    output = animation.save(tmp_path / "talk.mp4")
    video = probe(output, count_frames=True)
    assert (video.n_frames, video.fps, video.size) == (2, 25.0, (512, 512))
    assert video.has_audio
    assert video.comment == SYNTHETIC_NOTE
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.usefixtures("keypoints_for_images")
def test_a_template_gives_the_head_and_a_portrait_idles(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, words: Path, spoken: Motion, tmp_path: Path
) -> None:
    driven = pipe.generate_motion(words, num_inference_steps=STEPS, head_from=template(tmp_path, 4))
    np.testing.assert_array_equal(driven.expression, spoken.expression)
    turn = head_change(driven).rotation[:, 1]
    assert turn == pytest.approx([0.0, 4.8, 9.6], abs=1.0)  # 4 degrees a frame at 30 fps
    idle = pipe.idle(3.0, listening_to=HELLO, seed=1)
    assert not idle.expression.any() and np.ptp(idle.rotation, axis=0).min() > 0.2
    frames = list(pipe.render(encoded, idle[:6], paste_back=False).frames())
    assert len(frames) == 6 and not np.array_equal(frames[0], frames[5])


@pytest.mark.usefixtures("keypoints_for_images")
def test_the_face_is_cropped_upright_and_pasted_back_by_the_official_mask(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, spoken: Motion
) -> None:
    crop = encoded.crop
    assert crop.size == 512
    wanted = crop_upright(crop.full_image, crop.face, 512)
    np.testing.assert_array_equal(crop.image, wanted.image)
    assert crop.square is None  # turned
    assert encoded.portrait.mask[256, 256] == 1.0
    assert encoded.portrait.mask[0, 256] == 0.0
    frame = next(pipe.render(encoded, spoken[:1]).frames())
    full_image = crop.full_image
    inverse = np.linalg.inv(crop.matrix)
    corners = (
        np.array([[0, 0], [511, 0], [511, 511], [0, 511]]) @ inverse[:2, :2].T + inverse[:2, 2]
    )
    low, high = np.floor(corners.min(0)).astype(int) - 1, np.ceil(corners.max(0)).astype(int) + 2
    outside = np.ones(full_image.shape[:2], bool)
    outside[max(low[1], 0) : high[1], max(low[0], 0) : high[0]] = False
    assert outside.any()
    np.testing.assert_array_equal(frame[outside], full_image[outside])
    x, y = crop.face.landmarks[4, :2].astype(int)
    face = (slice(y - 20, y + 20), slice(x - 20, x + 20))
    assert np.abs(frame[face].astype(int) - full_image[face]).mean() > 10


def test_motion_is_that_of_stage_two_with_absolute_poses(
    pipe: JoyVASAPipeline, spoken: Motion
) -> None:
    assert spoken.space.name == "liveportrait-21"
    assert spoken.reference == "absolute"
    assert len(spoken) == 3
    again = pipe.generate_motion(load_speech(HELLO).waveform[8000:9920], num_inference_steps=STEPS)
    assert again.allclose(spoken, atol=1e-4)


@pytest.mark.usefixtures("keypoints_for_images")
def test_pieces_of_a_performance_are_driven_as_the_whole(
    pipe: JoyVASAPipeline,
    encoded: EncodedPortrait,
    spoken: Motion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = list(pipe.render(encoded, spoken, paste_back=False).frames())
    monkeypatch.setattr("joyvasa_lib.motion.performance.PIECE", 1)
    pieces = list(pipe.render(encoded, spoken, paste_back=False).frames())
    np.testing.assert_array_equal(pieces, whole)
    assert (pieces[0] != pieces[2]).any()


@pytest.mark.usefixtures("keypoints_for_images")  # the networks' own weights are compared
def test_a_converted_checkpoint_is_the_same_bit_for_bit(
    pipe: JoyVASAPipeline,
    converted: Path,
    encoded: EncodedPortrait,
    spoken: Motion,
    words: Path,
) -> None:
    again = JoyVASAPipeline.from_pretrained(converted, device="cpu")
    assert again.subject == "human"
    model, other = pipe.portrait_model, again.portrait_model
    assert isinstance(model, LivePortraitModel)
    assert isinstance(other, LivePortraitModel)
    assert (other.subject, again.driving) == (model.subject, pipe.driving)
    for name, network in vars(model.networks).items():
        loaded = getattr(other.networks, name).state_dict()
        assert list(loaded) == list(network.state_dict())
        for key, value in network.state_dict().items():
            assert torch.equal(loaded[key], value), f"{name}.{key}"
    generators = pipe.motion_generator, again.motion_generator
    for part in ("denoiser", "audio_encoder"):
        states = [getattr(generator, part).state_dict() for generator in generators]
        assert all(torch.equal(states[1][key], value) for key, value in states[0].items())
    assert again.generate_motion(str(words), num_inference_steps=STEPS) == spoken
    frame = next(pipe.render(encoded, spoken[:1], paste_back=False).frames())
    same = again.encode(ASTRONAUT)
    np.testing.assert_array_equal(
        next(again.render(same, spoken[:1], paste_back=False).frames()), frame
    )


def test_converting_writes_safetensors_and_json_alone(converted: Path) -> None:
    kinds = {path.suffix for path in converted.rglob("*") if path.is_file()}
    assert kinds == {".safetensors", ".json"}
    assert json.loads((converted / "model_index.json").read_text())["preset"] == "liveportrait"
    assert [path.name for path in converted.parent.iterdir()] == ["checkpoint"]


@pytest.mark.usefixtures("keypoints_for_images")
def test_a_template_drives_the_portrait(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, tmp_path: Path
) -> None:
    animation = pipe.drive(encoded, template(tmp_path), paste_back=False, speech=HELLO)
    assert (animation.n_frames, animation.fps) == (2, 30.0)
    first, second = animation.frames()
    assert (first != second).any()
    with pytest.raises(MotionError, match=r"not 'compact-1'; load the bundled checkpoint"):
        pipe.drive(encoded, Motion.neutral(2))


def test_motion_is_extracted_by_the_official_network(
    pipe: JoyVASAPipeline, astronaut: NDArray[np.uint8]
) -> None:
    motion = pipe.extract_motion([astronaut, astronaut], fps=25)
    assert motion.space.name == "liveportrait-21"
    assert motion.reference == "absolute"
    assert motion[0].allclose(motion[1], atol=1e-3)


def test_a_crop_that_moves_does_not_move_the_person(pipe: JoyVASAPipeline) -> None:
    """The same pixels at another place and size of the video: M sees no difference, we do."""
    full_image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    face = crop_face_of(full_image)
    zoomed = face.matrix.copy()
    zoomed[:2] /= 1.25  # the crop shows 1.25 times as much of the video
    zoomed[:2, 2] -= [40.0, -24.0]
    other = FaceCrop(face.full_image, face.image, zoomed, face.face)
    still, moved = (pipe.portrait_model.extract_motion(iter(crops), 25)
                    for crops in ([face, face], [face, other]))  # fmt: skip
    np.testing.assert_allclose(moved.scale[1], 1.25 * still.scale[1], rtol=1e-5)
    # A point of the second crop, seen in the video, seen in the first crop.
    x = still.translation[1, :2]
    pixel = (x + 1) * face.size / 2 - 0.5
    in_video = np.linalg.inv(zoomed) @ [*pixel, 1.0]
    in_first = (face.matrix @ in_video)[:2]
    wanted = (in_first + 0.5) / (face.size / 2) - 1
    np.testing.assert_allclose(moved.translation[1, :2], wanted, atol=1e-4)
    np.testing.assert_array_equal(moved.rotation, still.rotation)


def crop_face_of(full_image: NDArray[np.uint8]) -> FaceCrop:
    points = np.array([[20, 25], [44, 25], [32, 36], [24, 46], [40, 46]], np.float32)
    (face,) = ManualFaceDetector(landmarks=points, result="given").detect(full_image)
    return crop_upright(full_image, face, 512, rotate=False)


@pytest.mark.usefixtures("keypoints_for_images")
def test_driving_options_of_one_rendering_leave_another_alone(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, tmp_path: Path
) -> None:
    motion = pipe.drive(encoded, template(tmp_path)).motion
    held = DrivingOptions(multiplier=0.0, stitching=False)
    plain = [pipe.render(encoded, motion, paste_back=False).frames() for _ in range(2)]
    first, second = plain[0]
    assert (first != second).any()
    still = pipe.render(encoded, motion, paste_back=False, driving=held).frames()
    steps = list(zip(still, plain[1], strict=True))
    np.testing.assert_array_equal(steps[0][0], steps[1][0])  # nothing moves
    np.testing.assert_array_equal(steps[0][1], first)
    np.testing.assert_array_equal(steps[1][1], second)
    driven = pipe.drive(encoded, template(tmp_path), paste_back=False, driving=held)
    np.testing.assert_array_equal(list(driven.frames()), [steps[0][0]] * 2)


def test_driving_options_of_the_other_preset_are_refused_at_once(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait, spoken: Motion
) -> None:
    smiling = DrivingOptions(keep_smile=0.5)
    with pytest.raises(OptionError, match=r"keep_smile=0.5 .* keypoints"):
        pipe.render(encoded, spoken, driving=smiling)
    with pytest.raises(OptionError, match=r"keep_smile=0.5 .* keypoints"):
        pipe.stream(encoded, [], driving=smiling)


def test_a_pipeline_s_own_driving_options_are_saved_with_it(
    pipe: JoyVASAPipeline, tmp_path: Path
) -> None:
    lips_only = DrivingOptions(regions="mouth")
    mine = JoyVASAPipeline(pipe.portrait_model, None, "cpu", driving=lips_only)
    saved = mine.save_pretrained(tmp_path / "lips")
    assert JoyVASAPipeline.from_pretrained(saved, "cpu").driving == lips_only


def test_published_files_are_not_mistaken_for_a_checkpoint(official_folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"published files; load them with .*from_official"):
        JoyVASAPipeline.from_pretrained(official_folder)


@pytest.mark.parametrize(
    ("index", "message"),
    [("{", "is not the index"), ('{"preset": "dreams", "subject": "human", "speech": true}',
                                 "preset 'dreams'")],
)  # fmt: skip
def test_an_index_that_is_not_known_is_told(tmp_path: Path, index: str, message: str) -> None:
    (tmp_path / "model_index.json").write_text(index)
    with pytest.raises(CheckpointError, match=message):
        JoyVASAPipeline.from_pretrained(tmp_path)


def test_the_networks_that_paint_are_made_ready_beside_what_follows(
    official_folder: Path, prepared: list[LivePortraitModel]
) -> None:
    loaded = JoyVASAPipeline.from_official(official_folder, device="cpu", with_speech=False)
    for thread in threading.enumerate():
        if thread.name == "joyvasa-prepare":
            thread.join()
    assert any(model is loaded.portrait_model for model in prepared)
