"""``joyvasa convert``: published files become a checkpoint folder of this library."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from joyvasa_lib.cli.options.groups import with_option_groups
from joyvasa_lib.cli.output import Reporting
from joyvasa_lib.errors import OutputError


@with_option_groups
def convert(
    *,
    source: Annotated[Path, typer.Argument(help="Folder of LivePortrait's and JoyVASA's files.")],
    destination: Annotated[Path, typer.Argument(help="The new checkpoint folder.")],
    subject: Annotated[str, typer.Option(help="human or animal.")] = "human",
    portrait_only: Annotated[
        bool, typer.Option("--portrait-only", help="LivePortrait's files alone, to be driven.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a folder already there.")] = False,
    reporting: Reporting,
) -> None:
    """Reads the published files safely and writes safetensors and JSON, whole or not at all.

    The result is loaded by --checkpoint and JoyVASAPipeline.from_pretrained, bit for bit the same.
    """
    from joyvasa_lib.pipeline import JoyVASAPipeline

    started = time.perf_counter()
    target = destination.expanduser()
    if target.exists() and not force and (target.is_file() or any(target.iterdir())):
        raise OutputError(f"{target} is there already; choose another name or give --force")
    _check_place(source.expanduser(), target)
    pipe = JoyVASAPipeline.from_official(source, subject, "cpu", with_speech=not portrait_only)
    pipe.save_pretrained(target)
    files = sorted(path for path in target.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files)
    reporting.close(
        f"{target}: {len(files)} files, {size / 1e6:.0f} MB, in "
        f"{time.perf_counter() - started:.1f} s",
        {
            "output": str(target),
            "subject": subject,
            "speech": not portrait_only,
            "files": [str(path.relative_to(target)) for path in files],
            "bytes": size,
        },
    )


def _check_place(source: Path, target: Path) -> None:
    """Refuses a destination that cannot be written, or whose writing would remove other files."""
    from joyvasa_lib.checkpoints.folder import is_checkpoint
    from joyvasa_lib.media.files import check_folder

    here = source.resolve()
    if target.resolve() in (here, *here.parents):
        raise OutputError(
            f"Replacing {target} would remove the published files in {source}; choose another name"
        )
    check_folder(target, ours=is_checkpoint)
