"""From folders of talking videos to a training set: content, bad data, interruptions."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import places
from joyvasa_lib.datasets.prepare import piece_work
from joyvasa_lib.datasets.prepare.checks.verdicts import Reason, Verdict
from joyvasa_lib.datasets.prepare.piece_work import STAGING, PieceJob, load_encoder
from joyvasa_lib.datasets.prepare.prepare import Prepared, Progress, prepare_videos
from joyvasa_lib.datasets.prepare.recipe import PrepareRecipe
from joyvasa_lib.datasets.prepared.dataset import INDEX, Clip, ClipInfo, PreparedSet, read_header
from joyvasa_lib.errors import MediaError, OptionError, OutputError
from joyvasa_lib.face.crop import crop_face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.media.audio import SAMPLE_RATE, Speech
from joyvasa_lib.media.ffmpeg import ffmpeg_path
from joyvasa_lib.media.video import VideoWriter
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.portrait.compact.model import CompactPortraitModel

FRAMES, SIDE = 40, 256
RECIPE = PrepareRecipe(crop=128, split_by="person", min_seconds=0.8, face_hz=0.0)
OPTIONS = ("--crop", "128", "--split-by", "person", "--min-seconds", "0.8", "--face-hz", "0")
"""The same for the command line."""


@dataclass(frozen=True)
class Talk:
    """A rendered performance."""

    frames: NDArray[np.uint8]
    motion: Motion
    sound: NDArray[np.float32]

    def save(self, path: Path, frames: NDArray[np.uint8] | None = None) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with VideoWriter(path, (SIDE, SIDE), 25, Speech(self.sound)) as writer:
            writer.write(self.frames if frames is None else frames)
        return path


@pytest.fixture(scope="module")
def talk(astronaut: NDArray[np.uint8], speech_like: Callable[..., NDArray[np.float32]]) -> Talk:
    """Under two seconds: the jaw opens and closes, the lids blink once, the head turns a little."""
    time = np.arange(FRAMES) / 25.0
    units = np.zeros((FRAMES, len(BLENDSHAPES)), np.float32)
    units[:, BLENDSHAPES.index("jawOpen")] = 0.3 - 0.3 * np.cos(2 * np.pi * 2.0 * time)
    for lid in ("eyeBlinkLeft", "eyeBlinkRight"):
        units[20:24, BLENDSHAPES.index(lid)] = [0.7, 1.0, 1.0, 0.5]
    rotation = np.zeros((FRAMES, 3))
    rotation[:, 1] = 5.0 * np.sin(2 * np.pi * 0.6 * time)
    motion = Motion.from_blendshapes(units, rotation=rotation)
    crop = crop_face(astronaut, MediaPipeFaceDetector().detect(astronaut)[0], size=SIDE)
    model = CompactPortraitModel.from_pretrained()
    frames = np.concatenate(list(model.render(model.encode(crop), motion)))
    return Talk(frames, motion, speech_like(FRAMES / 25.0))


@pytest.fixture(scope="module")
def videos(talk: Talk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, three containers, two frame rates."""
    folder = tmp_path_factory.mktemp("videos")
    first = talk.save(folder / "ann" / "a.mp4")
    command = [ffmpeg_path(), "-v", "error", "-i", str(first), "-vf", "fps=30", "-c:v", "mpeg4"]
    command += ["-q:v", "2", "-c:a", "pcm_s16le", str(folder / "ann" / "b.avi")]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    talk.save(folder / "bob" / "c.mkv", talk.frames[:, :, ::-1])
    return folder


@pytest.fixture(scope="module")
def made(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Prepared]:
    """The set, made in one go."""
    folder = tmp_path_factory.mktemp("made") / "set"
    return folder, prepare_videos(videos, folder, RECIPE)


def shards(folder: Path) -> dict[str, bytes]:
    """Everything that training reads."""
    names = ("*.safetensors", "index.json", "normalizer.json", "report.jsonl", "README.md")
    return {path.name: path.read_bytes() for name in names for path in folder.glob(name)}


