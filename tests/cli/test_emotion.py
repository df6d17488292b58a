"""``joyvasa edit``, ``joyvasa emotions`` and the emotion options of ``joyvasa animate``."""

from __future__ import annotations

import json
from copy import copy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import places
from command_line import Joyvasa, Refused
from joyvasa_lib import Emotion, EmotionEditor, EmotionTimeline, JoyVASAPipeline, Motion
from joyvasa_lib.emotion.action_units import ACTION_UNITS
from joyvasa_lib.emotion.prototypes import PROTOTYPES
from joyvasa_lib.evaluation.contact_sheet import CELL, contact_sheet, emotion_cells, unit_cells
from joyvasa_lib.evaluation.expression import follow_points, lips_parted, measure_face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.media.image import SYNTHETIC_IMAGE, load_image
from joyvasa_lib.motion import BLENDSHAPES
from joyvasa_lib.motion.driving.options import DrivingOptions

pytestmark = pytest.mark.slow

DEMO = places.DEMO
ASTRONAUT = DEMO / "astronaut.jpg"


def test_an_image_is_edited_and_says_that_it_is_synthetic(
    joyvasa: Joyvasa, tmp_path: Path, pipe: JoyVASAPipeline
) -> None:
    output = tmp_path / "out.png"
    said = joyvasa("edit", ASTRONAUT, "--emotion", "surprise:0.8", "-o", output, "--json")
    report = json.loads(said)
    assert report == {"output": str(output), "size": [512, 512], "emotion": "surprise:0.8"}
    with Image.open(output) as full_image:
        pixels = np.asarray(full_image)
        assert full_image.getexif()[0x010E] == SYNTHETIC_IMAGE
    assert np.array_equal(pixels, pipe.edit(ASTRONAUT, Emotion.surprise(0.8)))
    face = pipe.encode(ASTRONAUT).crop.face.landmarks
    before = measure_face(face)
    after = measure_face(follow_points(np.asarray(Image.open(ASTRONAUT)), pixels, face))
    assert after.inner_brow - before.inner_brow > 0.01
    assert after.jaw - before.jaw > 0.02


def test_an_image_without_folds(
    joyvasa: Joyvasa, refused: Refused, tmp_path: Path, pipe: JoyVASAPipeline
) -> None:
    output = tmp_path / "out.png"
    asked = ("edit", ASTRONAUT, "--emotion", "surprise:0.8", "-o", output)
    joyvasa(*asked, "--wrinkles", "0")
    smooth = load_image(output)
    own = copy(pipe)
    own.driving = DrivingOptions(wrinkles=0.0)
    assert np.array_equal(smooth, own.edit(ASTRONAUT, Emotion.surprise(0.8)))
    assert not np.array_equal(smooth, pipe.edit(ASTRONAUT, Emotion.surprise(0.8)))
    assert "wrinkles" in refused(*asked, "--wrinkles", "3")


@pytest.mark.parametrize("command", ["animate", "drive", "edit", "idle"])
def test_every_command_that_draws_a_face_is_told_of_its_folds(
    refused: Refused, tmp_path: Path, command: str
) -> None:
    driving, output = tmp_path / "motion.safetensors", tmp_path / "out.mp4"
    Motion.neutral(3).save(driving)
    more = {"animate": [DEMO / "hello.flac"], "drive": [driving], "edit": ["--au", "AU4=0.5"]}
    asked = (command, ASTRONAUT, *more.get(command, []), "-o", output)
    assert "wrinkles" in refused(*asked, "--wrinkles", "2.5")
    assert not output.exists()


def test_a_motion_has_no_folds(refused: Refused, tmp_path: Path) -> None:
    Motion.neutral(3).save(tmp_path / "still.safetensors")
    asked = ("edit", tmp_path / "still.safetensors", "--emotion", "anger", "--wrinkles", "0")
    assert "no skin" in refused(*asked, "-o", tmp_path / "angry.safetensors")
    assert not (tmp_path / "angry.safetensors").exists()


