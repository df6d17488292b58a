"""Downloads the official files from the Hugging Face hub: pinned, checked, resumable.

Nothing is downloaded unless a person asks for it. ``huggingface_hub`` does the transfer: it goes on
where a connection broke, shows progress and honours its own settings (``HF_TOKEN``,
``HF_ENDPOINT``, ``HF_HUB_OFFLINE``). A download that was stopped begins again with the file it was
at; what it left of that file is removed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from joyvasa_lib.checkpoints.official.sources import (
    DEFAULT_PARTS,
    ENCODER_WEIGHTS,
    PARTS,
    HubFile,
    Part,
)
from joyvasa_lib.errors import CheckpointError, OptionError, OutputError

BLOCK = 2**20
_DOWNLOADS = ".cache/huggingface/download"
"""Where huggingface_hub keeps the state of a folder's downloads."""


def select_parts(
    names: Iterable[str | Part] = (),
    *,
    encoder_weights: bool = False,
    revisions: Mapping[str, str] | None = None,
) -> list[Part]:
    """The parts to download.

    Args:
        names: of ``PARTS``; by default all that are free to use.
        encoder_weights: whether speech encoders come with their published weights.
        revisions: another commit, branch or tag by part; its files have no known checksums.

    Raises:
        OptionError: an unknown part; the message lists them.
    """
    wanted = list(names) or list(DEFAULT_PARTS)
    revisions = dict(revisions or {})
    for name in (*(name for name in wanted if isinstance(name, str)), *revisions):
        if name not in PARTS:
            raise OptionError(f"There is no part {name!r}; choose of {', '.join(PARTS)}")
    chosen = []
    for wish in wanted:
        part = PARTS[wish] if isinstance(wish, str) else wish
        if encoder_weights and part.name in ENCODER_WEIGHTS:
            part = replace(part, files=(*part.files, ENCODER_WEIGHTS[part.name]))
        if part.name in revisions:
            unknown = tuple(HubFile(file.path) for file in part.files)
            part = replace(part, revision=revisions[part.name], files=unknown)
        chosen.append(part)
    return chosen


def download_parts(
    folder: str | os.PathLike[str],
    parts: Iterable[Part],
    *,
    accept: bool = False,
    verify: bool = True,
    endpoint: str | None = None,
    report: Callable[[str], None] | None = None,
    progress: bool = True,
) -> list[Path]:
    """Downloads parts into a folder that ``JoyVASAPipeline.from_official`` reads.

    Files that are there already with the right checksum are left alone, without asking the hub.

    Args:
        folder: made if it is not there.
        parts: result of :func:`select_parts`.
        accept: whether terms that restrict use are accepted.
        verify: whether files must have their known checksums.
        endpoint: address of another hub or mirror; ``HF_ENDPOINT`` or huggingface.co by default.
        report: called with a line of text for each part and file.
        progress: whether huggingface_hub shows its progress bars.

    Returns:
        The files.

    Raises:
        OptionError: a part restricts its use and its terms were not accepted.
        CheckpointError: a file cannot be had, or is not the published one.
        OutputError: the folder cannot be written to.
    """
    parts = list(parts)
    tell = report or (lambda line: None)
    for part in parts:
        tell(f"{part.name}: {part.repository}, licence {part.licence}. {part.terms}")
    restricted = [part.name for part in parts if part.non_commercial]
    if restricted and not accept:
        raise OptionError(
            f"{' and '.join(restricted)} may only be used for non-commercial research; read the "
            "terms and accept them with accept=True (--accept), or leave it out"
        )
    root = Path(folder).expanduser()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot make the folder {root} ({error.strerror})") from error
    for part in parts:
        _remove_leftovers(root / part.folder)
    with _progress_bars(progress):
        return [
            _download(part, file, root / part.folder, verify, endpoint, tell)
            for part in parts
            for file in part.files
        ]


def _download(
    part: Part,
    file: HubFile,
    folder: Path,
    verify: bool,
    endpoint: str | None,
    tell: Callable[[str], None],
) -> Path:
    from huggingface_hub import hf_hub_download

    target = folder / file.path
    if target.is_file() and file.sha256 is not None and file_sha256(target) == file.sha256:
        tell(f"{target} is there already")
        return target
    try:
        path = Path(
            hf_hub_download(
                part.repository,
                file.path,
                revision=part.revision,
                local_dir=folder,
                endpoint=endpoint,
            )
        )
    except Exception as error:  # their common base differs between versions of huggingface_hub
        raise CheckpointError(_failure(part, file, error)) from error
    if verify and file.sha256 is not None and (found := file_sha256(path)) != file.sha256:
        path.unlink(missing_ok=True)
        raise CheckpointError(
            f"{part.repository} gave another {file.path} than is published (SHA-256 {found}, not "
            f"{file.sha256}); it was removed. Try again, or take it unchecked with verify=False "
            "(--no-verify)"
        )
    tell(f"{path}")
    return path


def _remove_leftovers(folder: Path) -> None:
    """Removes what downloads that were killed have left, unless one into this folder is going on.

    huggingface_hub begins such a file anew under another name, and leaves the old one for ever.
    """
    place = folder / _DOWNLOADS
    with ExitStack() as held, suppress(Timeout, OSError):
        for lock in place.rglob("*.lock"):
            held.enter_context(FileLock(lock, timeout=0))
        for leftover in place.rglob("*.incomplete"):
            leftover.unlink()


def _failure(part: Part, file: HubFile, error: Exception) -> str:
    """What went wrong, in one sentence, whatever version of huggingface_hub says it."""
    kind = type(error).__name__
    where = f"{file.path} of {part.repository} at {part.revision}"
    if kind in ("EntryNotFoundError", "RemoteEntryNotFoundError"):
        return f"The hub has no {where}; look for its new name and place it by hand"
    if kind in ("RepositoryNotFoundError", "RevisionNotFoundError", "GatedRepoError"):
        return f"The hub does not give {where} ({kind}); check the revision and your HF_TOKEN"
    reason = " ".join(str(error).split())[:200].rstrip(".") or kind
    return (
        f"Cannot download {where} ({reason}); check the connection and try again: files that are "
        "whole are kept"
    )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


class _progress_bars:
    """huggingface_hub's progress bars, shown or not while the block runs."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown

    def __enter__(self) -> None:
        from huggingface_hub import utils

        self._utils: Any = utils
        self._restore = not self._shown and not self._utils.are_progress_bars_disabled()
        if self._restore:
            self._utils.disable_progress_bars()

    def __exit__(self, *_: Any) -> None:
        if self._restore:
            self._utils.enable_progress_bars()
