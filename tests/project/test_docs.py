"""What the documentation says works: its Python and its commands run, page by page."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from PIL import Image

import places
from encoded_once import encode_once
from joyvasa_lib import DrivingOptions, Emotion, EmotionTimeline, JoyVASAPipeline
from joyvasa_lib.budgets import Budgets, budgets, set_budgets
from joyvasa_lib.checkpoints.official.sources import PARTS
from joyvasa_lib.cli import app, main
from joyvasa_lib.compat.joyvasa.motion_generator import JoyVASAMotionGenerator
from joyvasa_lib.evaluation.contact_sheet import emotion_cells
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.media.audio import load_speech, write_wav
from joyvasa_lib.media.video import VideoWriter, probe
from joyvasa_lib.motion import Motion

pytestmark = pytest.mark.slow

ROOT = places.ROOT
DEMO = ROOT / "joyvasa_lib" / "demo_assets"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


FRAMES = 6
SECONDS = FRAMES / 25
"""What the pages are given to say: a piece of the demonstration sentence."""


@pytest.fixture(scope="module")
def waveform() -> NDArray[np.float32]:
    return load_speech(DEMO / "hello.flac").waveform[8000 : 8000 + FRAMES * 640]


@pytest.fixture
def desk(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    waveform: NDArray[np.float32],
    astronaut: NDArray[np.uint8],
) -> Path:
    """A folder with the files that the pages speak of; the working directory."""
    portrait = Image.fromarray(astronaut[:320, 64:384])
    (tmp_path / "portraits").mkdir()
    (tmp_path / "speech").mkdir()
    for name in ("portrait.jpg", "cat.jpg", "portraits/anna.jpg"):
        portrait.save(tmp_path / name)
    Image.new("RGB", (320, 200), "green").save(tmp_path / "landscape.jpg")
    for name in ("speech.wav", "lecture.mp3", "speech/hello.wav"):
        write_wav(tmp_path / name, waveform)  # ffmpeg goes by the content, not by the name
    monkeypatch.chdir(tmp_path)
    return tmp_path


def joyvasa(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["joyvasa", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code, arguments


def run_page(
    page: Path, names: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> dict[str, object]:
    """Runs a page's blocks from top to bottom; returns the names its Python leaves behind."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    assert found, f"{page} has no code"
    for language, code in found:
        if language == "python":
            exec(compile(code, str(page), "exec"), names)
            continue
        for line in code.splitlines():
            if line.startswith("joyvasa "):
                joyvasa(shlex.split(line, comments=True)[1:], monkeypatch)
            elif line.startswith("echo "):
                subprocess.run(["bash", "-c", line], check=True)
    return names


Runner = Callable[..., dict[str, object]]


