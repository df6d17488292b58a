"""Both stages found, loaded and saved together: checkpoint folders, the hub, published files.

What is loaded here knows nothing of images or recordings; the pipeline does.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from joyvasa_lib.checkpoints.folder import (
    BUNDLED,
    CARD,
    EMOTION,
    PORTRAIT,
    CheckpointIndex,
    is_checkpoint,
    read_index,
    resolve_checkpoint,
    write_index,
)
from joyvasa_lib.checkpoints.hub import locate_checkpoint, upload_checkpoint
from joyvasa_lib.checks import checked_choice, checked_device, checked_path
from joyvasa_lib.compat.choice import COMPATS, Compat, generator_class, portrait_class
from joyvasa_lib.errors import OptionError
from joyvasa_lib.media.files import atomic_folder
from joyvasa_lib.motion.driving.options import DrivingOptions

if TYPE_CHECKING:
    import torch

    from joyvasa_lib.face.landmarks.liveportrait import LivePortraitLandmarks
    from joyvasa_lib.motion.driving.keypoints import Subject
    from joyvasa_lib.portrait.model import PortraitModel
    from joyvasa_lib.speech.motion_generator import MotionGenerator


@dataclass(frozen=True, eq=False)
class Stages:
    """Both stages, and whom they are for.

    Attributes:
        model: stage one.
        generator: stage two, or the checkpoint folder that it is loaded from when it is needed;
            None where there is none.
        subject: ``"human"`` or ``"animal"``.
        landmarks: LivePortrait's landmark network for people, where its file is there.
        driving: how portraits are driven by default.
    """

    model: PortraitModel
    generator: MotionGenerator | Path | None
    subject: str = "human"
    landmarks: LivePortraitLandmarks | None = None
    driving: DrivingOptions = field(default_factory=DrivingOptions)


def check_device(device: str | torch.device | None) -> None:
    """Refuses a device that is not there; torch is loaded only for one that has to be asked for.

    Raises:
        OptionError: the device is unknown or not there.
    """
    if device is not None and not (isinstance(device, str) and device == "cpu"):
        checked_device(device)


def load_checkpoint(
    source: str | os.PathLike[str] | None = None,
    *,
    device: str | torch.device | None = None,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    offline: bool = False,
    compat: Compat | None = None,
) -> Stages:
    """Both stages of a checkpoint; stage two is loaded when it is needed.

    See ``JoyVASAPipeline.from_pretrained`` for the arguments.

    Raises:
        CheckpointError: the checkpoint is missing, incomplete or unreadable.
        OptionError: the device is unknown or not there; or ``compat`` is unknown, or not for a
            checkpoint of this preset.
    """
    check_device(device)
    checked_choice("compat", compat, COMPATS)
    folder = resolve_checkpoint(
        locate_checkpoint(source, revision=revision, cache_dir=cache_dir, offline=offline)
    )
    index = read_index(folder)
    model = load_portrait_model(folder, device, compat=compat)
    generator = folder if index.speech else None
    driving = _saved_driving(folder, index.preset)
    return Stages(model, generator, index.subject, driving=driving)


def load_portrait_model(
    folder: Path,
    device: str | torch.device | None = None,
    *,
    compat: Compat | None = None,
) -> PortraitModel:
    """Stage one of a checkpoint folder.

    Args:
        folder: result of :func:`~joyvasa_lib.checkpoints.folder.resolve_checkpoint`.
        device: torch device; the GPU if there is one by default. Preset compact needs none.
        compat: ``"joyvasa"`` for a model that drives, crops and paints as the published code.

    Raises:
        CheckpointError: a part of it cannot be used.
        OptionError: the device is unknown or not there, or ``compat`` is not for this preset.
    """
    if read_index(folder).preset == "liveportrait":
        from joyvasa_lib.compat.joyvasa.portrait_model import was_saved_for_joyvasa

        kind = portrait_class("joyvasa" if was_saved_for_joyvasa(folder / PORTRAIT) else compat)
        return kind.from_pretrained(folder, checked_device(device))
    if compat is not None:
        raise OptionError(
            f"compat={compat!r} needs LivePortrait's and JoyVASA's files; this checkpoint is of "
            "preset compact"
        )
    from joyvasa_lib.portrait.compact.model import CompactPortraitModel

    return CompactPortraitModel.from_pretrained(folder)


def load_motion_generator(
    source: MotionGenerator | Path,
    device: str | torch.device | None = None,
    *,
    compat: Compat | None = None,
) -> MotionGenerator:
    """Stage two on its device.

    Args:
        source: a checkpoint folder, or stage two itself, which is moved.
        device: torch device; the GPU if there is one by default.
        compat: ``"joyvasa"`` for a generator that draws windows as the published code; for a
            folder.

    Raises:
        CheckpointError: a part of it is missing or cannot be used.
        OptionError: the device is unknown or not there.
    """
    known = checked_device(device)
    if isinstance(source, Path):
        source = generator_class(compat).from_pretrained(source)
    return source.to(known)


def load_official(
    directory: str | os.PathLike[str],
    subject: str = "human",
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    driving: DrivingOptions | None = None,
    with_speech: bool = True,
    compat: Compat | None = None,
) -> Stages:
    """Both stages of LivePortrait's and JoyVASA's files as they are published.

    See ``JoyVASAPipeline.from_official`` for the arguments.

    Raises:
        CheckpointError: files are missing, there twice, damaged, unsafe or of other networks.
        OptionError: another subject, or the device, dtype or compat cannot be used.
    """
    from joyvasa_lib.checkpoints.official.files import find_official_files

    check_device(device)
    checked_choice("compat", compat, COMPATS)
    files = find_official_files(
        checked_path("directory", directory), subject, with_speech=with_speech
    )
    from joyvasa_lib.face.landmarks.liveportrait import LivePortraitLandmarks
    from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
    from joyvasa_lib.portrait.liveportrait.published import load_portrait_networks
    from joyvasa_lib.speech.published import load_motion_generator

    generator = load_motion_generator(files, generator_class(compat)) if with_speech else None
    networks = load_portrait_networks(files)
    whom: Subject = "animal" if subject == "animal" else "human"
    model = portrait_class(compat)(networks, checked_device(device), dtype, subject=whom)
    landmarks = None
    if files.landmarks is not None and subject == "human":
        landmarks = LivePortraitLandmarks(files.landmarks, MediaPipeFaceDetector())
    return Stages(model, generator, subject, landmarks, driving or DrivingOptions())


def save_checkpoint(
    folder: str | os.PathLike[str],
    model: PortraitModel,
    generator: MotionGenerator | None,
    subject: str = "human",
    *,
    loaded_from: Path | None = None,
    driving: DrivingOptions | None = None,
) -> Path:
    """Writes both stages as a checkpoint folder, whole or not at all.

    Args:
        folder: a checkpoint of this library that is there already is replaced as a whole; any
            other folder that is not empty is left alone.
        model: stage one.
        generator: stage two, written in float32; None for a folder without one.
        subject: ``"human"`` or ``"animal"``.
        loaded_from: checkpoint folder whose emotion map and model card go with it, if it has them.
        driving: how portraits are driven by default, kept by presets that can.

    Returns:
        The path.

    Raises:
        OptionError: the portrait model is of no preset that is loaded from a folder.
        OutputError: the folder cannot be written, or holds other things.
    """
    if model.preset is None:
        raise OptionError(
            f"A {type(model).__name__} is of no preset, so its checkpoint could not be loaded "
            "again; save it yourself"
        )
    with atomic_folder(folder, ours=_is_replaceable) as temporary:
        model.save_pretrained(temporary / PORTRAIT, driving=driving)
        if generator is not None:
            generator.save_parts(temporary)
        if loaded_from is not None:
            if (loaded_from / EMOTION).is_dir():
                shutil.copytree(loaded_from / EMOTION, temporary / EMOTION)
            if (loaded_from / CARD).is_file():
                shutil.copyfile(loaded_from / CARD, temporary / CARD)
        write_index(temporary, CheckpointIndex(model.preset, subject, generator is not None))
    return Path(folder).expanduser()


def push_checkpoint(
    repo_id: str,
    model: PortraitModel,
    generator: MotionGenerator | None,
    subject: str = "human",
    *,
    loaded_from: Path | None = None,
    driving: DrivingOptions | None = None,
    private: bool = True,
    revision: str | None = None,
    message: str | None = None,
) -> str:
    """Uploads what :func:`save_checkpoint` writes; returns the address of the commit.

    Raises:
        OptionError: the portrait model is of no preset that is loaded from a folder.
        OutputError: the hub cannot be reached or refuses.
    """
    with tempfile.TemporaryDirectory() as staging:
        folder = save_checkpoint(
            Path(staging) / "checkpoint",
            model,
            generator,
            subject,
            loaded_from=loaded_from,
            driving=driving,
        )
        return upload_checkpoint(
            folder, repo_id, private=private, revision=revision, message=message
        )


def _is_replaceable(folder: Path) -> bool:
    return is_checkpoint(folder) and folder.resolve() != BUNDLED.resolve()


def _saved_driving(folder: Path, preset: str) -> DrivingOptions:
    """How portraits of a checkpoint folder are driven by default.

    Raises:
        CheckpointError: the folder's options cannot be read.
    """
    if preset != "liveportrait":
        return DrivingOptions()
    from joyvasa_lib.portrait.liveportrait.driving_file import DrivingFile

    return DrivingFile.load(folder / PORTRAIT).options
