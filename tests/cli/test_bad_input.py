"""``joyvasa animate`` on input nobody should give, and on odd input that has to work.

Bad input: one sentence on standard error that names the value and the remedy, exit code 2,
nothing new in the folder, and a file already at the output untouched.
"""

from __future__ import annotations

import io
import json
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.io import wavfile

import places
from command_line import Run, refusal
from joyvasa_lib.cli import main
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.media.video import read_video
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.speech.motion_generator import MotionGenerator

pytestmark = pytest.mark.slow

DEMO = places.DEMO
ASTRONAUT, HELLO = DEMO / "astronaut.jpg", DEMO / "hello.flac"
KEPT = b"the video of yesterday"


@pytest.fixture(scope="module")
def waveform() -> NDArray[np.float32]:
    """0.4 s of the demonstration sentence, float32 [6400] at 16 kHz."""
    return load_speech(HELLO).waveform[8000:14400]


@pytest.fixture
def short(tmp_path: Path, waveform: NDArray[np.float32]) -> Path:
    return write_wav(tmp_path / "short.wav", 16000, waveform)


def write_wav(path: Path, rate: int, samples: NDArray[np.float32]) -> Path:
    if np.isfinite(samples).all():
        wavfile.write(path, rate, np.round(samples * 32767).astype(np.int16))
    else:
        wavfile.write(path, rate, samples)
    return path


def refused(run: Run, folder: Path, *arguments: object) -> str:
    """Runs it over an existing output in `folder`; checks the rules; returns the sentence."""
    output = folder / "talk.mp4"
    output.write_bytes(KEPT)
    before = contents(folder)
    outcome = run("animate", *arguments, "-o", output)
    sentence = refusal(outcome)
    assert contents(folder) == before
    return sentence


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


# Images


def blank(width: int, height: int) -> Callable[[Path], None]:
    return lambda path: Image.new("1", (width, height), 1).save(path)


def text(path: Path) -> None:
    path.write_text("Dear reader, this is a letter.\n")


def cut_short(path: Path) -> None:
    whole = ASTRONAUT.read_bytes()
    path.write_bytes(whole[: len(whole) // 3])


def nothing(path: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("name", "make", "value", "remedy"),
    [
        ("wall.png", blank(300, 200), "300 x 200", "box or landmarks by hand"),
        ("icon.png", blank(10, 10), "10x10", "at least 64"),
        ("wide.png", blank(20000, 300), "20000x300|4096x61", "at least 64"),
        ("poster.png", blank(20000, 20000), "20000x20000", "make it smaller"),
        ("letter.jpg", text, "letter.jpg", "convert it to PNG or JPEG"),
        ("half.jpg", cut_short, "half.jpg", "export it again"),
        ("empty.png", Path.touch, "empty.png", "give another"),
        ("absent.png", nothing, "absent.png", "check the name"),
        ("album", Path.mkdir, "album", "give an image file"),
    ],
)
def test_a_bad_image_is_refused(
    run: Run,
    tmp_path: Path,
    short: Path,
    name: str,
    make: Callable[[Path], None],
    value: str,
    remedy: str,
) -> None:
    portrait = tmp_path / name
    make(portrait)
    message = refused(run, tmp_path, portrait, short)
    assert any(part in message for part in value.split("|"))
    assert remedy in message


# Recordings


def recording(samples: NDArray[np.float32]) -> Callable[[Path], None]:
    return lambda path: write_wav(path, 16000, samples) and None


def without_samples(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))


def rubbish(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(4096))


def broken_flac(path: Path) -> None:
    path.write_bytes(HELLO.read_bytes()[:200])


TONE = (0.5 * np.sin(np.arange(16000) / 10)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "make", "value", "remedy"),
    [
        ("silent.wav", recording(np.zeros(16000, np.float32)), "silent", "give|check|record"),
        ("empty.wav", Path.touch, "empty.wav", "give another"),
        ("header.wav", without_samples, "header.wav", "give|check"),
        ("click.wav", recording(TONE[:800]), "0.05", "at least 0.1|give"),
        ("nan.wav", recording(np.where(TONE > 0.49, np.nan, TONE)), "nan.wav", "give|export|check"),
        ("rubbish.wav", rubbish, "rubbish.wav", "give|convert|check"),
        ("half.flac", broken_flac, "half.flac", "give|convert|check"),
        ("absent.wav", nothing, "absent.wav", "check the name"),
        ("album", Path.mkdir, "album", "give an audio file"),
    ],
)
def test_a_bad_recording_is_refused(
    run: Run,
    tmp_path: Path,
    name: str,
    make: Callable[[Path], None],
    value: str,
    remedy: str,
) -> None:
    audio = tmp_path / name
    make(audio)
    message = refused(run, tmp_path, ASTRONAUT, audio)
    assert value in message
    assert any(part in message for part in remedy.split("|")), message


