"""``joyvasa animate``, ``demo`` and ``motion``: each option does what its help says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

import places
from command_line import Joyvasa, Run, refusal
from joyvasa_lib import Motion
from joyvasa_lib.cli import animate, app
from joyvasa_lib.media.audio import load_speech, write_wav
from joyvasa_lib.media.video import SYNTHETIC_NOTE, probe, read_video
from joyvasa_lib.motion import BLENDSHAPES
from joyvasa_lib.speech.postprocessing import LIMITS

pytestmark = pytest.mark.slow

DEMO = places.DEMO
ASTRONAUT = DEMO / "astronaut.jpg"


@pytest.fixture(scope="module")
def sentence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 s of it: long enough for a blink and for lips that open and close."""
    waveform = load_speech(DEMO / "hello.flac").waveform[:48000]
    return write_wav(tmp_path_factory.mktemp("recordings") / "sentence.wav", waveform)


def test_the_bundled_checkpoint_loads_and_the_video_says_what_it_is(
    tmp_path: Path, words: Path
) -> None:
    output = tmp_path / "talk.mp4"
    arguments = ["animate", ASTRONAUT, words, "-o", output, "--device", "cpu", "--json"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    report = json.loads(result.stdout)
    assert report["output"] == str(output)
    assert report["frames"] == 6
    assert report["fps"] == 25.0
    assert report["size"] == [512, 512]
    assert set(report["timings"]) == {"encode", "motion", "render"}
    assert all(seconds > 0 for seconds in report["timings"].values())
    video = probe(output, count_frames=True)
    assert (video.size, video.fps, video.n_frames) == ((512, 512), 25.0, 6)
    assert video.has_audio
    assert video.comment == SYNTHETIC_NOTE
    assert list(tmp_path.iterdir()) == [output]


def test_the_demo_is_the_bundled_portrait_with_the_bundled_sentence(
    joyvasa: Joyvasa, tmp_path: Path, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_speech(DEMO / "hello.flac").duration > 5
    assets = tmp_path / "assets"
    assets.mkdir()
    (assets / "astronaut.jpg").write_bytes(ASTRONAUT.read_bytes())
    (assets / "hello.flac").write_bytes(words.read_bytes())  # ffmpeg goes by the content
    monkeypatch.setattr(animate, "DEMO_ASSETS", assets)
    monkeypatch.chdir(tmp_path)
    assert joyvasa("demo").startswith("joyvasa_demo.mp4: 6 frames, 0.2 s, made in ")
    assert probe(tmp_path / "joyvasa_demo.mp4").has_audio


def test_frames_a_second_change_the_number_of_frames_and_not_the_length(
    joyvasa: Joyvasa, tmp_path: Path, words: Path
) -> None:
    output = tmp_path / "fast.mp4"
    report = json.loads(joyvasa("animate", ASTRONAUT, words, "-o", output, "--fps", 50, "--json"))
    assert (report["frames"], report["seconds"]) == (12, pytest.approx(0.24))
    assert probe(output).fps == 50.0


def test_full_keeps_the_image_outside_the_face_and_crop_is_the_square_around_it(
    joyvasa: Joyvasa, tmp_path: Path, astronaut: NDArray[np.uint8]
) -> None:
    full, crop, speech = tmp_path / "full.mp4", tmp_path / "crop.mp4", tmp_path / "speech.wav"
    # Ten frames: the encoder keeps later frames of a still image better than early ones.
    write_wav(speech, load_speech(DEMO / "hello.flac").waveform[8000:14400])
    joyvasa("animate", ASTRONAUT, speech, "-o", full, "--full", "--quiet")
    joyvasa("animate", ASTRONAUT, speech, "-o", crop, "--crop", "--quiet")
    frame = np.asarray(list(read_video(full))[-1], np.int16)
    assert np.abs(frame[400:] - astronaut[400:]).mean() < 3
    size = probe(crop).size
    assert size is not None
    assert size[0] == size[1] != 512


def test_quiet_says_nothing_and_otherwise_one_line_tells_the_result(
    joyvasa: Joyvasa, tmp_path: Path, words: Path
) -> None:
    output = tmp_path / "talk.mp4"
    assert joyvasa("animate", ASTRONAUT, words, "-o", output, "--quiet") == ""
    said = joyvasa("animate", ASTRONAUT, words, "-o", output)
    assert said.startswith(f"{output}: 6 frames, 0.2 s, made in ")
    assert said.count("\n") == 1


def test_an_animation_moves_as_its_saved_motion_and_as_the_motion_command(
    joyvasa: Joyvasa, tmp_path: Path, words: Path
) -> None:
    beside, alone = tmp_path / "beside.safetensors", tmp_path / "alone.safetensors"
    video = tmp_path / "talk.mp4"
    joyvasa("animate", ASTRONAUT, words, "-o", video, "--seed", 5, "--motion-out", beside)
    said = joyvasa("motion", words, "-o", alone, "--seed", 5)
    assert said == f"{alone}: 6 frames\n"
    assert Motion.load(beside) == Motion.load(alone)


Motions = Callable[..., Motion]


def test_a_motion_takes_the_place_of_no_recording_image_or_video(
    run: Run, tmp_path: Path, words: Path
) -> None:
    recording, image = tmp_path / "words.wav", tmp_path / "face.jpg"
    recording.write_bytes(words.read_bytes())
    image.write_bytes(ASTRONAUT.read_bytes())
    video = tmp_path / "talk.mp4"
    for arguments, name in [
        (("motion", recording, "-o", recording), recording.name),
        (("animate", image, recording, "-o", video, "--motion-out", image), image.name),
        (("animate", image, recording, "-o", video, "--motion-out", video), video.name),
    ]:
        assert f"is a .safetensors file, not {name}" in refusal(run(*arguments))
    assert recording.read_bytes() == words.read_bytes()
    assert image.read_bytes() == ASTRONAUT.read_bytes()
    assert not video.exists()


@pytest.fixture
def motion(joyvasa: Joyvasa, tmp_path: Path, sentence: Path) -> Motions:
    def make(*options: object) -> Motion:
        path = tmp_path / "motion.safetensors"
        joyvasa("motion", sentence, "-o", path, "--quiet", *options)
        return Motion.load(path)

    return make


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(motion: Motions) -> None:
    first, again, other = (motion("--seed", seed).vector for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert np.abs(first - other).max() > 1e-2


@pytest.mark.parametrize(
    "option", [("--guidance-scale", 4), ("--steps", 3), ("--scheduler", "ddim")]
)
def test_how_motion_is_drawn_changes_it(motion: Motions, option: tuple[str, object]) -> None:
    assert np.abs(motion().vector - motion(*option).vector).max() > 1e-2


def test_the_head_is_still_at_head_motion_zero_and_moves_half_at_a_half(motion: Motions) -> None:
    whole, half, still = (motion("--head-motion", factor) for factor in (1, 0.5, 0))
    assert np.ptp(whole.rotation, axis=0).max() > 0.3
    free = np.abs(whole.rotation) < LIMITS.knee * min(LIMITS.pitch, LIMITS.yaw, LIMITS.roll)
    assert free.mean() > 0.5  # what goes further is bent back
    np.testing.assert_allclose(half.rotation[free], 0.5 * whole.rotation[free], atol=1e-4)
    assert (np.abs(half.rotation) >= 0.5 * np.abs(whole.rotation) - 1e-4).all()
    np.testing.assert_array_equal(still.rotation, 0)
    np.testing.assert_array_equal(still.translation, 0)
    looks = np.array([name.startswith("eyeLook") for name in BLENDSHAPES])
    np.testing.assert_allclose(
        still.blendshapes[:, ~looks], whole.blendshapes[:, ~looks], atol=1e-4
    )
    # Eyes stay where they look while the head turns.
    assert np.abs(still.blendshapes[:, looks] - whole.blendshapes[:, looks]).max() > 0.005


def test_the_head_is_shaped_by_each_option(motion: Motions, tmp_path: Path) -> None:
    whole = motion()
    kept = whole.save(tmp_path / "head.safetensors")
    nods = motion("--head-motion", "1,0,1")
    np.testing.assert_allclose(nods.rotation, whole.rotation * [1, 0, 1], atol=1e-4)
    most = float(np.abs(whole.rotation[:, 0]).max())
    assert np.abs(motion("--head-limit", f"{most / 2},90,90").rotation[:, 0]).max() <= most / 2
    posed = motion("--head-motion", 0, "--head-pose", "1,-7,2")
    np.testing.assert_allclose(posed.rotation, [[1, -7, 2]] * len(posed), atol=1e-5)
    other = motion("--seed", 9, "--head-from", kept)
    np.testing.assert_allclose(other.rotation, whole.rotation, atol=1e-4)
    assert np.abs(other.blendshapes - whole.blendshapes).max() > 0.01


@pytest.mark.parametrize(
    ("option", "parts"),
    [
        ("--blink", ("eyeBlinkLeft", "eyeBlinkRight")),
        ("--mouth", ("jawOpen", "mouthClose", "mouthFunnel")),
        ("--brows", ("browInnerUp", "browOuterUpLeft")),
    ],
)
def test_a_gain_of_zero_takes_its_part_away_and_leaves_the_others(
    joyvasa: Joyvasa, tmp_path: Path, words: Path, option: str, parts: tuple[str, ...]
) -> None:
    def blendshapes(*options: object) -> NDArray[np.float32]:
        saved = tmp_path / "motion.safetensors"
        video = tmp_path / "talk.mp4"
        common = ("--crop", "--quiet", "--motion-out", saved)
        joyvasa("animate", ASTRONAUT, words, "-o", video, *common, *options)
        return Motion.load(saved).blendshapes

    without, usual = blendshapes(option, 0), blendshapes()
    gone = [BLENDSHAPES.index(name) for name in parts]
    np.testing.assert_allclose(without[:, gone], 0, atol=1e-4)
    changed = {
        name
        for index, name in enumerate(BLENDSHAPES)
        if np.ptp(usual - without, axis=0)[index] > 0.01
    }
    allowed = {
        "--blink": ("eyeBlink",),
        "--mouth": ("mouth", "jaw", "tongue"),
        "--brows": ("brow",),
    }
    assert all(name.startswith(allowed[option]) for name in changed)