def curve(values: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    return values[:, BLENDSHAPES.index(name)]


def agreement(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    size = min(len(a), len(b))
    return float(np.corrcoef(a[:size], b[:size])[0, 1])


# What is in a set


def test_every_video_becomes_a_clip_and_one_person_is_held_out(
    made: tuple[Path, Prepared],
) -> None:
    folder, prepared = made
    found = PreparedSet(folder)
    clips = [*found.clips("train"), *found.clips("valid")]
    assert sorted(clip.video for clip in clips) == ["ann/a.mp4", "ann/b.avi", "bob/c.mkv"]
    assert {clip.person for clip in found.clips("train")} == {"ann"}
    assert {clip.person for clip in found.clips("valid")} == {"bob"}
    assert [clip.frames for clip in clips] == pytest.approx([FRAMES] * 3, abs=1)
    assert found.index.split_by == "person"
    assert prepared.clips == 3
    assert {reason: found.count for reason, found in prepared.tallies.items()} == {Reason.KEPT: 3}


def test_motion_is_the_one_that_was_rendered(made: tuple[Path, Prepared], talk: Talk) -> None:
    found = PreparedSet(made[0])
    for name in ("ann/a.mp4", "ann/b.avi"):  # at 25 and at 30 frames a second
        clip = next(clip for clip in found.clips("train") if clip.video == name)
        values = found.read(clip.name).values
        # The mesh sees half of a jaw's opening, and lips that part before the jaw as a part of it.
        assert agreement(curve(values, "jawOpen"), curve(talk.motion.blendshapes, "jawOpen")) > 0.85
        blink = agreement(
            curve(values, "eyeBlinkLeft"), curve(talk.motion.blendshapes, "eyeBlinkLeft")
        )
        assert blink > 0.85
        yaw = values[:, 57]
        assert agreement(yaw, talk.motion.rotation[:, 1]) > 0.9
        assert np.ptp(yaw) == pytest.approx(np.ptp(talk.motion.rotation[:, 1]), rel=0.5)
        assert np.median(values[:, 52:], axis=0) == pytest.approx([1, 0, 0, 0, 0, 0, 0], abs=0.4)


def test_the_sound_is_the_videos_own_and_in_step(made: tuple[Path, Prepared], talk: Talk) -> None:
    found = PreparedSet(made[0])
    for split in ("train", "valid"):
        for clip in found.clips(split):
            waveform = found.read(clip.name).waveform
            assert waveform.dtype == np.int16
            assert len(waveform) == 640 * clip.frames
            size = min(len(waveform), len(talk.sound))
            spectrum = np.fft.rfft(waveform[:size]) * np.conj(np.fft.rfft(talk.sound[:size]))
            lag = int(np.fft.irfft(spectrum, size).argmax())
            assert min(lag, size - lag) <= 0.003 * SAMPLE_RATE
            assert agreement(waveform, talk.sound) > 0.9


def test_crops_stand_still_and_landmarks_lie_on_them(made: tuple[Path, Prepared]) -> None:
    found = PreparedSet(made[0])
    clip = found.clips("train")[0]
    images = np.stack([found.image(clip.name, i) for i in range(clip.frames)]).astype(float)
    assert images.shape == (clip.frames, 128, 128, 3)
    corner = images[:, :12, :12]
    assert np.abs(corner - corner.mean(axis=0)).mean() < 3.0
    landmarks = found.landmarks(clip.name)
    assert landmarks.shape == (clip.frames, 468, 3)
    face = MediaPipeFaceDetector().detect(images[0].astype(np.uint8))[0]
    distance = np.linalg.norm(landmarks[0, :, :2] - face.landmarks[:, :2], axis=1)
    assert np.median(distance) < 2.0


def test_statistics_are_those_of_the_training_clips(made: tuple[Path, Prepared]) -> None:
    from joyvasa_lib.speech.diffusion.normalizer import SMALLEST_SCALE, MotionNormalizer

    found = PreparedSet(made[0])
    values = np.concatenate([found.read(clip.name).values for clip in found.clips("train")])
    assert found.index.statistics.frames == len(values)
    assert found.index.statistics.mean == pytest.approx(values.mean(0), abs=1e-5)
    normalizer = MotionNormalizer.from_pretrained(made[0])
    assert normalizer.scale == pytest.approx(np.maximum(values.std(0), SMALLEST_SCALE), abs=1e-4)
    assert normalizer.normalize(values).mean(axis=0) == pytest.approx(np.zeros(59), abs=1e-3)


def test_the_card_and_the_report_tell_what_there_is(made: tuple[Path, Prepared]) -> None:
    folder, prepared = made
    card = (folder / "README.md").read_text("utf-8")
    assert "| train | 2 |" in card and "| valid | 1 |" in card
    assert "held out by person" in card
    lines = [json.loads(line) for line in (folder / "report.jsonl").read_text().splitlines()]
    assert [line["reason"] for line in lines] == ["kept"] * 3
    assert [Verdict.from_dict(line) for line in lines] == [
        Verdict.from_dict(verdict.to_dict()) for verdict in prepared.verdicts
    ]


# Bad data


def test_bad_videos_are_left_out_with_their_reasons(talk: Talk, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    short = talk.frames[:25]
    talk.save(videos / "good.mp4", short)
    talk.save(videos / "nobody.mp4", np.full_like(short, 90))
    talk.save(videos / "one frame.mkv", short[:1])
    noise = talk.save(videos / "noise.mp4", short[::-1])
    data = bytearray(noise.read_bytes())
    start = data.index(b"mdat") + 4
    data[start:] = np.random.default_rng(0).integers(0, 256, len(data) - start, np.uint8).tobytes()
    noise.write_bytes(data)
    with VideoWriter(videos / "mute.mp4", (SIDE, SIDE), 25) as writer:
        writer.write(short)
    silent = Talk(short, talk.motion, np.zeros(SAMPLE_RATE, np.float32))
    silent.save(videos / "silent.mp4")
    (videos / "text.mov").write_text("not a video")
    prepared = prepare_videos(videos, tmp_path / "set", RECIPE)
    reasons = {verdict.video: verdict.reason for verdict in prepared.verdicts}
    assert reasons.pop("noise.mp4") in (Reason.DAMAGED, Reason.UNREADABLE)
    assert reasons == {
        "good.mp4": Reason.KEPT,
        "nobody.mp4": Reason.NO_FACE,
        "one frame.mkv": Reason.TOO_SHORT,
        "mute.mp4": Reason.NO_SOUND,
        "silent.mp4": Reason.NO_SPEECH,
        "text.mov": Reason.UNREADABLE,
    }
    assert all(verdict.detail for verdict in prepared.verdicts if verdict.reason in (
        Reason.UNREADABLE, Reason.DAMAGED, Reason.TOO_SHORT, Reason.NO_SPEECH))  # fmt: skip
    assert prepared.notes == ("There is only one clip, so none is held out.",)


def test_nothing_usable_is_an_error_that_says_why(talk: Talk, tmp_path: Path) -> None:
    talk.save(tmp_path / "videos" / "a.mp4", np.full_like(talk.frames[:25], 90))
    with pytest.raises(MediaError, match="1 no face"):
        prepare_videos(tmp_path / "videos", tmp_path / "set", RECIPE)
    assert not (tmp_path / "set" / INDEX).exists()
    with pytest.raises(MediaError, match="1 no face"):  # known already, still an error
        prepare_videos(tmp_path / "videos", tmp_path / "set", RECIPE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="no video"):
        prepare_videos(tmp_path / "empty", tmp_path / "set 2", RECIPE)


# Interruptions, with quick made-up work in place of looking at faces


def made_up(job: PieceJob, model: object) -> tuple[list[Clip], list[Verdict]]:
    """Three clips that the piece's name decides, after a moment."""
    time.sleep(0.003)
    rng = np.random.default_rng(int(job.piece.video.key, 16) % 2**32)
    clips, verdicts = [], []
    for number in range(3):
        frames = int(rng.integers(120, 260))
        name = f"{job.piece.video.key}-{number:08d}"
        info = ClipInfo(name, job.piece.video.name, "x", float(number), frames, 200.0, 1.0)
        values = rng.normal(size=(frames, 59)).astype(np.float32)
        sound = rng.integers(-9, 9, 640 * frames).astype(np.int16)
        clips.append(Clip(info, sound, values))
        verdicts.append(
            Verdict(info.video, number, number + 1, Reason.KEPT, "", name, job.piece.name)
        )
    return clips, verdicts


QUICK = PrepareRecipe(shard_mb=1.0)


@pytest.fixture(scope="module")
def quick_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quick")
    sound = Speech(np.full(SAMPLE_RATE // 4, 0.1, np.float32))
    for number in range(6):
        with VideoWriter(folder / f"{number}.mkv", (64, 48), 25, sound) as writer:
            writer.write(np.full((6, 48, 64, 3), 40 * number, np.uint8))
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piece_work, "_work", made_up)
    load_encoder("bundled")


def run_and_kill(videos: Path, folder: Path, seconds: float) -> None:
    """The work in a copy of this process, killed after so long."""
    pid = os.fork()
    if pid == 0:
        try:
            prepare_videos(videos, folder, QUICK)
        finally:
            os._exit(0)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_any_moment_it_goes_on_and_nothing_is_lost_or_doubled(
    quick: None, quick_videos: Path, tmp_path: Path
) -> None:
    started = time.monotonic()
    prepare_videos(quick_videos, tmp_path / "whole", QUICK)
    takes = time.monotonic() - started
    expected = shards(tmp_path / "whole")
    assert len([name for name in expected if name.startswith("train")]) >= 3
    rng = np.random.default_rng(0)
    stages = set()
    for attempt in range(4):
        folder = tmp_path / f"broken {attempt}"
        for _ in range(5):
            run_and_kill(quick_videos, folder, float(rng.uniform(0.05, 1.0)) * takes)
            stages.add(check_unbroken(folder))
        (folder / ".tmpAbC123").touch()  # as safetensors names what it had not finished
        prepare_videos(quick_videos, folder, QUICK)
        assert shards(folder) == expected
        assert [path.name for path in folder.iterdir() if path.name[0] == "."] == [STAGING]
        assert [path.name for path in (folder / STAGING).iterdir()] == ["lock"]
    assert len(stages) >= 2  # it was killed early and late


def check_unbroken(folder: Path) -> str:
    """Whatever is there is whole; returns how far it came."""
    found = sorted(folder.glob("[tv]*.safetensors"))
    names = [clip.name for path in found for clip in read_header(path).clips]
    assert len(names) == len(set(names))
    if (folder / INDEX).exists():
        PreparedSet(folder)
        return "indexed"
    with pytest.raises(MediaError):
        PreparedSet(folder)
    return "packing" if found else "working"


@pytest.mark.parametrize("where", ["report.jsonl", "train-00001", "index.json", "README.md"])
def test_a_disk_that_is_full_stops_it_and_space_lets_it_go_on(
    quick: None, quick_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Renaming the finished file into place fails, as it does on a quota."""
    prepare_videos(quick_videos, tmp_path / "whole", QUICK)
    rename = Path.replace

    def full(self: Path, target: Path) -> Path:
        if where in str(target):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    folder = tmp_path / "set"
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        with pytest.raises(OutputError, match="No space left"):
            prepare_videos(quick_videos, folder, QUICK)
    prepare_videos(quick_videos, folder, QUICK)
    assert shards(folder) == shards(tmp_path / "whole")


def test_a_file_too_large_for_the_disk_stops_it(
    quick: None, quick_videos: Path, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OutputError, match="free some space"):
            prepare_videos(quick_videos, tmp_path / "set", QUICK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert prepare_videos(quick_videos, tmp_path / "set", QUICK).clips == 18


def test_done_again_it_does_nothing(quick: None, quick_videos: Path, tmp_path: Path) -> None:
    prepare_videos(quick_videos, tmp_path / "set", QUICK)
    before = shards(tmp_path / "set")
    again = prepare_videos(quick_videos, tmp_path / "set", QUICK)
    assert (again.clips, again.video_seconds) == (0, 0.0)
    assert shards(tmp_path / "set") == before


def test_new_videos_are_added_and_what_was_held_out_stays_so(
    quick: None, quick_videos: Path, tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    paths = sorted(quick_videos.iterdir())
    for path in paths[:3]:
        (videos / path.name).symlink_to(path)
    prepare_videos(videos, tmp_path / "set", QUICK)
    first = {
        clip.name: s for s in ("train", "valid") for clip in PreparedSet(tmp_path / "set").clips(s)
    }
    for path in paths[3:]:
        (videos / path.name).symlink_to(path)
    assert prepare_videos(videos, tmp_path / "set", QUICK).clips == 9
    found = PreparedSet(tmp_path / "set")
    second = {clip.name: s for s in ("train", "valid") for clip in found.clips(s)}
    assert len(second) == 18
    assert {name: second[name] for name in first} == first
    for s in ("train", "valid"):
        for clip in found.clips(s):
            assert len(found.read(clip.name).values) == clip.frames


def test_another_recipe_is_refused(quick: None, quick_videos: Path, tmp_path: Path) -> None:
    prepare_videos(quick_videos, tmp_path / "set", QUICK)
    with pytest.raises(OptionError, match="min_face=80.0, not 120.0"):
        prepare_videos(quick_videos, tmp_path / "set", PrepareRecipe(shard_mb=1.0, min_face=120.0))


def test_two_at_once_are_refused(quick: None, quick_videos: Path, tmp_path: Path) -> None:
    def second(progress: Progress) -> None:
        with pytest.raises(OutputError, match="Another process"):
            prepare_videos(quick_videos, tmp_path / "set", QUICK)

    prepare_videos(quick_videos, tmp_path / "set", QUICK, progress=second)


def test_progress_runs_to_the_end(quick: None, quick_videos: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    prepare_videos(quick_videos, tmp_path / "set", QUICK, progress=told.append)
    assert told[0].seconds == 0.0
    assert [now.clips for now in told] == [0, 3, 6, 9, 12, 15, 18]
    assert told[-1].seconds == pytest.approx(told[-1].total)


def test_an_odd_error_in_one_video_does_not_end_the_run(
    quick_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(job: PieceJob, model: object) -> tuple[list[Clip], list[Verdict]]:
        if job.piece.video.name == "2.mkv":
            raise ZeroDivisionError("by nothing")
        return made_up(job, model)

    monkeypatch.setattr(piece_work, "_work", odd)
    prepared = prepare_videos(quick_videos, tmp_path / "set", QUICK)
    (failed,) = (v for v in prepared.verdicts if v.reason is Reason.FAILED)
    assert failed.video == "2.mkv"
    assert "ZeroDivisionError: by nothing (test_datasets_prepare.py:" in failed.detail
    assert prepared.clips == 15


# The command line, several processes, Ray


def test_killed_with_its_workers_the_command_goes_on_to_the_same_set(
    videos: Path, made: tuple[Path, Prepared], tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    command = [sys.executable, "-c", "from joyvasa_lib.cli import main; main()", "prepare"]
    command += [str(videos), str(folder), *OPTIONS, "--workers", "2", "--json"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not list((folder / STAGING).glob("[!.]*.safetensors")):
        assert child.poll() is None and time.monotonic() < deadline, child.stderr
        time.sleep(0.02)
    child.kill()
    child.communicate()
    assert not (folder / INDEX).exists()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["reasons"] == {"kept": {"count": 3, "seconds": pytest.approx(4.8, abs=0.2)}}
    assert told["train"]["clips"] == 2
    assert told["this_run"]["clips"] < 3
    assert shards(folder) == shards(made[0])


def test_ray_makes_the_same_set(videos: Path, made: tuple[Path, Prepared], tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    prepare_videos(videos, tmp_path / "set", RECIPE, workers=2, engine="ray")
    assert shards(tmp_path / "set") == shards(made[0])
    assert not ray.is_initialized()


def test_the_command_prints_what_became_of_everything(
    quick: None, quick_videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from joyvasa_lib.cli import app

    app(
        ["prepare", str(quick_videos), str(tmp_path / "set"), "--shard-mb", "1"],
        standalone_mode=False,
    )
    told = capsys.readouterr().out
    assert "kept" in told and "18" in told
    assert "train: 15 clips" in told and "valid: 3 clips" in told


def test_the_command_names_a_missing_folder_on_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from joyvasa_lib.cli import main; main()", "prepare"]
    done = subprocess.run([*command, "nowhere", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "joyvasa: There is no folder nowhere; check the name\n"


def test_the_page_names_options_and_reasons_that_exist(
    made: tuple[Path, Prepared], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from typer.main import get_command

    from joyvasa_lib.cli import app

    page = (places.ROOT / "docs" / "how-to" / "prepare.md").read_text("utf-8")
    command = get_command(app).commands["prepare"]  # type: ignore[attr-defined]
    known = {name for parameter in command.params for name in parameter.opts}
    assert set(re.findall(r"--[a-z][a-z-]*", page)) <= known
    reasons = re.findall(r"^\| ([a-z, ]+) \|", page, re.MULTILINE)[1:]
    named = {name for row in reasons for name in row.split(", ")}
    assert named == {r.value for r in Reason} - {"kept", "too short", "failed"}
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(made[0].parent)
    exec(code.replace("data/people", made[0].name), {})
    told = capsys.readouterr().out
    assert "(2, " in told and "bob" in told
