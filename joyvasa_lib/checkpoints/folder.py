"""A checkpoint folder: what lies where, which preset it is of, and whether it is complete.

| part | what it holds |
|---|---|
| ``model_index.json`` | preset, subject, whether stage two is there; see :class:`CheckpointIndex` |
| ``portrait/`` | stage one of preset liveportrait, one folder per network |
| ``portrait/head_rig.safetensors`` | of preset compact, if it is not the package's |
| ``audio_encoder/``, ``denoiser/``, ``normalizer/``, ``scheduler/`` | stage two |
| ``emotion/`` | optional: the map from action units to expression |
| ``README.md`` | optional: the model card |

A folder without an index is of the compact preset, with speech, and has a folder ``portrait``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote

from joyvasa_lib._version import __version__
from joyvasa_lib.checks import checked_path
from joyvasa_lib.documents import read_object
from joyvasa_lib.errors import CheckpointError

BUNDLED = Path(__file__).parent / "bundled"
"""Folder of the bundled checkpoint: 16-bit safetensors, configurations and the model card."""

INDEX, CARD = "model_index.json", "README.md"
PORTRAIT, EMOTION = "portrait", "emotion"
PRESETS = ("compact", "liveportrait")
SUBJECTS = ("human", "animal")

CONFIG = "config.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"
"""Weights of a network as diffusers names the file."""
ENCODER_WEIGHTS = "model.safetensors"
"""Weights of a network as transformers names the file."""

HEAD_RIG = "head_rig.safetensors"
"""The head rig of preset compact, in ``portrait/``; without one it is the package's own."""
REFINER = f"generator/{CONFIG}"
"""In ``portrait/`` of preset compact up to version 0.1: a network that is not used any more."""

PORTRAIT_NETWORKS = (
    "appearance_extractor",
    "motion_extractor",
    "warping",
    "generator",
    "stitching",
    "lip_retargeting",
    "eye_retargeting",
)
"""Folders of ``portrait/`` of preset liveportrait, each with a network's configuration and weights.
"""

SPEECH_FILES = (
    f"audio_encoder/{CONFIG}",
    f"audio_encoder/{ENCODER_WEIGHTS}",
    f"denoiser/{CONFIG}",
    f"denoiser/{WEIGHTS}",
    "normalizer/normalizer.json",
    "scheduler/scheduler_config.json",
)
"""Files of stage two, all of them required."""

SPEECH_PARTS = ("audio_encoder", "denoiser", "normalizer", "scheduler")
CHECKPOINT_ENTRIES = frozenset(
    {INDEX, CARD, PORTRAIT, EMOTION, *SPEECH_PARTS, "adapter", "data_card.json", "metrics.jsonl"}
)
"""What a checkpoint folder may hold; the last three come with the checkpoint of a training run."""

IN_A_RUN = ("generator", "generator.old")
"""Where a training run keeps its checkpoint. It goes by the second name for the moment in which a
new one takes its place, and stays there if the run is killed in that moment."""

PUBLISHED = (
    "appearance_feature_extractor",
    "motion_extractor",
    "warping_module",
    "spade_generator",
    "motion_template",
)
"""Names, without endings, that published files are recognised by."""


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
        about = read_object(path)
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


def portrait_files(preset: str) -> tuple[str, ...]:
    """Files that the folder ``portrait`` of a preset has, where there is one."""
    if preset == "compact":
        return (HEAD_RIG,)
    return tuple(f"{name}/{file}" for name in PORTRAIT_NETWORKS for file in (CONFIG, WEIGHTS))


def _absent(place: Path, preset: str) -> list[str]:
    """Files of stage one that a folder ``portrait`` lacks."""
    if preset == "compact" and (place / REFINER).is_file() and not (place / "warping").exists():
        return []
    return [name for name in portrait_files(preset) if not (place / name).is_file()]


def _takes_package_rig(folder: Path) -> bool:
    """Whether a folder is a checkpoint of preset compact without a head rig of its own."""
    if (folder / PORTRAIT).exists() or not (folder / INDEX).is_file():
        return False
    return read_index(folder).preset == "compact"


