"""What tests of preparing videos share."""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib.datasets.prepare import segment_work
from joyvasa_lib.datasets.prepare.prepare import Prepared, prepare_videos
from joyvasa_lib.datasets.prepare.segment_work import load_encoder
from joyvasa_lib.face.crop import crop_face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.media.audio import SAMPLE_RATE, Speech
from joyvasa_lib.media.decoding.ffmpeg import ffmpeg_path
from joyvasa_lib.media.video import VideoWriter
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from made_once import made_once
from prepare_runs import FRAMES, RECIPE, SIDE, Talk, made_up


@pytest.fixture(scope="package")
def talk(
    astronaut: NDArray[np.uint8],
    speech_like: Callable[..., NDArray[np.float32]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Talk:
    """Under two seconds: the jaw opens and closes, the lids blink once, the head turns a little."""

    def make(folder: Path) -> None:
        motion = talking()
        crop = crop_face(astronaut, MediaPipeFaceDetector().detect(astronaut)[0], size=SIDE)
        model = CompactPortraitModel.from_pretrained()
        frames = np.concatenate(list(model.render(model.encode(crop), motion)))
        motion.save(folder / "motion.safetensors")
        np.save(folder / "frames.npy", frames)

    folder = made_once(tmp_path_factory, "talk", make)
    motion = Motion.load(folder / "motion.safetensors")
    return Talk(np.load(folder / "frames.npy"), motion, speech_like(FRAMES / 25.0))


def talking() -> Motion:
    time = np.arange(FRAMES) / 25.0
    blendshapes = np.zeros((FRAMES, len(BLENDSHAPES)), np.float32)
    blendshapes[:, BLENDSHAPES.index("jawOpen")] = 0.3 - 0.3 * np.cos(2 * np.pi * 2.0 * time)
    for lid in ("eyeBlinkLeft", "eyeBlinkRight"):
        blendshapes[20:24, BLENDSHAPES.index(lid)] = [0.7, 1.0, 1.0, 0.5]
    rotation = np.zeros((FRAMES, 3))
    rotation[:, 1] = 5.0 * np.sin(2 * np.pi * 0.6 * time)
    return Motion.from_blendshapes(blendshapes, rotation=rotation)


@pytest.fixture(scope="package")
def videos(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, three containers, two frame rates; read-only."""

    def make(folder: Path) -> None:
        talk: Talk = request.getfixturevalue("talk")
        first = talk.save(folder / "ann" / "a.mp4")
        command = [ffmpeg_path(), "-v", "error", "-i", str(first), "-vf", "fps=30", "-c:v", "mpeg4"]
        command += ["-q:v", "2", "-c:a", "pcm_s16le", str(folder / "ann" / "b.avi")]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        talk.save(folder / "bob" / "c.mkv", talk.frames[:, :, ::-1])

    return made_once(tmp_path_factory, "videos", make)


@pytest.fixture(scope="package")
def made(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Prepared]:
    """The set, made in one go; read-only."""

    def make(folder: Path) -> None:
        prepared = prepare_videos(videos, folder / "set", RECIPE)
        (folder / "prepared.pickle").write_bytes(pickle.dumps(prepared))

    folder = made_once(tmp_path_factory, "made", make)
    return folder / "set", pickle.loads((folder / "prepared.pickle").read_bytes())


@pytest.fixture(scope="package")
def quick_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quick")
    sound = Speech(np.full(SAMPLE_RATE // 4, 0.1, np.float32))
    for number in range(6):
        with VideoWriter(folder / f"{number}.mkv", (64, 48), 25, sound) as writer:
            writer.write(np.full((6, 48, 64, 3), 40 * number, np.uint8))
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_work, "_work", made_up)
    load_encoder("bundled")
