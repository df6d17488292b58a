"""The checkpoint that ships in the package, and the layout every checkpoint folder has."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from joyvasa_lib.checkpoints.index import INDEX, read_index
from joyvasa_lib.errors import CheckpointError

BUNDLED = Path(__file__).parent / "bundled"
"""Folder of the bundled checkpoint: 16-bit safetensors, configurations and the model card."""

REQUIRED = (
    "audio_encoder/config.json",
    "audio_encoder/model.safetensors",
    "denoiser/config.json",
    "denoiser/diffusion_pytorch_model.safetensors",
)
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
"""Names, without endings, by which published files are told."""


def resolve_checkpoint(path: str | Path | None = None) -> Path:
    """The checkpoint folder to load: the given one, or the bundled one for None.

    Args:
        path: a checkpoint folder, or the folder of a training run.

    Raises:
        CheckpointError: the folder is missing, lacks a file, which is named, or holds the files of
            LivePortrait and JoyVASA as they are published.
    """
    folder = BUNDLED if path is None else Path(path).expanduser()
    if folder.is_file():
        raise CheckpointError(f"{folder} is a file; give the checkpoint folder that it lies in")
    if not folder.is_dir():
        raise CheckpointError(f"There is no checkpoint folder {folder}; check the path")
    if not read_index(folder).speech:
        return folder
    for candidate in (folder, *(folder / name for name in IN_A_RUN)):
        if not _missing(candidate) or not read_index(candidate).speech:
            return candidate
    if (folder / "metrics.jsonl").is_file():
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
        f"{folder} is not a complete checkpoint: {', '.join(_missing(folder))} is missing; "
        + ("reinstall joyvasa-lib" if path is None else "save it again with save_pretrained")
    )


def _missing(folder: Path) -> list[str]:
    return [name for name in REQUIRED if not (folder / name).is_file()]


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