def test_a_smiling_image_bares_its_teeth_in_happiness_and_not_in_anger(
    pipe: JoyVASAPipeline,
) -> None:
    portrait = pipe.encode(ASTRONAUT)
    before, mesh = portrait.crop.image, portrait.crop.landmarks

    def parted(name: str) -> float:
        return lips_parted(before, pipe.edit(portrait, name, paste_back=False), mesh)

    opening = measure_face(mesh).aperture
    assert opening > 0.05  # she shows her teeth
    assert parted("anger") < -0.5 * opening
    angry = pipe.edit(portrait, "anger", paste_back=False)
    detector = MediaPipeFaceDetector()
    shut, _ = detector.look_closely(angry, detector.detect(angry)[0])
    assert measure_face(shut.landmarks).aperture < 0.02
    assert parted("happiness") > -0.3 * opening  # broader, so a little flatter
    assert parted("surprise") > 0.0


def test_a_neutral_edit_is_the_image_itself(joyvasa: Joyvasa, tmp_path: Path) -> None:
    joyvasa("edit", ASTRONAUT, "--au", "AU12=0", "-o", tmp_path / "same.png", "--quiet")
    same = np.asarray(Image.open(tmp_path / "same.png"))
    assert np.array_equal(same, load_image(ASTRONAUT))


def test_a_square_at_the_face_can_be_had_alone(joyvasa: Joyvasa, tmp_path: Path) -> None:
    joyvasa("edit", ASTRONAUT, "--emotion", "fear", "--crop", "-o", tmp_path / "face.png")
    assert Image.open(tmp_path / "face.png").size == (256, 256)


def test_a_saved_motion_is_edited_as_motion_edit_does(joyvasa: Joyvasa, tmp_path: Path) -> None:
    motion = Motion.from_blendshapes(np.random.default_rng(0).uniform(0, 0.3, (60, 52)))
    source = motion.save(tmp_path / "a.safetensors")
    timeline = EmotionTimeline(((0.0, "neutral"), (1.0, "fear:0.6")))  # type: ignore[arg-type]
    timeline.save(tmp_path / "mood.yaml")
    output = tmp_path / "b.safetensors"
    options = ("--emotion", "happiness:0.3", "--au", "AU4=0.2", "--au", "AU6_left=0.1")
    more = ("--emotion-strength", "0.5", "--free-mouth", "--liveliness", "0.5", "--seed", "7")
    mood = ("--emotion-timeline", tmp_path / "mood.yaml")
    said = joyvasa("edit", source, *options, *more, *mood, "-o", output, "--json")
    assert json.loads(said)["frames"] == 60
    added = Emotion.happiness(0.3) + Emotion.units(AU4=0.2, AU6_left=0.1)
    wanted = motion.edit(
        timeline + added, strength=0.5, protect_speech=False, liveliness=0.5, seed=7
    )
    assert Motion.load(output) == wanted


def test_a_video_is_animated_with_an_emotion(
    joyvasa: Joyvasa, tmp_path: Path, words: Path, pipe: JoyVASAPipeline
) -> None:
    plain, happy = tmp_path / "plain.safetensors", tmp_path / "happy.safetensors"
    video = tmp_path / "talk.mp4"
    base = ("animate", ASTRONAUT, words, "-o", video, "--quiet", "--motion-out")
    joyvasa(*base, plain)
    joyvasa(*base, happy, "--emotion", "happiness:0.7", "--au", "AU2_left=0.5")
    before, after = Motion.load(plain), Motion.load(happy)
    editor = pipe.editor("happiness:0.7,AU2_left:0.5", pipe.encode(ASTRONAUT), liveliness=0.5)
    assert after == before.edit(editor)
    brow = after.blendshapes[:, BLENDSHAPES.index("browOuterUpLeft")]
    assert brow.mean() - before.blendshapes[:, BLENDSHAPES.index("browOuterUpLeft")].mean() > 0.4