@pytest.fixture
def run(desk: Path, pipe: JoyVASAPipeline, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Runs a page with the pipeline loaded, and a face read, once for all pages."""
    encode_once(monkeypatch)

    def run(page: str, **names: object) -> dict[str, object]:
        monkeypatch.setattr(JoyVASAPipeline, "from_pretrained", lambda *_, **__: pipe)
        return run_page(ROOT / page, {"pipe": pipe, **names}, monkeypatch)

    return run


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_first_screen_makes_a_video(run: Runner, desk: Path, page: str) -> None:
    run(page)
    assert probe(desk / "talking.mp4").duration == pytest.approx(SECONDS, abs=0.04)


def test_the_tutorial_runs(
    run: Runner, desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("joyvasa_lib.cli.doctor.examine", lambda: ({}, []))
    names = run("docs/tutorial.md")
    assert len(names["slower"]) == 8  # type: ignore[arg-type]
    assert probe(desk / "talking.mp4").has_audio
    assert "No face was found" in capsys.readouterr().out


def test_videos_and_motions_are_laid_beside_people(
    run: Runner, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    portrait = np.asarray(Image.open("portrait.jpg"))
    speech = write_wav(desk / "speech.wav", load_speech(DEMO / "hello.flac").waveform[:32000])
    with VideoWriter("talking.mp4", (320, 320), 25.0, load_speech(speech)) as writer:
        for _ in range(50):
            writer.write(portrait)
    Path("results").mkdir()
    shutil.copy("talking.mp4", "results")
    Motion.neutral(50).save("talk.safetensors")
    run("docs/how-to/behaviour.md")
    assert "of 23 rows are as people are" in capsys.readouterr().out


def test_a_face_is_given_by_hand_in_every_way_the_page_names(run: Runner, desk: Path) -> None:
    image = np.asarray(Image.open("cat.jpg").resize((640, 640)))
    Image.fromarray(image).save("cat.jpg")
    np.save("cat_landmarks.npy", MediaPipeFaceDetector().detect(image)[0].landmarks)
    run("docs/how-to/animals.md")
    assert probe(desk / "cat.mp4").size == (640, 640)


def test_head_motion_is_shaped(run: Runner, desk: Path) -> None:
    run("docs/how-to/head-motion.md")
    assert (desk / "calm.mp4").is_file()


def test_a_portrait_idles_and_listens_as_the_page_says(run: Runner, desk: Path) -> None:
    names = run("docs/how-to/idle.md")
    assert len(names["waiting"]) == 75  # type: ignore[arg-type]
    assert len(names["listening"]) == FRAMES  # type: ignore[arg-type]
    assert len(names["scene"]) == 75 + FRAMES + 50 - 6  # type: ignore[arg-type]
    assert probe(desk / "idle.mp4").duration == pytest.approx(3.0, abs=0.04)
    assert not probe(desk / "listening.mp4").has_audio


def test_a_portrait_speaks_live_as_the_page_says(
    run: Runner, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = run("docs/how-to/live.md")
    assert probe(desk / "live.mp4").has_audio and probe(desk / "answer.mp4").has_audio
    assert names["avatar"].metrics.utterances == 1  # type: ignore[attr-defined]
    said = capsys.readouterr().out
    assert "640 samples" in said and "real-time factor" in said
    page = (ROOT / "docs/how-to/live.md").read_text("utf-8")
    code = [block for language, block in FENCE.findall(page) if language == "python"]
    assert max(len(block.splitlines()) for block in code) <= 40
    commands = re.findall(r"^\| `joyvasa (.*?)` \|", page, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        understand(typer.main.get_command(app), "joyvasa", shlex.split(command))


def run_short(run: Runner, page: str) -> dict[str, object]:
    """Runs a page whose examples are at most 40 lines long."""
    text = (ROOT / page).read_text("utf-8")
    code = [block for language, block in FENCE.findall(text) if language == "python"]
    assert max(len(block.splitlines()) for block in code) <= 40
    return run(page)


def test_a_face_joins_a_room_as_the_page_says(
    run: Runner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("livekit.agents", reason="the extra livekit is not installed")
    from livekit_room import Recorder

    names = run_short(run, "docs/how-to/livekit.md")

    async def work() -> None:
        ends: list[Callable[[], Awaitable[None]]] = []
        await Recorder(monkeypatch).greeted(names["give_a_face"], ends.append)
        for close in ends:
            await close()

    asyncio.run(work())
    assert "real-time factor" in capsys.readouterr().out


def test_a_bot_has_a_face_as_the_page_says(run: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pipecat", reason="the extra pipecat is not installed")
    names = run_short(run, "docs/how-to/pipecat.md")
    sent: Counter[str] = names["sent"]  # type: ignore[assignment]
    assert sent["TTSStoppedFrame"] == sent["EndFrame"] == 1
    assert sent["OutputImageRawFrame"] >= sent["TTSAudioRawFrame"] >= 2
    assert "real-time factor" in capsys.readouterr().out


def test_motion_is_drawn_in_other_ways(
    run: Runner, pipe: JoyVASAPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_published = JoyVASAPipeline(
        pipe.portrait_model, JoyVASAMotionGenerator.of(pipe.motion_generator)
    )
    asked: list[object] = []
    monkeypatch.setattr(
        JoyVASAPipeline, "from_official", lambda *_, **more: asked.append(more) or as_published
    )
    names = run("docs/how-to/steps-and-windows.md")
    assert len(names["quick"]) == len(names["motion"]) == FRAMES  # type: ignore[arg-type]
    assert len(names["published"]) == FRAMES + 3  # type: ignore[arg-type]
    assert asked == [{"compat": "joyvasa"}]


def test_emotions_are_added_on_every_way_the_page_names(
    run: Runner, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = emotion_cells(["anger"])
    monkeypatch.setattr("joyvasa_lib.evaluation.contact_sheet.emotion_cells", lambda: few)
    monkeypatch.setattr("joyvasa_lib.evaluation.contact_sheet.unit_cells", lambda: few[:1])
    for name in ("smile.jpg", "rest.jpg"):
        shutil.copy("portrait.jpg", name)
    with VideoWriter("actor.mp4", (320, 320), 25.0) as writer:
        writer.write(np.stack([np.asarray(Image.open("portrait.jpg"))] * 5))
    names = run("docs/how-to/emotion.md")
    assert names["smile"] == Emotion.neutral()  # the same image
    assert names["same"] == names["wry"]
    assert names["worried"] != names["motion"]
    written = ("happy.mp4", "wry.mp4", "mood.mp4", "out.png", "sheet.png", "units.png")
    assert all((desk / name).stat().st_size > 1000 for name in written)


def test_the_timeline_on_the_page_is_read_as_a_file(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/emotion.md").read_text(encoding="utf-8")
    (text,) = (code for language, code in FENCE.findall(page) if language == "yaml")
    (tmp_path / "mood.yaml").write_text(text)
    assert EmotionTimeline.load(tmp_path / "mood.yaml").at(2.5)["AU4"] == 0.1


def test_long_speech_is_streamed_frame_by_frame(run: Runner, waveform: NDArray[np.float32]) -> None:
    shown: list[NDArray[np.uint8]] = []
    sent: list[NDArray[np.float32]] = []
    pieces = [waveform[:2000], waveform[2000:]]
    run(
        "docs/how-to/long-speech.md",
        microphone_chunks=pieces,
        chunks=pieces,
        show=shown.append,
        send=sent.append,
    )
    assert len(shown) == 2 * FRAMES
    assert sum(map(len, sent)) == FRAMES


def test_a_batch_that_was_stopped_goes_on_where_it_was(run: Runner, desk: Path) -> None:
    finished = desk / "results" / "anna-hello.mp4"
    run("docs/how-to/batch.md")
    before = finished.stat().st_mtime_ns
    run("docs/how-to/batch.md")
    assert finished.stat().st_mtime_ns == before


def test_budgets_are_set_as_the_page_says(
    run: Runner, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("docs/how-to/untrusted-files.md")
    try:
        assert budgets() == Budgets(
            image_pixels=24_000_000, video_pixels=1920 * 1080, audio_seconds=120
        )
    finally:
        set_budgets(None)


def test_the_page_names_every_budget_with_its_default() -> None:
    page = (ROOT / "docs" / "how-to" / "untrusted-files.md").read_text("utf-8")
    units = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+)(?: (KiB|MiB|GiB))?", page, re.MULTILINE)
    found = {name: int(n.replace(",", "")) * units.get(unit, 1) for name, n, unit in rows}
    assert found == vars(Budgets())


def test_a_portrait_is_driven_in_every_way_the_page_names(
    run: Runner, desk: Path, pipe: JoyVASAPipeline
) -> None:
    portrait = pipe.encode("portrait.jpg")
    acted = pipe.generate_motion("speech.wav")[:6]
    pipe.render(portrait, acted, "speech.wav").save(desk / "driving.mp4")
    names = run("docs/how-to/reenactment.md")
    assert len(names["motion"]) == 6  # type: ignore[arg-type]
    assert probe(desk / "driven.mp4").has_audio
    assert probe(desk / "again.mp4").has_audio
    assert probe(desk / "start.mp4", count_frames=True).n_frames == 5


def test_what_the_page_on_official_checkpoints_says_is_there(
    desk: Path, pipe: JoyVASAPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "how-to" / "official.md").read_text(encoding="utf-8")
    blocks = FENCE.findall(text)
    asked: list[object] = []
    monkeypatch.setattr(
        JoyVASAPipeline, "from_official", lambda *args, **more: asked.append(more) or pipe
    )
    driven: list[DrivingOptions] = []
    monkeypatch.setattr(JoyVASAPipeline, "drive", lambda *_, driving, **__: driven.append(driving))
    names: dict[str, object] = {}
    for code in (code for language, code in blocks if language == "python"):
        exec(compile(code, "official.md", "exec"), names)
    assert len(asked) == 2
    assert driven == [DrivingOptions(multiplier=1.2)]
    assert (desk / "talking.mp4").is_file()
    commands = typer.main.get_command(app)
    lines = [line for language, code in blocks if not language for line in code.splitlines()]
    assert len(lines) == 5
    for line in lines:
        options = {word for word in shlex.split(line) if word.startswith("-")}
        command = commands
        for word in shlex.split(line)[1:3]:
            command = getattr(command, "commands", {}).get(word, command)
        known = {name for option in command.params for name in option.opts}
        assert options <= known, line
    for name in re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE):
        part = PARTS[name]
        (row,) = re.findall(rf"^\| `{name}` \| {part.repository} \| (.*)$", text, re.MULTILINE)
        assert part.non_commercial == ("non-commercial" in row)


def test_a_basis_is_learned_from_labelled_motions(run: Runner, desk: Path) -> None:
    from joyvasa_lib import Motion
    from joyvasa_lib.motion.space import LIVEPORTRAIT_21

    random = np.random.default_rng(0)
    (desk / "labelled").mkdir()
    for name in ("anna-1", "anna-2", "bela-1"):
        curves = random.random((60, 2))
        expression = np.zeros((60, 21, 3))
        expression[:, 20, 1], expression[:, 14, 1] = -0.02 * curves.T
        motion = Motion.build(expression, space=LIVEPORTRAIT_21)
        motion.save(desk / "labelled" / f"{name}.safetensors")
        lines = ["frame,AU12_r,AU6_r", *(f"{t},{5 * a},{5 * b}" for t, (a, b) in enumerate(curves))]
        (desk / "labelled" / f"{name}.csv").write_text("\n".join(lines))
    names = run("docs/how-to/emotion-basis.md", labelled_motion=motion)
    assert np.ptp(names["smiling"].expression) > 0.1  # type: ignore[attr-defined]
    change = names["happy"].expression - motion.expression  # type: ignore[attr-defined]
    np.testing.assert_allclose(change[0, 20, 1], -0.8 * 0.02, rtol=0.05)


def test_recipes_that_the_training_page_names_exist() -> None:
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    recipes = set(re.findall(r"configs/[\w/]+\.yaml", text))
    assert recipes
    assert all((ROOT / name).is_file() for name in recipes)


def test_commands_of_the_finetuning_page_are_understood() -> None:
    text = (ROOT / "docs" / "finetuning.md").read_text(encoding="utf-8")
    lines = [line for _, code in FENCE.findall(text) for line in code.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("joyvasa ")]
    assert len(commands) >= 6
    for arguments in commands:
        understand(typer.main.get_command(app), "joyvasa", arguments)


def understand(command: Any, name: str, arguments: list[str], parent: Any = None) -> None:
    """Parses a command line down to its last option, and does nothing."""
    context = command.make_context(name, list(arguments), parent=parent)
    if hasattr(command, "commands"):
        rest = [*context._protected_args, *context.args]
        understand(command.commands[rest[0]], rest[0], rest[1:], context)


def test_python_of_the_finetuning_page_runs(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.joyvasa", lambda *_: None)
    names = run("docs/finetuning.md")
    recordings = names["Silence"]().recordings("train")  # type: ignore[operator]
    assert recordings[0].load().values.shape == (recordings[0].frames, 59)
    assert probe("talking.mp4").duration == pytest.approx(SECONDS, abs=0.04)
