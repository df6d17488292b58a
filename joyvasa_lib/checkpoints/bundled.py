"""The checkpoint that ships in the package, and the layout every checkpoint folder has."""

from __future__ import annotations

from pathlib import Path

from joyvasa_lib.errors import CheckpointError

BUNDLED = Path(__file__).parent / "bundled"
"""Folder of the bundled checkpoint: 16-bit safetensors, configurations and the model card."""

REQUIRED = (
    "audio_encoder/config.json",
    "audio_encoder/model.safetensors",
    "denoiser/config.json",
    "denoiser/diffusion_pytorch_model.safetensors",
)


def resolve_checkpoint(path: str | Path | None = None) -> Path:
    """The checkpoint folder to load: the given one, or the bundled one for None.

    Raises:
        CheckpointError: the folder is missing or lacks a file, which is named.
    """
    folder = BUNDLED if path is None else Path(path).expanduser()
    if not folder.is_dir():
        raise CheckpointError(f"There is no checkpoint folder {folder}; check the path")
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{folder} is not a complete checkpoint: {', '.join(missing)} is missing; "
            + ("reinstall joyvasa-lib" if path is None else "save it again with save_pretrained")
        )
    return folder
