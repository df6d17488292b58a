"""Checkpoint folders on the Hugging Face hub: downloaded by name, uploaded whole.

``huggingface_hub`` does the transfer and honours its own settings (``HF_TOKEN``, ``HF_ENDPOINT``,
``HF_HOME``, ``HF_HUB_OFFLINE``).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from joyvasa_lib.checks import checked_path
from joyvasa_lib.errors import CheckpointError, OutputError

KINDS = ("*.safetensors", "*.json", "*.md")
"""What is downloaded of a repository: never a pickle."""

_PART = r"[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?"
_REPOSITORY = re.compile(f"{_PART}/{_PART}", re.ASCII)


def locate_checkpoint(
    source: str | os.PathLike[str] | None,
    *,
    revision: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    offline: bool = False,
) -> Path | None:
    """The local folder of a checkpoint; None for None, which stands for the bundled one.

    Args:
        source: a folder, or as text the name of a repository of the hub, ``"user/name"``, which is
            downloaded. A folder that is there wins over a repository of the same name.
        revision: branch, tag or commit of the repository; its main branch by default.
        cache_dir: where downloads are kept; huggingface_hub's own place by default.
        offline: whether only what was downloaded before is used.

    Raises:
        CheckpointError: the text is neither, or the repository cannot be downloaded.
    """
    if source is None:
        return None
    folder = checked_path("A checkpoint", source, error=CheckpointError).expanduser()
    if not isinstance(source, str) or folder.exists():
        return folder
    if not is_repository_name(source):
        raise CheckpointError(
            f"There is no checkpoint folder {source!r}, and a repository of the hub is called "
            "'user/name'; check the path"
        )
    return _download(source, revision, cache_dir, offline)


def is_repository_name(text: str) -> bool:
    """Whether a text can be the name of a repository of the hub, ``user/name``."""
    return bool(_REPOSITORY.fullmatch(text)) and ".." not in text and "--" not in text


def _download(
    name: str, revision: str | None, cache_dir: str | os.PathLike[str] | None, offline: bool
) -> Path:
    import huggingface_hub

    try:
        return Path(
            huggingface_hub.snapshot_download(
                name,
                revision=revision,
                cache_dir=None if cache_dir is None else Path(cache_dir),
                local_files_only=offline,
                allow_patterns=list(KINDS),
            )
        )
    except Exception as error:  # their common base differs between versions of huggingface_hub
        kind = type(error).__name__
        where = f"{name!r}" + (f" at {revision!r}" if revision else "")
        if kind == "LocalEntryNotFoundError" and offline:
            reason = "it was not downloaded before; try again without offline=True"
        elif kind in ("RepositoryNotFoundError", "RevisionNotFoundError", "GatedRepoError"):
            reason = f"{kind}; check the name, the revision and your HF_TOKEN"
        else:
            said = " ".join(str(error).split())[:200].rstrip(".") or kind
            reason = f"{said}; check the connection"
        raise CheckpointError(
            f"There is no folder {name!r} here, and the hub gives no checkpoint {where}: {reason}"
        ) from error


def upload_checkpoint(
    folder: Path,
    repo_id: str,
    *,
    private: bool = True,
    revision: str | None = None,
    message: str | None = None,
) -> str:
    """Uploads a folder as a repository of the hub.

    Args:
        folder: everything in it is uploaded.
        repo_id: ``name`` or ``organisation/name``; made if it does not exist.
        private: whether a repository that is made is private.
        revision: branch to upload to, made if it does not exist; the main one by default.
        message: of the commit.

    Returns:
        Address of the commit.

    Raises:
        OutputError: the hub cannot be reached or refuses.
    """
    import huggingface_hub

    api = huggingface_hub.HfApi()
    branch: dict[str, Any] = {} if revision is None else {"revision": revision}
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            commit_message=message or "Upload of a joyvasa_lib checkpoint",
            **branch,
        )
    except Exception as error:  # their common base differs between versions of huggingface_hub
        raise OutputError(
            f"Cannot upload to {repo_id!r} ({' '.join(str(error).split())}); check the name, "
            "the connection and the login (hf auth login)"
        ) from error
    return str(commit)
