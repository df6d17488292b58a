"""A run's checkpoint on the Hugging Face Hub."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from joyvasa_lib.checkpoints.folder import IN_A_RUN, PORTRAIT, resolve_checkpoint
from joyvasa_lib.checkpoints.hub import upload_checkpoint
from joyvasa_lib.training.loop.run_folder import CARD, DATA_CARD, METRICS

BESIDE = (CARD, DATA_CARD, METRICS)
"""Files of a run that go with the weights. Options and command line stay: they name paths."""


def push_run(run_dir: str | Path, repo_id: str, private: bool = True) -> str:
    """Uploads the checkpoint of a run, with its model card, adapters and metrics.

    The repository becomes a checkpoint folder. What tells the hub who you are is
    ``huggingface_hub``'s business: ``hf auth login`` or the variable ``HF_TOKEN``.

    Args:
        run_dir: folder of the run.
        repo_id: ``name`` or ``organisation/name``; made if it does not exist.
        private: whether a repository that is made is private.

    Returns:
        Address of the commit.

    Raises:
        CheckpointError: the run has no checkpoint yet.
        OutputError: the hub cannot be reached or refuses.
    """
    run_dir = Path(run_dir)
    portrait = any((run_dir / name / PORTRAIT).is_dir() for name in IN_A_RUN)
    checkpoint = resolve_checkpoint(run_dir, portrait=portrait)
    with tempfile.TemporaryDirectory() as staging:
        staged = Path(staging) / "checkpoint"
        shutil.copytree(checkpoint, staged)
        for name in BESIDE:
            if (run_dir / name).is_file():
                shutil.copy2(run_dir / name, staged / name)
        if (run_dir / "adapter").is_dir():
            shutil.copytree(run_dir / "adapter", staged / "adapter")
        return upload_checkpoint(staged, repo_id, private=private, message=f"Run {run_dir.name}")
