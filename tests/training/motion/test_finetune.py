"""Fine-tuning on prepared videos, and the checkpoint that comes of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("accelerate")
from joyvasa_lib import JoyVASAPipeline, Motion
from joyvasa_lib.checkpoints.folder import CheckpointIndex, portrait_files, read_index, write_index
from joyvasa_lib.datasets.prepare.segment_work import load_encoder
from joyvasa_lib.errors import OutputError
from joyvasa_lib.evaluation import FaceTracker, track_motion
from joyvasa_lib.evaluation.curves import correlation
from joyvasa_lib.evaluation.track import follow_face
from joyvasa_lib.face.crop import crop_face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.media.video import probe
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.training.loop.push import push_run
from joyvasa_lib.training.motion.train import train_motion
from training_sets import (
    NETWORK,
    speaking_tones,
    write_prepared,
    write_recipe,
)

pytestmark = pytest.mark.slow


def test_one_clip_is_learned_by_heart_and_only_with_its_own_sound(
    encoder: Path, tmp_path: Path, astronaut: NDArray[np.uint8]
) -> None:
    data = write_prepared(tmp_path / "data", [100], [100])
    own, truth = speaking_tones(100, 0)
    other, _ = speaking_tones(100, 59)  # whose jaw moves independently of that one's
    network = {**NETWORK, "feature_dim": 48, "hidden_dim": 96, "n_layers": 2, "dropout": 0.0}
    path = write_recipe(
        tmp_path / "r.yaml", data, encoder, network=network, window_lengths=[50], truncate=[0, 0],
        null_audio=0.0, steps=150, validate_every=150, learning_rate=4e-3, warmup_steps=20,
        ema_decay=0.97, log_every=50,
    )  # fmt: skip
    start = train_motion(path, tmp_path / "start", changes=["loop.steps=1"])
    end = train_motion(path, tmp_path / "run")
    made = {
        (folder, name): MotionGenerator.from_pretrained(folder).generate(
            sound.astype(np.float32) / 32768, guidance_scale=1.0, blinks="model", gaze="model"
        )
        for folder in (start, end)
        for name, sound in (("own", own), ("other", other))
    }

    def error(units: NDArray[np.float32]) -> float:
        return float(np.square(units - truth[:, :52]).sum(axis=1).mean())

    still = error(truth[:, :52].mean(axis=0))
    assert error(made[end, "own"].blendshapes) < 0.1 * min(
        error(made[start, "own"].blendshapes), still
    )
    assert error(made[end, "other"].blendshapes) > 0.5 * min(
        error(made[start, "other"].blendshapes), still
    )

    # The rendered mouth opens as that clip's does.
    crop = crop_face(astronaut, MediaPipeFaceDetector().detect(astronaut)[0], size=256)
    model = CompactPortraitModel.from_pretrained()
    portrait = model.encode(crop)
    meant = track_motion(Motion.from_blendshapes(truth[50:80, :52])).aperture
    agreement = {}
    for name in ("own", "other"):
        tracker = FaceTracker(25.0)
        batches = model.render(portrait, made[end, name][50:80])
        for frame, face in follow_face(frame for batch in batches for frame in batch):
            tracker.see(frame, face)
        agreement[name] = correlation(tracker.track().aperture, meant)
    assert agreement["own"] > 0.85
    assert agreement["other"] < 0.5


def test_batches_made_ahead_give_the_same_losses(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    for threads in (0, 2):
        train_motion(recipe(loader_threads=threads), tmp_path / str(threads))
    lines = [
        [json.loads(x)["total"] for x in (tmp_path / run / "metrics.jsonl").open() if "total" in x]
        for run in ("0", "2")
    ]
    assert lines[0] == lines[1]


def test_a_run_folder_is_a_checkpoint_with_a_card_a_preview_and_a_portrait_model(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    run = tmp_path / "my-voice"
    train_motion(recipe(steps=2, preview_every=1, preview_seconds=0.2), run)
    assert probe(run / "previews" / "step-000002.mp4").duration == pytest.approx(0.2, abs=0.05)
    pipe = JoyVASAPipeline.from_pretrained(run)
    assert pipe.checkpoint == run / "generator"
    assert len(pipe.generate_motion(speaking_tones(25, 0)[0] / np.float32(32768))) == 25
    assert read_index(run / "generator").preset == "compact"
    card = (run / "README.md").read_text()
    assert "# my-voice" in card
    assert "| trained on | 2 | 0.2 | 2 |" in card
    assert str(tmp_path) not in card  # paths of this machine are nobody's business
    found = json.loads((run / "data_card.json").read_text())
    assert found["valid"]["recordings"] == 2


class Hub:
    """A hub in a folder, with the two calls of ``huggingface_hub.HfApi`` that are used."""

    folder: Path
    private: bool

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        if repo_id.startswith("nobody/"):
            raise ConnectionError("403 Forbidden")
        assert exist_ok
        Hub.private = private

    def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str) -> str:
        shutil.copytree(folder_path, Hub.folder / repo_id)
        return f"https://hub/{repo_id}/commit/1"


def test_a_pushed_run_is_a_checkpoint_for_others_and_tells_no_paths(
    recipe: Callable[..., Path], base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    Hub.folder = tmp_path / "hub"
    options = {"initial": str(base), "network": None, "audio_encoder": None, "lora_rank": 2}
    train_motion(recipe(steps=1, **options), tmp_path / "run")
    assert push_run(tmp_path / "run", "me/voice").endswith("me/voice/commit/1")
    assert Hub.private
    found = Hub.folder / "me" / "voice"
    assert len(MotionGenerator.from_pretrained(found).generate(np.zeros(640, np.float32))) == 1
    assert (found / "adapter" / "adapter_config.json").is_file()
    assert not (found / "state.pt").exists()
    for path in found.rglob("*.json*"):
        assert str(tmp_path) not in path.read_text(), path
    with pytest.raises(OutputError, match="403 Forbidden"):
        push_run(tmp_path / "run", "nobody/voice")


def test_videos_are_prepared_with_the_checkpoints_own_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def load(folder: Path, device: object) -> str:
        asked.append(folder)
        return "LivePortrait's motion extractor"

    monkeypatch.setattr(
        "joyvasa_lib.portrait.liveportrait.model.LivePortraitModel.from_pretrained", load
    )
    write_index(tmp_path, CheckpointIndex("liveportrait", "human", speech=False))
    for name in portrait_files("liveportrait"):
        path = tmp_path / "portrait" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert load_encoder(str(tmp_path)) == "LivePortrait's motion extractor"
    assert asked == [tmp_path]
    assert isinstance(load_encoder("bundled"), CompactPortraitModel)


def test_the_options_that_a_run_wrote_are_a_recipe(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    train_motion(recipe(steps=2), tmp_path / "first")
    train_motion(tmp_path / "first" / "config.yaml", tmp_path / "second")
    lines = [
        [json.loads(x)["total"] for x in (tmp_path / run / "metrics.jsonl").open() if "total" in x]
        for run in ("first", "second")
    ]
    assert lines[0] == lines[1]
