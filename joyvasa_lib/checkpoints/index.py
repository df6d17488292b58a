"""The index of a checkpoint folder of this library: which preset, of whom, with which parts.

``model_index.json`` lies beside the parts. A folder without one is of the compact preset, with
speech; the official presets always have one.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from joyvasa_lib import __version__
from joyvasa_lib.errors import CheckpointError, OptionError
from joyvasa_lib.media.files import atomic_folder

if TYPE_CHECKING:
    from joyvasa_lib.portrait.model import PortraitModel
    from joyvasa_lib.speech.motion_generator import MotionGenerator

INDEX = "model_index.json"
PRESETS = ("compact", "liveportrait")
SUBJECTS = ("human", "animal")


@dataclass(frozen=True)
class CheckpointIndex:
    """What a checkpoint folder is.

    Attributes:
        preset: of stage one, ``"compact"`` or ``"liveportrait"``.
        subject: whom it animates, ``"human"`` or ``"animal"``.
        speech: whether stage two is there.
    """

    preset: str = "compact"
    subject: str = "human"
    speech: bool = True


def best_device(device: str | None) -> str:
    """The device that was asked for, or else the GPU if there is one."""
    import torch

    return device or ("cuda" if torch.cuda.is_available() else "cpu")


def load_portrait_model(folder: Path, index: CheckpointIndex, device: str | None) -> PortraitModel:
    """Stage one of a checkpoint folder.

    Raises:
        CheckpointError: a part of it cannot be used.
        OptionError: the device is unknown or not there.
    """
    if index.preset == "liveportrait":
        from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel

        return LivePortraitModel.from_pretrained(folder / "portrait", best_device(device))
    from joyvasa_lib.portrait.compact.model import CompactPortraitModel

    return CompactPortraitModel.from_pretrained(folder / "portrait")


def save_checkpoint(
    folder: str | os.PathLike[str],
    model: PortraitModel,
    generator: MotionGenerator | None,
    subject: str,
) -> Path:
    """Writes both stages, in float32, as a checkpoint folder, whole or not at all.

    Raises:
        OptionError: stage one is of the compact preset, which is loaded from such a folder.
        OutputError: the folder cannot be written.
    """
    from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel

    if not isinstance(model, LivePortraitModel):
        raise OptionError(
            "This pipeline is of the compact preset, whose checkpoint is a folder already; copy "
            "the one that it was loaded from"
        )
    target = Path(folder).expanduser()
    with atomic_folder(target) as temporary:
        model.save_pretrained(temporary / "portrait")
        if generator is not None:
            generator.save_pretrained(temporary)
        write_index(temporary, CheckpointIndex("liveportrait", subject, generator is not None))
    return target


def write_index(folder: Path, index: CheckpointIndex) -> None:
    """Writes ``model_index.json`` into an existing folder."""
    about = {"_class_name": "JoyVASAPipeline", "_joyvasa_lib_version": __version__, **asdict(index)}
    (folder / INDEX).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def read_index(folder: Path) -> CheckpointIndex:
    """What the index says, or the compact preset where there is none.

    Raises:
        CheckpointError: the index is unreadable, or of a kind that this version does not know.
    """
    path = folder / INDEX
    if not path.is_file():
        return CheckpointIndex()
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        index = CheckpointIndex(str(about["preset"]), str(about["subject"]), bool(about["speech"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is not the index of a checkpoint of this library ({error!r}); convert the "
            "published files again"
        ) from error
    if index.preset not in PRESETS or index.subject not in SUBJECTS:
        raise CheckpointError(
            f"{path} describes preset {index.preset!r} for subject {index.subject!r}; this version "
            f"knows {', '.join(PRESETS)} and {', '.join(SUBJECTS)}: upgrade joyvasa-lib"
        )
    return index
