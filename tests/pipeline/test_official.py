"""The whole job on files as LivePortrait and JoyVASA publish them, with pseudo-weights.

What is painted looks like noise, and that is right; what is tested is everything around it.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner

import places
from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.cli import app
from joyvasa_lib.errors import CheckpointError, MotionError, NoFaceError, OptionError, OutputError
from joyvasa_lib.face.crop import FaceCrop, crop_upright
from joyvasa_lib.face.landmarks.manual import ManualFaceDetector
from joyvasa_lib.media.audio import load_speech, write_wav
from joyvasa_lib.media.video import SYNTHETIC_NOTE, probe, read_video
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.pipeline import EncodedPortrait
from joyvasa_lib.portrait.liveportrait.fast.renderer import FastRenderer
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel

DEMO = places.DEMO
ASTRONAUT, HELLO = DEMO / "astronaut.jpg", DEMO / "hello.flac"
STEPS = 2
CAT_POINTS = [
    [171, 134], [222, 122], [306, 126], [256, 124], [240, 180],
    [205, 215], [275, 215], [240, 210], [240, 230],
]  # fmt: skip
"""Two corners of each eye, the nose, the corners of the mouth, upper and lower lip."""


@pytest.fixture(scope="module")
def pipe(official_folder: Path) -> JoyVASAPipeline:
    return JoyVASAPipeline.from_official(official_folder, device="cpu")


@pytest.fixture(scope="module")
def prepared(pipe: JoyVASAPipeline) -> EncodedPortrait:
    return pipe.encode(ASTRONAUT)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames of speech, 0.12 s."""
    waveform = load_speech(HELLO).waveform[8000:9920]
    return write_wav(tmp_path_factory.mktemp("sound") / "words.wav", waveform)


@pytest.fixture(scope="module")
def spoken(pipe: JoyVASAPipeline, words: Path) -> Motion:
    return pipe.generate_motion(str(words), num_inference_steps=STEPS)


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
    pipe: JoyVASAPipeline, prepared: EncodedPortrait, words: Path, tmp_path: Path
) -> None:
    animation = pipe(prepared, str(words), num_inference_steps=STEPS)
    output = animation.save(tmp_path / "talk.mp4")
    video = probe(output, count_frames=True)
    assert (video.n_frames, video.fps, video.size) == (3, 25.0, (512, 512))
    assert video.has_audio
    assert video.comment == SYNTHETIC_NOTE
    assert list(tmp_path.iterdir()) == [output]


def test_the_face_is_cropped_upright_and_pasted_back_by_the_official_mask(
    pipe: JoyVASAPipeline, prepared: EncodedPortrait, spoken: Motion
) -> None:
    crop = prepared.crop
    assert crop.size == 512
    wanted = crop_upright(crop.full_image, crop.face, 512)
    np.testing.assert_array_equal(crop.image, wanted.image)
    assert crop.square is None  # turned
    assert prepared.portrait.mask[256, 256] == 1.0
    assert prepared.portrait.mask[0, 256] == 0.0
    frame = next(pipe.render(prepared, spoken[:1]).frames())
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


