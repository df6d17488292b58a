"""Sound files of every kind, small, made once for a run: what the inputs are damaged copies of."""

from __future__ import annotations

import argparse
import io
import json
import pickle
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image

import joyvasa_lib
from joyvasa_lib import Motion, MotionGenerator
from joyvasa_lib.checkpoints.folder import BUNDLED, EMOTION, INDEX
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.media.audio import load_speech, write_wav
from joyvasa_lib.media.decoding.ffmpeg import ffmpeg_path
from joyvasa_lib.media.image import load_image
from joyvasa_lib.media.video import VideoWriter
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.motion.space import LIVEPORTRAIT_21
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.diffusion.schedulers import cosine_betas
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.speech.encoders.compact_wav2vec2 import CompactWav2Vec2Config, CompactWav2Vec2Model
from reliability import ROOT

ASSETS = Path(joyvasa_lib.__file__).parent / "demo_assets"
RECIPES = ROOT / "configs"
IMAGES = ("png", "jpg", "webp", "gif", "bmp", "tif", "heic")
AUDIO = ("wav", "flac", "mp3", "ogg")
VIDEO = ("mp4", "webm", "avi", "mkv")
FRAMES = 8
_SIDE = 96
_DONE = "done"


def make_samples(folder: Path) -> Path:
    """Writes all samples, once; a folder that was left unfinished is filled again."""
    if not (folder / _DONE).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        _images(folder)
        _recordings(folder)
        _motions(folder)
        _documents(folder)
        _pickles(folder)
        _checkpoint(folder / "checkpoint")
        (folder / _DONE).touch()
    return folder


def _images(folder: Path) -> None:
    face = Image.fromarray(load_image(ASSETS / "astronaut.jpg"))
    face.save(folder / "face.png")
    small = face.resize((_SIDE, _SIDE))
    noted = Image.Exif()
    noted[274] = 6  # turned by a quarter
    small.save(folder / "image.png", exif=noted)
    small.save(folder / "image.jpg", exif=noted, progressive=True)
    small.save(folder / "image.webp", exif=noted)
    small.quantize(64).save(
        folder / "image.gif", save_all=True, append_images=[small.quantize(16)] * 2
    )
    small.save(folder / "image.bmp")
    small.save(folder / "image.tif", compression="tiff_lzw")
    try:
        from pillow_heif import HeifFile, from_pillow
    except ImportError:
        return  # and no HEIC is tried
    heif: HeifFile = from_pillow(small)
    heif.save(folder / "image.heic", quality=60)


def _recordings(folder: Path) -> None:
    speech = load_speech(ASSETS / "hello.flac").waveform[8000:14400]
    whole = write_wav(folder / "sound.wav", speech)
    face = load_image(folder / "face.png")[:384, 64:448]
    with VideoWriter(folder / "video.mp4", (384, 384), 25, load_speech(whole)) as writer:
        for frame in range(FRAMES):
            writer.write(np.roll(face, frame, axis=1)[None])
    for source, suffixes in (("sound.wav", AUDIO[1:]), ("video.mp4", VIDEO[1:])):
        for suffix in suffixes:
            target = folder / f"{Path(source).stem}.{suffix}"
            scaled = ["-vf", "scale=96:96"] if suffix in VIDEO else []
            command = [ffmpeg_path(), "-v", "error", "-y", "-i", folder / source, *scaled, target]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _motions(folder: Path) -> None:
    random = np.random.default_rng(0)
    blendshapes = Motion.from_blendshapes(random.random((FRAMES, 52)).astype(np.float32) / 4)
    blendshapes.save(folder / "motion.safetensors")
    angles = 5 * random.standard_normal((FRAMES, 3))
    matrices = rotation_matrix(angles).astype(np.float32)
    frames: list[dict[str, Any]] = [
        {
            "scale": np.ones((1, 1), np.float32),
            "R": matrices[i : i + 1],
            "exp": 0.01 * random.standard_normal((1, 21, 3)).astype(np.float32),
            "t": np.zeros((1, 3), np.float32),
        }
        for i in range(FRAMES)
    ]
    ratios = {"c_eyes_lst": [np.ones((1, 2), np.float32)] * FRAMES,
              "c_lip_lst": [np.ones((1, 1), np.float32)] * FRAMES}  # fmt: skip
    template = {"n_frames": FRAMES, "output_fps": 25, "motion": frames, **ratios}
    (folder / "template.pkl").write_bytes(pickle.dumps(template))
    keypoints = 0.01 * random.standard_normal((FRAMES, 21, 3)).astype(np.float32)
    Motion.build(keypoints, space=LIVEPORTRAIT_21).save(folder / "keypoints.safetensors")


def _documents(folder: Path) -> None:
    (face,) = MediaPipeFaceDetector().detect(load_image(folder / "face.png"))
    points = np.round(face.landmarks[:, :2], 1).tolist()
    (folder / "landmarks-478.json").write_text(json.dumps(points))
    five = [points[i] for i in (468, 473, 1, 61, 291)]
    (folder / "landmarks-5.json").write_text(json.dumps(five))
    rows = [
        {"time": 0.0, "emotion": "neutral"},
        {"time": 0.4, "emotion": "happiness:0.8,AU4:0.2", "easing": "ease-out"},
        {"time": 1.0, "emotion": {"sadness": 0.3, "AU1": 0.2}},
    ]
    (folder / "timeline.yaml").write_text(yaml.safe_dump({"keyframes": rows}))
    (folder / "timeline.json").write_text(json.dumps(rows))


def _pickles(folder: Path) -> None:
    torch.save(network_checkpoint(), folder / "network.pt")
    old = io.BytesIO()
    torch.save(network_checkpoint(), old, _use_new_zipfile_serialization=False)
    (folder / "network-old.pt").write_bytes(old.getvalue())


def network_checkpoint() -> dict[str, Any]:
    """What a published generator holds, in small."""
    return {
        "args": argparse.Namespace(n_motions=100, fps=25.0, audio_model="hubert_zh", iter=None),
        "model": {
            "weight": torch.randn(6, 4),
            "half": torch.randn(2, 2).half(),
            "turned": torch.randn(3, 5).T,
            "steps": torch.tensor(7),
            "empty": torch.zeros(0, 3),
        },
        "iter": 20000,
    }


def _checkpoint(folder: Path) -> None:
    """A checkpoint of preset compact with a small stage two."""
    config = CompactWav2Vec2Config(
        mel_bands=40, conv_dim=(16,) * 7, hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=16, num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    denoiser = MotionDenoiser(
        audio_dim=16, feature_dim=16, n_layers=1, n_heads=2, hidden_dim=16, n_diff_steps=50
    )
    offset = np.zeros(59, np.float32)
    offset[52] = 1.0
    normalizer = MotionNormalizer(offset, np.full(59, 0.1, np.float32))
    encoder = AudioEncoder(CompactWav2Vec2Model(config))
    MotionGenerator(encoder, denoiser, normalizer, cosine_betas(50)).save_pretrained(folder)
    shutil.copy(BUNDLED / INDEX, folder)
    shutil.copytree(BUNDLED / EMOTION, folder / EMOTION)
