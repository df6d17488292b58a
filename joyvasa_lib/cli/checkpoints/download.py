"""``joyvasa download``: the official files, from where their authors publish them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from joyvasa_lib.errors import OptionError

app = typer.Typer(no_args_is_help=True, help="Downloads checkpoints.")


@app.callback()
def download() -> None:
    """Downloads checkpoints."""


@app.command("official")
def official(
    to: Annotated[Path, typer.Option("--to", help="Folder of the files.")] = Path("checkpoints"),
    part: Annotated[
        list[str] | None,
        typer.Option(
            "--part",
            help="liveportrait, liveportrait-animals, joyvasa, chinese-hubert-base, "
            "wav2vec2-base-960h, insightface; repeat for several. All but insightface by default.",
        ),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Accept terms that forbid commercial use.")
    ] = False,
    revision: Annotated[
        list[str] | None,
        typer.Option("--revision", help="PART=COMMIT: another than the pinned revision."),
    ] = None,
    encoder_weights: Annotated[
        bool, typer.Option("--encoder-weights", help="Speech encoders with weights, to train.")
    ] = False,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not check SHA-256.")] = False,
    endpoint: Annotated[str | None, typer.Option(help="Address of another hub or mirror.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no lines.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Downloads LivePortrait's and JoyVASA's published files, about 1.5 GB; resumable."""
    from joyvasa_lib.checkpoints.official.hub import download_parts, select_parts

    revisions = {}
    for entry in revision or ():
        name, found, commit = entry.partition("=")
        if not (found and commit):
            raise OptionError(f"--revision is PART=COMMIT, such as joyvasa=main; not {entry!r}")
        revisions[name] = commit
    parts = select_parts(part or (), encoder_weights=encoder_weights, revisions=revisions)
    silent = quiet or as_json
    for one in parts:
        if one.non_commercial and not accept and not silent and sys.stdin.isatty():
            typer.echo(f"{one.name}: {one.licence}. {one.terms}", err=True)
            accept = typer.confirm("Do you accept these terms?", err=True)
    files = download_parts(
        to,
        parts,
        accept=accept,
        verify=not no_verify,
        endpoint=endpoint,
        report=None if silent else lambda line: typer.echo(line, err=True),
        progress=not silent,
    )
    if as_json:
        found_parts = [
            {"name": one.name, "repository": one.repository, "revision": one.revision,
             "licence": one.licence} for one in parts
        ]  # fmt: skip
        report = {"folder": str(to), "parts": found_parts, "files": [str(path) for path in files]}
        sys.stdout.write(json.dumps(report) + "\n")
    elif not quiet:
        sys.stdout.write(f"{to}: {len(files)} files\n")
