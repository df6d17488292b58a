"""Prepared sets, encoders and recipes small enough to train on within seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from joyvasa_lib.datasets.prepared.clips import Clip, write_shard
from joyvasa_lib.datasets.prepared.index import ClipInfo, PreparedIndex, ShardInfo
from joyvasa_lib.datasets.prepared.statistics import Moments
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.space import LIVEPORTRAIT_21
from joyvasa_lib.speech.diffusion.normalizer import SMALLEST_SCALE, MotionNormalizer
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.speech.encoders.compact_wav2vec2 import CompactWav2Vec2Config, CompactWav2Vec2Model

ENCODER = {
    "mel_bands": 40, "conv_dim": [16] * 7, "hidden_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 16, "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2, "do_stable_layer_norm": True, "mask_time_prob": 0.0,
    "layerdrop": 0.0,
}  # fmt: skip
NETWORK = {"feature_dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16, "n_prev_motions": 4}
LOOP = {
    "threads": 1, "steps": 4, "warmup_steps": 1, "validate_every": 4, "checkpoint_minutes": 60.0,
    "log_every": 1,
}  # fmt: skip
MOUTHS = np.array(  # of four sounds: jawOpen, mouthFunnel, mouthSmileLeft and Right, closed lips
    [[0.0, 0.0, 0.0, 0.0, 0.0], [0.9, 0.0, 0.1, 0.1, 0.0], [0.4, 0.8, 0.0, 0.0, 0.0],
     [0.2, 0.0, 0.7, 0.7, 0.1]]
)  # fmt: skip
MOUTH = [
    BLENDSHAPES.index(name)
    for name in ("jawOpen", "mouthFunnel", "mouthSmileLeft", "mouthSmileRight", "mouthClose")
]


def speaking_tones(frames: int, seed: int) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Tones whose pitch tells the mouth's shape: int16 [640 t], float32 [t, 59]."""
    rng = np.random.default_rng(seed)
    said = np.repeat(rng.integers(0, 4, frames // 5 + 1), 5)[:frames]
    smooth = np.array([0.25, 0.5, 0.25])
    shapes = MOUTHS[np.pad(said, 1, mode="edge")]
    values = np.zeros((frames, 59), np.float32)
    values[:, MOUTH] = sum(w * shapes[i : i + frames] for i, w in enumerate(smooth))
    values[:, 52] = 1.0
    pitch = 250.0 * 1.8 ** np.repeat(said, 640)
    sound = 0.2 * np.sin(np.cumsum(2 * np.pi * pitch / 16000))
    return (sound * 32767).astype(np.int16), values


def as_keypoints(units: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same speech for LivePortrait's keypoints, as extracted: float32 [t, 70]."""
    values = np.zeros((len(units), 70), np.float32)
    mouth = [3 * keypoint + 1 for keypoint in LIVEPORTRAIT_21.keypoint_groups["mouth"]]
    values[:, mouth] = 0.02 * units[:, 24:25]
    values[:, 63], values[:, 66] = 1.4, 0.05
    values[:, 67:70] = 3.0 * np.sin(np.arange(len(units)) / np.array([[20.0], [31.0], [43.0]])).T
    return values


def tone_item(rng: np.random.Generator, frames: int) -> dict[str, Any]:
    """Tones whose pitch tells the phoneme; the jaw follows the phoneme."""
    phonemes = np.repeat(rng.integers(0, 4, frames // 4 + 1), 8)[: 2 * frames]
    values = np.zeros((frames, 59), np.float32)
    values[:, 24], values[:, 52] = phonemes[::2] / 4.0, 1.0
    pitch = 200.0 + 500.0 * np.repeat(phonemes, 320)
    waveform = 0.1 * np.sin(np.cumsum(2 * np.pi * pitch / 16000))
    return {
        "waveform": (waveform * 32767).astype(np.int16),
        "values": values,
        "phonemes": phonemes.astype(np.uint8),
    }


def write_corpus(folder: Path) -> Path:
    """A speech corpus of five recordings of tones, the last one held out."""
    rng = np.random.default_rng(0)
    (folder / "corpus.json").write_text(
        json.dumps({"phonemes": ["sil", "p", "a", "i"], "closures": ["p"]})
    )
    for index in range(5):
        split = "valid" if index == 4 else "train"
        np.savez(folder / f"{split}-{index}.npz", **tone_item(rng, 120 + 30 * index))
    return folder


def write_prepared(
    folder: Path, train: list[int], valid: list[int], official: bool = False
) -> Path:
    """A prepared set with clips of the given lengths in frames."""
    space, layout, reference, channels = (
        ("liveportrait-21", "expression", "absolute", 70)
        if official
        else ("compact-1", "units", "source", 59)
    )
    folder.mkdir(parents=True, exist_ok=True)
    shards, training = [], []
    for split, lengths in (("train", train), ("valid", valid)):
        clips = []
        for index, frames in enumerate(lengths):
            sound, values = speaking_tones(frames, 10 * index + (split == "valid"))
            values = as_keypoints(values) if official else values
            name = f"{split}{index}"
            info = ClipInfo(name, f"{name}.mp4", f"person{index}", 0.0, frames, 200.0, 1.0)
            clips.append(Clip(info, sound, values))
        file = f"{split}-00000.safetensors"
        size = write_shard(folder / file, clips, channels)
        shards.append(ShardInfo(file, split, len(clips), sum(lengths), size))
        training += [clip.values for clip in clips if split == "train"]
    moments = Moments.of(np.concatenate(training))
    MotionNormalizer(
        moments.mean.astype(np.float32),
        np.maximum(moments.spread, 1e-4 if official else SMALLEST_SCALE).astype(np.float32),
        layout,
        space,
    ).save_pretrained(folder)
    index = PreparedIndex(
        space, layout, reference, channels, 0, "person", {}, tuple(shards), moments
    )
    index.save(folder)
    return folder


def write_encoder(folder: Path) -> Path:
    """A speech encoder with random weights."""
    torch.manual_seed(0)
    AudioEncoder(CompactWav2Vec2Model(CompactWav2Vec2Config(**ENCODER))).save_pretrained(folder)
    return folder


def write_recipe(path: Path, data: Path, encoder: Path, **options: Any) -> Path:
    """A recipe; options of the loop are told by their names."""
    motion = {
        "data": str(data),
        "audio_encoder": str(encoder),
        "network": NETWORK,
        "batch_size": 2,
        "window_lengths": [25],
        "window_weights": [1.0],
        "copies": 1,
        "validation_seconds": 2.0,
    }
    loop = {**LOOP, **{name: value for name, value in options.items() if name in LOOP_NAMES}}
    motion |= {name: value for name, value in options.items() if name not in LOOP_NAMES}
    motion = {name: value for name, value in motion.items() if value is not None}
    path.write_text(yaml.safe_dump({"motion": motion, "loop": loop}))
    return path


def metrics(run: Path, prefix: str = "") -> list[dict[str, float]]:
    """The lines of a run that have a value whose name begins with ``prefix``."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if any(name.startswith(prefix) for name in line)]


LOOP_NAMES = {
    *LOOP, "learning_rate", "gradient_accumulation", "ema_decay", "mixed_precision", "seed",
    "stop_after_minutes", "validate_at_start", "trackers", "gradient_clip", "final_learning_rate",
}  # fmt: skip