def resolve_checkpoint(
    path: str | Path | None = None, *, portrait: bool = True, speech: bool = True
) -> Path:
    """The checkpoint folder to load: the given one, or the bundled one for None.

    Args:
        path: a checkpoint folder, or the folder of a training run.
        portrait: whether stage one must be there.
        speech: whether stage two must be there, if the index does not say that it is left out.

    Raises:
        CheckpointError: the folder is missing; lacks files, which are named; or holds the files of
            LivePortrait and JoyVASA as they are published.
    """
    folder = existing_folder(BUNDLED if path is None else path)
    candidates = [folder, *(folder / name for name in IN_A_RUN)]
    missing = {place: _missing(place, portrait, speech) for place in candidates if place.is_dir()}
    for place, files in missing.items():
        if not files:
            return place
    nearest = min(missing, key=lambda place: len(missing[place]))
    if nearest == folder and (folder / "metrics.jsonl").is_file():
        raise CheckpointError(
            f"The training run in {folder} has no checkpoint yet; its first validation writes one"
        )
    if looks_official(folder):
        raise CheckpointError(
            f"{folder} holds LivePortrait's or JoyVASA's published files; load them with "
            f"JoyVASAPipeline.from_official, or once and for all: joyvasa convert "
            f"{quote(str(folder))} NEW"
        )
    raise CheckpointError(
        f"{nearest} is not a complete checkpoint: {_listed(missing[nearest])} missing; "
        + ("reinstall joyvasa-lib" if path is None else "save or download it again")
    )


def resolve_portrait(path: str | Path | None, preset: str) -> Path:
    """The folder of stage one: of a checkpoint, of a training run, or given itself.

    Args:
        path: a checkpoint folder, the folder of a training run, or a folder of stage one alone;
            the bundled checkpoint for None.
        preset: whose networks or head rig. A checkpoint of preset compact without a rig of its own
            is the result itself.

    Raises:
        CheckpointError: the folder is missing or incomplete; missing files are named.
    """
    folder = existing_folder(BUNDLED if path is None else path)
    roots = (folder, *(folder / name for name in IN_A_RUN))
    candidates = [folder, *(root / PORTRAIT for root in roots)]
    missing = {
        place: _absent(place, preset) for place in candidates if place == folder or place.is_dir()
    }
    nearest = min(missing, key=lambda place: len(missing[place]))
    if not missing[nearest]:
        return nearest
    for root in roots if preset == "compact" else ():
        if root.is_dir() and _takes_package_rig(root):
            return root
    raise CheckpointError(
        f"{nearest} has no stage one of preset {preset}: {_listed(missing[nearest])} missing; "
        "give a checkpoint folder of this preset"
    )


def existing_folder(path: str | Path) -> Path:
    """A folder that is there.

    Raises:
        CheckpointError: it is a file, or not there.
    """
    folder = checked_path("A checkpoint", path, error=CheckpointError).expanduser()
    if folder.is_file():
        raise CheckpointError(f"{folder} is a file; give the checkpoint folder that it lies in")
    if not folder.is_dir():
        raise CheckpointError(f"There is no checkpoint folder {folder}; check the path")
    return folder


def _missing(folder: Path, portrait: bool, speech: bool) -> list[str]:
    index = read_index(folder)
    missing: list[str] = []
    if portrait and not _takes_package_rig(folder):
        missing += [f"{PORTRAIT}/{name}" for name in _absent(folder / PORTRAIT, index.preset)]
    if speech and (index.speech or not portrait):
        missing += [name for name in SPEECH_FILES if not (folder / name).is_file()]
    return missing


def _listed(names: list[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


def holds_only(folder: Path, entries: Iterable[str], *signs: str) -> bool:
    """Whether a folder holds nothing but these entries, and one of the signs among them."""
    known = {*entries, ".gitattributes"}  # what the hub adds
    found = {path.name for path in folder.iterdir()}
    return found <= known and any((folder / sign).is_file() for sign in signs)


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder holds a checkpoint of this library and nothing else."""
    return holds_only(folder, CHECKPOINT_ENTRIES, INDEX, f"denoiser/{CONFIG}")


def is_stage_two(folder: Path) -> bool:
    """Whether a folder holds stage two of a checkpoint and nothing else."""
    return holds_only(folder, SPEECH_PARTS, f"denoiser/{CONFIG}")


def looks_official(folder: Path) -> bool:
    """Whether a folder holds published files instead of a checkpoint or run of this library."""
    ours = (INDEX, "denoiser", "metrics.jsonl", *IN_A_RUN)
    if any((folder / name).exists() for name in ours):
        return False
    return any(
        path.suffix in (".pth", ".pt") or path.stem in PUBLISHED
        for pattern in ("*", "*/*", "*/*/*", "*/*/*/*")
        for path in folder.glob(pattern)
    )