def test_the_pipeline_takes_an_emotion_wherever_it_makes_motion(
    pipe: JoyVASAPipeline, words: Path
) -> None:
    speech = load_speech(words).waveform
    plain = pipe.generate_motion(speech, seed=2)
    editor = Emotion.fear(0.6)
    wanted = plain.edit(editor)
    assert pipe.generate_motion(speech, seed=2, emotion="fear:0.6") == wanted
    assert pipe.perform(speech, seed=2, emotion=editor).motion == wanted
    portrait = pipe.encode(ASTRONAUT)
    # With the person's proportions, and as people's emotions vary.
    own = plain.edit(pipe.editor(editor, portrait, liveliness=0.5, seed=2))
    assert pipe(portrait, words, seed=2, emotion="fear:0.6").motion == own
    held = EmotionEditor(editor)
    assert pipe(portrait, words, seed=2, emotion=held).motion == plain.edit(
        pipe.editor(held, portrait)
    )
    rendered = list(pipe.render(portrait, own).frames())
    streamed = list(pipe.stream(portrait, [speech[:2000], speech[2000:]], seed=2, emotion=editor))
    assert len(streamed) == 6
    assert np.abs(np.stack(streamed).astype(int) - np.stack(rendered)).max() <= 2


def test_the_space_is_printed_whole(joyvasa: Joyvasa) -> None:
    table = joyvasa("emotions")
    assert all(name in table for name in PROTOTYPES)
    assert all(f"│ {unit.code} " in table for unit in ACTION_UNITS)
    assert "EMFACS-7" in table
    assert "PNAS 111(15)" in table
    space = json.loads(joyvasa("emotions", "--json"))
    assert [one["name"] for one in space["emotions"]] == list(PROTOTYPES)
    fear = next(one for one in space["emotions"] if one["name"] == "fear")
    assert Emotion.units(fear["units"]) == Emotion.fear()
    assert len(space["action_units"]) == len(ACTION_UNITS)


def test_the_emotion_of_an_image_is_printed(joyvasa: Joyvasa) -> None:
    said = json.loads(joyvasa("emotions", "--read", ASTRONAUT, "--json"))
    assert said["nearest"] == "happiness" and said["level"] > 0.4
    assert Emotion.units(said["units"]) == Emotion.parse(said["emotion"])
    assert "12" in said["facs"]
    lines = joyvasa("emotions", "--read", ASTRONAUT).splitlines()
    assert lines[0] == said["emotion"]
    assert lines[1:] == [f"FACS: {said['facs']}", f"nearest: happiness:{said['level']:.2f}"]
    itself = joyvasa("emotions", "--read", ASTRONAUT, "--neutral", ASTRONAUT)
    assert itself.splitlines() == ["neutral", "FACS: none", "nearest: neutral"]


@pytest.mark.parametrize("option", [("--face", "1"), ("--box", "1,2,30,40"), ("--crop",)])
def test_a_motion_has_no_face_to_choose(
    refused: Refused, tmp_path: Path, option: tuple[str, ...]
) -> None:
    motion = Motion.neutral(4).save(tmp_path / "motion.safetensors")
    output = tmp_path / "new.safetensors"
    message = refused("edit", motion, "--emotion", "fear", "-o", output, *option)
    assert option[0] in message and not output.exists()


def test_what_cannot_be_read_is_refused(refused: Refused, tmp_path: Path) -> None:
    assert "--read" in refused("emotions", "--neutral", ASTRONAUT)
    assert "--read" in refused("emotions", "--face", "1")
    written = ("emotions", "--read", ASTRONAUT, "--output", tmp_path / "read.png")
    assert "writes no file" in refused(*written)
    assert "two jobs" in refused("emotions", "--read", ASTRONAUT, "--sheet", ASTRONAUT)
    assert "gone.jpg" in refused("emotions", "--read", tmp_path / "gone.jpg")
    assert "Face 4" in refused("emotions", "--read", ASTRONAUT, "--face", "4")
    Image.new("RGB", (200, 200), "green").save(tmp_path / "green.png")
    assert "No face" in refused("emotions", "--read", tmp_path / "green.png")