# Outputs


@pytest.mark.parametrize(
    ("output", "value", "remedy"),
    [
        ("missing/talk.mp4", "missing", "create it first"),
        ("short.wav/talk.mp4", "short.wav", "create|choose"),
        ("album", "album", "name of a file inside"),
        ("talk.avi", "talk.avi", ".mp4, .mov, .mkv"),
        ("talk", "talk", ".mp4, .mov, .mkv"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused(
    run: Run, tmp_path: Path, short: Path, output: str, value: str, remedy: str
) -> None:
    (tmp_path / "album").mkdir()
    before = contents(tmp_path)
    message = refusal(run("animate", ASTRONAUT, short, "-o", tmp_path / output))
    assert value in message
    assert any(part in message for part in remedy.split("|")), message
    assert contents(tmp_path) == before


# Options


@pytest.mark.parametrize(
    ("option", "value", "remedy"),
    [
        ("--scheduler", "euler", "ddim"),
        ("--device", "warp9", "use 'cpu'"),
        ("--fps", "-5", "from 1 to 120"),
        ("--fps", "0", "from 1 to 120"),
        ("--fps", "nan", "from 1 to 120"),
        ("--guidance-scale", "-1", "from 0 to 20"),
        ("--guidance-scale", "99", "from 0 to 20"),
        ("--guidance-scale", "nan", "from 0 to 20"),
        ("--steps", "0", "from 1 to"),
        ("--steps", "-3", "from 1 to"),
        ("--steps", "100000", "from 1 to"),
        ("--seed", "-1", "whole number of at least 0"),
        ("--head-motion", "-2", "from 0 to"),
        ("--head-motion", "much", "pitch,yaw,roll such as 1,0.5,1"),
        ("--head-motion", "1,2", "three for pitch, yaw and roll"),
        ("--head-limit", "0", "above 0 and at most 90"),
        ("--head-limit", "5,5,far", "pitch,yaw,roll"),
        ("--head-pose", "5", "pitch, yaw and roll in degrees"),
        ("--head-pose", "0,40,0", "from -12 to 12"),
        ("--head-from", "absent.mp4", "check the name"),
        ("--style", "loud", "calm, neutral, lively, presenter"),
        ("--style", "arms=1", "articulation, head, brows, smile"),
        ("--style", "head=much", "head=0.5,smile=1.5"),
        ("--style", "smile=3", "from 0 to 2"),
        ("--blink", "-1", "0"),
        ("--mouth", "nan", "finite|between|0"),
        ("--face", "7", "give 0 or 'largest'"),
        ("--face", "nose", "largest"),
        ("--box", "1,2,3", "left,top,right,bottom"),
        ("--box", "ear", "left,top,right,bottom"),
        ("--landmarks", "absent.json", "5, 9, 68, 468 or 478"),
        ("--checkpoint", "absent", "check the path"),
        ("--motion-out", "absent/motion.safetensors", "create it first"),
    ],
)
def test_an_impossible_option_is_refused(
    run: Run, tmp_path: Path, short: Path, option: str, value: str, remedy: str
) -> None:
    message = refused(run, tmp_path, ASTRONAUT, short, option, value)
    # Numbers are named as they were read, a file that cannot be written by its missing folder.
    shown = {
        "1,2": "(1.0, 2.0)",
        "1,2,3": "1.0, 2.0, 3.0",
        "0,40,0": "yaw of head_pose must be a number from -12 to 12, not 40.0",
        "absent/motion.safetensors": "folder absent",
        "arms=1": "'arms'",
        "smile=3": "smile must be a number from 0 to 2, not 3.0",
    }
    assert shown.get(value, value) in message
    assert any(part in message for part in remedy.split("|")), message


def test_a_style_that_the_model_was_not_trained_with_is_refused(
    run: Run, tmp_path: Path, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = MotionGenerator.check

    def without_styles(generator: MotionGenerator, *given: Any, **changes: Any) -> Any:
        generator.denoiser.register_to_config(style_dim=0)
        try:
            return check(generator, *given, **changes)
        finally:
            generator.denoiser.register_to_config(style_dim=4)

    monkeypatch.setattr(MotionGenerator, "check", without_styles)
    message = refused(run, tmp_path, ASTRONAUT, short, "--style", "calm")
    assert "'calm'; leave out style" in message


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused(run: Run, tmp_path: Path, short: Path) -> None:
    message = refused(run, tmp_path, ASTRONAUT, short, "--device", "cuda")
    assert "'cuda'" in message and "use 'cpu'" in message


def test_stopping_in_the_middle_leaves_the_folder_as_it_was(
    run: Run, tmp_path: Path, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = CompactPortraitModel.render

    def interrupted(*arguments: object, **options: object) -> Iterator[NDArray[np.uint8]]:
        motion = arguments[2]
        batches = whole(*arguments, **options)  # type: ignore[arg-type]
        if len(motion) == 0:  # type: ignore[arg-type]
            return batches

        def first_then_stop() -> Iterator[NDArray[np.uint8]]:
            yield next(iter(batches))
            raise KeyboardInterrupt

        return first_then_stop()

    monkeypatch.setattr(CompactPortraitModel, "render", interrupted)
    output = tmp_path / "talk.mp4"
    output.write_bytes(KEPT)
    before = contents(tmp_path)
    outcome = run("animate", ASTRONAUT, short, "-o", output)
    assert outcome.code == 130
    assert "Traceback" not in outcome.err
    assert contents(tmp_path) == before


# Odd input that is fine


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44100, 2)])
def test_telephone_and_stereo_recordings_are_animated(
    tmp_path: Path,
    waveform: NDArray[np.float32],
    run: Run,
    rate: int,
    channels: int,
) -> None:
    times = np.arange(round(0.4 * rate)) / rate
    samples = np.interp(times, np.arange(len(waveform)) / 16000, waveform).astype(np.float32)
    if channels == 2:
        samples = np.stack([samples, 0.5 * samples], axis=1)
    audio = write_wav(tmp_path / "voice.wav", rate, samples)
    report = animated(run, ASTRONAUT, audio, tmp_path / "talk.mp4", "--crop")
    assert report["frames"] == 10
    assert report["seconds"] == pytest.approx(0.4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["talk.mp4", "voice.wav"]


@pytest.mark.parametrize(("face", "moving"), [("largest", "left"), ("1", "right")])
def test_of_many_faces_the_chosen_one_moves_and_the_other_keeps_still(
    tmp_path: Path,
    short: Path,
    astronaut: NDArray[np.uint8],
    run: Run,
    face: str,
    moving: str,
) -> None:
    couple = np.full((512, 928, 3), 200, np.uint8)
    couple[:, :512] = astronaut
    couple[:416, 512:] = np.asarray(Image.fromarray(astronaut).resize((416, 416)))
    Image.fromarray(couple).save(tmp_path / "couple.png")
    output = tmp_path / "talk.mp4"
    animated(run, tmp_path / "couple.png", short, output, "--face", face)
    frames = np.stack([np.asarray(frame, np.float32) for frame in read_video(output)])
    change = np.abs(frames - frames[:1]).mean(axis=(0, 1, 3))
    left, right = change[:448].max(), change[544:].max()
    assert (left > 4 * right) if moving == "left" else (right > 4 * left)


def animated(run: Run, portrait: Path, audio: Path, output: Path, *options: str) -> dict[str, Any]:
    outcome = run("animate", portrait, audio, "-o", output, "--json", *options)
    assert outcome.code == 0, outcome.err
    return dict(json.loads(outcome.out))


@pytest.mark.parametrize("listener", ["closed", "absent"])
def test_an_error_that_nobody_can_read_still_ends_with_its_exit_code(
    listener: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stream = io.StringIO()
    stream.close()
    missing = str(tmp_path / "none.jpg")
    monkeypatch.setattr(sys, "argv", ["joyvasa", "animate", missing, missing, "-o", "o.txt"])
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "stderr", stream if listener == "closed" else None)
        main()
    assert ended.value.code == 2