@pytest.fixture
def keypoints_for_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paints keypoints as bars instead of running W and G, where only what drives them matters."""

    def image(self: FastRenderer, source: Any, rows: torch.Tensor) -> torch.Tensor:
        bars = torch.sigmoid(rows.flatten(1))[:, None, :, None].repeat(1, 3, 1, 1)
        return torch.nn.functional.interpolate(bars, (512, 512))

    monkeypatch.setattr(FastRenderer, "image", image)


@pytest.mark.usefixtures("keypoints_for_images")
def test_pieces_of_a_performance_are_driven_as_the_whole(
    pipe: JoyVASAPipeline,
    prepared: EncodedPortrait,
    spoken: Motion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = list(pipe.render(prepared, spoken, paste_back=False).frames())
    monkeypatch.setattr("joyvasa_lib.motion.performance.PIECE", 1)
    pieces = list(pipe.render(prepared, spoken, paste_back=False).frames())
    np.testing.assert_array_equal(pieces, whole)
    assert (pieces[0] != pieces[2]).any()


@pytest.fixture(scope="module")
def converted(pipe: JoyVASAPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipe.save_pretrained(tmp_path_factory.mktemp("converted") / "checkpoint")


def test_a_converted_checkpoint_is_the_same_bit_for_bit(
    pipe: JoyVASAPipeline,
    converted: Path,
    prepared: EncodedPortrait,
    spoken: Motion,
    words: Path,
) -> None:
    again = JoyVASAPipeline.from_pretrained(converted, "cpu")
    assert again.subject == "human"
    model, other = pipe.portrait_model, again.portrait_model
    assert isinstance(model, LivePortraitModel)
    assert isinstance(other, LivePortraitModel)
    assert other.driving == model.driving
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
    frame = next(pipe.render(prepared, spoken[:1], paste_back=False).frames())
    same = again.encode(ASTRONAUT)
    np.testing.assert_array_equal(
        next(again.render(same, spoken[:1], paste_back=False).frames()), frame
    )


def test_converting_writes_safetensors_and_json_alone(converted: Path) -> None:
    kinds = {path.suffix for path in converted.rglob("*") if path.is_file()}
    assert kinds == {".safetensors", ".json"}
    assert json.loads((converted / "model_index.json").read_text())["preset"] == "liveportrait"
    assert [path.name for path in converted.parent.iterdir()] == ["checkpoint"]


def template(tmp_path: Path, n_frames: int = 2) -> Path:
    turn = rotation_matrix(np.array([[0.0, 4.0 * i, 0.0] for i in range(n_frames)]))
    frames = [
        {
            "scale": np.full((1, 1), 1.4, np.float32), "R": turn[i][None].astype(np.float32),
            "exp": np.zeros((1, 21, 3), np.float32), "t": np.zeros((1, 3), np.float32),
        }
        for i in range(n_frames)
    ]  # fmt: skip
    path = tmp_path / "driving.pkl"
    path.write_bytes(pickle.dumps({"n_frames": n_frames, "output_fps": 30, "motion": frames}))
    return path


@pytest.mark.usefixtures("keypoints_for_images")
def test_a_template_drives_the_portrait(
    pipe: JoyVASAPipeline, prepared: EncodedPortrait, tmp_path: Path
) -> None:
    animation = pipe.drive(prepared, template(tmp_path), paste_back=False, speech=HELLO)
    assert (animation.n_frames, animation.fps) == (2, 30.0)
    first, second = animation.frames()
    assert (first != second).any()
    with pytest.raises(MotionError, match=r"not 'compact-1'; load the bundled checkpoint"):
        pipe.drive(prepared, Motion.neutral(2))


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


# Animals


@pytest.fixture(scope="module")
def cat() -> NDArray[np.uint8]:
    from skimage.data import cat

    return np.asarray(cat())


@pytest.fixture(scope="module")
def animals(official_folder: Path) -> JoyVASAPipeline:
    return JoyVASAPipeline.from_official(official_folder, "animal", "cpu", with_speech=False)


HAND: dict[str, Callable[[], ManualFaceDetector]] = {
    "box": lambda: ManualFaceDetector(box=(140, 60, 330, 260)),
    "nine points": lambda: ManualFaceDetector(landmarks=CAT_POINTS, result="given"),
    "square": lambda: ManualFaceDetector(whole_image=True),
}


@pytest.mark.parametrize("way", HAND)
def test_an_animal_given_by_hand_is_animated(
    animals: JoyVASAPipeline,
    cat: NDArray[np.uint8],
    spoken: Motion,
    way: str,
    request: pytest.FixtureRequest,
) -> None:
    full_image = cat[:300, 60:360] if way == "square" else cat
    prepared = animals.encode(full_image, detector=HAND[way]())
    crop = prepared.crop
    assert crop.size == 512
    if way == "square":
        np.testing.assert_allclose(crop.matrix[:2, :2], np.eye(2) * 512 / 300)
    if way == "nine points":  # cropped by the points themselves, as the published pipeline does
        assert crop.face.scheme == "animal9"
    if way != "nine points":
        request.getfixturevalue("keypoints_for_images")
    frame = next(animals.render(prepared, spoken[:1]).frames())
    assert frame.shape == full_image.shape
    assert (frame != full_image).any()


def test_an_animal_that_is_not_found_is_told_with_the_three_ways(
    animals: JoyVASAPipeline,
) -> None:
    with pytest.raises(NoFaceError, match="box or landmarks by hand \\(nine points for an animal"):
        animals.encode(np.full((200, 300, 3), 128, np.uint8))


def test_how_sure_the_aligner_is_can_be_read(
    animals: JoyVASAPipeline, astronaut: NDArray[np.uint8], cat: NDArray[np.uint8]
) -> None:
    assert animals.encode(astronaut).crop.face.score > 0.7
    unsure = animals.encode(cat, detector=ManualFaceDetector(box=(140, 60, 330, 260)))
    assert unsure.crop.face.score <= 0.5


def test_animals_are_driven_by_the_rules_for_animals(animals: JoyVASAPipeline) -> None:
    model = animals.portrait_model
    assert isinstance(model, LivePortraitModel)
    assert model.driving.subject == "animal"
    assert not model.driving.absolute_mouth


def test_without_stage_two_nobody_speaks(animals: JoyVASAPipeline) -> None:
    with pytest.raises(CheckpointError, match="Only stage one was loaded"):
        animals.generate_motion(HELLO)


# Commands


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_the_commands_take_published_files_and_nine_points(
    official_folder: Path, cat: NDArray[np.uint8], words: Path, tmp_path: Path
) -> None:
    from PIL import Image

    Image.fromarray(cat).save(tmp_path / "cat.png")
    (tmp_path / "points.json").write_text(json.dumps(CAT_POINTS))
    output = tmp_path / "cat.mp4"
    result = run(
        "animate", tmp_path / "cat.png", words, "-o", output, "--checkpoint", official_folder,
        "--subject", "animal", "--landmarks", tmp_path / "points.json", "--steps", STEPS,
        "--device", "cpu", "--crop", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, (result.output, result.exception)
    told = json.loads(result.stdout)
    assert told["size"] == [512, 512]
    assert told["frames"] == 3
    assert probe(output).has_audio


@pytest.mark.usefixtures("keypoints_for_images")
def test_the_published_code_s_numbers_come_from_one_option(
    pipe: JoyVASAPipeline, converted: Path, words: Path, tmp_path: Path
) -> None:
    assert isinstance(pipe.portrait_model, LivePortraitModel)
    options = ("--checkpoint", converted, "--compat", "joyvasa", "--device", "cpu", "--crop")
    output = tmp_path / "talk.mp4"
    saved = ("--motion-out", tmp_path / "motion.safetensors", "--steps", STEPS)
    result = run("animate", ASTRONAUT, words, "-o", output, *saved, *options)
    assert result.exit_code == 0, (result.output, result.exception)
    published = pipe.generate_motion(
        str(words), compat="joyvasa", scheduler="ddpm", num_inference_steps=STEPS
    )
    assert len(published) == 3 + 3
    assert Motion.load(tmp_path / "motion.safetensors").allclose(published, atol=1e-4)

    result = run("drive", ASTRONAUT, template(tmp_path), "-o", output, *options)
    assert result.exit_code == 0, (result.output, result.exception)
    before = pipe.portrait_model.driving
    try:
        pipe.portrait_model.driving = replace(before, compat="joyvasa")
        wanted = list(pipe.drive(ASTRONAUT, template(tmp_path), paste_back=False).frames())
    finally:
        pipe.portrait_model.driving = before
    others = list(pipe.drive(ASTRONAUT, template(tmp_path), paste_back=False).frames())
    found = [frame.astype(int) for frame in read_video(output)]
    for frame, ours, default in zip(found, wanted, others, strict=True):
        assert np.abs(frame - ours).mean() < 0.5 * np.abs(frame - default).mean()


def test_compat_is_refused_where_there_is_no_such_code(tmp_path: Path, words: Path) -> None:
    output = tmp_path / "out.mp4"
    result = run("animate", ASTRONAUT, words, "-o", output, "--compat", "joyvasa")
    assert "needs LivePortrait's and JoyVASA's files" in str(result.exception)
    for command in ("animate", "drive"):
        result = run(command, ASTRONAUT, words, "-o", output, "--compat", "sadtalker")
        assert "--compat is joyvasa or left out, not 'sadtalker'" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_convert_refuses_before_it_reads(official_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("mine")
    result = run("convert", official_folder, tmp_path / "there")
    assert isinstance(result.exception, OutputError)
    assert "--force" in str(result.exception)
    assert (tmp_path / "there" / "file").read_text() == "mine"
    result = run("convert", official_folder, tmp_path / "absent" / "new")
    assert "does not exist" in str(result.exception)
    result = run("convert", tmp_path, tmp_path / "new")
    assert isinstance(result.exception, CheckpointError)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("place", ["checkpoints", ".", "other/../checkpoints"])
def test_convert_never_replaces_the_files_it_reads(tmp_path: Path, place: str) -> None:
    source = tmp_path / "checkpoints"
    (tmp_path / "other").mkdir()
    source.mkdir()
    (source / "motion_extractor.pth").write_bytes(b"weights")
    result = run("convert", source, tmp_path / place, "--force")
    assert isinstance(result.exception, OutputError)
    assert "would remove the published files" in str(result.exception)
    assert (source / "motion_extractor.pth").read_bytes() == b"weights"


def test_convert_writes_stage_one_alone(official_folder: Path, tmp_path: Path) -> None:
    result = run(
        "convert", official_folder, tmp_path / "new", "--subject", "animal", "--portrait-only",
        "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.exception
    told = json.loads(result.stdout)
    assert told["speech"] is False
    pipe = JoyVASAPipeline.from_pretrained(tmp_path / "new", "cpu")
    assert pipe.subject == "animal"
    assert pipe.checkpoint is None


def test_published_files_are_not_mistaken_for_a_checkpoint(official_folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"published files; load them with .*from_official"):
        JoyVASAPipeline.from_pretrained(official_folder)


def test_the_bundled_checkpoint_has_no_animals_and_is_not_converted(tmp_path: Path) -> None:
    result = run("animate", ASTRONAUT, HELLO, "-o", tmp_path / "o.mp4", "--subject", "animal")
    assert "--subject animal needs LivePortrait's files" in str(result.exception)
    with pytest.raises(OptionError, match="compact preset"):
        JoyVASAPipeline.from_pretrained().save_pretrained(tmp_path / "copy")


@pytest.mark.parametrize(
    ("index", "message"),
    [("{", "is not the index"), ('{"preset": "dreams", "subject": "human", "speech": true}',
                                 "preset 'dreams'")],
)  # fmt: skip
def test_an_index_that_is_not_known_is_told(tmp_path: Path, index: str, message: str) -> None:
    (tmp_path / "model_index.json").write_text(index)
    with pytest.raises(CheckpointError, match=message):
        JoyVASAPipeline.from_pretrained(tmp_path)


@pytest.mark.usefixtures("keypoints_for_images")
def test_options_of_driving_reach_the_frames(
    pipe: JoyVASAPipeline, prepared: EncodedPortrait, tmp_path: Path
) -> None:
    model = pipe.portrait_model
    assert isinstance(model, LivePortraitModel)
    motion = pipe.drive(prepared, template(tmp_path)).motion
    assert model.driving.stitching
    before = model.driving
    try:
        model.driving = replace(before, multiplier=0.0, stitching=False)
        first, second = pipe.render(prepared, motion, paste_back=False).frames()
        np.testing.assert_array_equal(first, second)  # nothing moves
    finally:
        model.driving = before
