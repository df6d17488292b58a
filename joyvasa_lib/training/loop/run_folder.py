"""The folder of a training run: every file in it is whole, whenever the run was killed.

| file | what it holds |
|---|---|
| ``config.yaml`` | every option with its value |
| ``command.json`` | command line, versions and git revision of each session, the latest first |
| ``data_card.json`` | what the run learns from |
| ``metrics.jsonl`` | one JSON object a line: losses, validations |
| ``state.pt`` | networks, optimiser, average, step: what :meth:`TrainingRun.resume` loads |
| ``state.previous.pt`` | the one before, for when a disk has damaged that |
| ``generator/`` | the averaged weights after the last validation, as a checkpoint folder |
| ``README.md`` | model card |
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import yaml

from joyvasa_lib.documents import DocumentError, parse_json, read_json, read_yaml
from joyvasa_lib.errors import CheckpointError, OptionError, OutputError

_log = logging.getLogger(__name__)

CONFIG, COMMAND, METRICS, STATE = "config.yaml", "command.json", "metrics.jsonl", "state.pt"
PREVIOUS = "state.previous.pt"
DATA_CARD, CARD = "data_card.json", "README.md"
TRACKED, PREVIEWS = "tensorboard", "previews"
CHECKPOINT = "generator"
"""Folder of the averaged weights after the last validation."""
PACKAGES = ("joyvasa-lib", "torch", "accelerate", "diffusers", "transformers", "peft", "numpy")
FREE_TO_CHANGE = frozenset(
    {
        "loop.steps", "loop.validate_every", "loop.validate_at_start", "loop.log_every",
        "loop.trackers", "loop.checkpoint_minutes", "loop.threads", "loop.stop_after_minutes",
    }
)  # fmt: skip
"""Options that a run may be resumed with another value of."""


class RunFolder:
    """Reads and writes the small files of a run."""

    def __init__(self, path: str | Path) -> None:
        """Makes the folder if it is missing."""
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OptionError(f"Cannot make the run folder {self.path} ({error})") from error

    def describe(self, config: dict[str, Any], step: int, about: dict[str, Any]) -> None:
        """Writes the options and adds this session to ``command.json``.

        Args:
            config: every option with its value, plain types.
            step: where this session starts.
            about: what else is worth keeping: device, number of processes.
        """
        write_whole(self.path / CONFIG, yaml.safe_dump(config, sort_keys=False))
        before = self.read(COMMAND)
        earlier = [before, *before.pop("earlier", ())] if before else []
        session = {
            "command": sys.argv,
            "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "step": step,
            "revision": git_revision(),
            "python": sys.version.split()[0],
            **{name.replace("-", "_"): _version(name) for name in PACKAGES},
            **about,
            "earlier": earlier,
        }
        write_whole(self.path / COMMAND, json.dumps(session, indent=1))

    def check_unchanged(self, config: dict[str, Any], free: Collection[str] = ()) -> None:
        """Refuses to go on with options that would make it another run.

        Args:
            config: the options of now, as for :meth:`describe`.
            free: options, beside :data:`FREE_TO_CHANGE`, that may differ.

        Raises:
            OptionError: an option has another value than when the run was started; it is named.
        """
        try:
            before = read_yaml(self.path / CONFIG)
        except (OSError, DocumentError):
            return
        old, new = flatten(before), flatten(config)
        allowed = FREE_TO_CHANGE | set(free)
        changed = [
            f"{name} {old[name]!r} -> {new[name]!r}"
            for name in old
            if name in new and old[name] != new[name] and name not in allowed
        ]
        if changed:
            raise OptionError(
                f"The run in {self.path} was started with other options: {'; '.join(changed)}. "
                "Use another run folder, or start this one anew with --restart"
            )

    def read(self, name: str) -> dict[str, Any]:
        """Returns a JSON file of the folder; an empty dictionary where there is none."""
        try:
            found = read_json(self.path / name)
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def metrics(self) -> list[dict[str, float]]:
        """Returns the lines of ``metrics.jsonl``; a line that a kill cut off is left out."""
        lines = []
        path = self.path / METRICS
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            try:
                lines.append(parse_json(line))
            except ValueError:
                continue
        return lines

    def write_data_card(self, card: dict[str, Any], step: int) -> None:
        """Writes ``data_card.json``; notes the step at which the data changed, if they did."""
        before = self.read(DATA_CARD)
        if before and before.get("digest") != card["digest"]:
            card = {**card, "changed_at_step": step}
        write_whole(self.path / DATA_CARD, json.dumps(card, indent=1))

    def append_metrics(self, line: dict[str, float]) -> None:
        """Appends one line to ``metrics.jsonl``."""
        with (self.path / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def cut_metrics(self, step: int) -> None:
        """Takes back lines of later steps, which a resumed run is going to write again."""
        if (self.path / METRICS).exists():
            kept = [json.dumps(line) + "\n" for line in self.metrics() if line["step"] <= step]
            write_whole(self.path / METRICS, "".join(kept))

    def goes_on(self, resume: bool) -> bool:
        """Whether a run in this folder goes on; one killed before it saved anything starts anew."""
        return resume and any((self.path / name).exists() for name in (STATE, PREVIOUS))

    def save_state(self, state: dict[str, Any]) -> None:
        """Writes ``state.pt`` and keeps the one before; a kill at any moment leaves one whole.

        Raises:
            OutputError: there is no room for it.
        """
        partial, path, previous = (self.path / n for n in (f"{STATE}.partial", STATE, PREVIOUS))
        try:
            torch.save(state, partial)
            if path.exists():
                path.replace(previous)
            settle(partial, path)
        except (OSError, RuntimeError) as error:  # torch's writer wraps what the system says
            partial.unlink(missing_ok=True)
            raise OutputError(
                f"Cannot write {path} ({error}); free some space and start the run again, which "
                "goes on from the state before"
            ) from error

    def load_state(self, device: torch.device) -> tuple[Path, dict[str, Any]] | None:
        """The latest state that is whole, and its file; None where there is none at all.

        Raises:
            CheckpointError: every one there is damaged.
        """
        damaged = []
        for path in (self.path / STATE, self.path / PREVIOUS):
            if not path.exists():
                continue
            try:
                state = torch.load(path, map_location=device, weights_only=True)
                step = int(state["step"])
            except (MemoryError, torch.OutOfMemoryError):
                raise  # says nothing about the file
            except Exception as error:  # whatever reading a damaged archive raises
                damaged.append(f"{path} is damaged ({_first_line(error)})")
                continue
            if damaged:
                _log.warning("%s; the run goes on from step %d, kept in %s",
                             damaged[0], step, path)  # fmt: skip
            return path, state
        if damaged:
            raise CheckpointError(
                f"{' and '.join(damaged)}; restore it from a copy, or start the run anew with "
                "--restart"
            )
        return None

    def clear(self) -> None:
        """Removes what belongs to a run that does not go on, so that another starts clean.

        The generator of its last validation stays until the new run has one. Features stay, too:
        they are known by their content.
        """
        for name in (STATE, PREVIOUS, METRICS, COMMAND, DATA_CARD):
            (self.path / name).unlink(missing_ok=True)
        for name in (TRACKED, PREVIEWS):
            shutil.rmtree(self.path / name, ignore_errors=True)


def write_whole(path: Path, text: str) -> None:
    """Writes a text file so that a kill at any moment leaves the old one or the new one."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    settle(partial, path)


def settle(partial: Path, path: Path) -> None:
    """Puts a finished file in its place once it is on the disk."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def swap_folder(finished: Path, folder: Path) -> None:
    """Puts a finished folder in the place of another.

    Two folders cannot be exchanged in one step. Between two renames the old one ends in ``.old``,
    where :func:`~joyvasa_lib.checkpoints.folder.resolve_checkpoint` looks for it.
    """
    old = folder.with_name(f"{folder.name}.old")
    if folder.exists():
        if old.exists():
            shutil.rmtree(old)
        folder.rename(old)
    finished.rename(folder)
    if old.exists():
        shutil.rmtree(old)


def share_folder(source: Path, target: Path) -> None:
    """Makes a copy of a folder that takes no room where the file system has hard links."""

    def link(file: str, place: str) -> None:
        try:
            os.link(file, place)
        except OSError:
            shutil.copy2(file, place)

    shutil.copytree(source, target, copy_function=link)


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested options as ``section.key``."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def git_revision() -> str:
    """Returns the commit of this package's own repository, "-dirty" added where files differ.

    "unknown" where the package is not in a repository of its own, as when it was installed.
    """
    here = Path(__file__)

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=here.parent, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", here.name)
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
