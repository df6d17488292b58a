"""``joyvasa inspect``: what a file says about how it was made."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joyvasa_lib.cli.output import Json, Reporting

if TYPE_CHECKING:
    from joyvasa_lib.media.provenance.inspection import Inspection
    from joyvasa_lib.media.provenance.manifests import Manifest
    from joyvasa_lib.media.provenance.mark import Mark

_SAID = {
    True: "says that it is synthetic",
    False: "says that it is not synthetic",
    None: "says nothing about how it was made",
}
_PROVES_NOTHING = {
    True: "",
    False: "; that proves nothing, anybody can write it",
    None: "; that proves nothing, marks are lost when a file is encoded again",
}


def inspect(
    file: Annotated[Path, typer.Argument(help="Image, video or recording.")],
    as_json: Json = False,
) -> None:
    """Says whether FILE says that it is synthetic, what made it, and who signed that."""
    from joyvasa_lib.media.provenance.inspection import inspect_media

    found = inspect_media(file)
    line = f"{found.path} {_SAID[found.synthetic]}{_PROVES_NOTHING[found.synthetic]}"
    Reporting(as_json=as_json).close("\n  ".join([line, *_lines(found)]), _values(found))


def _lines(found: Inspection) -> list[str]:
    """One line for each place in a file that says something, or might."""
    lines = []
    if found.mark is not None:
        lines.append(f"XMP: {_told(found.mark)}")
    if found.mark_problem:
        lines.append(f"XMP: not read. {found.mark_problem}")
    if found.note:
        lines.append(f"comment: {_printable(found.note)}")
    if found.manifest is not None:
        lines.append(f"Content Credentials: {_signed(found.manifest)}")
        lines.append(f"Content Credentials: {_told(found.manifest.mark)}")
    if not found.manifest_read:
        lines.append(
            "Content Credentials: not looked for; that takes pip install 'joyvasa-lib[c2pa]'"
        )
    return lines


def _told(mark: Mark) -> str:
    """Source, tool and model, as far as they are there."""
    named = (("source", mark.source), ("made with", mark.tool), ("model", mark.system))
    said = ", ".join(f"{name} {_printable(value)}" for name, value in named if value)
    return said or "nothing about how it was made"


def _signed(manifest: Manifest) -> str:
    if not manifest.intact:
        return f"not verified, believe nothing in it ({_printable(', '.join(manifest.problems))})"
    of = f" of {manifest.organisation}" if manifest.organisation else ""
    return (
        f"signed by {_printable(manifest.signer + of)}, unchanged since; whether the signer is to "
        "be trusted was not checked"
    )


def _values(found: Inspection) -> dict[str, Any]:
    return {
        "file": str(found.path),
        "kind": found.kind,
        "synthetic": found.synthetic,
        "made_by": found.made_by,
        "comment": found.note,
        "xmp": None if found.mark is None else asdict(found.mark),
        "xmp_problem": found.mark_problem,
        "content_credentials": None if found.manifest is None else asdict(found.manifest),
        "content_credentials_read": found.manifest_read,
    }


def _printable(text: str) -> str:
    """A stranger's text on one line, without what would steer a terminal."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[:300])
    return " ".join(shown.split())