def test_a_contact_sheet_has_a_cell_for_every_emotion_and_unit(
    pipe: JoyVASAPipeline, tmp_path: Path, joyvasa: Joyvasa, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(emotion_cells()) == 4 * (len(PROTOTYPES) - 1)
    assert {label.split()[0].partition("_")[0] for label, _ in unit_cells()} == {
        unit.code for unit in ACTION_UNITS
    }
    portrait = pipe.encode(ASTRONAUT)
    done: list[int] = []
    groups = [emotion_cells(["happiness", "anger"]), unit_cells()[:3]]
    sheet = contact_sheet(pipe, portrait, groups, columns=8, progress=done.append)
    assert done == list(range(1, 13))
    assert sheet.shape == (3 * (CELL + 18), 8 * CELL, 3)
    rows = sheet.reshape(3, CELL + 18, 8, CELL, 3)[:, 18:].astype(int)
    first, happy, angry = rows[0, :, 0], rows[1, :, 3], rows[1, :, 7]
    assert (rows[0, :, 1:] == 255).all()
    assert min(np.abs(first - happy).max(), np.abs(happy - angry).max()) > 60

    monkeypatch.setattr("joyvasa_lib.evaluation.contact_sheet.unit_cells", lambda: unit_cells()[:1])
    monkeypatch.setattr("joyvasa_lib.evaluation.contact_sheet.emotion_cells", lambda: groups[0][:1])
    output = tmp_path / "sheet.png"
    said = joyvasa("emotions", "--sheet", ASTRONAUT, "-o", output)
    assert said == f"{output}: 3 faces\n"
    assert Image.open(output).getexif()[0x010E] == SYNTHETIC_IMAGE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--emotion", "joy"), "no emotion 'joy'; there are neutral, happiness"),
        (("--emotion", "fear:2"), "must be a number from -1 to 1, not 2"),
        (("--au", "AU12"), "--au is a unit with its intensity, such as AU12=0.4; not 'AU12'"),
        (("--au", "AU12=high"), "--au AU12=high: could not convert"),
        (("--au", "AU12=nan"), "--au AU12=nan: .* from -1 to 1, not nan"),
        (("--au", "AU3=0.4"), "--au AU3=0.4: There is no action unit 'AU3'"),
        (("--emotion", "fear", "--emotion-strength", "3"), "strength must be a number from 0 to 2"),
        (("--emotion", "fear", "--liveliness", "-1"), "liveliness must be a number from 0 to 1"),
        (("--emotion-timeline", "nowhere.yaml"), "no timeline file 'nowhere.yaml'"),
        ((), "Give --emotion, --emotion-timeline or --au"),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(
    refused: Refused, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):  # the message as pytest matches it
        raise AssertionError(refused("edit", ASTRONAUT, *arguments, "-o", tmp_path / "out.png"))
    assert not list(tmp_path.iterdir())


def test_outputs_of_another_kind_are_refused(refused: Refused, tmp_path: Path) -> None:
    motion = Motion.neutral(3).save(tmp_path / "a.safetensors")
    fear = ("--emotion", "fear")
    assert ".safetensors file, not b.png" in refused(
        "edit", motion, *fear, "-o", tmp_path / "b.png"
    )
    full_image = tmp_path / "b.safetensors"
    assert "is an image file, not b.saf" in refused("edit", ASTRONAUT, *fear, "-o", full_image)
    EmotionTimeline.constant("fear").save(tmp_path / "mood.yaml")
    mood = ("--emotion-timeline", tmp_path / "mood.yaml")
    assert "an image has one" in refused("edit", ASTRONAUT, *mood, "-o", tmp_path / "b.png")
    assert "belong together" in refused("emotions", "--sheet", ASTRONAUT)
